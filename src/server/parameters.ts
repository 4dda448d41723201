import * as v from 'valibot';
import type { ClassifierOptions } from '../classifier.ts';
import { parseColour } from '../image/colour.ts';
import { type DecodeOptions, RESIZE } from '../image/decode-options.ts';
import { type Label, splitLabels } from '../text/labels.ts';
import { badRequest } from './problems.ts';

/** Characters of a label, prompt or template. */
const TEXT = v.pipe(v.string(), v.maxLength(2_000));
const TEXTS = v.array(TEXT);
const SHARE = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const COUNT = v.pipe(v.number(), v.integer(), v.minValue(1));

const LABEL = v.strictObject({
  label: TEXT,
  prompts: v.optional(TEXTS),
  aliases: v.optional(TEXTS),
  threshold: v.optional(SHARE),
  parent: v.optional(TEXT),
});

/** The parameters of `/v1/classify` without its images, by the names of a JSON body. */
export const PARAMETERS = {
  labels: v.optional(v.array(v.union([TEXT, LABEL]))),
  templates: v.optional(TEXTS),
  top: v.optional(v.union([COUNT, v.literal('all')])),
  about: v.optional(TEXT),
  level: v.optional(COUNT),
  background: v.optional(v.union([v.boolean(), TEXTS])),
  backgroundPrompts: v.optional(TEXTS),
  threshold: v.optional(SHARE),
  minMargin: v.optional(SHARE),
  multiLabel: v.optional(v.boolean()),
  exif: v.optional(v.boolean()),
  page: v.optional(COUNT),
  backgroundColour: v.optional(v.nullable(v.string())),
  resize: v.optional(v.picklist(RESIZE)),
};

const SCHEMA = v.strictObject(PARAMETERS);

/** Names of query parameters and form fields, which are those of the command line's options. */
const QUERY = {
  labels: (values) => ({ labels: values.flatMap(splitLabels) }),
  template: (values) => ({ templates: values }),
  top: ([value]) => ({ top: value === 'all' ? value : numberOf(value) }),
  about: ([value]) => ({ about: value }),
  level: ([value]) => ({ level: numberOf(value) }),
  background: ([value]) => ({ background: flag(value) }),
  'background-prompt': (values) => ({ backgroundPrompts: values }),
  threshold: ([value]) => ({ threshold: numberOf(value) }),
  'min-margin': ([value]) => ({ minMargin: numberOf(value) }),
  'multi-label': ([value]) => ({ multiLabel: flag(value) }),
  'no-exif': ([value]) => ({ exif: !flag(value) }),
  page: ([value]) => ({ page: numberOf(value) }),
  'background-colour': ([value]) => ({ backgroundColour: value }),
  resize: ([value]) => ({ resize: value }),
} satisfies Readonly<Record<string, (values: readonly string[]) => Readonly<Record<string, unknown>>>>;

/** The name of a query parameter or form field. */
export type QueryName = keyof typeof QUERY;

const REPEATABLE = new Set(['labels', 'template', 'background-prompt']);

/** The parsed parameters of a request. */
export interface Parameters {
  /** Undefined if the labels of the service are used. */
  readonly labels?: readonly (string | Label)[];
  readonly classifier: ClassifierOptions;
  /** Undefined for the default. */
  readonly top?: number;
  readonly decode: Partial<DecodeOptions>;
}

/** The parameters in a query or a form, as fields of a JSON body. @throws Problem 400 */
export function fieldsOf(given: Iterable<readonly [name: string, value: string]>): Record<string, unknown> {
  const values = new Map<string, string[]>();
  for (const [name, value] of given) values.set(name, [...(values.get(name) ?? []), value]);
  let fields: Record<string, unknown> = {};
  for (const [name, all] of values) {
    const read = Object.hasOwn(QUERY, name) ? QUERY[name as QueryName] : undefined;
    if (read === undefined)
      throw badRequest(`"${name.slice(0, 60)}" is not a parameter; use ${Object.keys(QUERY).join(', ')}`);
    if (all.length > 1 && !REPEATABLE.has(name)) throw badRequest(`"${name}" is given twice; remove one of them`);
    fields = { ...fields, ...read(all) };
  }
  return fields;
}

/** @throws Problem 400 */
export function parametersOf(fields: unknown): Parameters {
  const { labels, templates, top, exif, page, backgroundColour, backgroundPrompts, resize, ...rest } = parsed(
    SCHEMA,
    fields,
  );
  const { about, level, background, threshold, minMargin, multiLabel } = rest;
  return {
    ...(labels !== undefined && { labels: labels as readonly (string | Label)[] }),
    ...(top !== undefined && { top: top === 'all' ? Number.POSITIVE_INFINITY : top }),
    classifier: {
      ...(templates !== undefined && { templates }),
      ...(about !== undefined && { about }),
      ...(level !== undefined && { level }),
      ...(background !== undefined && { none: background }),
      ...(backgroundPrompts !== undefined && { nonePrompts: backgroundPrompts }),
      ...(threshold !== undefined && { threshold }),
      ...(minMargin !== undefined && { minMargin }),
      ...(multiLabel !== undefined && { multiLabel }),
    },
    decode: {
      ...(exif !== undefined && { exif }),
      ...(page !== undefined && { page }),
      ...(resize !== undefined && { resize }),
      ...(backgroundColour !== undefined && { background: colourOf(backgroundColour) }),
    },
  };
}

/** @throws Problem 400 that names the field */
export function parsed<S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  if (issue.type === 'strict_object' && issue.expected === 'never')
    throw badRequest(`"${String(path).slice(0, 60)}" is not a field of this request`);
  const received = issue.received.slice(0, 60);
  throw badRequest(`${path ?? 'the body'} is ${received}, but ${issue.expected ?? 'another value'} is needed`);
}

function numberOf(value = ''): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number)) throw badRequest(`"${value.slice(0, 60)}" is not a number`);
  return number;
}

function flag(value = ''): boolean {
  if (['', '1', 'true'].includes(value)) return true;
  if (['0', 'false'].includes(value)) return false;
  throw badRequest(`"${value.slice(0, 60)}" is neither true nor false`);
}

function colourOf(text: string | null) {
  if (text === null) return null;
  const colour = parseColour(text);
  if (colour === undefined)
    throw badRequest('the background colour is not known; use a name such as white, or #rrggbb');
  return colour;
}
