import { FIELDS, tagsOf } from './fields.ts';
import { decodeXmp, parseXmp } from './xmp.ts';

/** Hierarchical tags in the XMP inside a picture, their levels separated by `/`. A packet that cannot be read has none. */
export function embeddedTags(packet: Uint8Array | undefined): string[] {
  if (packet === undefined) return [];
  try {
    const rdf = parseXmp(decodeXmp(packet).replace(/\0+$/u, ''));
    for (const field of FIELDS) {
      if (!('separator' in field)) continue;
      const tags = tagsOf(rdf, field);
      if (tags.length > 0) return tags.map((tag) => tag.split(field.separator).join('/'));
    }
  } catch {
    // The picture itself is never changed, so its own tags can only be skipped.
  }
  return [];
}

/** Keywords in the IPTC block of a picture: datasets 2:25 (IPTC-IIM 4.2). */
export function iptcKeywords(block: Uint8Array | undefined): string[] {
  const keywords: string[] = [];
  const bytes = Buffer.from(block ?? []);
  for (let at = bytes.indexOf(Buffer.of(0x1c, 2, 25)); at >= 0; at = bytes.indexOf(Buffer.of(0x1c, 2, 25), at + 5)) {
    const length = at + 5 <= bytes.length ? bytes.readUInt16BE(at + 3) : 0;
    const keyword = bytes
      .subarray(at + 5, at + 5 + length)
      .toString('utf8')
      .trim();
    if (length > 0 && length < 2000 && keyword !== '') keywords.push(keyword);
  }
  return keywords;
}
