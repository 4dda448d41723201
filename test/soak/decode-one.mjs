// node decode-one.mjs WARM FILE: decodes WARM, then FILE, as the built library does; prints what FILE cost as JSON.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { decode } from '../../dist/image/decode.js';
import { DEFAULT_DECODE } from '../../dist/image/decode-options.js';
import { fitImage, normalize } from '../../dist/image/preprocess.js';

const [warm, file] = process.argv.slice(2);
const preprocessing = { size: 224, resizeTo: 224, fit: 'crop', filter: 'bicubic', mean: [0, 0, 0], std: [1, 1, 1] };
const prepare = async (path) => {
  const image = await decode(readFileSync(path), path, { ...DEFAULT_DECODE, svg: true });
  return normalize(fitImage(image, preprocessing), preprocessing).length;
};
const peak = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;

await prepare(warm);
const idle = peak();
const began = performance.now();
const outcome = await prepare(file).catch(({ code }) => code);
process.stdout.write(`${JSON.stringify({ outcome, milliseconds: performance.now() - began, bytes: peak() - idle })}\n`);
