/** What numbers of the tag Compression mean, for messages. */
const NAMES: Readonly<Record<number, string>> = {
  2: 'CCITT',
  3: 'Group 3 fax',
  4: 'Group 4 fax',
  6: 'old-style JPEG',
  7: 'JPEG',
  34676: 'SGI LogL',
  34712: 'JPEG 2000',
  34887: 'LERC',
  34925: 'LZMA',
  34927: 'WebP',
  33003: 'JPEG 2000',
  33004: 'JPEG 2000',
  33005: 'JPEG 2000',
  34892: 'lossy JPEG',
  34933: 'PNG',
  34934: 'JPEG XR',
  50000: 'Zstd',
  50001: 'WebP',
  50002: 'JPEG XL',
  52546: 'JPEG XL',
};

export function compressionName(compression: number): string {
  return NAMES[compression] ?? `unknown (${compression})`;
}
