import type { ImageResult } from '../../classifier.ts';
import type { Embedded } from '../../embed/encoder.ts';
import type { ImageIdentity } from '../../image/source.ts';
import { row } from '../../tensor.ts';
import type { EmbeddingRun, NumberType } from '../embeddings.ts';
import { errorField } from '../flags.ts';
import { rounded } from '../writer.ts';
import { embeddings, errors, labelLists, numbers, texts, wholeNumbers } from './columns.ts';
import type { ParquetTable } from './sink.ts';
import type { Column } from './writer.ts';

/** Schema versions. They increase with a change of columns that could break a reader. */
const VERSIONS = { classify: '1', embed: '1', metadata: '1' } as const;
/** Rows of a group for labels, which are short. */
const LABEL_ROWS = 8192;
/** 2,048 embeddings of 1,024 float32 are 8 MB. */
const EMBEDDING_ROWS = 2048;

/** What all rows of a run have in common. */
export interface ParquetRun {
  readonly version: string;
  readonly model: string;
  readonly dtype: string | null;
  readonly digest?: string;
  /** Extensions of members of a tar that become columns. */
  readonly carry?: readonly string[];
}

/** The rows of classify: `image, label, score, reason, labels, error`, then optional columns. */
export function resultTable(run: ParquetRun): ParquetTable<ImageResult> {
  return {
    metadata: metadataOf('classify', run),
    groupRows: LABEL_ROWS,
    columns: (results) => [
      texts(
        'image',
        results.map(({ image }) => image),
        false,
      ),
      texts(
        'label',
        results.map((one) => (one.ok ? one.label : null)),
      ),
      numbers(
        'score',
        results.map((one) => (one.ok ? rounded(one.score) : null)),
      ),
      texts(
        'reason',
        results.map((one) => (one.ok ? (one.reason ?? null) : null)),
      ),
      labelLists(
        results.map((one) =>
          one.ok
            ? one.labels.map(({ label, score, logit, cosine, reason = null }) => ({
                label,
                score: rounded(score),
                logit: rounded(logit),
                cosine: rounded(cosine),
                reason,
              }))
            : null,
        ),
      ),
      errors(results.map(errorCell)),
      ...identityColumns(results, run.carry),
    ],
  };
}

/** The rows of embed: `image` (or `text`), `embedding`, `error`, then optional columns. */
export function embeddingTable(run: ParquetRun & Pick<EmbeddingRun, 'kind'>, type: NumberType): ParquetTable<Embedded> {
  return {
    metadata: { ...metadataOf('embed', run), 'clip_classify.kind': run.kind },
    groupRows: EMBEDDING_ROWS,
    columns: (results) => [
      texts(
        run.kind,
        results.map(({ image }) => image),
        false,
      ),
      embeddings(
        results.map((one) => (one.ok ? row(one.embedding, 0) : null)),
        type,
      ),
      errors(results.map(errorCell)),
      ...(run.kind === 'image' ? identityColumns(results, run.carry) : []),
    ],
  };
}

/** The rows of clip-retrieval's metadata: `image_path` (WebDataset's key for tars), `caption`, then the other carried texts. */
export function metadataTable(run: ParquetRun): ParquetTable<Embedded> {
  const { carry = [] } = run;
  return {
    metadata: metadataOf('metadata', run),
    groupRows: LABEL_ROWS,
    columns: (results) => [
      texts(
        'image_path',
        results.map(({ image, sample }) => sample?.key ?? image),
        false,
      ),
      texts(
        'image',
        results.map(({ image }) => image),
        false,
      ),
      ...(carry.includes('txt')
        ? [
            texts(
              'caption',
              results.map((one) => carriedText(one, 'txt')),
            ),
          ]
        : []),
      ...carry
        .filter((extension) => extension !== 'txt')
        .map((extension) =>
          texts(
            extension,
            results.map((one) => carriedText(one, extension)),
          ),
        ),
    ],
  };
}

function metadataOf(table: keyof typeof VERSIONS, { version, model, dtype, digest }: ParquetRun) {
  return {
    'clip_classify.schema': `${table}/${VERSIONS[table]}`,
    'clip_classify.version': version,
    'clip_classify.model': model,
    ...(dtype !== null && { 'clip_classify.dtype': dtype }),
    ...(digest !== undefined && { 'clip_classify.digest': digest }),
  };
}

function errorCell(one: ImageResult | Embedded): { readonly code: string; readonly message: string } | null {
  return one.ok ? null : errorField(one.error).error;
}

/** All files of a version have the same columns, except for `--carry`. */
function identityColumns(results: readonly ImageIdentity[], carry: readonly string[] = []): readonly Column[] {
  return [
    wholeNumbers(
      'page',
      results.map(({ page = null }) => page),
    ),
    texts(
      'path_b64',
      results.map(({ pathBytes }) => (pathBytes ? Buffer.from(pathBytes).toString('base64') : null)),
    ),
    ...(carry.length === 0
      ? []
      : [
          texts(
            'key',
            results.map(({ sample }) => sample?.key ?? null),
          ),
        ]),
    ...carry.map((extension) =>
      texts(
        extension,
        results.map((one) => carriedText(one, extension)),
      ),
    ),
  ];
}

/** A text unchanged; other values as JSON. */
function carriedText({ sample }: ImageIdentity, extension: string): string | null {
  const value = sample?.carried[extension] ?? null;
  return value === null || typeof value === 'string' ? value : JSON.stringify(value);
}
