import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endlessModel } from '../embed/endless-model.ts';
import { fixture, hasShared, shared } from '../paths.ts';
import { bin, type Ended, leftOver, pause, start, TINY } from './program.ts';

let root: string;
let endless: string;
let redos: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hangs-'));
  endless = await endlessModel(join(root, 'endless'));
  redos = join(root, 'redos');
  await cp(fixture('tiny-class'), redos, { recursive: true });
  const tokenizer = JSON.parse(await readFile(join(redos, 'tokenizer.json'), 'utf8'));
  // Exponential in the length of a row of the letter a (the classic case of catastrophic backtracking).
  tokenizer.pre_tokenizer = { type: 'Split', pattern: { Regex: '(a+)+b' }, behavior: 'Removed', invert: true };
  await writeFile(join(redos, 'tokenizer.json'), JSON.stringify(tokenizer));
});
afterAll(() => rm(root, { recursive: true }));

const image = fixture('images/rgb.png');
const onEndless = () => [image, '-l', 'cat,dog', '-m', endless, '--logit-scale', '40'];
const onRedos = () => [image, '-l', `cat,${'a'.repeat(60)}`, '-m', redos];

/** As a shell sees it. */
const statusOf = ({ code, signal }: Pick<Ended, 'code' | 'signal'>) =>
  code ?? 128 + (signal === null ? 0 : constants.signals[signal]);

describe('work that never ends', () => {
  it.each([
    ['SIGINT', 130, onEndless],
    ['SIGTERM', 143, onEndless],
    ['SIGHUP', 129, onEndless],
    ['SIGINT', 130, onRedos],
  ] as const)('ends within two seconds of %s with %i', async (signal, status, args) => {
    const { child, ended } = start([...args(), '--timeout', '100']);
    await pause(4000);
    expect(child.exitCode).toBe(null);
    const begun = performance.now();
    child.kill(signal);
    expect(statusOf(await ended)).toBe(status);
    expect(performance.now() - begun).toBeLessThan(2000);
    await expect.poll(() => leftOver(child)).toEqual([]);
  });

  it('has a limit for one image', async () => {
    const { code, stdout } = await start([...onEndless(), '--timeout', '2']).ended;
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'E_TIMEOUT' } });
  });

  it('has a limit for a tokenizer', async () => {
    const { code, stderr } = await start([...onRedos(), '--timeout', '2']).ended;
    expect([code, stderr.split('\n').length, stderr]).toEqual([2, 2, expect.stringContaining('E_MODEL')]);
  }, 60_000);

  it.each(['SIGKILL', 'SIGHUP'] as const)('leaves no process two seconds after %s', async (signal) => {
    const { child, ended } = start([image, ...onEndless(), '--timeout', '600']);
    await pause(4000);
    expect(leftOver(child).length).toBeGreaterThan(1);
    child.kill(signal);
    await ended;
    await pause(2000);
    expect(leftOver(child)).toEqual([]);
  });
});

describe.skipIf(process.platform !== 'linux')('SIGHUP (Linux: a shell tells in /proc that it ignores it)', () => {
  it.each([
    ['nohup', '', 'nohup'],
    ["trap '' HUP", "trap '' HUP;", ''],
  ])('is ignored after %s', async (_, before, wrapper) => {
    const script = `${before} yes '${image}' | head -n 3000 | ${wrapper} "${process.execPath}" "${bin}" --files-from - ${TINY.join(' ')} -f label --quiet & run=$!
      sleep 2; kill -HUP $run; wait $run`;
    const { stdout } = await promisify(execFile)('bash', ['-c', script]);
    expect(stdout.trimEnd().split('\n')).toHaveLength(3000);
  });
});

/** Mounts a disk that does not answer, in a mount namespace of its own. */
const canMountFuse = hasShared && process.platform === 'linux' && process.getuid?.() === 0;
describe.skipIf(!canMountFuse)(
  'a disk that does not answer (needs root, FUSE and ../shared; skipped elsewhere)',
  () => {
    const onHungDisk = async (args: string, then: string) => {
      const above = join(root, Math.random().toString(36).slice(2));
      const mount = join(above, 'mount');
      const link = join(above, 'link.clf.json');
      const script = `mkdir -p ${mount}; ln -s mount/hung.png ${link}
      sed 's/^\\( *\\)if body.rstrip/\\1if body.startswith(b"silent"): continue\\n&/' ${shared}faults/hung-file-batch/fuse_hang.py > ${above}/hang.py
      python3 ${above}/hang.py ${mount} & fuse=$!
      for _ in $(seq 50); do [ -e ${mount}/hung.png ] && break; sleep 0.1; done
      [ -e ${mount}/hung.png ] || { echo no FUSE; exit; }
      printf '${image}\\n${mount}/hung.png\\n${image}\\n' > ${mount}.list
      "${process.execPath}" "${bin}" ${args.replaceAll('MOUNT', mount).replaceAll('ABOVE', above)} --quiet & run=$!
      ${then}; wait $run; code=$?; cat ${above}/rows.jsonl 2>/dev/null; echo "exit $code"; kill $fuse`;
      return (await promisify(execFile)('unshare', ['-m', 'bash', '-c', script]).catch(() => ({ stdout: 'no FUSE' })))
        .stdout;
    };

    it.each([
      ['one image', 'MOUNT/hung.png', 1],
      ['an image that cannot even be looked up', `MOUNT/silent.png ${image} -f jsonl -o ABOVE/rows.jsonl`, 2],
      ['a folder above it', 'ABOVE', 1],
      ['a list', '--files-from MOUNT.list', 3],
      ['a list with the cache of images', '--files-from MOUNT.list --cache-images', 3],
      [
        'a list whose pictures are compared by content',
        '--files-from MOUNT.list -o ABOVE/rows.jsonl --resume --checksum',
        3,
      ],
    ])(
      'costs one row of %s',
      async (_, args, rows) => {
        const said = await onHungDisk(`${args} ${TINY.join(' ')} --timeout 2`, ':');
        if (said.includes('no FUSE')) return;
        const lines = said.trimEnd().split('\n');
        expect(lines.pop()).toBe('exit 1');
        expect(lines).toHaveLength(rows);
        expect(lines.filter((line) => line.includes('E_TIMEOUT'))).toHaveLength(1);
      },
      60_000,
    );

    it.each([
      ['an image', `MOUNT/hung.png ${TINY.join(' ')}`],
      ['a learned classifier', `${image} ${TINY.slice(2).join(' ')} -l @ABOVE/link.clf.json`],
    ])('does not prevent SIGINT from ending a run on %s', async (_, args) => {
      const said = await onHungDisk(`${args} --timeout 100`, 'sleep 3; kill -INT $run');
      if (!said.includes('no FUSE')) expect(said).toBe('exit 130\n');
    });
  },
);
