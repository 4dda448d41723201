import { readFile } from 'node:fs/promises';
import { initSync } from 'parquet-wasm/esm';

/** The WebAssembly of parquet-wasm, copied by `npm run build`. */
const WASM = new URL('../../dist/bundle/parquet_wasm_bg.wasm', import.meta.url);
let loaded: Promise<void> | undefined;

/** Loads the library, once. */
export function loadParquet(): Promise<void> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<void> {
  initSync({ module: await readFile(WASM) });
}
