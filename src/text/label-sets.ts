import { readdirSync, readFileSync } from 'node:fs';
import { LabelsError } from '../errors.ts';
import type { Label } from './labels.ts';
import { expandTemplates, templatesAbout } from './prompts.ts';

/** A built-in set of labels: a file of `models/labels`. */
export interface LabelSet {
  readonly name: string;
  readonly title: string;
  /** Where its labels and templates come from. */
  readonly source: string;
  /** Licence of the words, by its SPDX name if it has one. */
  readonly licence: string;
  /** Prompt templates, or names of template sets, that suit its labels. */
  readonly templates: readonly string[];
  /** The prompts of the background class: what other images show. Absent if the neutral prompts are used. */
  readonly background?: readonly string[];
  readonly labels: readonly Label[];
}

const FOLDER = new URL('../../models/labels/', import.meta.url);

/** The names of the sets, in order. */
export function labelSetNames(): string[] {
  return readdirSync(FOLDER)
    .map((file) => file.replace(/\.json$/u, ''))
    .sort();
}

/** @param name with or without a leading @; @throws LabelsError if there is no such set */
export function labelSet(name: string): LabelSet {
  const bare = name.replace(/^@/u, '');
  const names = labelSetNames();
  if (!names.includes(bare))
    throw new LabelsError(
      `there is no label set ${name}`,
      `use one of ${names.map((one) => `@${one}`).join(', ')}, or @file.clf.json for a learned classifier`,
    );
  const { labels, ...set }: Omit<LabelSet, 'name' | 'labels'> & { readonly labels: readonly (string | Label)[] } =
    JSON.parse(readFileSync(new URL(`${bare}.json`, FOLDER), 'utf8'));
  return { name: bare, ...set, labels: labels.map((one) => (typeof one === 'string' ? { label: one } : one)) };
}

/** The labels of a set. Each has the templates of the set as its own prompts, so that sets can be combined with other labels. */
export function promptedLabels({ labels, templates }: LabelSet, about?: string): Label[] {
  const prompts = templatesAbout(expandTemplates(templates), about);
  return labels.map((label) => ({ ...label, prompts: label.prompts ?? prompts }));
}
