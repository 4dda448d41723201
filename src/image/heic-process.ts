import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { limitedMemoryFlags } from '../disk/machine.ts';
import { folderToStartIn } from '../disk/working-folder.ts';
import { ImageError, type ImageErrorCode } from '../errors.ts';
import type { Colour } from './decode-options.ts';
import { decodeHeicHere, HEIC_PACKAGE, heicVersion } from './heic.ts';
import type { RgbImage } from './resample.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/heic-decoder.js', import.meta.url));

/** The time limit of a picture. A photograph of 48 megapixels takes about 10 s on a busy machine. */
const PATIENCE_MS = 60_000;

let isWatched = false;

/** Allows this process to decode HEIC itself, because it is a worker process that is watched and replaced. */
export function decodeHeicInThisProcess(): void {
  isWatched = true;
}

/** The message to the child process. */
export interface HeicRequest {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly maxPixels: number;
  readonly background: Colour | null;
}

/** The answer of the child process. */
export type HeicReply =
  | ({ readonly ok: true } & RgbImage)
  | { readonly ok: false; readonly code: string; readonly fact: string; readonly nextStep: string };

/**
 * Decodes HEIC in a process that can be replaced: in this one if it is a worker process, otherwise in a child process for this picture.
 *
 * @throws ImageError E_FORMAT, E_DECODE, E_PIXEL_LIMIT, E_CRASH or E_TIMEOUT
 */
export function decodeHeic(
  bytes: Uint8Array,
  name: string,
  maxPixels: number,
  background: Colour | null = null,
): Promise<RgbImage> {
  if (isWatched || heicVersion() === undefined) return decodeHeicHere(bytes, name, maxPixels, background);
  return new Promise((done, failed) => {
    const child = fork(PROGRAM, [], {
      cwd: folderToStartIn(PROGRAM),
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: limitedMemoryFlags(),
    });
    const fail = (code: ImageErrorCode, what: string) =>
      failed(new ImageError(code, `${name} ${what}`, 'convert it to JPEG'));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail('E_TIMEOUT', `was not decoded within ${PATIENCE_MS / 1000} s`);
    }, PATIENCE_MS);
    child.on('message', (reply: HeicReply) => {
      if (reply.ok) done({ width: reply.width, height: reply.height, data: reply.data });
      else failed(new ImageError(reply.code as ImageErrorCode, reply.fact, reply.nextStep)); // the child's code comes from an ImageError
      child.kill('SIGKILL');
    });
    child.on('error', (error) =>
      fail('E_CRASH', `cannot be decoded: the process for ${HEIC_PACKAGE} does not start (${error.message})`),
    );
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      fail('E_CRASH', `crashed the process that decodes HEIC (${signal ?? `exit code ${code}`})`); // has no effect after an answer
    });
    const request: HeicRequest = { bytes, name, maxPixels, background };
    child.send(request, () => {});
  });
}
