// Joins the command line, the library and the packages that they need into a few files in dist/bundle: a start then opens
// twenty files, not three hundred, and an installation has few packages. Run by npm run build, after tsc.
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildPage } from './page.js';

const repository = fileURLToPath(new URL('..', import.meta.url));
const OUT = 'dist/bundle'; // as deep as dist/cli: paths to models/ and bin/ that are relative to a file stay right

const { metafile } = await build({
  absWorkingDir: repository,
  entryPoints: [
    'dist/cli/run.js',
    'dist/index.js',
    'dist/embed/serve.js',
    'dist/image/heic-serve.js',
    'dist/model/probe-provider.js',
    'dist/server/heat-map-serve.js',
  ],
  entryNames: '[name]',
  outdir: OUT,
  bundle: true,
  splitting: true, // a command's own code stays a file of its own, loaded when it is called
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: ['undici'], // large, and only for the network
  // For packages in CommonJS.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
  },
  metafile: true,
  logLevel: 'warning',
});

// The WebAssembly of parquet-wasm, which src/output/parquet-library.ts reads.
await copyFile(
  join(repository, 'node_modules/parquet-wasm/esm/parquet_wasm_bg.wasm'),
  join(repository, OUT, 'parquet_wasm_bg.wasm'),
);

const pageInputs = await buildPage(repository, OUT);

/** The folders of the packages that are in the bundle. */
const packages = new Set(
  [...Object.keys(metafile.inputs), ...pageInputs].flatMap(
    (path) => /^node_modules\/(@[^/]+\/)?[^/]+/u.exec(path)?.[0] ?? [],
  ),
);
const licences = await Promise.all(
  [...packages].sort().map(async (folder) => {
    const names = await readdir(join(repository, folder));
    const name = names.find((file) => /^licen[cs]e/iu.test(file));
    const text = name === undefined ? 'no licence file' : await readFile(join(repository, folder, name), 'utf8');
    return `${folder.replace('node_modules/', '')}\n\n${text.trim()}\n`;
  }),
);
await writeFile(join(repository, OUT, 'LICENSES.txt'), licences.join(`\n${'-'.repeat(80)}\n\n`));
