/** Brands of HEVC pictures (ISO/IEC 23008-12) and of AV1 pictures (AVIF 1.1). */
const HEVC = /^(hei[cxms]|hev[cxms])$/u;
const AV1 = /^(avif|avis)$/u;

/** AVIF or HEIC, from the brands of the file; undefined if they do not decide it. */
export function heifKind(bytes: Uint8Array): 'HEIC' | 'AVIF' | undefined {
  const brands = brandsOf(bytes);
  const [major = ''] = brands;
  if (AV1.test(major)) return 'AVIF';
  if (HEVC.test(major)) return 'HEIC';
  if (brands.some((brand) => AV1.test(brand))) return 'AVIF';
  return brands.some((brand) => HEVC.test(brand)) ? 'HEIC' : undefined;
}

/** The major brand, then the compatible ones. */
function brandsOf(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = Math.min(bytes.length < 12 ? 0 : view.getUint32(0), bytes.length, 256);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, end).toString('latin1');
  const brands: string[] = [];
  for (let at = 8; at + 4 <= end; at += at === 8 ? 8 : 4) brands.push(text.slice(at, at + 4));
  return brands;
}

/**
 * Replaces the major brand of animated AVIF, which libvips refuses, by the brand of still images. The first picture is then decoded.
 */
export function asStill(bytes: Uint8Array): Uint8Array {
  const major = Buffer.from(bytes.buffer, bytes.byteOffset + 8, 4).toString('latin1');
  if (/^(avif|mif1|msf1)$/u.test(major)) return bytes;
  const still = Uint8Array.from(bytes);
  still.set(Buffer.from('avif', 'latin1'), 8);
  return still;
}
