import { readFileSync } from 'node:fs';
import { LabelsError } from '../errors.ts';
import type { Label } from './labels.ts';

/** Either of these stands for the label in a template. */
const PLACEHOLDERS = ['{}', '<label>'] as const;

/** Names of template sets that still work. */
const OLDER_NAMES: ReadonlyMap<string, string> = new Map([['none', 'bare']]);

/** A set of `models/prompts.json`: templates, or whole prompts that name nothing. */
type PromptSet = { readonly templates: readonly string[] } | { readonly prompts: readonly string[] };

/** The named template sets of `models/prompts.json`. */
export function templateSets(): ReadonlyMap<string, readonly string[]> {
  const named = [...promptSets()].flatMap(([name, set]) =>
    'templates' in set ? [[name, set.templates] as const] : [],
  );
  return new Map(named);
}

/** What an image of nothing in particular is called: prompts without a label. */
export function neutralPrompts(): readonly string[] {
  const set = promptSets().get('background');
  return set !== undefined && 'prompts' in set ? set.prompts : [];
}

function promptSets(): ReadonlyMap<string, PromptSet> {
  const sets: Record<string, PromptSet> = JSON.parse(
    readFileSync(new URL('../../models/prompts.json', import.meta.url), 'utf8'),
  );
  return new Map(Object.entries(sets));
}

/**
 * Names of sets become their templates; templates stay as they are. Doubles count once.
 *
 * @throws LabelsError if one is neither a set nor has a placeholder
 */
export function expandTemplates(given: readonly string[]): string[] {
  const sets = templateSets();
  const templates = given.flatMap((one) => {
    if (isTemplate(one)) return [one];
    const set = sets.get(OLDER_NAMES.get(one) ?? one);
    if (set !== undefined) return set;
    throw new LabelsError(
      `"${one}" is not a prompt template and not a template set`,
      `write {} or <label> in place of the label, or use one of the sets ${[...sets.keys()].join(', ')}`,
    );
  });
  if (templates.length === 0)
    throw new LabelsError('there is no prompt template', 'add one, such as "a photo of a {}"');
  return [...new Set(templates)];
}

/** Templates with a hint at what the labels are: `a photo of a {}` and food become `a photo of a {}, a type of food`. */
export function templatesAbout(templates: readonly string[], domain: string | undefined): readonly string[] {
  if (domain === undefined) return templates;
  if (domain.trim() === '') throw new LabelsError('the domain is empty', 'write what the labels are, such as food');
  return templates.map((template) =>
    template.replace(/\s*(\.?)\s*$/u, `, a type of ${domain.trim().replaceAll('$', '$$$$')}$1`),
  );
}

/** The prompt: every placeholder of the template replaced by the label, letter for letter. */
export function fillTemplate(template: string, label: string): string {
  return template.replace(/\{\}|<label>/gu, () => label);
}

/**
 * The texts that stand for a label: each template filled with each of its words. Doubles count once.
 *
 * @param templates used where the label has no prompts of its own
 */
export function promptsOf(
  { label, aliases = [], prompts = [] }: Label,
  templates: readonly string[],
): readonly string[] {
  const texts = (prompts.length > 0 ? prompts : templates).flatMap((prompt) =>
    isTemplate(prompt) ? [label, ...aliases].map((word) => fillTemplate(prompt, word)) : [prompt],
  );
  return [...new Set(texts)];
}

function isTemplate(text: string): boolean {
  return PLACEHOLDERS.some((placeholder) => text.includes(placeholder));
}
