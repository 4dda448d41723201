import type { Question } from './service.ts';

/** The choices of the user, without the pictures. */
export interface Settings {
  /** As typed: labels on lines, or separated by commas. */
  readonly labels: string;
  /** A template set, or `own`. */
  readonly templates: string;
  readonly ownTemplate: string;
  readonly background: boolean;
  readonly multiLabel: boolean;
  /** 0 to 1 */
  readonly threshold: number;
}

/** The template set of a request without templates. */
const DEFAULT_TEMPLATES = 'photo';
export const OWN = 'own';

export const INITIAL: Settings = {
  labels: '',
  templates: DEFAULT_TEMPLATES,
  ownTemplate: 'a drawing of a {}',
  background: false,
  multiLabel: false,
  threshold: 0,
};

/** The labels of a text while it is typed: empty ones and repetitions do not count yet. `\,` is a comma in a label. */
export function labelsOf(text: string): string[] {
  const labels = text
    .split(/\n|(?<!\\),/u)
    .map((label) => label.replaceAll('\\,', ',').trim())
    .filter((label) => label !== '');
  const folded = labels.map((label) => label.normalize('NFKC').toLowerCase());
  return labels.filter((_, n) => folded.indexOf(folded[n] ?? '') === n);
}

/** A label as {@link labelsOf} reads it. */
export function escapeLabel(label: string): string {
  return label.replaceAll(',', '\\,');
}

/** What --template is given; [] for the default. */
export function templatesOf({ templates, ownTemplate }: Settings): readonly string[] {
  if (templates === DEFAULT_TEMPLATES) return [];
  return [templates === OWN ? ownTemplate.trim() : templates];
}

/** @param own the labels of the service: without a change they are not sent, and its own prompts count */
export function questionOf(settings: Settings, own: readonly string[]): Question {
  const labels = labelsOf(settings.labels);
  const isOwn = labels.length > 0 && labels.join('\n') === own.join('\n');
  const templates = templatesOf(settings);
  const { background, multiLabel, threshold } = settings;
  return {
    ...(!isOwn && { labels }),
    ...(templates.length > 0 && { templates }),
    ...(background && { background }),
    ...(multiLabel && { multiLabel }),
    ...(threshold > 0 && { threshold }),
  };
}
