import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelError, messageOf, ProviderError } from '../errors.ts';
import { addressSpaceLimit } from './machine.ts';

// CommonJS: asked for as such, the files of a package need not be searched for exports first.
const require = createRequire(import.meta.url);

const FIXES = {
  'onnxruntime-node': 'reinstall it for this system: npm install onnxruntime-node',
  sharp: 'reinstall it for this system: npm install --include=optional sharp',
} as const;

const BUNDLE = fileURLToPath(new URL('../../dist/bundle', import.meta.url));

/** sharp's own JavaScript in one file, as tools/bundle.js writes it. It loads sooner, but fits only the same version of sharp. */
function joinedSharp(): string | undefined {
  const { version } = JSON.parse(readFileSync(join(dirname(require.resolve('sharp')), '../package.json'), 'utf8'));
  const path = join(BUNDLE, `sharp-${version}.cjs`);
  return existsSync(path) ? path : undefined;
}

/** Node, ONNX Runtime and sharp reserve so many bytes of addresses. With fewer, they crash or call their own library broken. */
const ADDRESS_SPACE = 1_400_000 * 1024;

/**
 * Loads a package with a native library when it is first needed. If the library is missing or was built for another system, everything
 * else still works.
 *
 * @throws ProviderError with the command that fixes it; ModelError if the limit of addresses is too low
 */
export function requireNative(name: keyof typeof FIXES): unknown {
  const limit = addressSpaceLimit();
  if (limit < ADDRESS_SPACE)
    throw new ModelError(
      `${name} needs more virtual memory than the limit of ${Math.floor(limit / 1e6)} MB`,
      `raise the limit: ulimit -v ${Math.ceil(ADDRESS_SPACE / 1024)}`,
    );
  try {
    return require((name === 'sharp' && joinedSharp()) || name);
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new ProviderError(`${name} cannot be loaded: ${messageOf(reason)}`, FIXES[name], error);
  }
}
