import { INSTALL_HEIC } from '../image/heic.ts';
import type { Path } from './path.ts';
import { isTarName } from './tar/address.ts';

/** Why a file or folder is skipped. */
export type Reason = 'name' | 'link' | 'device' | 'excluded' | 'system folder' | 'pair' | 'tar link';

/** Folders that other programs fill with thumbnails and deleted pictures. */
const SYSTEM_FOLDERS: ReadonlySet<string> = new Set([
  '@eadir',
  '__macosx',
  '.thumbnails',
  '.@__thumb',
  '@recycle',
  '#recycle',
  '@recently-snapshot',
  '$recycle.bin',
  'system volume information',
  '.trash',
  '.trashes',
  '.appledouble',
  '.ipynb_checkpoints',
]);

export function isSystemFolder(name: string): boolean {
  const lower = name.toLowerCase();
  return SYSTEM_FOLDERS.has(lower) || /^\.trash-\d+$/u.test(lower);
}

/** Extensions of pictures that cannot be read, and what would read them. */
const KINDS: readonly (readonly [extension: RegExp, kind: string, advice: string])[] = [
  [/^(heic|heif|hif)$/u, 'HEIC', INSTALL_HEIC],
  [/^svgz?$/u, 'SVG', 'name them with --allow-svg'],
  [/^jxl$/u, 'JPEG XL', 'convert them with djxl in.jxl out.png'],
  [/^(jp2|j2k|jpf|jpx|jpm|j2c)$/u, 'JPEG 2000', 'convert them to PNG'],
  [/^(crw|mrw|x3f|3fr|iiq|srf|sr2|erf|kdc|dcr|mef|mos|gpr)$/u, 'camera RAW', 'export them as JPEG'],
  [/^(psd|psb|xcf|kra|afphoto)$/u, 'layered document', 'export them as PNG'],
  [
    /^(ico|cur|icns|pbm|pgm|ppm|pnm|pam|pfm|tga|pcx|exr|hdr|dds|jxr|wdp|fits?|dcm|wbmp|xbm|xpm|qoi|emf|wmf|eps)$/u,
    'picture of another format',
    'convert them to PNG',
  ],
  [/^(mp4|mov|m4v|avi|mkv|webm|mts|m2ts|3gp|mpe?g|wmv|flv)$/u, 'video', 'extract frames with ffmpeg'],
];

/** Counts skipped files, for one line at the end. */
export class LeftOut {
  private readonly counts = new Map<string, { count: number; advice: string }>();
  private others = 0;

  add(path: Path, reason: Reason): void {
    const [what, advice] = this.describe(path, reason) ?? [];
    if (what === undefined || advice === undefined) {
      this.others++;
      return;
    }
    const known = this.counts.get(what) ?? { count: 0, advice };
    known.count++;
    this.counts.set(what, known);
  }

  /** Files that are not pictures by their names, and devices. */
  get otherFiles(): number {
    return this.others;
  }

  /** One line, or undefined if only files that are not pictures were skipped. */
  summary(): string | undefined {
    if (this.counts.size === 0) return undefined;
    const parts = [...this.counts].map(
      ([what, { count, advice }]) => `${count} ${what}${count === 1 ? '' : 's'} (${advice})`,
    );
    return `left out: ${parts.join('; ')}`;
  }

  private describe(path: Path, reason: Reason): readonly [what: string, advice: string] | undefined {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const extension = /\.([^.]+)$/u.exec(name)?.[1]?.toLowerCase() ?? '';
    switch (reason) {
      case 'link':
        return ['symbolic link', 'read with --follow'];
      case 'tar link':
        return ['tar link', 'pack the files themselves: tar --dereference --hard-dereference'];
      case 'excluded':
        return ['path', 'by --exclude'];
      case 'system folder':
        return ['folder of another program', `such as ${name}; read when named`];
      case 'pair':
        return ['RAW file', 'a JPEG of the same name is read instead'];
      case 'device':
        return undefined;
      default: {
        if (name.startsWith('._')) return undefined; // macOS: a resource fork
        if (isTarName(name)) return ['tar', "classify and embed read them when named: 'folder/*.tar'"];
        const kind = KINDS.find(([pattern]) => pattern.test(extension));
        if (kind === undefined) return undefined;
        const [, what, advice] = kind;
        const isName = what === 'video' || what === 'layered document' || what === 'picture of another format';
        return [isName ? what : `.${extension} file`, isName ? advice : `${what}: ${advice}`];
      }
    }
  }
}
