import type { Env } from '../../disk/environment.ts';
import { LARGEST_TOKEN_FILE, readInputText } from '../../disk/input.ts';
import { ModelError, messageOf, ServerError, UsageError } from '../../errors.ts';
import { once } from '../../once.ts';
import type { ServerAddress } from '../../remote/address.ts';
import { ServerConnection } from '../../remote/connection.ts';
import { openServedModel, type ServedModel } from '../../remote/served-model.ts';
import type { Label } from '../../text/labels.ts';
import { warner } from '../image-run.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { classifierOptions } from '../options/label-options.ts';
import { decodeOptions } from '../options/model-options.ts';
import type { Engine } from './engine.ts';
import type { ClassifyOptions } from './settings.ts';

/**
 * Asks a service instead of loading a model: neither onnxruntime nor an image library is loaded.
 *
 * @param classes undefined for the labels of the service
 * @throws ServerError if there is no such service, or it runs another model than the options ask for
 */
export async function serverEngine(
  address: ServerAddress,
  classes: readonly Label[] | undefined,
  options: ClassifyOptions,
  io: Io,
): Promise<Engine> {
  const token = options.serverTokenFile === undefined ? undefined : await readToken(options.serverTokenFile);
  const connection = new ServerConnection(address, token, io.interruption);
  const fetcher = once(async () => {
    const [{ imageFetcher }, { networkSettings }] = await Promise.all([
      import('../../image/download.ts'),
      import('../../network/settings.ts'),
    ]);
    return imageFetcher(() => networkSettings(io.env, options.offline), undefined, options.perHost);
  });
  const fetchImage = async (url: string) => (await fetcher())(url);
  const model = await unlessInterrupted(openServedModel(connection, fetchImage, warner(options, io)), io);
  await requireModel(model, address, options, io);
  const own = classes === undefined ? model.templates : undefined;
  return {
    ...model,
    async begin() {
      const { allPages, ...decode } = decodeOptions(options);
      const classifier = classifierOptions(options);
      const { expandTemplates, templatesAbout } = await import('../../text/prompts.ts');
      const request = { ...(classes && { labels: classes }), classifier, top: options.top, decode, allPages };
      return {
        templates: own ?? templatesAbout(expandTemplates(classifier.templates ?? ['photo']), classifier.about),
        rank: (images) => {
          if (images === undefined) throw new UsageError('a server does not rank stored embeddings', 'remove --from');
          return model.classify(images, request);
        },
      };
    },
  };
}

/** @throws ServerError */
async function requireModel(
  { name, dtype }: ServedModel,
  address: ServerAddress,
  { model = '', dtype: wanted, isGiven }: ClassifyOptions,
  { env }: Io,
): Promise<void> {
  const asked = model || env['CLIP_CLASSIFY_MODEL'] || '';
  if (asked !== '' && asked !== name && (await nameOf(asked, env)) !== name)
    throw new ServerError(
      `the server at ${address.name} runs ${name}, not ${asked}`,
      `start clip-classify serve -m ${asked}, or remove ${model ? '--model' : 'CLIP_CLASSIFY_MODEL'}`,
    );
  if (isGiven('dtype') && dtype !== wanted)
    throw new ServerError(
      `the server at ${address.name} runs ${name} as ${dtype}, not ${wanted}`,
      'remove --dtype, or use it with serve',
    );
}

/** The name of a model that may be on the machine of the service only. */
async function nameOf(asked: string, env: Env): Promise<string> {
  const [{ findModel }, { findCard }] = await Promise.all([
    import('../../model/find.ts'),
    import('../../hub/registry.ts'),
  ]);
  return findModel(asked, env)
    .catch((error) => {
      if (error instanceof ModelError) return findCard(asked);
      throw error;
    })
    .then((found) => found?.name ?? asked);
}

/** The first line of a file. No message contains the token. @throws UsageError */
async function readToken(file: string): Promise<string> {
  const text = await readInputText(file, LARGEST_TOKEN_FILE).catch((error) => {
    throw new UsageError(`--server-token-file cannot be read: ${messageOf(error)}`, 'check the path');
  });
  const [token = ''] = text.split(/\r?\n/u).filter((line) => line.trim() !== '');
  if (/^[\x21-\x7e]+$/u.test(token.trim())) return token.trim();
  throw new UsageError(
    '--server-token-file has no token in its first line',
    'use the file that serve --token-file has',
  );
}
