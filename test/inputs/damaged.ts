import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { dice } from '../cli/program.ts';

/** Copies of a tar that are cut, or have one or many bytes that are wrong; some are packed with gzip. The same for the same seed. */
export async function damagedCopies(tar: Buffer, folder: string, count: number, seed: number): Promise<string[]> {
  const random = dice(seed);
  const packed = gzipSync(tar);
  const paths: string[] = [];
  for (let n = 0; n < count; n++) {
    const whole = n % 5 === 0 ? packed : tar;
    const at = Math.floor(random() * whole.length);
    let bytes = Buffer.from(whole);
    if (n % 4 === 0) bytes = bytes.subarray(0, at);
    else {
      const end = n % 4 === 1 ? at + 1 : at + Math.floor(random() * 600);
      for (let i = at; i < Math.min(end, bytes.length); i++) bytes[i] = Math.floor(random() * 256);
    }
    const path = join(folder, `${String(n).padStart(4, '0')}.tar`);
    await writeFile(path, bytes);
    paths.push(path);
  }
  return paths;
}
