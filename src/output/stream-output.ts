import { constants, createWriteStream, openSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { hasCode } from '../disk/exists.ts';
import { cannotWrite } from '../disk/whole-file.ts';
import { OutputError } from '../errors.ts';
import { NONE_KEPT, type ResultOutput } from './result-output.ts';
import { Sink } from './sink.ts';

/** Writes rows to a stream: standard output, a FIFO or a device. */
export function streamOutput(sink: Sink): ResultOutput {
  return {
    remaining: (images) => images,
    head: (text) => sink.write(text),
    row: (text) => sink.write(text),
    tail: (text) => sink.write(text).then(() => NONE_KEPT),
    close: () => sink.close(),
  };
}

/** Standard output. */
export function standardOutput(stdout: Writable): Sink {
  return new Sink(stdout, 'standard output');
}

/**
 * Opens a FIFO or a device.
 *
 * It does not wait for the reader of a FIFO, because a thread that waits for a reader cannot be interrupted.
 *
 * @throws OutputError if the FIFO has no reader
 */
export function openDevice(path: string, isFifo: boolean): Sink {
  const { O_WRONLY, O_NONBLOCK = 0 } = constants;
  try {
    const fd = openSync(path, O_WRONLY | O_NONBLOCK);
    const stream = isFifo ? new Socket({ fd, readable: false, writable: true }) : createWriteStream(path, { fd });
    return new Sink(stream, path, true);
  } catch (error) {
    if (isFifo && hasCode(error, 'ENXIO'))
      throw new OutputError(`${path} is a FIFO that no process reads`, 'start its reader first', error);
    throw cannotWrite(path, error);
  }
}
