import type { IncomingHttpHeaders } from 'node:http';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { messageOf } from '../errors.ts';
import { badRequest, tooLarge } from './problems.ts';

/** A form: its fields, and its files in order. */
export interface Form {
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly files: readonly { readonly name: string; readonly bytes: Buffer }[];
}

const FIELDS = 100;
const FIELD_BYTES = 4_000_000;

/** @throws Problem 400, or 413 if there are too many parts */
export function parseForm(headers: IncomingHttpHeaders, body: Buffer, mostFiles: number): Promise<Form> {
  return new Promise((done, failed) => {
    const fields: [string, string][] = [];
    const files: { name: string; bytes: Buffer }[] = [];
    const refuse = (error: unknown) => failed(badRequest(`the form cannot be read: ${messageOf(error)}`));
    const tooMany = (what: string) => () => failed(tooLarge(`the form has too many ${what}`));
    let parser: BusboyInstance;
    try {
      const limits = {
        files: mostFiles,
        fields: FIELDS,
        fieldSize: FIELD_BYTES,
        headerPairs: 50,
        fileSize: body.length,
      };
      parser = new Busboy({ headers: headers as BusboyHeaders, limits });
    } catch (error) {
      return refuse(error);
    }
    parser.on('field', (name, value, isNameCut, isCut) => {
      if (isNameCut || isCut) tooMany(`bytes in the field ${name.slice(0, 60)}`)();
      fields.push([name, value]);
    });
    parser.on('file', (field, stream, filename) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', refuse);
      const at = files.push({ name: filename || field || `image ${files.length + 1}`, bytes: Buffer.alloc(0) }) - 1;
      stream.on('end', () => {
        files[at] = { name: files[at]?.name ?? '', bytes: Buffer.concat(chunks) };
      });
    });
    parser.on('filesLimit', tooMany(`images; the limit is ${mostFiles}`));
    parser.on('fieldsLimit', tooMany('fields'));
    parser.on('partsLimit', tooMany('parts'));
    parser.on('error', refuse);
    parser.on('finish', () => done({ fields, files }));
    parser.end(body);
  });
}
