import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { repository } from './paths.ts';

/** Outermost first. A file may import its own layer and the layers after it. Folders share a layer only if neither imports the other. */
const LAYERS: readonly (readonly string[])[] = [
  ['bin/'],
  ['src/cli/'],
  ['src/page/'],
  ['src/index.ts', 'src/server/', 'src/remote/'],
  ['src/output/'],
  ['src/classifier.ts', 'src/explain.ts', 'src/find.ts', 'src/lint-labels.ts', 'src/reference.ts', 'src/tagging/'],
  ['src/classes.ts', 'src/sorting/'],
  ['src/rules.ts'],
  ['src/learn/'],
  ['src/evaluate.ts', 'src/calibrate.ts', 'src/predictions.ts'],
  ['src/ranking.ts', 'src/levels.ts'],
  ['src/clip.ts'],
  ['src/cache/'],
  ['src/embed/'],
  ['src/model/'],
  ['src/hub/'],
  ['src/onnx/', 'src/text/', 'src/inputs/'],
  ['src/image/'],
  ['src/checkpoint/', 'src/network/'],
  ['src/disk/'],
  ['src/tensor.ts', 'src/errors.ts', 'src/once.ts'],
];

/** The files that may import each package. */
const ROOMS: Readonly<Record<string, RegExp>> = {
  commander: /^src\/cli\//,
  '@bomb.sh/tab': /^src\/cli\/completion\/command\.ts$/,
  sharp: /^src\/image\/(libvips|overlay)\.ts$/,
  'onnxruntime-node': /^src\/model\/session\.ts$/,
  '@huggingface/tokenizers': /^src\/text\/tokenizer\.ts$/,
  'p-retry': /^src\/hub\/retry\.ts$/,
  valibot: /^src\/(hub|server|remote)\//,
  '@fastify/busboy': /^src\/server\/multipart\.ts$/,
  '@valibot/to-json-schema': /^src\/server\/operations\.ts$/,
  preact: /^src\/page\//,
  'prom-client': /^src\/server\/metrics\.ts$/,
  'fastest-levenshtein': /^src\/(hub\/near-names|cli\/help\/mistakes)\.ts$/,
  picocolors: /^src\/(output|cli)\//,
  'tar-stream': /^src\/inputs\/tar\/members\.ts$/,
  fzstd: /^src\/inputs\/tar\/decompress\.ts$/,
  'apache-arrow': /^src\/output\/parquet\//,
  'parquet-wasm/esm': /^src\/output\/parquet(\/writer|\/stored|-library)\.ts$/,
  picomatch: /^src\/inputs\/glob\.ts$/,
  // for the environment as the library's default, for the platform, and for the pid in the names of temporary files
  'node:process':
    /^src\/(clip|model\/(default-model|session|doctor)|embed\/keeping|disk\/(environment|cache-limit|machine|owner|holder|cache-files|whole-file)|hub\/partial-file|image\/spool)\.ts$/,
  'csv-parse': /^src\/cli\/eval\/truth-csv\.ts$/,
  'csv-stringify/sync': /^src\/output\//,
  'csv-parse/sync': /^src\/text\/labels-file\.ts$/,
  '@observablehq/plot': /^src\/output\/report\//,
  linkedom: /^src\/output\/report\/figure\.ts$/,
  'ipaddr.js': /^src\/network\/address\.ts$/,
  undici: /^src\/(network\/(proxy|connection)|image\/download)\.ts$/,
};

const files = [
  ...readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' }).map((file) => `src/${file}`),
  ...readdirSync(join(repository, 'bin')).map((file) => `bin/${file}`),
].filter((file) => /\.(tsx?|js)$/.test(file));
const source = (file: string) => readFileSync(join(repository, file), 'utf8');
const imports = files.flatMap((file) =>
  ts.preProcessFile(source(file)).importedFiles.map(({ fileName }) => ({
    file,
    imported: fileName.startsWith('.')
      ? normalize(join(dirname(file), fileName))
          .replace('dist/bundle/run.js', 'src/cli/run.ts')
          .replace('dist/bundle/serve.js', 'src/embed/serve.ts')
          .replace('dist/bundle/heic-serve.js', 'src/image/heic-serve.ts')
          .replace('dist/bundle/probe-provider.js', 'src/model/probe-provider.ts')
          .replace('dist/bundle/heat-map-serve.js', 'src/server/heat-map-serve.ts')
      : fileName,
  })),
);
const layerOf = (file: string) => LAYERS.findIndex((layer) => layer.some((prefix) => file.startsWith(prefix)));

describe('the source tree', () => {
  it('has a layer for every file', () => {
    expect(files.length).toBeGreaterThan(20);
    expect(files.filter((file) => layerOf(file) < 0)).toEqual([]);
  });

  it('has no import from a layer above', () => {
    const inside = imports.filter(({ imported }) => imported.startsWith('src/'));
    expect(inside.length).toBeGreaterThan(40);
    expect(inside.filter(({ file, imported }) => layerOf(imported) < layerOf(file))).toEqual([]);
  });

  it('has no import between folders of the same layer', () => {
    const folderOf = (file: string) => /^src\/[^/]+\//.exec(file)?.[0];
    const sideways = imports.filter(({ file, imported }) => {
      const [from, to] = [folderOf(file), folderOf(imported)];
      return from !== undefined && to !== undefined && from !== to && layerOf(file) === layerOf(imported);
    });
    expect(sideways).toEqual([]);
  });

  it('has no circle of files; type imports count, too', () => {
    const targets = new Map(files.map((file) => [file, imports.filter((one) => one.file === file)]));
    const done = new Set<string>();
    const circleFrom = (file: string, path: readonly string[]): readonly string[] | undefined => {
      if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
      if (done.has(file)) return undefined;
      for (const { imported } of targets.get(file) ?? []) {
        const circle = circleFrom(imported, [...path, file]);
        if (circle !== undefined) return circle;
      }
      done.add(file);
      return undefined;
    };
    expect(files.map((file) => circleFrom(file, [])).filter((circle) => circle !== undefined)).toEqual([]);
  });

  it('imports each package in its own files only', () => {
    const outside = imports.filter(
      ({ file, imported }) => ROOMS[imported] !== undefined && !ROOMS[imported].test(file),
    );
    expect(outside).toEqual([]);
    for (const name of Object.keys(ROOMS)) expect(imports.map(({ imported }) => imported)).toContain(name);
  });

  it('loads the code of the service in its command only', () => {
    const users = imports.filter(
      ({ file, imported }) => imported.startsWith('src/server/') && !file.startsWith('src/server/'),
    );
    expect(new Set(users.map(({ file }) => file))).toEqual(new Set(['src/cli/serve/run.ts', 'bin/heat-map.js']));
  });

  it('uses the process in bin only', () => {
    expect(
      files.filter((file) => file.startsWith('src/') && /(?<!-)\bprocess\.\w|\bconsole\.\w/.test(source(file))),
    ).toEqual([]);
  });

  it('names files relative to two folders below the root, because the bundle lies there', () => {
    const urls = files.flatMap((file) => source(file).match(/new URL\([^)]*import\.meta\.url\)/g) ?? []);
    expect(urls.length).toBeGreaterThan(3);
    expect(urls.filter((url) => !/^new URL\('\.\.\/\.\.(\/(?!\.\.).*)?', import/.test(url))).toEqual([]);
  });

  it('has no file of more than 300 lines', () => {
    expect(files.filter((file) => source(file).split('\n').length > 300)).toEqual([]);
  });
});
