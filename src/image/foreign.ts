import { ImageError } from '../errors.ts';
import { startOf } from './format.ts';

/** The first bytes of other file types, their names, and advice. */
const KINDS: readonly (readonly [magic: RegExp, what: string, nextStep: string])[] = [
  [/^version https:\/\/git-lfs\.github\.com/, 'a Git LFS pointer, not the image itself', 'run git lfs pull'],
  [/^(\.\.\/)*(\.git\/annex|\/annex\/objects)/, 'a git-annex pointer, not the image itself', 'run git annex get'],
  [
    /^(\xef\xbb\xbf)?\s*(<!--[\s\S]*?-->\s*)?<(!doctype html|html|head|body|script)[\s>]/i,
    'a web page (HTML)',
    'download the image itself',
  ],
  [/^\s*%PDF-/, 'a PDF document', 'convert a page with pdftoppm -png in.pdf page'],
  [/^(%!PS|\xc5\xd0\xd3\xc6)/, 'a PostScript document', 'convert it to PNG'],
  [/^\xff\x0a|^\0\0\0\x0cJXL /, 'a JPEG XL image', 'convert it with djxl in.jxl out.png'],
  [/^\0\0\0\x0cjP {2}|^\xff\x4f\xff\x51/, 'a JPEG 2000 image', 'convert it with opj_decompress -i in.jp2 -o out.png'],
  [/^8BPS/, 'a Photoshop document (PSD)', 'export it as PNG'],
  [/^\0\0[\x01\x02]\0[\x01-\xff]/, 'a Windows icon or cursor (ICO)', 'convert it to PNG'],
  [/^P[1-7][\s#]/, 'a Netpbm image (PBM, PGM or PPM)', 'convert it to PNG'],
  [/^\x76\x2f\x31\x01/, 'an OpenEXR image', 'convert it to PNG'],
  [/^#\?(RADIANCE|RGBE)/, 'a Radiance HDR image', 'convert it to PNG'],
  [/^DDS /, 'a DirectDraw texture (DDS)', 'convert it to PNG'],
  [/^II\xbc/, 'a JPEG XR image', 'convert it to PNG'],
  [/^FOVb/, 'a Sigma RAW file (X3F)', 'export it as JPEG'],
  [/^\0MRM/, 'a Minolta RAW file (MRW)', 'export it as JPEG'],
  [/^II\x1a\0\0\0HEAPCCDR/, 'a Canon RAW file (CRW)', 'export it as JPEG'],
  [/^gimp xcf/, 'a GIMP document (XCF)', 'export it as PNG'],
  [/^SIMPLE {2}=/, 'a FITS image', 'convert it to PNG'],
  [/^[\s\S]{128}DICM/, 'a DICOM image', 'convert it to PNG'],
  [
    /^[\s\S]{4}ftyp(qt|isom|iso\d|mp4\d|mp42|avc1|M4V|3g|dash|MSNV|f4v)/,
    'a video (MP4 or MOV)',
    'extract a frame with ffmpeg -i in.mp4 -frames:v 1 out.png',
  ],
  [
    /^[\s\S]{4}(moov|mdat|wide|skip|free)/,
    'a video (MOV)',
    'extract a frame with ffmpeg -i in.mov -frames:v 1 out.png',
  ],
  [/^\x1a\x45\xdf\xa3/, 'a video (WebM or Matroska)', 'extract a frame with ffmpeg -i in.webm -frames:v 1 out.png'],
  [/^RIFF[\s\S]{4}AVI /, 'a video (AVI)', 'extract a frame with ffmpeg -i in.avi -frames:v 1 out.png'],
  [
    /^(\0\0\x01[\xba\xb3]|OggS|FLV\x01|\x30\x26\xb2\x75)/,
    'a video',
    'extract a frame with ffmpeg -i in -frames:v 1 out.png',
  ],
  [/^RIFF[\s\S]{4}WAVE|^ID3|^fLaC/, 'an audio file', 'give an image'],
  [/^PK(\x03\x04|\x05\x06)/, 'a zip archive or a document in one (docx, epub)', 'unpack it and give the images'],
  [/^(Rar!|7z\xbc\xaf|\xfd7zXZ)/, 'a compressed archive (RAR, 7-Zip or XZ)', 'unpack it and give the images'],
  [/^\x1f\x8b/, 'a gzip archive', 'unpack it with gunzip'],
  [/^BZh[1-9]/, 'a bzip2 archive', 'unpack it with bunzip2'],
  [/^\x28\xb5\x2f\xfd/, 'a Zstandard archive', 'unpack it with unzstd'],
  [/^[\s\S]{257}ustar/, 'a tar archive', 'unpack it and give the images'],
  [/^\x89HDF|^\x93NUMPY/, 'a file of numbers (HDF5 or NumPy)', 'save its pictures as PNG'],
  [/^\x7fELF|^MZ/, 'a program', 'give an image'],
  [
    /^\0\x05\x16\x07/,
    'a resource fork of macOS (AppleDouble), not the image itself',
    'give the file without ._ in front of its name',
  ],
  [/^(\xef\xbb\xbf)?\s*<\?xml|^(\xef\xbb\xbf)?\s*<x:xmpmeta/, 'an XML document', 'give an image'],
  [/^\s*[[{]\s*(["{[\]}]|-?\d)/, 'a JSON document, such as an error message of a server', 'download the image again'],
  [/^\0+$/, 'empty: its first 1024 bytes are zero', 'fetch or export it again'],
  [/^(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\t\n\r\x20-\x7e\x80-\xff]{1,1024}$/, 'a text file', 'give an image'],
];

const OURS = 'JPEG, PNG, WebP, GIF, TIFF, AVIF, HEIC, BMP or camera RAW';

/** The type of an unsupported file, from its bytes and not from its name. */
export function foreignImage(bytes: Uint8Array, name: string): ImageError {
  const start = startOf(bytes);
  const known = KINDS.find(([magic]) => magic.test(start));
  if (known !== undefined) return new ImageError('E_FORMAT', `${name} is ${known[1]}`, known[2]);
  return new ImageError('E_FORMAT', `${name} is not a ${OURS} image`, 'convert it to JPEG or PNG');
}
