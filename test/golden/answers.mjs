// Computes the results of this package for check_crops.py and check_tokens.py, after `npm run build`. Input is standard input.
//
//   node answers.mjs tokens <folder> <shape as JSON>   one JSON string per line → its token ids, one JSON array per line
//   node answers.mjs crops                             per crop a line {width, height, …preprocessing}, then the pixels → the crop's pixels
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const built = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const [what, folder, shape] = process.argv.slice(2);

async function write(chunk) {
  if (!process.stdout.write(chunk)) await once(process.stdout, 'drain');
}

async function tokens() {
  const { loadTokenizer } = await built('text/tokenizer.js');
  const tokenizer = await loadTokenizer(folder, JSON.parse(shape));
  for await (const line of createInterface({ input: process.stdin }))
    await write(`${JSON.stringify(tokenizer.encode(JSON.parse(line)).ids)}\n`);
}

async function crops() {
  const { fitImage } = await built('image/preprocess.js');
  let waiting = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    waiting = Buffer.concat([waiting, chunk]);
    for (let end = waiting.indexOf(10); end >= 0; end = waiting.indexOf(10)) {
      const { width, height, ...preprocessing } = JSON.parse(waiting.subarray(0, end).toString());
      const next = end + 1 + width * height * 3;
      if (waiting.length < next) break;
      await write(fitImage({ width, height, data: waiting.subarray(end + 1, next) }, preprocessing).data);
      waiting = waiting.subarray(next);
    }
  }
}

await { tokens, crops }[what]();
