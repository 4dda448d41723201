import { readFileSync } from 'node:fs';
import { labelTree } from './label-tree.ts';
import type { Label } from './labels.ts';
import { fillTemplate } from './prompts.ts';
import { foldLabel } from './same-label.ts';

/** A problem of a label that makes scores worse, and what to write instead. */
export interface Finding {
  readonly rule: 'duplicate' | 'parent' | 'ambiguous' | 'negation' | 'length' | 'template' | 'word';
  readonly labels: readonly string[];
  readonly message: string;
  readonly instead: string;
}

/** The words of `models/label-words.json`. */
interface Words {
  /** General words, and the kinds of each. */
  readonly kinds: Readonly<Record<string, readonly string[]>>;
  /** Words with several meanings, and what to write for each. */
  readonly ambiguous: Readonly<Record<string, readonly string[]>>;
}

const NEGATION = /\b(no|not|non|without|neither|never|nothing|none|un(?=known|labell?ed|related))\b|\bno[tn]?-|n't\b/iu;
/** A catch-all such as "other" is a negation, too: it means everything that the other labels do not mean. */
const CATCH_ALL =
  /^(other|others|misc|miscellaneous|unknown|background|negative|rest|else|something else|anything else)$/iu;

/**
 * Problems that the words show without a model: ambiguous words, a parent next to its child, negations, and templates that repeat
 * a word of the label. Only labels that are scored are checked, not their parents.
 *
 * @param labels as checkLabels gives them
 * @param templates used for labels without prompts of their own
 */
export function lintWords(labels: readonly Label[], templates: readonly string[]): Finding[] {
  const { leaves } = labelTree(labels);
  const words = JSON.parse(readFileSync(new URL('../../models/label-words.json', import.meta.url), 'utf8')) as Words;
  return [
    ...leaves.flatMap((label) => ambiguity(label, words)),
    ...parentsBesideChildren(leaves, words),
    ...leaves.flatMap(negation),
    ...leaves.flatMap((label) => doubledWord(label, templates)),
  ];
}

function ambiguity({ label, prompts = [], aliases = [] }: Label, { ambiguous }: Words): Finding[] {
  const meanings = ambiguous[singular(label)];
  // A label's own prompts or aliases say which meaning it has, but a template does not.
  const isSaid = aliases.length > 0 || prompts.some((prompt) => fillTemplate(prompt, '') === prompt);
  if (meanings === undefined || isSaid) return [];
  const message =
    meanings.length > 1 ? `"${label}" has more than one meaning` : `"${label}" can also mean something else`;
  return [{ rule: 'ambiguous', labels: [label], message, instead: quoted(meanings, 'or') }];
}

function parentsBesideChildren(leaves: readonly Label[], { kinds }: Words): Finding[] {
  const named = new Map(
    leaves.flatMap(({ label }) => [[singular(label), label] as const, [foldLabel(label), label] as const]),
  );
  return leaves.flatMap(({ label }): Finding[] => {
    const listed = kinds[foldLabel(label)] ?? kinds[singular(label)] ?? [];
    const children = [...new Set(listed.flatMap((kind) => named.get(kind) ?? []))].filter((child) => child !== label);
    const [child] = children;
    if (child === undefined) return [];
    return [
      {
        rule: 'parent',
        labels: [label, ...children],
        message: `"${label}" includes ${quoted(children, 'and')}, so they compete for one score`,
        instead: `remove "${label}", or make it the parent: { "label": "${child}", "parent": "${label}" }`,
      },
    ];
  });
}

function negation({ label }: Label): Finding[] {
  const isCatchAll = CATCH_ALL.test(label);
  if (!isCatchAll && !NEGATION.test(label)) return [];
  return [
    {
      rule: 'negation',
      labels: [label],
      message: isCatchAll
        ? `"${label}" means what the other labels do not, which a prompt cannot say`
        : `"${label}" is a negation, and CLIP models ignore the word that negates`,
      instead: isCatchAll
        ? 'use --background or --threshold'
        : 'name what the pictures show instead, or use --background',
    },
  ];
}

const ARTICLE = /^(an?|the)\s/iu;

function doubledWord({ label, prompts = [] }: Label, templates: readonly string[]): Finding[] {
  const used = prompts.length > 0 ? prompts : templates;
  for (const template of used) {
    const prompt = fillTemplate(template, label);
    const doubled = prompt === template ? undefined : doubleIn(prompt, template, label);
    if (doubled === undefined) continue;
    const bare = label.replace(ARTICLE, '');
    const instead =
      bare !== label ? `write "${bare}"` : `shorten the label, or use a template without "${doubled}": --template "{}"`;
    return [{ rule: 'template', labels: [label], message: `the prompt "${prompt}" says "${doubled}" twice`, instead }];
  }
  return [];
}

/** A word that is in both the template and the label. Articles count only if they are next to each other. */
function doubleIn(prompt: string, template: string, label: string): string | undefined {
  const meeting = /\b(an?|the) (an?|the)\b/iu.exec(prompt)?.[0];
  if (meeting !== undefined && ARTICLE.test(label)) return label.split(' ')[0];
  const said = new Set(wordsOf(template.replace(/\{\}|<label>/gu, ' ')));
  return wordsOf(label).find((word) => word.length > 2 && word !== 'the' && said.has(word));
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

function singular(label: string): string {
  return foldLabel(label)
    .replace(ARTICLE, '')
    .replace(/(?<=[^s])s$/u, '');
}

function quoted(words: readonly string[], joint: 'and' | 'or'): string {
  const named = words.slice(0, 4).map((word) => `"${word}"`);
  if (words.length > 4) named.push(`${words.length - 4} more`);
  return named.length > 1 ? `${named.slice(0, -1).join(', ')} ${joint} ${named.at(-1)}` : (named[0] ?? '');
}
