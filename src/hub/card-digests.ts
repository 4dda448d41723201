import { ChecksumError } from '../errors.ts';
import type { ListedFile } from './listing.ts';
import type { PinnedFile } from './pins.ts';
import type { CardSource } from './registry.ts';

type Warn = ((message: string) => void) | undefined;

/** Compares the sizes, and the sha256 of large files, with a card before they are downloaded. @throws ChecksumError */
export function checkListed(source: CardSource, files: readonly ListedFile[], warn: Warn): void {
  for (const { path, size, digest } of files)
    check(source, path, { size, ...(digest.algorithm === 'sha256' && { sha256: digest.hex }) }, warn);
}

/** Compares downloaded files with a card, because the Hub has no sha256 for small files. @throws ChecksumError */
export function checkPinned(source: CardSource, files: Readonly<Record<string, PinnedFile>>, warn: Warn): void {
  for (const [path, { size, sha256, blob }] of Object.entries(files))
    if (blob !== sha256) check(source, path, { size, sha256 }, warn);
}

function check(
  { repo, digests }: CardSource,
  path: string,
  found: { readonly size: number; readonly sha256?: string },
  warn: Warn,
): void {
  const known = digests.find((digest) => digest.path === path);
  if (known === undefined) return;
  const wrong = (['sha256', 'size'] as const).find(
    (key) => found[key] !== undefined && known[key] !== undefined && found[key] !== known[key],
  );
  if (wrong === undefined) return;
  const fact = `${repo}/${path} has ${wrong} ${found[wrong]} on the Hub, its model card has ${known[wrong]}`;
  if (known.verified) throw new ChecksumError(fact, 'do not use this file; report it to clip-classify');
  warn?.(`${fact}; the card's value is unverified, so the Hub's is used`);
}
