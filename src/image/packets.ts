import { sharp } from './libvips.ts';

/** Metadata blocks inside a picture; absent if it has none, or cannot be read. */
export async function packetsIn(
  path: string | Uint8Array,
): Promise<{ readonly xmp?: Uint8Array; readonly iptc?: Uint8Array }> {
  const { xmp, iptc } = await sharp()(path)
    .metadata()
    .catch(() => ({ xmp: undefined, iptc: undefined }));
  return { ...(xmp && { xmp }), ...(iptc && { iptc }) };
}
