// Joins the command line, the library and the packages that they need into a few files in dist/bundle: a start then opens
// three files, not three hundred, and an installation has few packages. Run by npm run build, after tsc.
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { rollup } from 'rollup';
import { buildPage } from './page.js';

const repository = fileURLToPath(new URL('..', import.meta.url));
const ENTRIES = [
  'dist/cli/run.js',
  'dist/index.js',
  'dist/embed/serve.js',
  'dist/image/heic-serve.js',
  'dist/model/probe-provider.js',
  'dist/server/heat-map-serve.js',
];
const STATIC = ['import-statement'];
/** For packages in CommonJS. */
const REQUIRE =
  "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);";
const OUT = 'dist/bundle'; // as deep as dist/cli: paths to models/ and bin/ that are relative to a file stay right

const old = await readdir(join(repository, OUT)).catch(() => []);
for (const name of old) if (/\.c?js$/u.test(name)) await rm(join(repository, OUT, name));
const { metafile } = await build({
  absWorkingDir: repository,
  entryPoints: ENTRIES,
  entryNames: '[name]',
  outdir: OUT,
  bundle: true,
  splitting: true, // a command's own code stays a file of its own, loaded when it is called
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: ['undici'], // large, and only for the network
  metafile: true,
  logLevel: 'warning',
});

await joinChunks(metafile.outputs);

const sharp = await joinSharp();

// The WebAssembly of parquet-wasm, which src/output/parquet-library.ts reads.
await copyFile(
  join(repository, 'node_modules/parquet-wasm/esm/parquet_wasm_bg.wasm'),
  join(repository, OUT, 'parquet_wasm_bg.wasm'),
);

const pageInputs = await buildPage(repository, OUT);

/** The folders of the packages that are in the bundle. */
const packages = new Set(
  [...[metafile, sharp].flatMap(({ inputs }) => Object.keys(inputs)), ...pageInputs].flatMap(
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

/**
 * sharp loads sixty small files, fifty of them of semver. In one file they load in two thirds of the time; src/disk/native.ts
 * takes this file if the sharp that is installed has the same version. What is native is still loaded from there.
 */
async function joinSharp() {
  const folder = join(repository, 'node_modules/sharp');
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const ofOwnBuild = /(?<=\brequire\()(?=`\.\.\/src\/build)/gu; // by node-gyp: a path that is not there, which esbuild refuses
  const { metafile: joined } = await build({
    absWorkingDir: repository,
    entryPoints: ['node_modules/sharp/dist/index.cjs'],
    outfile: `${OUT}/sharp-${version}.cjs`,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['@img/sharp-*'],
    banner: { js: "require = require('node:module').createRequire(require.resolve('sharp'));" },
    plugins: [
      {
        name: 'paths of an own build are looked up when it runs',
        setup: ({ onLoad }) =>
          onLoad({ filter: /sharp\.cjs$/ }, async ({ path }) => ({
            contents: (await readFile(path, 'utf8')).replace(ofOwnBuild, 'String.raw'),
          })),
      },
    ],
    metafile: true,
    logLevel: 'warning',
  });
  return joined;
}

/**
 * esbuild makes a chunk for every set of commands that share some code: seventy of them for the shortest command line, and
 * Node takes most of a millisecond for each. What every start needs becomes two files: the library, and the rest of the
 * command that classifies.
 */
async function joinChunks(outputs) {
  const all = Object.keys(outputs);
  const entries = all.filter((path) => ENTRIES.includes(outputs[path].entryPoint));
  const startOf = (source) => reachable(outputs, all.find((path) => outputs[path].entryPoint === source) ?? '', STATIC);
  const library = startOf('dist/index.js');
  const start = new Set([...library, ...startOf('dist/cli/run.js'), ...startOf('dist/cli/classify/command.js')]);
  for (const path of entries) start.delete(path);
  // A chunk that never leads to one of those stays as it is.
  const leaves = all.filter(
    (path) => !entries.includes(path) && ![...reachable(outputs, path)].some((one) => start.has(one)),
  );
  const absolute = (paths) => new Set([...paths].map((path) => join(repository, path)));
  const [inLibrary, inStart, outside] = [library, start, leaves].map(absolute);
  const bundle = await rollup({
    input: [...absolute(entries)],
    external: (id) => !/^[./]/u.test(id) || outside.has(id),
    treeshake: false, // esbuild has done it
  });
  for (const path of all) if (!leaves.includes(path)) await rm(join(repository, path));
  await bundle.write({
    dir: join(repository, OUT),
    banner: REQUIRE,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    hoistTransitiveImports: false,
    manualChunks: (id) => (inStart.has(id) ? (inLibrary.has(id) ? 'library' : 'classify') : undefined),
  });
}

/** The outputs that one imports, at any distance, and itself. */
function reachable(outputs, path, kinds = [...STATIC, 'dynamic-import'], found = new Set()) {
  if (found.has(path) || !(path in outputs)) return found;
  found.add(path);
  for (const { path: next, kind } of outputs[path].imports)
    if (kinds.includes(kind)) reachable(outputs, next, kinds, found);
  return found;
}
