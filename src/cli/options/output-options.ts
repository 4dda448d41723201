import { stat } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { LabelsError, UsageError } from '../../errors.ts';
import { createWriter, FORMATS, type Format, formatOfFile, type TextFormat } from '../../output/format.ts';
import { matchWriter } from '../../output/match.ts';
import { openOutputFile } from '../../output/open-output.ts';
import type { ResultOutput } from '../../output/result-output.ts';
import { ResumableOutput } from '../../output/resumable-output.ts';
import type { RunSettings } from '../../output/run-settings.ts';
import { standardOutput, streamOutput } from '../../output/stream-output.ts';
import type { ResultWriter, RunInfo } from '../../output/writer.ts';
import type { Label } from '../../text/labels.ts';
import { foldLabel } from '../../text/same-label.ts';
import { type Io, wantsColor } from '../io.ts';
import { say } from '../messages.ts';
import { outputFile, topCount } from './values.ts';

/** The format of the output, and its file. */
export interface OutputOptions {
  readonly top: number;
  readonly format?: Format;
  readonly output?: string;
  readonly resume?: true;
  readonly checksum?: true;
  readonly match?: string;
  readonly print0?: boolean;
  readonly failFast?: boolean;
  readonly csvBom?: boolean;
  readonly csvSafe?: boolean;
  readonly outputDir?: string;
}

/** What is written for a result: a row of a format, or with --match the path of the image. */
export type Shape = { readonly format: Format } | { readonly match: string };

/** The options of {@link OutputOptions}. */
export function withOutputOptions(command: Command): Command {
  return command
    .optionsGroup('Output:')
    .option('-k, --top <n>', 'number of labels to show for each image, or "all"', topCount, 5)
    .addOption(
      new Option('-f, --format <format>', 'output format (default: table on a terminal, else jsonl)').choices(FORMATS),
    )
    .option(
      '-o, --output <file>',
      'write results to a file; without --format, its extension sets the format',
      outputFile,
    )
    .option(
      '--resume',
      'continue an earlier run: keep the rows of unchanged images, classify the rest (needs --output)',
    )
    .option(
      '--checksum',
      'with --resume, compare the contents of images, not their times of change (use it in the first run too)',
    )
    .option('--match <label>', 'print only the paths of images with this label, one per line')
    .option('--print0', 'end each path of --match with NUL instead of a newline, for xargs -0')
    .option('--csv-bom', 'begin csv and tsv output with a byte-order mark, so that Excel shows accents')
    .option('--csv-safe', 'in csv and tsv output, put an apostrophe before names and labels that begin with = + - or @')
    .option('--fail-fast', 'stop at the first image that fails');
}

/**
 * @param labels the labels of the classifier
 * @throws UsageError if options contradict each other, LabelsError if there is no label to match
 */
export function chooseShape(options: OutputOptions, labels: readonly Label[], io: Pick<Io, 'stdout'>): Shape {
  const { match, print0, format, resume } = options;
  if (match === undefined) {
    if (print0) throw new UsageError('--print0 needs --match', 'add --match <label>, or remove --print0');
    return { format: chooseFormat(options, io) };
  }
  if (format !== undefined || resume)
    throw new UsageError(`--match writes paths, not ${format ?? 'rows'}`, `remove --${format ? 'format' : 'resume'}`);
  const found = labels.find(({ label }) => foldLabel(label) === foldLabel(match));
  if (found !== undefined) return { match: found.label };
  throw new LabelsError(`--match "${match}" is not one of the labels`, 'use a label from --labels or --labels-file');
}

function chooseFormat({ format, output, outputDir }: OutputOptions, io: Pick<Io, 'stdout'>): Format {
  if (format === 'parquet' && output === undefined && outputDir === undefined)
    throw new UsageError('parquet cannot be written to standard output', 'add --output <file.parquet>, or use jsonl');
  if (format !== undefined) return format;
  if (outputDir !== undefined) return 'parquet';
  if (output === undefined) return io.stdout.isTTY === true ? 'table' : 'jsonl';
  const byExtension = formatOfFile(output);
  if (byExtension !== undefined) return byExtension;
  throw new UsageError(
    `cannot tell the output format from the extension of ${output}`,
    `use .jsonl, .json, .csv, .tsv or .parquet, or add --format ${FORMATS.join('|')}`,
  );
}

/** Whether rows are written to a terminal. */
export function isOnTerminal({ output }: OutputOptions, { stdout }: Pick<Io, 'stdout'>): boolean {
  return output === undefined && stdout.isTTY === true;
}

/** The shapes that have a writer: a text format, or the paths of --match. */
export type TextShape = { readonly format: TextFormat } | { readonly match: string };

export function isText(shape: Shape): shape is TextShape {
  return 'match' in shape || shape.format !== 'parquet';
}

export async function writerFor(shape: TextShape, run: RunInfo, options: OutputOptions, io: Io): Promise<ResultWriter> {
  const terminal = isOnTerminal(options, io);
  const onError = ({ code, message }: Error & { code: string }) => say(io, 'error', message, { code });
  if ('match' in shape) {
    return matchWriter(shape.match, { print0: options.print0 ?? false, terminal, onError });
  }
  const columns = (terminal && io.stdout.columns) || 80;
  const { csvBom: bom = false, csvSafe: safe = false } = options;
  const color = terminal && wantsColor(io.stdout, io.env);
  return createWriter(shape.format, run, { terminal, columns, color, bom, safe, onError });
}

/** Where the rows go. Only a file of lines can be resumed. */
export async function openOutput(
  shape: TextShape,
  settings: RunSettings,
  options: OutputOptions & { readonly from?: string },
  io: Io,
  onWarning: (message: string) => void,
): Promise<ResultOutput> {
  requireResumable(shape, options);
  const { output, resume, checksum, from } = options;
  const lines = from === undefined && 'format' in shape && LINES.includes(shape.format);
  if (output === undefined) return streamOutput(standardOutput(io.stdout));
  const info = await stat(output).catch(() => undefined);
  const isJson = 'format' in shape && shape.format === 'json';
  if (!lines || (info !== undefined && !info.isFile())) return openOutputFile(output, isJson ? 'whole' : 'lines');
  const all = { ...shape, ...settings };
  return resume
    ? ResumableOutput.resume(output, all, { ...(checksum && { checksum }), onWarning })
    : ResumableOutput.create(output, all, { ...(checksum && { checksum }) });
}

/** The formats that can be resumed. */
const LINES: readonly Format[] = ['jsonl', 'csv', 'tsv'];

/** @throws UsageError if the output cannot be resumed */
export function requireResumable(
  shape: Shape,
  { output, resume, checksum, from }: OutputOptions & { readonly from?: string },
): void {
  if (checksum && output === undefined)
    throw new UsageError('--checksum needs --output', 'name the file that a later run resumes, or remove --checksum');
  if (from !== undefined && resume)
    throw new UsageError('--resume does not work with --from', 'remove --resume; ranking embeddings takes seconds');
  if (output === undefined && resume)
    throw new UsageError('--resume needs --output', 'add --output with the file to continue');
  if (resume && !('format' in shape && LINES.includes(shape.format)))
    throw new UsageError(
      `--resume does not support ${'format' in shape ? `${shape.format} output` : 'this output'}`,
      'use jsonl, csv or tsv',
    );
}
