import { randomUUID } from 'node:crypto';

/** A multipart form with options and one image (RFC 7578). */
export interface Form {
  readonly type: string;
  readonly parts: readonly Uint8Array[];
  /** The name of the image in the form, which no message contains by chance. */
  readonly name: string;
}

/** File names are not sent to the service, because they may contain any character and are private. */
export function formOf(options: object, image: Uint8Array): Form {
  const boundary = randomUUID();
  const name = `image-${boundary}`;
  const head = [
    `--${boundary}`,
    'Content-Disposition: form-data; name="options"',
    '',
    JSON.stringify(options),
    `--${boundary}`,
    `Content-Disposition: form-data; name="images"; filename="${name}"`,
    'Content-Type: application/octet-stream',
    '',
    '',
  ].join('\r\n');
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    parts: [Buffer.from(head), image, Buffer.from(`\r\n--${boundary}--\r\n`)],
    name,
  };
}
