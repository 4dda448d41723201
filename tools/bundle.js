// Joins the command line, the library and their packages into a few files in dist/bundle. A start then opens few files, and an
// installation has few packages. `npm run build` runs this script after tsc.
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';
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
const OUT = 'dist/bundle'; // two folders below the root, like dist/cli, so that relative paths to models/ and bin/ stay right

/** Node parses the whole bundle at each start, so fewer bytes start sooner. */
const MINIFIED = { minify: true, format: 'esm', target: 'node20', legalComments: 'none' };

/**
 * Takes the built-in modules by require(). An import reads every export of such a module first, also those that are made when they are
 * read: node:crypto then loads WebCrypto.
 */
const requiredBuiltins = {
  name: 'built-in modules by require()',
  resolveId: (id) =>
    id.startsWith('node:') && id !== 'node:module' ? { id: `\0${id}`, syntheticNamedExports: true } : null,
  load: (id) => (id.startsWith('\0node:') ? `export default require('${id.slice(1)}');` : null),
};

const old = await readdir(join(repository, OUT)).catch(() => []);
for (const name of old) if (/\.c?js$/u.test(name)) await rm(join(repository, OUT, name));
const { metafile } = await build({
  absWorkingDir: repository,
  entryPoints: ENTRIES,
  entryNames: '[name]',
  outdir: OUT,
  bundle: true,
  splitting: true, // the code of each command stays in its own file, which is loaded when the command is called
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: ['undici'], // large, and only for the network
  metafile: true,
  logLevel: 'warning',
});

await joinChunks(metafile.outputs);

// What require('clip-classify') loads. It is a file of its own, so that TypeScript accepts the package in CommonJS files, too.
await writeFile(join(repository, OUT, 'index.cjs'), "module.exports = require('./index.js');\n");

const natives = await Promise.all([
  joinNative('sharp', 'dist/index.cjs', /sharp\.cjs$/, /(?<=\brequire\()(?=`\.\.\/src\/build)/gu),
  joinNative('onnxruntime-node', 'dist/index.js', /binding\.js$/, /(?<=\brequire\()(?=`\.\.\/bin\/)/gu),
]);

// src/output/parquet-library.ts reads the WebAssembly of parquet-wasm.
await copyFile(
  join(repository, 'node_modules/parquet-wasm/esm/parquet_wasm_bg.wasm'),
  join(repository, OUT, 'parquet_wasm_bg.wasm'),
);

const pageInputs = await buildPage(repository, OUT);

/** The folders of the packages that are in the bundle. */
const packages = new Set(
  [...[metafile, ...natives].flatMap(({ inputs }) => Object.keys(inputs)), ...pageInputs].flatMap(
    (path) => /^node_modules\/(@[^/]+\/)?[^/]+/u.exec(path)?.[0] ?? [],
  ),
);
const licences = await Promise.all(
  [...packages].sort().map(async (folder) => {
    const names = await readdir(join(repository, folder));
    const name = names.find((file) => /^licen[cs]e/iu.test(file));
    const text = await readFile(join(repository, folder, name ?? 'package.json'), 'utf8').then(
      name ? String : statedLicence,
    );
    return `${folder.replace('node_modules/', '')}\n\n${text.trim()}\n`;
  }),
);
await writeFile(join(repository, OUT, 'LICENSES.txt'), licences.join(`\n${'-'.repeat(80)}\n\n`));

/** What a package.json says, for packages without a licence file. */
function statedLicence(text) {
  const { license, author, homepage } = JSON.parse(text);
  return [license, author?.name ?? author, homepage].filter(Boolean).join('\n');
}

/**
 * Joins the JavaScript of a package with a native library: sharp has sixty small files (fifty belong to semver), onnxruntime has 25.
 * One file loads in half to two thirds of the time. src/disk/native.ts loads it if the installed package has the same version. The
 * native library still comes from the installed package.
 *
 * @param entry the file that require() loads
 * @param loader the file that loads the native library
 * @param ofOwnFolder a path in it that esbuild must not resolve, because it is known at run time
 */
async function joinNative(name, entry, loader, ofOwnFolder) {
  const folder = join(repository, 'node_modules', name);
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const { metafile: joined } = await build({
    absWorkingDir: repository,
    entryPoints: [`node_modules/${name}/${entry}`],
    outfile: `${OUT}/${name}-${version}.cjs`,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['@img/sharp-*'],
    banner: { js: `require = require('node:module').createRequire(require.resolve('${name}'));` },
    plugins: [
      {
        name: 'resolve paths of native libraries at run time',
        setup: ({ onLoad }) =>
          onLoad({ filter: loader }, async ({ path }) => ({
            contents: (await readFile(path, 'utf8')).replace(ofOwnFolder, 'String.raw'),
          })),
      },
    ],
    metafile: true,
    logLevel: 'warning',
  });
  return joined;
}

/**
 * Joins the chunks of esbuild. esbuild makes a chunk for every set of commands that share code: the shortest command line needs seventy,
 * and Node takes most of a millisecond for each. After this, the code of every start is in two files: the library, and the rest of the
 * command that classifies.
 */
async function joinChunks(outputs) {
  const all = Object.keys(outputs);
  const entries = all.filter((path) => ENTRIES.includes(outputs[path].entryPoint));
  const startOf = (source) => reachable(outputs, all.find((path) => outputs[path].entryPoint === source) ?? '', STATIC);
  const library = startOf('dist/index.js');
  const start = new Set([...library, ...startOf('dist/cli/run.js'), ...startOf('dist/cli/classify/command.js')]);
  for (const path of entries) start.delete(path);
  // A chunk that imports none of the joined code, also not through other chunks, stays as it is.
  const leaves = all.filter(
    (path) => !entries.includes(path) && ![...reachable(outputs, path)].some((one) => start.has(one)),
  );
  const absolute = (paths) => new Set([...paths].map((path) => join(repository, path)));
  const [inLibrary, inStart, outside] = [library, start, leaves].map(absolute);
  const bundle = await rollup({
    input: [...absolute(entries)],
    external: (id) => !/^([./\0]|node:(?!module$))/u.test(id) || outside.has(id),
    treeshake: false, // esbuild has done it
    plugins: [requiredBuiltins],
  });
  for (const path of all) if (!leaves.includes(path)) await rm(join(repository, path));
  await bundle.write({
    dir: join(repository, OUT),
    banner: REQUIRE,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    hoistTransitiveImports: false,
    manualChunks: (id) => (inStart.has(id) ? (inLibrary.has(id) ? 'library' : 'classify') : undefined),
    plugins: [{ name: 'minify', renderChunk: (code) => transform(code, MINIFIED) }],
  });
}

/** An output, and all outputs that it imports, also through others. */
function reachable(outputs, path, kinds = [...STATIC, 'dynamic-import'], found = new Set()) {
  if (found.has(path) || !(path in outputs)) return found;
  found.add(path);
  for (const { path: next, kind } of outputs[path].imports)
    if (kinds.includes(kind)) reachable(outputs, next, kinds, found);
  return found;
}
