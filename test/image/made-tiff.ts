/** One directory of a TIFF that a test makes: tags with their numbers, and the bytes of its only strip. */
export interface MadeDirectory {
  readonly tags: Readonly<Record<number, readonly number[] | string>>;
  readonly strip?: Uint8Array;
  /** JPEG that tags 0x201 and 0x202 point to. */
  readonly jpeg?: Uint8Array;
  readonly sub?: readonly MadeDirectory[];
  readonly exif?: MadeDirectory;
  /** Tags whose values are bytes. */
  readonly bytes?: Readonly<Record<number, Uint8Array>>;
}

/**
 * A little-endian TIFF of these pages (TIFF 6.0, section 2). Numbers above 65,535 are LONG, others SHORT.
 *
 * @param more bytes behind the header
 */
export function makeTiff(pages: readonly MadeDirectory[], more: Buffer = Buffer.alloc(0)): Buffer {
  const parts: Buffer[] = [Buffer.concat([Buffer.from('II\x2a\0\0\0\0\0', 'latin1'), more])];
  let size = 8 + more.length;
  const put = (bytes: Uint8Array): number => {
    const at = size;
    const padded = Buffer.concat([bytes, Buffer.alloc(bytes.length % 2)]);
    parts.push(padded);
    size += padded.length;
    return at;
  };
  const write = (directory: MadeDirectory): { readonly at: number; readonly link: Buffer } => {
    const tags: Record<number, readonly number[] | string> = { ...directory.tags };
    if (directory.strip) [tags[0x111], tags[0x117]] = [[put(directory.strip)], [directory.strip.length]];
    if (directory.jpeg) [tags[0x201], tags[0x202]] = [[put(directory.jpeg)], [directory.jpeg.length]];
    if (directory.sub) tags[0x14a] = directory.sub.map((one) => write(one).at);
    if (directory.exif) tags[0x8769] = [write(directory.exif).at];
    const blobs = directory.bytes ?? {};
    const names = [...Object.keys(tags), ...Object.keys(blobs)].map(Number).sort((a, b) => a - b);
    const entries = names.map((tag) => {
      const value = tags[tag] as readonly number[] | string;
      const entry = Buffer.alloc(12);
      entry.writeUInt16LE(tag, 0);
      const blob = blobs[tag];
      if (blob !== undefined) {
        entry.writeUInt16LE(7, 2);
        entry.writeUInt32LE(blob.length, 4);
        entry.writeUInt32LE(put(blob), 8);
        return entry;
      }
      const long =
        typeof value !== 'string' &&
        (value.some((one) => one > 65_535) || [0x111, 0x117, 0x201, 0x202, 0x14a, 0x8769].includes(tag));
      const bytes =
        typeof value === 'string'
          ? Buffer.from(`${value}\0`, 'latin1')
          : Buffer.from((long ? Uint32Array : Uint16Array).from(value).buffer);
      entry.writeUInt16LE(typeof value === 'string' ? 2 : long ? 4 : 3, 2);
      entry.writeUInt32LE(typeof value === 'string' ? bytes.length : value.length, 4);
      if (bytes.length <= 4) bytes.copy(entry, 8);
      else entry.writeUInt32LE(put(bytes), 8);
      return entry;
    });
    const link = Buffer.alloc(4);
    const count = Buffer.alloc(2);
    count.writeUInt16LE(entries.length);
    return { at: put(Buffer.concat([count, ...entries, link])), link };
  };
  let before: number | undefined;
  const places = pages.map((page) => {
    const { at } = write(page);
    const end = size;
    return { at, end, entries: parts.at(-1) as Buffer };
  });
  (parts[0] as Buffer).writeUInt32LE(places[0]?.at ?? 0, 4);
  for (const [n, { entries }] of places.entries()) {
    before = places[n + 1]?.at;
    const count = entries.readUInt16LE(0);
    if (before !== undefined) entries.writeUInt32LE(before, 2 + count * 12);
  }
  return Buffer.concat(parts);
}

/** The tags of a picture. */
export function picture(width: number, height: number, more: MadeDirectory['tags'] = {}): MadeDirectory['tags'] {
  return { 256: [width], 257: [height], 258: [8, 8, 8], 259: [1], 262: [2], 277: [3], 278: [height], ...more };
}
