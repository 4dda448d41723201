import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A file or folder beside this one. */
export const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** The repository. */
export const repository = fileURLToPath(new URL('../', import.meta.url));

/** Larger reference data that lies beside the checkout on some machines; tests that use it say so where it is missing. */
export const shared = fileURLToPath(new URL('../../shared/', import.meta.url));
export const hasShared = existsSync(shared);
