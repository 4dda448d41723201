import { execFile } from 'node:child_process';
import { access, constants, lstat, readdir, readFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { arch, execPath, platform, versions } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inCache, makeFolder } from '../disk/cache-files.ts';
import { cacheLimit, formatLimit, weightsLimit } from '../disk/cache-limit.ts';
import { cacheFolder, type Env } from '../disk/environment.ts';
import { exists } from '../disk/exists.ts';
import { usableCores } from '../disk/machine.ts';
import { formatSize } from '../disk/size.ts';
import { ClipError, messageOf } from '../errors.ts';
import { RETRY_POLICY, Transient } from '../hub/retry.ts';
import { connectHub } from '../hub/transport.ts';
import { HEIC_PACKAGE, heicVersion, INSTALL_HEIC, isTooOld } from '../image/heic.ts';
import { decoderVersions } from '../image/libvips.ts';
import { hubSettings } from '../network/settings.ts';
import type { Probe } from './probe-provider.ts';
import { hasCudaLibrary, installCuda, neededCudaLibraries } from './provider.ts';
import { builtInProviders, runtimeVersion } from './session.ts';

/** The result of one check. */
export interface Finding {
  readonly topic: string;
  /** 'absent' is not a problem: something optional is missing. */
  readonly state: 'ok' | 'absent' | 'problem';
  readonly detail: string;
  /** The command or step that fixes the problem. */
  readonly fix?: string;
}

const HUB_TIMEOUT_MS = 5_000;
/** A GPU's first start compiles kernels. */
const PROBE_TIMEOUT_MS = 60_000;
const PROBE = fileURLToPath(new URL('../../bin/provider-probe.js', import.meta.url));
const OLDEST_NODE = [20, 9] as const;

/** Checks everything that a run depends on, and runs each provider. Yields each result when it is ready. */
export async function* examine(env: Env, offline: boolean): AsyncGenerator<Finding> {
  yield nodeVersion();
  yield await processor();
  yield finding('image decoder', decoderVersions);
  yield heic();
  const runtime = finding('onnxruntime', runtimeVersion);
  yield runtime;
  if (runtime.state === 'ok') {
    for (const provider of builtInProviders()) {
      const tried = await tryProvider(provider);
      yield provider === 'cuda' && tried.state !== 'ok' ? { ...tried, ...(await missingForCuda(env)) } : tried;
    }
  }
  yield await cache(env);
  yield await hub(env, offline);
}

/** The versions of Node and of the libraries; a library that cannot be loaded says why. */
export function parts(): string[] {
  const found = [finding('decoder', decoderVersions), finding('onnxruntime', () => `onnxruntime ${runtimeVersion()}`)];
  return [`node ${versions.node} on ${platform} ${arch}`, ...found.map(({ detail }) => detail)];
}

/** The version of a library, or the reason why it cannot be loaded. */
function finding(topic: string, detail: () => string): Finding {
  try {
    return { topic, state: 'ok', detail: detail() };
  } catch (error) {
    if (!(error instanceof ClipError)) throw error;
    return { topic, state: 'problem', detail: error.fact, fix: error.nextStep };
  }
}

/** The optional decoder of HEIC. */
function heic(): Finding {
  const [topic, version] = ['HEIC images', heicVersion()];
  if (version === undefined)
    return { topic, state: 'absent', detail: `${HEIC_PACKAGE} is not installed`, fix: INSTALL_HEIC };
  if (isTooOld(version))
    return { topic, state: 'problem', detail: `${HEIC_PACKAGE} ${version} is too old`, fix: INSTALL_HEIC };
  return { topic, state: 'ok', detail: `${HEIC_PACKAGE} ${version}` };
}

/** Whether models can be downloaded. Nothing else needs the Hub. */
async function hub(env: Env, offline: boolean): Promise<Finding> {
  const topic = 'Hugging Face Hub';
  try {
    const settings = await hubSettings(env, offline);
    if (settings.offline) return { topic, state: 'absent', detail: 'not contacted, because offline mode is set' };
    const { send } = await connectHub(settings, { retryPolicy: RETRY_POLICY });
    const url = new URL(`${settings.endpoint}/api/models?limit=1`);
    await send({ url, signal: AbortSignal.timeout(HUB_TIMEOUT_MS), repo: '', what: 'the Hub' });
    return { topic, state: 'ok', detail: settings.endpoint };
  } catch (error) {
    const cause = error instanceof Transient ? error.lasting : error;
    const detail = cause instanceof ClipError ? cause.fact : messageOf(cause);
    return {
      topic,
      state: 'absent',
      detail,
      fix: 'check HF_ENDPOINT and https_proxy; "models import" works without the Hub',
    };
  }
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = versions.node.split('.').map(Number);
  const detail = `${versions.node} on ${platform} ${arch}`;
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor))
    return { topic: 'node', state: 'ok', detail };
  return { topic: 'node', state: 'problem', detail, fix: `install Node ${OLDEST_NODE.join('.')} or later` };
}

/** Processor instructions that make fp32 and int8 products faster, if the system lists them. */
async function processor(): Promise<Finding> {
  const info = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const flags = ['avx2', 'avx512f', 'avx512_vnni', 'avx_vnni', 'amx_int8', 'asimd'].filter((flag) =>
    new RegExp(`\\b${flag}\\b`, 'u').test(info),
  );
  const model = cpus()[0]?.model.trim() || arch;
  const memory = `${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  const detail = [`${model}, ${usableCores()} cores`, ...flags, memory].join(', ');
  return { topic: 'processor', state: 'ok', detail };
}

/** Runs a provider in its own process, because a bad driver may crash, hang or print messages. */
async function tryProvider(provider: string): Promise<Finding> {
  const topic = `provider ${provider}`;
  const mend = { fix: provider === 'cpu' ? 'npm rebuild onnxruntime-node' : 'use --provider cpu' };
  try {
    const { stdout } = await promisify(execFile)(execPath, [PROBE, provider], { timeout: PROBE_TIMEOUT_MS });
    const { state, detail } = JSON.parse(stdout) as Probe;
    if (state === 'runs') return { topic, state: 'ok', detail };
    if (state === 'cannot run' && provider !== 'cpu') return { topic, state: 'absent', detail };
    return { topic, state: 'problem', detail, ...mend };
  } catch (error) {
    const { signal, code } = error as { signal?: string; code?: number | string };
    return { topic, state: 'problem', detail: `the test process ended with ${signal ?? code}`, ...mend };
  }
}

/** The libraries that CUDA needs and that are missing on this machine. */
async function missingForCuda(env: Env): Promise<Partial<Finding>> {
  if (!(await hasCudaLibrary()))
    return {
      detail: "onnxruntime's CUDA libraries are not installed (needed only for an NVIDIA GPU)",
      fix: `run ${installCuda()}`,
    };
  const folders = [
    ...(env['LD_LIBRARY_PATH'] ?? '').split(':').filter((folder) => folder !== ''),
    ...(await systemFolders()),
  ];
  const missing: string[] = [];
  for (const name of await neededCudaLibraries()) if (!(await isIn(folders, name))) missing.push(name);
  if (missing.length === 0) return {};
  return {
    detail: `these libraries are not found: ${missing.join(', ')}`,
    fix: 'install CUDA and cuDNN in these versions, and add their folder to LD_LIBRARY_PATH',
  };
}

/** The folders that the loader searches by default: those of ld.so.conf, and the usual ones. */
async function systemFolders(): Promise<string[]> {
  const folders = ['/usr/local/cuda/lib64', '/usr/lib64', '/usr/lib', '/lib', '/usr/lib/x86_64-linux-gnu'];
  const parts = await readdir('/etc/ld.so.conf.d').catch(() => []);
  for (const part of parts) {
    const text = await readFile(join('/etc/ld.so.conf.d', part), 'utf8').catch(() => '');
    folders.push(...text.split('\n').filter((line) => line.startsWith('/')));
  }
  return folders;
}

async function isIn(folders: readonly string[], name: string): Promise<boolean> {
  for (const folder of folders) {
    if (await exists(join(folder, name))) return true;
  }
  return false;
}

async function cache(env: Env): Promise<Finding> {
  const topic = 'cache folder';
  try {
    const folder = cacheFolder(env);
    const parts = [
      ['embeddings', cacheLimit(env)],
      ['weights', weightsLimit(env)],
    ] as const;
    const use = async () => {
      await makeFolder(folder);
      await access(folder, constants.W_OK);
      const sizes = await Promise.all(parts.map(([part]) => bytesIn(join(folder, part))));
      const shown = parts.map(([part, limit], n) => `${part} ${formatLimit(limit)}, ${formatSize(sizes[n] ?? 0)} now`);
      return [`${folder}, ${formatSize(await bytesIn(folder))}`, ...shown].join('; ');
    };
    return { topic, state: 'ok', detail: await inCache(folder, 'CLIP_CLASSIFY_CACHE', use) };
  } catch (error) {
    if (!(error instanceof ClipError)) throw error;
    return { topic, state: 'problem', detail: error.fact, fix: error.nextStep };
  }
}

/** Files of other users that cannot be looked at count nothing. */
async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = names.map((name) =>
    lstat(join(folder, name)).then(
      (info) => (info.isFile() ? info.size : 0),
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((a, b) => a + b, 0);
}
