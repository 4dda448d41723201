import { readFileSync } from 'node:fs';
import { LabelsError } from '../errors.ts';
import type { Label } from './labels.ts';

/** Either of these stands for the label in a template. */
const PLACEHOLDERS = ['{}', '<label>'] as const;

/** Older names of template sets, which still work. */
const OLDER_NAMES: ReadonlyMap<string, string> = new Map([['none', 'bare']]);

/** A set of `models/prompts.json`: templates, or complete prompts without a label. */
type PromptSet = { readonly templates: readonly string[] } | { readonly prompts: readonly string[] };

/** The named template sets of `models/prompts.json`. */
export function templateSets(): ReadonlyMap<string, readonly string[]> {
  const named = [...promptSets()].flatMap(([name, set]) =>
    'templates' in set ? [[name, set.templates] as const] : [],
  );
  return new Map(named);
}

/** Prompts without a label, for the background class: they fit an image of anything. */
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
 * Replaces names of sets by their templates. Templates stay unchanged, and duplicates are removed.
 *
 * @throws LabelsError if a text is not the name of a set and has no placeholder
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

/** Adds a domain to templates: `a photo of a {}` and food become `a photo of a {}, a type of food`. */
export function templatesAbout(templates: readonly string[], domain: string | undefined): readonly string[] {
  if (domain === undefined) return templates;
  if (domain.trim() === '') throw new LabelsError('the domain is empty', 'write what the labels are, such as food');
  return templates.map((template) =>
    template.replace(/\s*(\.?)\s*$/u, `, a type of ${domain.trim().replaceAll('$', '$$$$')}$1`),
  );
}

/** The template with every placeholder replaced by the label. */
export function fillTemplate(template: string, label: string): string {
  return template.replace(/\{\}|<label>/gu, () => label);
}

/**
 * The prompts of a label: each template filled with the label and each alias, without duplicates.
 *
 * @param templates used if the label has no prompts of its own
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
