import { sha256Of } from '../disk/digest.ts';
import { readInputText } from '../disk/input.ts';
import { type Fields, fields, list, number, text, texts } from '../disk/json-fields.ts';
import { writeWholeFile } from '../disk/whole-file.ts';
import { LabelsError, messageOf } from '../errors.ts';
import { checkLabels, type Label } from '../text/labels.ts';
import { cholesky } from './cholesky.ts';
import type { Figures, Learned, LearnedLabel, LeaveOneOut } from './learned.ts';
import type { ClassStatistics } from './statistics.ts';

const FORMAT = 'clip-classify classifier';
/** Increase it when the format changes. */
const VERSION = 1;
/** The largest file, in bytes. A classifier of 1,000 labels at width 1,024 has 11 MB. */
const LARGEST_FILE = 200_000_000;
const WIDEST = 1 << 14;

/** Writes the file whole or not at all. @throws OutputError */
export async function writeLearned(learned: Learned, path: string): Promise<void> {
  await writeWholeFile(path, learnedJson(learned));
}

/** @throws LabelsError if the file cannot be read, is damaged or has another format */
export async function readLearned(path: string): Promise<Learned> {
  try {
    return parseLearned(await readInputText(path, LARGEST_FILE));
  } catch (error) {
    throw new LabelsError(
      `${path} is not a learned classifier that can be read: ${messageOf(error)}`,
      'check the path, or make the file again with clip-classify learn',
      error,
    );
  }
}

/** A digest of a classifier. */
export function learnedDigest(learned: Learned): string {
  return sha256Of(learnedJson(learned));
}

export function learnedJson(learned: Learned): string {
  const { model, labels, templates, statistics, prior, weights, leaveOneOut } = learned;
  const { width, counts, means, scatter } = statistics;
  const ridged = scatter.slice();
  for (let d = 0; d < width; d++) ridged[d * width + d] = (ridged[d * width + d] as number) + prior.ridge;
  const file = {
    format: FORMAT,
    version: VERSION,
    model,
    width,
    templates,
    labels: labels.map((label, c) => ({ ...label, distinct: counts[c] })),
    weights,
    prior,
    leaveOneOut,
    // float32, little-endian, base64: means [labels, width]; the lower triangle of the Cholesky factor of
    // scatter + ridge · I, row after row.
    means: toBase64(means),
    factor: toBase64(packed(cholesky(ridged, width), width)),
  };
  return `${JSON.stringify({ ...file, sha256: digestOf(file) }, null, 1)}\n`;
}

/** A digest of what was learned, because one changed bit gives other labels. The words of a label may be edited. */
function digestOf({ model, width, templates, weights, prior, labels, means, factor }: Fields): string {
  const counts = Array.isArray(labels) ? labels.map((label) => Object(label).distinct) : [];
  return sha256Of(JSON.stringify([model, width, templates, weights, prior, counts, means, factor]));
}

/** @throws TypeError or RangeError naming the field that is wrong */
export function parseLearned(json: string): Learned {
  const file = fields(JSON.parse(json), 'the file');
  if (file['format'] !== FORMAT) throw new TypeError(`its format is not "${FORMAT}"`);
  if (file['version'] !== VERSION)
    throw new TypeError(`its version is ${String(file['version'])}, known is ${VERSION}`);
  const model = fields(file['model'], 'model');
  const width = count(file, 'width', WIDEST);
  const entries = list(file, 'labels').map((entry, c) => fields(entry, `label ${c + 1}`));
  const labels = entries.map(parseLabel);
  checkLabels(labels);
  const prior = fields(file['prior'], 'prior');
  const weights = fields(file['weights'], 'weights');
  const ridge = positive(prior, 'ridge');
  const statistics: ClassStatistics = {
    width,
    counts: entries.map((entry) => count(entry, 'distinct', Number.MAX_SAFE_INTEGER, 0)),
    means: fromBase64(file, 'means', labels.length * width),
    scatter: scatterOf(fromBase64(file, 'factor', (width * (width + 1)) / 2), width, ridge),
  };
  const learned: Learned = {
    model: { name: text(model, 'name'), digest: text(model, 'digest') },
    labels,
    templates: texts(file, 'templates'),
    statistics,
    prior: { ridge, freedom: positive(prior, 'freedom'), shrinkage: notNegative(prior, 'shrinkage') },
    weights: { words: notNegative(weights, 'words'), pictures: notNegative(weights, 'pictures') },
    leaveOneOut: file['leaveOneOut'] === null ? null : parseLeaveOneOut(fields(file['leaveOneOut'], 'leaveOneOut')),
  };
  if (file['sha256'] !== undefined && file['sha256'] !== digestOf(file))
    throw new TypeError('it is damaged, because its numbers do not match its sha256');
  return learned;
}

function parseLabel(entry: Fields): LearnedLabel {
  const optional = (name: 'prompts' | 'aliases'): Partial<Label> =>
    entry[name] === undefined ? {} : { [name]: texts(entry, name) };
  if (typeof entry['words'] !== 'boolean') throw new TypeError('words is not true or false');
  return {
    label: text(entry, 'label'),
    ...optional('prompts'),
    ...optional('aliases'),
    ...(entry['threshold'] !== undefined && { threshold: number(entry, 'threshold') }),
    pictures: count(entry, 'pictures', Number.MAX_SAFE_INTEGER, 0),
    words: entry['words'],
  };
}

function parseLeaveOneOut(from: Fields): LeaveOneOut {
  const figures = (name: string): Figures => {
    const found = fields(from[name], name);
    return { accuracy: number(found, 'accuracy'), ece: number(found, 'ece') };
  };
  return {
    pictures: count(from, 'pictures', Number.MAX_SAFE_INTEGER),
    zeroShot: figures('zeroShot'),
    learned: figures('learned'),
  };
}

function count(from: Fields, name: string, most: number, least = 1): number {
  const value = number(from, name);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`${name} is ${value}`);
}

function positive(from: Fields, name: string): number {
  const value = number(from, name);
  if (value > 0) return value;
  throw new RangeError(`${name} is ${value}`);
}

function notNegative(from: Fields, name: string): number {
  const value = number(from, name);
  if (value >= 0) return value;
  throw new RangeError(`${name} is ${value}`);
}

/** The lower triangle, row after row. */
function packed(lower: Float64Array, width: number): Float64Array {
  const triangle = new Float64Array((width * (width + 1)) / 2);
  for (let i = 0, at = 0; i < width; at += ++i) triangle.set(lower.subarray(i * width, i * width + i + 1), at);
  return triangle;
}

/** `L · Lᵀ − ridge · I`, the lower triangle. */
function scatterOf(triangle: Float64Array, width: number, ridge: number): Float64Array {
  const rowOf = (i: number) => triangle.subarray((i * (i + 1)) / 2, (i * (i + 1)) / 2 + i + 1);
  const scatter = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    const a = rowOf(i);
    for (let j = 0; j <= i; j++) {
      const b = rowOf(j);
      let sum = i === j ? -ridge : 0;
      for (let k = 0; k <= j; k++) sum += (a[k] as number) * (b[k] as number);
      scatter[i * width + j] = sum;
    }
  }
  return scatter;
}

function toBase64(values: Float64Array): string {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [n, value] of values.entries()) bytes.writeFloatLE(value, n * 4);
  return bytes.toString('base64');
}

/** @throws RangeError if it does not contain exactly this number of finite numbers */
function fromBase64(from: Fields, name: string, length: number): Float64Array {
  const encoded = text(from, name);
  if (encoded.length !== Math.ceil((length * 4) / 3) * 4)
    throw new RangeError(`${name} has ${encoded.length} characters, ${Math.ceil((length * 4) / 3) * 4} are needed`);
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length !== length * 4) throw new RangeError(`${name} has ${bytes.length} bytes, ${length * 4} are needed`);
  const values = Float64Array.from({ length }, (_, n) => bytes.readFloatLE(n * 4));
  if (!values.every(Number.isFinite)) throw new RangeError(`${name} contains a number that is not finite`);
  return values;
}
