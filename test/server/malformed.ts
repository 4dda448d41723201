import { dice } from '../cli/program.ts';

/** A request body that is wrong in a known way. */
export interface Malformed {
  readonly kind: string;
  readonly type: string;
  readonly body: Buffer<ArrayBuffer>;
  /** Of the right answer. */
  readonly status: number;
}

const BOUNDARY = 'x'.repeat(24);
const FORM = `multipart/form-data; boundary=${BOUNDARY}`;
const JSON_TYPE = 'application/json';

type Roll = (most: number) => number;
type Make = (image: Buffer, roll: Roll) => Malformed;

function json(kind: string, value: unknown, status = 400): Malformed {
  return { kind, type: JSON_TYPE, body: Buffer.from(JSON.stringify(value)), status };
}

function form(image: Buffer, fields: Readonly<Record<string, string>> = { labels: 'cat,dog' }): Buffer<ArrayBuffer> {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n`;
  return Buffer.concat([Buffer.from(`${parts.join('')}${head}`), image, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)]);
}

function body(image: Buffer): { images: unknown[]; labels: unknown[] } {
  return { images: [{ name: 'a', data: image.toString('base64') }], labels: ['cat', 'dog'] };
}

const WRONG: readonly unknown[] = [1, true, null, 'x', [], {}, [[]], [null], { a: 1 }];

const KINDS: readonly Make[] = [
  (image, roll) => {
    const text = Buffer.from(JSON.stringify(body(image)));
    return {
      kind: 'JSON that ends early',
      type: JSON_TYPE,
      body: text.subarray(0, roll(text.length - 1)),
      status: 400,
    };
  },
  (_, roll) => json('JSON that is not an object', [1, 'x', null, true, [1]][roll(5)]),
  (image, roll) => json('images of a wrong type', { ...body(image), images: WRONG[roll(WRONG.length)] }),
  (image, roll) =>
    json('labels of a wrong type', { ...body(image), labels: [1, true, 'x', {}, [[]], [null]][roll(6)] }),
  (image, roll) => json('an unknown field', { ...body(image), [`field ${roll(1e6)}`]: 1 }),
  (image, roll) => json('a number out of range', { ...body(image), threshold: 1 + roll(100) + 0.5 }),
  (image, roll) => json('a label twice', { ...body(image), labels: ['cat', ' CAT '.repeat(1).padEnd(5 + roll(3))] }),
  (image, roll) => json('an empty label', { ...body(image), labels: ['cat', ' '.repeat(roll(9))] }),
  (image, roll) => json('no image', { ...body(image), images: [], top: 1 + roll(9) }),
  (image, roll) =>
    json(
      'too many labels',
      { ...body(image), labels: Array.from({ length: 1_001 + roll(50) }, (_, n) => `${n}`) },
      413,
    ),
  (_, roll) => {
    const depth = 1_000 + roll(100_000);
    return {
      kind: 'deep JSON',
      type: JSON_TYPE,
      body: Buffer.from(`{"images":${'['.repeat(depth)}${']'.repeat(depth)}}`),
      status: 400,
    };
  },
  (_, roll) => {
    const bytes = Buffer.from(Array.from({ length: 1 + roll(500) }, () => roll(256)));
    return { kind: 'noise as JSON', type: JSON_TYPE, body: bytes, status: 400 };
  },
  (image, roll) => {
    const whole = form(image);
    return { kind: 'a form that ends early', type: FORM, body: whole.subarray(0, roll(whole.length - 6)), status: 400 };
  },
  (image, roll) => ({
    kind: 'another boundary',
    type: `multipart/form-data; boundary=y${roll(1e6)}`,
    body: form(image),
    status: 400,
  }),
  (image) => ({ kind: 'no boundary', type: 'multipart/form-data', body: form(image), status: 400 }),
  (image, roll) => ({
    kind: 'an unknown field in a form',
    type: FORM,
    body: form(image, { labels: 'cat', [`f${roll(1e6)}`]: '1' }),
    status: 400,
  }),
  (image, roll) => ({
    kind: 'options that are not JSON',
    type: FORM,
    body: form(image, { labels: 'cat', options: '{'.repeat(1 + roll(9)) }),
    status: 400,
  }),
  (_, roll) => {
    const bytes = Buffer.from(Array.from({ length: 1 + roll(500) }, () => roll(256)));
    return { kind: 'noise as a form', type: FORM, body: bytes, status: 400 };
  },
  (image, roll) => {
    const fields = Object.fromEntries(Array.from({ length: 110 + roll(50) }, (_, n) => [`f${n}`, '1']));
    return { kind: 'too many fields', type: FORM, body: form(image, fields), status: 413 };
  },
  (image, roll) => ({
    kind: 'an unknown type',
    type: ['text/plain', 'application/xml', 'video/mp4', 'x'][roll(4)] ?? '',
    body: Buffer.from(image),
    status: 415,
  }),
];

/** Bodies that are wrong in many ways; the same in every run. @param image a good one */
export function* malformed(count: number, image: Buffer, seed = 7): Generator<Malformed> {
  const next = dice(seed);
  const roll: Roll = (most) => Math.floor(next() * most);
  for (let n = 0; n < count; n++) yield (KINDS[n % KINDS.length] as Make)(image, roll);
}
