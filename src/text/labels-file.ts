import { parse } from 'csv-parse/sync';
import { isRecord } from '../checkpoint/safetensors.ts';
import { readInput } from '../disk/input.ts';
import { decodeText, delimiterOf } from '../disk/text.ts';
import { LabelsError, messageOf, shownName } from '../errors.ts';
import { checkLabels, type Label } from './labels.ts';
import { foldLabel } from './same-label.ts';

/** A label, and where in its file it is: "line 3" or "entry 3". */
interface Entry {
  readonly at: string;
  readonly label: Label;
}

/** The largest labels file, in bytes. A million labels take a third of it (CWE-770). */
const MAX_BYTES = 64_000_000;

/** The fields of a label in a file. */
const KEYS = ['label', 'prompts', 'aliases', 'threshold', 'parent'] as const;
type Key = (typeof KEYS)[number];

/**
 * The labels of a file: `.json`, `.jsonl`, `.yaml`, `.csv`, `.tsv`, or text with one label per line; `-` is standard input. If the
 * extension is not known, the text shows its kind.
 *
 * @throws LabelsError naming the file and the line or entry, if it cannot be read, or contains no label or the same label twice
 */
export async function readLabelsFile(path: string): Promise<Label[]> {
  const entries = await parseLabels(await readText(path, 'labels'), path);
  if (entries.length === 0)
    throw new LabelsError(`the labels file ${path} contains no labels`, 'write one label per line');
  const first = new Map<string, string>();
  for (const { at, label } of entries) {
    try {
      if (label.label.trim() === '') throw new LabelsError('the label is empty', 'add a name, or remove the entry');
      const [{ label: name } = label] = checkLabels([label]);
      const before = first.get(foldLabel(name));
      if (before !== undefined)
        throw new LabelsError(`"${name}" is listed twice, in ${before} and here`, 'remove one of them');
      first.set(foldLabel(name), at);
    } catch (error) {
      if (error instanceof LabelsError) throw new LabelsError(`${path}, ${at}: ${error.fact}`, error.nextStep, error);
      throw error;
    }
  }
  return entries.map(({ label }) => label);
}

/** The texts of a file, one per line. A text may occur twice. @throws LabelsError */
export async function readTextsFile(path: string): Promise<string[]> {
  return linesOf(await readText(path, 'texts')).map(({ text }) => text);
}

async function readText(path: string, what: 'labels' | 'texts'): Promise<string> {
  let text: string;
  try {
    text = decodeText(await readInput(path === '-' ? '/dev/stdin' : path, MAX_BYTES));
  } catch (error) {
    throw new LabelsError(
      `cannot read the ${what} file ${shownName(path)}: ${messageOf(error)}`,
      'check the path, and save the file as UTF-8 or UTF-16 with a byte-order mark',
      error,
    );
  }
  if (text.includes('\0'))
    throw new LabelsError(`the ${what} file ${path} contains NUL bytes`, 'save the file as UTF-8 text');
  return text;
}

async function parseLabels(text: string, path: string): Promise<Entry[]> {
  const other = OTHER_KIND.exec(path)?.[1];
  if (other !== undefined)
    throw new LabelsError(
      `${path} is a .${other} file, which is not a labels file`,
      'use .txt with one label per line, .json, .jsonl, .yaml, .csv or .tsv',
    );
  const { parse, form } = formOf(extensionOf(path, text));
  try {
    return await parse(text);
  } catch (error) {
    throw new LabelsError(`${path} is not a valid labels file: ${messageOf(error)}`, form, error);
  }
}

/** Extensions of files whose lines are not labels. */
const OTHER_KIND =
  /\.(xml|html?|toml|ini|pbtxt|prototxt|rtf|docx?|xlsx?|ods|odt|pdf|parquet|pkl|npy|npz|py|js|ts|plist|sqlite|db|zip|jpe?g|png|webp)$/iu;

/** The path, or the extension that fits the text if the path has no known one, as on standard input. Any other text is a list of lines. */
function extensionOf(path: string, text: string): string {
  if (/\.(json|jsonl|ndjson|ya?ml|csv|tsv)$/iu.test(path)) return path;
  const lines = linesOf(text).map((line) => line.text.trim());
  const [first = ''] = lines;
  if (/^\[.*\]$/su.test(text.trim()) && isJson(text)) return '.json';
  if (/^["{]/u.test(first) && lines.every(isJson)) return '.jsonl';
  if (lines.length > 1 && lines.every((line) => /^(- |#)/u.test(line)) && lines.some((line) => line.startsWith('- ')))
    return '.yaml';
  return /^(sep=.|["']?label["']?[,;\t])/u.test(first) ? '.csv' : '.txt';
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function formOf(path: string): { parse(text: string): Entry[] | Promise<Entry[]>; readonly form: string } {
  if (/\.json$/iu.test(path))
    return { parse: parseJson, form: `write an array of labels, strings or objects with ${KEYS.join(', ')}` };
  if (/\.(jsonl|ndjson)$/iu.test(path))
    return { parse: parseJsonLines, form: 'write one JSON string or object per line' };
  if (/\.ya?ml$/iu.test(path))
    return { parse: parseYaml, form: 'write a list of labels, or a mapping with the key names or labels' };
  if (/\.(csv|tsv)$/iu.test(path))
    return { parse: parseCsv, form: `write a header with ${KEYS.join(', ')}, and below it one line per label` };
  return { parse: parseLines, form: 'write one label per line' };
}

/** One label per line. Lines that begin with `#` and blank lines are skipped. Lines may end with CRLF. */
function parseLines(text: string): Entry[] {
  return linesOf(text)
    .filter((line) => !line.text.startsWith('#'))
    .map((line) => ({ at: `line ${line.number}`, label: { label: line.text } }));
}

/** The lines that are not blank. */
function linesOf(text: string): { readonly text: string; readonly number: number }[] {
  return text
    .split(/\r\n|\n|\r/u)
    .map((line, n) => ({ text: line, number: n + 1 }))
    .filter((line) => line.text.trim() !== '');
}

/** @throws TypeError or SyntaxError */
function parseJsonLines(text: string): Entry[] {
  return linesOf(text).map(({ text: line, number }) => {
    const at = `line ${number}`;
    const value: unknown = JSON.parse(line);
    return { at, label: typeof value === 'string' ? { label: value } : parseObject(value, at) };
  });
}

/** An array, or a file of another tool: a mapping whose `names` or `labels` is an array or a numbered mapping. @throws Error */
async function parseYaml(text: string): Promise<Entry[]> {
  const { parseAllDocuments } = await import('./yaml.ts');
  const documents = parseAllDocuments(text);
  if (documents.length > 1) throw new TypeError('it contains more than one document');
  const [document] = documents;
  if (document === undefined || !('errors' in document)) return []; // an empty file
  for (const error of document.errors) throw error;
  const value: unknown = document.toJS();
  if (value === null) return [];
  const key = isRecord(value) ? ['names', 'labels'].find((one) => one in value) : undefined;
  const held = isRecord(value) && key !== undefined ? value[key] : value;
  const isNumbered = isRecord(held) && Object.keys(held).every((one) => /^\d+$/u.test(one));
  return parseList(isNumbered ? Object.values(held) : held);
}

/** @throws TypeError or SyntaxError */
function parseJson(text: string): Entry[] {
  return parseList(JSON.parse(text));
}

/** An array of strings or objects. @throws TypeError */
function parseList(list: unknown): Entry[] {
  if (!Array.isArray(list)) throw new TypeError('it is not an array');
  return list.map((value: unknown, n) => {
    const at = `entry ${n + 1}`;
    return { at, label: typeof value === 'string' ? { label: value } : parseObject(value, at) };
  });
}

function parseObject(value: unknown, at: string): Label {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${at} is neither a string nor an object`);
  const { label, prompts, aliases, threshold, parent, ...rest } = value as Readonly<Record<string, unknown>>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new TypeError(`${at} has an unknown key, "${unknown}"`);
  if (typeof label !== 'string') throw new TypeError(`label of ${at} is not a string`);
  if (threshold !== undefined && typeof threshold !== 'number')
    throw new TypeError(`threshold of ${at} is not a number`);
  if (parent !== undefined && (typeof parent !== 'string' || parent.trim() === ''))
    throw new TypeError(`parent of ${at} is not a name`);
  return {
    label,
    ...(parent !== undefined && { parent }),
    ...(prompts !== undefined && { prompts: textList(prompts, `prompts of ${at}`) }),
    ...(aliases !== undefined && { aliases: textList(aliases, `aliases of ${at}`) }),
    ...(threshold !== undefined && { threshold }),
  };
}

function textList(value: unknown, name: string): string[] {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
  throw new TypeError(`${name} is not an array of strings`);
}

/**
 * A CSV (RFC 4180) with a header. A field can contain several prompts or aliases, separated by `|` (`\|` for a bar). An empty
 * field counts as absent.
 *
 * @throws CsvError or TypeError
 */
function parseCsv(text: string): Entry[] {
  const { delimiter, skip } = delimiterOf(text);
  return parse<Entry, Partial<Record<Key, string>>>(text.slice(skip), {
    delimiter,
    columns: (header: string[]) => header.map(columnOf),
    record_delimiter: ['\r\n', '\n', '\r'],
    skip_empty_lines: true,
    on_record: (record, { lines }) => ({ at: `line ${lines}`, label: parseRecord(record, `line ${lines}`) }),
  });
}

function columnOf(name: string, column: number, header: readonly string[]): Key {
  const key = KEYS.find((known) => known === name.trim().toLowerCase());
  if (key === undefined) throw new TypeError(`its header has an unknown column, "${name}"`);
  if (header.findIndex((other) => other.trim().toLowerCase() === key) !== column)
    throw new TypeError(`its header has the column ${key} twice`);
  if (!header.some((other) => other.trim().toLowerCase() === 'label'))
    throw new TypeError('its header has no column label');
  return key;
}

function parseRecord(
  { label = '', prompts, aliases, threshold, parent }: Partial<Record<Key, string>>,
  at: string,
): Label {
  const value = Number(threshold);
  if (Number.isNaN(value) && threshold !== undefined) throw new TypeError(`the threshold of ${at} is not a number`);
  return {
    label,
    ...(prompts?.trim() && { prompts: splitField(prompts) }),
    ...(aliases?.trim() && { aliases: splitField(aliases) }),
    ...(threshold?.trim() && { threshold: value }),
    ...(parent?.trim() && { parent }),
  };
}

function splitField(field: string): string[] {
  return field.split(/(?<!\\)\|/u).map((text) => text.replaceAll('\\|', '|'));
}
