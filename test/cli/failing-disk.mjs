// Loaded before the program: its Nth write to a file fails as a broken disk's does, with half of it written.
import { open } from 'node:fs/promises';

const handle = await open(new URL(import.meta.url));
const prototype = Object.getPrototypeOf(handle);
await handle.close();
const { write } = prototype;
let left = Number(process.env.FAILING_WRITE);
prototype.write = async function (bytes, offset, length, position) {
  if (--left !== 0) return write.call(this, bytes, offset, length, position);
  await write.call(this, bytes, offset, length >> 1, position);
  throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO', errno: -5, syscall: 'write' });
};
