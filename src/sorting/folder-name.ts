import { LabelsError } from '../errors.ts';

/** The longest folder name, in bytes. File systems allow 255 bytes, and a `-12` and an extension must still fit. */
const MAX_BYTES = 200;
/** Characters that Windows refuses in names, and control characters. */
const REFUSED = /[<>:"/\\|?*\p{Cc}\p{Bidi_Control}]/gu;
/** Names of devices on Windows, also with an extension (Microsoft, "Naming files, paths, and namespaces"). */
const RESERVED = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)/iu;
/** Dots and spaces at the end, which Windows drops. */
const TRAILING = /[.\s]+$/u;

/** The folder of pictures without a label. */
export const NO_LABEL = '_none';

/**
 * The folder of a label. A label never acts as a path: separators, reserved names, dots at the ends and names that are too long are
 * replaced.
 */
export function folderNameOf(label: string): string {
  let name = label
    .normalize('NFC')
    .replace(REFUSED, '_')
    .replace(/^[.\s]+/u, '_')
    .replace(TRAILING, '');
  if (RESERVED.test(name) || name.toLowerCase() === NO_LABEL) name = `_${name}`;
  while (Buffer.byteLength(name) > MAX_BYTES) name = [...name].slice(0, -1).join('');
  name = name.replace(TRAILING, '');
  return name === '' ? '_' : name;
}

/**
 * The folder of each label.
 *
 * @throws LabelsError if two labels would share a folder; case and Unicode form are ignored, as some file systems ignore them
 */
export function folderNames(labels: readonly string[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const owners = new Map<string, string>();
  for (const label of labels) {
    const name = folderNameOf(label);
    const owner = owners.get(name.toLowerCase());
    if (owner !== undefined)
      throw new LabelsError(`"${owner}" and "${label}" would share the folder ${name}`, 'rename one of these labels');
    owners.set(name.toLowerCase(), label);
    names.set(label, name);
  }
  return names;
}
