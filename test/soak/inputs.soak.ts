import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile, link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classifyWhileChanging } from '../cli/changing-folder.ts';
import { bin } from '../cli/program.ts';
import { ENTITY, LEAKY } from '../image/leaky-svg.ts';
import { fixture, repository } from '../paths.ts';

const MODEL = ['-m', fixture('tiny-class'), '-l', 'cat,dog', '-k', '1'];
const [FOLDERS, FILES] = [200, 1000];

/** Prints the figures of a soak run. */
const tell = (what: string, figures: object) => stdout.write(`${what} ${JSON.stringify(figures)}\n`);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'soak-'));
}, 60_000);
afterAll(() => rm(folder, { recursive: true }), 600_000);

describe('a tree of 200,000 images', () => {
  const trees = ['deep', 'flat'];
  beforeAll(async () => {
    await copyFile(fixture('images/rgb.png'), join(folder, 'seed'));
    for (const tree of trees) {
      for (let d = 0; d < FOLDERS; d++) {
        const into = join(folder, tree, tree === 'deep' ? `${d}` : '');
        await mkdir(into, { recursive: true });
        const names = Array.from({ length: FILES }, (_, n) => join(into, `${d}-${n}.png`));
        await Promise.all(names.map((name) => link(join(folder, 'seed'), name)));
      }
    }
  }, 600_000);

  it.each(trees)('(%s) is searched with at most 150 MB and 64 open files, under ulimit -n 128', async (tree) => {
    const script = `import { readdirSync } from 'node:fs';
      import { imagePaths } from ${JSON.stringify(join(repository, 'dist/inputs/images.js'))};
      const before = process.memoryUsage().rss;
      let [count, rss, files] = [0, 0, 0];
      for await (const _ of imagePaths([process.argv[1]])) {
        if (count++ % 1000 !== 0) continue;
        rss = Math.max(rss, process.memoryUsage().rss);
        files = Math.max(files, readdirSync('/proc/self/fd').length);
      }
      console.log(JSON.stringify({ count, files, megabytes: Math.round((rss - before) / 1e6) }));`;
    const limited = 'ulimit -n 128; exec "$@"';
    const words = ['-c', limited, 'bash', execPath, '--input-type=module', '-e', script, join(folder, tree)];
    const figures = JSON.parse((await promisify(execFile)('bash', words)).stdout);
    tell(tree, figures);
    expect(figures.count).toBe(FOLDERS * FILES);
    expect(figures.megabytes).toBeLessThanOrEqual(150);
    expect(figures.files).toBeLessThanOrEqual(64);
  });

  it.each(trees)('(%s) has its first row within three seconds after the model is loaded', async (tree) => {
    const first = async (...images: string[]) => {
      const start = performance.now();
      const child = spawn('bash', ['-c', 'ulimit -n 128; exec "$@"', 'bash', execPath, bin, ...images, ...MODEL]);
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      await lines.next();
      const ms = performance.now() - start;
      let files = 0;
      if (images.length === 1) {
        for (let n = 0; n < 500; n++) JSON.parse((await lines.next()).value);
        const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
          .split(' ')
          .filter(Boolean);
        expect(children.length).toBeGreaterThan(0);
        for (const pid of [child.pid, ...children]) files = Math.max(files, readdirSync(`/proc/${pid}/fd`).length);
      }
      child.kill('SIGINT');
      await once(child, 'close');
      return { ms, files };
    };
    const load = await first(join(folder, 'seed'), join(folder, 'seed'));
    const { ms, files } = await first(join(folder, tree));
    tell(tree, { firstRowMs: Math.round(ms), loadMs: Math.round(load.ms), files });
    expect(ms - load.ms).toBeLessThan(3000);
    expect(files).toBeLessThanOrEqual(64);
  });
});

it('5,000 images, of which 500 are deleted, truncated or replaced during the run: each gets a correct row', async () => {
  const { exitCode, rows, files } = await classifyWhileChanging(5000);
  const unchanged = rows[0]?.score;
  const codes = files.map(({ change }, n) => [change, rows[n]?.error?.code ?? rows[n]?.score === unchanged]);
  expect(exitCode).toBe(1);
  expect(rows.map(({ image }) => image)).toEqual(files.map(({ path }) => path));
  const truth = { none: true, deleted: 'E_NOT_FOUND', truncated: 'E_DECODE', replaced: false };
  expect(codes).toEqual(files.map(({ change }) => [change, truth[change]]));
}, 600_000);

const hasStrace = existsSync('/usr/bin/strace');
it.skipIf(!hasStrace)(
  'opens nothing outside of the folder that it walks (with strace; skipped where it is missing)',
  async () => {
    const [root, outside] = [join(folder, 'root'), join(folder, 'outside')];
    await mkdir(join(root, 'a'), { recursive: true });
    await mkdir(outside);
    for (const name of [join(root, 'a/in.png'), join(outside, 'secret.png')])
      await copyFile(fixture('images/rgb.png'), name);
    await symlink(outside, join(root, 'out'));
    await symlink(join(outside, 'secret.png'), join(root, 'file.png'));
    await symlink('..', join(root, 'a/up'));
    const trace = join(folder, 'trace');
    const words = ['-f', '-o', trace, '-e', 'trace=%file', execPath, bin, root, ...MODEL, '--quiet'];
    const { stdout } = await promisify(execFile)('strace', words);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    const calls = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((call) => call.includes(folder));
    expect(calls.length).toBeGreaterThan(0);
    expect(calls.filter((call) => /outside|secret|\/(out|up|file\.png)"/.test(call))).toEqual([]);
  },
  120_000,
);

it.skipIf(!hasStrace)(
  'connects nowhere and opens no file that an SVG names (with strace; skipped where it is missing)',
  async () => {
    const [drawings, secret] = [join(folder, 'drawings'), join(folder, 'secret.png')];
    await mkdir(drawings);
    await copyFile(fixture('images/rgb.png'), secret);
    const forms = LEAKY.flatMap(([, svg]) =>
      [secret, `file://${secret}`, '../secret.png', 'http://127.0.0.1:9/x.png'].map(svg),
    );
    for (const [n, svg] of [...forms, ENTITY].entries()) await writeFile(join(drawings, `${n}.svg`), svg);
    const trace = join(folder, 'svg-trace');
    const words = [
      '-f',
      '-o',
      trace,
      '-e',
      'trace=%file,connect',
      execPath,
      bin,
      `${drawings}/*.svg`,
      ...MODEL,
      '--quiet',
      '--allow-svg',
    ];
    const { stdout } = await promisify(execFile)('strace', words).catch((error) => error); // the entity may be refused: 1
    expect(stdout.trimEnd().split('\n')).toHaveLength(forms.length + 1);
    const calls = readFileSync(trace, 'utf8').split('\n');
    expect(calls.filter((call) => call.includes(drawings)).length).toBeGreaterThan(0);
    expect(calls.filter((call) => /secret|\/etc\/hostname|connect\(/u.test(call))).toEqual([]);
  },
  120_000,
);
