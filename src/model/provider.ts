import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exists } from '../disk/exists.ts';
import { ProviderError } from '../errors.ts';
import { builtInProviders, runtimeFiles } from './session.ts';

/** The execution providers that can be asked for; `auto` takes the best that really runs. */
export const PROVIDERS = ['auto', 'cpu', 'cuda', 'tensorrt', 'dml', 'coreml', 'webgpu'] as const;
export type ProviderChoice = (typeof PROVIDERS)[number];
export type Provider = Exclude<ProviderChoice, 'auto'>;

/** What `auto` tries, the best first. webgpu and tensorrt only run when they are asked for. */
const AUTOMATIC: readonly Provider[] = ['cuda', 'coreml', 'dml', 'cpu'];

/** The libraries that the CUDA 12 build of onnxruntime needs; a build that is installed is asked itself. */
const CUDA_12_LIBRARIES = [
  'libcudart.so.12',
  'libcublas.so.12',
  'libcublasLt.so.12',
  'libcurand.so.10',
  'libcufft.so.11',
  'libcudnn.so.9',
];

/**
 * Opens something on the provider that was asked for or, for `auto`, on the first that works.
 *
 * @param open is called with one provider at a time and throws a ProviderError where it cannot run
 * @throws ProviderError with the fix, if the provider that was asked for cannot run: it is never replaced by another
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

/** The one command that fetches what the install leaves out. */
export function installCuda(): string {
  const { installScript } = runtimeFiles();
  return `node ${/^[\w./@+-]+$/u.test(installScript) ? installScript : JSON.stringify(installScript)}`;
}

/** Whether onnxruntime's own library for CUDA is installed: its package fetches it after the install, or is kept from it. */
export async function hasCudaLibrary(): Promise<boolean> {
  return exists(cudaLibrary());
}

/** The CUDA libraries that onnxruntime's own wants, by file name: those that it names, else those of its CUDA 12 build. */
export async function neededCudaLibraries(): Promise<string[]> {
  if (!(await hasCudaLibrary())) return CUDA_12_LIBRARIES;
  const text = (await readFile(cudaLibrary())).toString('latin1');
  return [...new Set(text.match(/\blib(?:cudart|cublas|cublasLt|cudnn|cufft|curand)\.so\.\d+\b/gu))].sort();
}

function cudaLibrary(): string {
  return join(runtimeFiles().folder, 'libonnxruntime_providers_cuda.so');
}
