import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A file or folder in test/fixtures. */
export const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** The repository. */
export const repository = fileURLToPath(new URL('../', import.meta.url));

/** Larger reference data next to the checkout on some machines. Tests that need it are skipped with a message if it is missing. */
export const shared = fileURLToPath(new URL('../../shared/', import.meta.url));
export const hasShared = existsSync(shared);
