import { ImageError, messageOf } from '../errors.ts';
import { decodeHeicHere } from './heic.ts';
import type { HeicReply, HeicRequest } from './heic-process.ts';

/** The child's end of the channel; node's `process` is one. */
interface Channel {
  send?(reply: HeicReply): unknown;
  on(event: 'message', heard: (request: HeicRequest) => void): unknown;
}

/** Decodes HEIC for the parent process, which waits for one answer. */
export function serveHeic(channel: Channel): void {
  channel.on('message', async ({ bytes, name, maxPixels, background }) => {
    try {
      channel.send?.({ ok: true, ...(await decodeHeicHere(bytes, name, maxPixels, background)) });
    } catch (error) {
      const { code, fact, nextStep } =
        error instanceof ImageError
          ? error
          : new ImageError('E_DECODE', `${name} cannot be decoded as HEIC: ${messageOf(error)}`, 'convert it to JPEG');
      channel.send?.({ ok: false, code, fact, nextStep });
    }
  });
}
