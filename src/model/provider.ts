import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exists } from '../disk/exists.ts';
import { ProviderError } from '../errors.ts';
import type { Provider, ProviderChoice } from './choices.ts';
import { builtInProviders, runtimeFiles } from './session.ts';

/** The providers that `auto` tries, best first. webgpu and tensorrt are used only if they are requested. */
const AUTOMATIC: readonly Provider[] = ['cuda', 'coreml', 'dml', 'cpu'];

/** The libraries that the CUDA 12 build of onnxruntime needs. For an installed build, its file is searched instead. */
const CUDA_12_LIBRARIES = [
  'libcudart.so.12',
  'libcublas.so.12',
  'libcublasLt.so.12',
  'libcurand.so.10',
  'libcufft.so.11',
  'libcudnn.so.9',
];

/**
 * Opens something on the requested provider, or for `auto` on the first one that works.
 *
 * @param open called with one provider at a time; throws a ProviderError if it cannot run
 * @throws ProviderError with the fix if the requested provider cannot run: it is never replaced by another one
 */
export async function openOnProvider<T>(
  choice: ProviderChoice,
  open: (provider: Provider) => Promise<T>,
): Promise<{ readonly opened: T; readonly provider: Provider }> {
  if (choice !== 'auto') {
    await refuseMissing(choice);
    return { opened: await open(choice), provider: choice };
  }
  const builtIn = builtInProviders();
  for (const provider of AUTOMATIC) {
    if (provider === 'cpu') break;
    if (!builtIn.includes(provider) || (provider === 'cuda' && !(await hasCudaLibrary()))) continue;
    try {
      return { opened: await open(provider), provider };
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
    }
  }
  return { opened: await open('cpu'), provider: 'cpu' };
}

async function refuseMissing(provider: Provider): Promise<void> {
  const builtIn = builtInProviders();
  if (!builtIn.includes(provider)) {
    throw new ProviderError(
      `onnxruntime has no ${provider} provider on this platform`,
      `use one of ${builtIn.join(', ')}, or auto`,
    );
  }
  if ((provider === 'cuda' || provider === 'tensorrt') && !(await hasCudaLibrary())) {
    throw new ProviderError(
      `the libraries of onnxruntime's ${provider} provider are not installed`,
      `install them with ${installCuda()}`,
    );
  }
}

/** The command that downloads the CUDA libraries, which the installation leaves out. */
export function installCuda(): string {
  const { installScript } = runtimeFiles();
  return `node ${/^[\w./@+-]+$/u.test(installScript) ? installScript : JSON.stringify(installScript)}`;
}

/** Whether onnxruntime's own CUDA library is installed. Its package downloads it after the installation, unless that is prevented. */
export async function hasCudaLibrary(): Promise<boolean> {
  return exists(cudaLibrary());
}

/** File names of the libraries that onnxruntime's CUDA library needs: those that it names, or those of the CUDA 12 build. */
export async function neededCudaLibraries(): Promise<string[]> {
  if (!(await hasCudaLibrary())) return CUDA_12_LIBRARIES;
  const text = (await readFile(cudaLibrary())).toString('latin1');
  return [...new Set(text.match(/\blib(?:cudart|cublas|cublasLt|cudnn|cufft|curand)\.so\.\d+\b/gu))].sort();
}

function cudaLibrary(): string {
  return join(runtimeFiles().folder, 'libonnxruntime_providers_cuda.so');
}
