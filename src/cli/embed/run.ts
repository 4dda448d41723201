import type { Clip } from '../../clip.ts';
import { packageVersion } from '../../disk/package-version.ts';
import type { EmbeddingRun, NumberType } from '../../output/embeddings.ts';
import type { ParquetRun } from '../../output/parquet/tables.ts';
import type { ImageRunOptions } from '../image-run.ts';
import type { InputOptions } from '../options/input-options.ts';
import type { PartsOptions } from '../parts/options.ts';
import type { EmbeddingFormat } from './output.ts';

export interface EmbedOptions extends PartsOptions, Omit<ImageRunOptions, 'quiet'> {
  readonly texts?: readonly string[];
  readonly textsFile?: readonly string[];
  readonly format?: EmbeddingFormat;
  readonly output?: string;
  readonly embeddingType?: NumberType;
  readonly layout?: 'clip-retrieval';
}

/** What the embeddings of a run have in common. */
export async function embeddingRun(
  clip: Clip,
  kind: EmbeddingRun['kind'],
  { carry }: Pick<InputOptions, 'carry'>,
): Promise<EmbeddingRun & ParquetRun> {
  const [digest, version] = await Promise.all([clip.digest(), packageVersion()]);
  return { kind, model: clip.name, digest, dtype: clip.dtype, version, ...(carry && { carry }) };
}
