import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/model/doctor.ts';
import { hasCudaLibrary } from '../../src/model/provider.ts';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';
import { bin } from './program.ts';

let folder: string;
let env: Record<string, string>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
  env = { CLIP_CLASSIFY_CACHE: folder };
});
afterAll(() => rm(folder, { recursive: true }));

const image = [fixture('images/rgb.png'), '-l', 'cat,dog', '-m', fixture('tiny-class')];

describe('doctor', () => {
  it('really runs the CPU provider and describes each model', async () => {
    const { code, stdout } = await cli(['doctor', '--json', '--offline'], { env });
    const findings: Finding[] = JSON.parse(stdout);
    const states = new Map(findings.map(({ topic, state }) => [topic, state]));
    expect(states.get('node')).toBe('ok');
    expect(states.get('provider cpu')).toBe('ok');
    expect(states.get('cache folder')).toBe('ok');
    expect(states.has('model starter (default)')).toBe(true);
    expect([code, findings.filter(({ state }) => state === 'problem')]).toEqual([0, []]);
  });

  it('does not show the output of drivers, which run in other processes', async () => {
    const { stderr } = await promisify(execFile)(process.execPath, [bin, 'doctor', '--offline']);
    expect(stderr).toBe('');
  });

  it('has one row for CUDA, and ends with a verdict', async () => {
    const { stdout } = await cli(['doctor', '--offline'], { env });
    expect(stdout.match(/^\S+ +(provider cuda|CUDA)/gmu)?.length ?? 0).toBeLessThanOrEqual(1);
    expect(stdout).toMatch(/\nReady: .*cpu\n$/u);
    for (const line of stdout.split('\n').filter((text) => text.trim().includes(' ')))
      expect(line.length).toBeLessThanOrEqual(80);
  });

  it('names a fix for each problem', async () => {
    const { code, stdout } = await cli(['doctor', '--offline'], { env: { CLIP_CLASSIFY_CACHE: '/dev/null/cache' } });
    expect(code).toBe(1);
    expect(stdout).toMatch(/problem {2}cache folder .*\n( .*\n)* +→ set CLIP_CLASSIFY_CACHE to a writable/);
    expect(stdout).toMatch(/\nNot ready: cache folder\n$/);
  });
});

describe('--provider', async () => {
  const withCuda = await hasCudaLibrary();

  it('auto names the provider that ran', async () => {
    const { stdout } = await cli([...image, '-f', 'json'], { env });
    expect(['cpu', 'cuda', 'coreml', 'dml']).toContain(JSON.parse(stdout).provider);
  });

  it('cpu works on every machine', async () => {
    const { code, stdout } = await cli([...image, '-f', 'json', '--provider', 'cpu'], { env });
    expect([code, JSON.parse(stdout).provider]).toEqual([0, 'cpu']);
  });

  it.skipIf(withCuda)('cuda is refused with the command that downloads its libraries, and never replaced', async () => {
    const { code, stdout, stderr } = await cli([...image, '--provider', 'cuda'], { env });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(
      /E_PROVIDER: .*(not installed; install them with node .*install\.js|no cuda provider on this platform)/,
    );
  });

  it('a provider of another platform is refused with a list of the available ones', async () => {
    const foreign = process.platform === 'win32' ? 'coreml' : 'dml';
    const { code, stderr } = await cli([...image, '--provider', foreign], { env });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/E_PROVIDER: .* no (dml|coreml) provider on this platform; use one of cpu/),
    ]);
  });

  it('an unknown provider is a usage error', async () => {
    expect(await cli([...image, '--provider', 'abacus'], { env })).toMatchObject({ code: 2, stderr: /E_USAGE/ });
  });
});
