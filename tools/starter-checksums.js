// Writes models/starter/checksums.json: the sha256 of each file that the starter is made of. A run compares them, so that a damaged
// installation is noticed. Run by npm run build; commit what it writes with the files.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const FILES = [
  'config.json',
  'model.safetensors',
  'preprocessor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
];
const folder = new URL('../models/starter/', import.meta.url);

const checksums = {};
for (const name of FILES) {
  const bytes = await readFile(fileURLToPath(new URL(name, folder)));
  checksums[name] = createHash('sha256').update(bytes).digest('hex');
}
await writeFile(fileURLToPath(new URL('checksums.json', folder)), `${JSON.stringify(checksums, null, 2)}\n`);
