// Compiles src/image/wasm/resample.ts (AssemblyScript) and writes it into a module, src/image/resample-wasm.ts,
// so that sources, tests and the package all find it by a plain import. Part of `npm run build`.
import { writeFile } from 'node:fs/promises';
import asc from 'assemblyscript/asc';

const OPTIONS = '--optimizeLevel 3 --shrinkLevel 0 --converge --runtime stub --noAssert --enable simd --importMemory';
const source = 'src/image/wasm/resample.ts';

const outputs = new Map();
const { error, stderr } = await asc.main([source, ...OPTIONS.split(' '), '--outFile', 'resample.wasm'], {
  writeFile: (name, contents) => void outputs.set(name, contents),
});
if (error) throw new Error(`${source}: ${error.message}\n${stderr}`);
const base64 = Buffer.from(outputs.get('resample.wasm')).toString('base64');
await writeFile(
  'src/image/resample-wasm.ts',
  `// Written by tools/compile-wasm.js from wasm/resample.ts.\nexport const RESAMPLE_WASM = '${base64}';\n`,
);
