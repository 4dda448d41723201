import { readFileSync } from 'node:fs';
import { LabelsError } from '../errors.ts';

/** Either of these stands for the label in a template. */
const PLACEHOLDERS = ['{}', '<label>'] as const;

/** The named template sets of `models/prompts.json`. */
export function templateSets(): ReadonlyMap<string, readonly string[]> {
  const sets: Record<string, { templates: string[] }> = JSON.parse(
    readFileSync(new URL('../../models/prompts.json', import.meta.url), 'utf8'),
  );
  return new Map(Object.entries(sets).map(([name, { templates }]) => [name, templates]));
}

/**
 * Names of sets become their templates; templates stay as they are. Doubles count once.
 *
 * @throws LabelsError if one is neither a set nor has a placeholder
 */
export function expandTemplates(given: readonly string[]): string[] {
  const sets = templateSets();
  const templates = given.flatMap((one) => {
    if (PLACEHOLDERS.some((placeholder) => one.includes(placeholder))) return [one];
    const set = sets.get(one);
    if (set !== undefined) return set;
    throw new LabelsError(
      `"${one}" is neither a prompt template nor a template set`,
      `put {} or <label> where the label goes, or name one of ${[...sets.keys()].join(', ')}`,
    );
  });
  if (templates.length === 0) throw new LabelsError('no prompt template', 'give one, such as "a photo of a {}"');
  return [...new Set(templates)];
}

/** The prompt: every placeholder of the template replaced by the label, letter for letter. */
export function fillTemplate(template: string, label: string): string {
  return template.replace(/\{\}|<label>/gu, () => label);
}
