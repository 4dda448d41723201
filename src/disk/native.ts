import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelError, messageOf, ProviderError } from '../errors.ts';
import { virtualMemoryLimit } from './machine.ts';

// require() loads a CommonJS package sooner than import does, because its files are not searched for exports first.
const require = createRequire(import.meta.url);

const FIXES = {
  'onnxruntime-node': 'reinstall it for this system: npm install onnxruntime-node',
  sharp: 'reinstall it for this system: npm install --include=optional sharp',
} as const;

const BUNDLE = fileURLToPath(new URL('../../dist/bundle', import.meta.url));

/**
 * The JavaScript of a package in one file, as tools/bundle.js writes it. It loads sooner, but fits only the same version of the package.
 */
function joined(name: keyof typeof FIXES): string | undefined {
  const { version } = JSON.parse(readFileSync(join(dirname(require.resolve(name)), '../package.json'), 'utf8'));
  const path = join(BUNDLE, `${name}-${version}.cjs`);
  return existsSync(path) ? path : undefined;
}

/**
 * Bytes of virtual memory that Node, onnxruntime and sharp reserve to classify one photograph with the starter (measured on two cores).
 * If they get less, they crash, report that a library is broken, or cannot run the model.
 */
const VIRTUAL_MEMORY = 1_700_000 * 1024;

/** @throws ModelError if the limit of virtual memory (`ulimit -v`) is too low for a native library */
export function requireVirtualMemory(name: keyof typeof FIXES): void {
  const limit = virtualMemoryLimit();
  if (limit >= VIRTUAL_MEMORY) return;
  throw new ModelError(
    `${name} needs more virtual memory than the limit of ${Math.floor(limit / 1e6)} MB`,
    'raise or remove the limit: ulimit -v unlimited',
  );
}

/**
 * Loads a package with a native library when it is first needed. If the library is missing or was built for another system, everything
 * else still works.
 *
 * @throws ProviderError with the command that fixes it; ModelError as {@link requireVirtualMemory}
 */
export function requireNative(name: keyof typeof FIXES): unknown {
  requireVirtualMemory(name);
  try {
    return require(joined(name) ?? name);
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new ProviderError(`${name} cannot be loaded: ${messageOf(reason)}`, FIXES[name], error);
  }
}
