import { type SaxesAttributeNS, SaxesParser } from 'saxes';

/** The largest size and depth of a sidecar. Real sidecars have a few kilobytes. */
const MAX_BYTES = 8_000_000;
const MAX_DEPTH = 100;

export const RDF = 'http://www.w3.org/1999/02/22-rdf-syntax-ns#';

/** A sidecar that cannot be read, with the reason. It is not changed. */
export class XmpError extends Error {
  override readonly name = 'XmpError';
}

/** An element and the positions of its parts in the text, in UTF-16 units. */
export interface Element {
  readonly uri: string;
  readonly local: string;
  readonly prefix: string;
  readonly attributes: readonly SaxesAttributeNS[];
  /** Position of `<`, and after the `>` of the start tag. */
  readonly start: number;
  readonly openEnd: number;
  /** Position of `</`, and after the last `>`; of `<a/>` both are the end of the start tag. */
  closeStart: number;
  end: number;
  readonly children: Element[];
  /** The character data directly inside. */
  text: string;
}

/** The bytes of a sidecar as text. A byte order mark stays in the text. @throws XmpError */
export function decodeXmp(bytes: Uint8Array): string {
  if (bytes.length > MAX_BYTES) throw new XmpError(`it has ${bytes.length} bytes, more than a sidecar has`);
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))
    throw new XmpError('it is written in UTF-16, and only UTF-8 is supported');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new XmpError('it is not valid UTF-8');
  }
}

/**
 * Parses a sidecar strictly, so that text can be inserted at exact positions and every other byte stays.
 *
 * @returns the rdf:RDF element
 * @throws XmpError
 */
export function parseXmp(text: string): Element {
  const bom = text.startsWith('\uFEFF') ? 1 : 0;
  const parser = new SaxesParser({ xmlns: true, position: true });
  const stack: Element[] = [];
  let rdf: Element | undefined;
  parser.on('error', (error) => {
    throw new XmpError(`it is not valid XML: ${error.message.replace(/^\d+:\d+: /u, '')}`);
  });
  parser.on('doctype', () => {
    throw new XmpError('it has a DOCTYPE, which XMP does not have');
  });
  parser.on('opentag', ({ uri, local, prefix, attributes }) => {
    const openEnd = parser.position + bom;
    const start = text.lastIndexOf('<', openEnd - 1);
    const element = { uri, local, prefix, start, openEnd, closeStart: openEnd, end: openEnd, children: [], text: '' };
    const one: Element = { ...element, attributes: Object.values(attributes) };
    stack.at(-1)?.children.push(one);
    if (stack.push(one) > MAX_DEPTH) throw new XmpError(`its elements are nested more than ${MAX_DEPTH} deep`);
    if (uri === RDF && local === 'RDF') {
      if (rdf !== undefined) throw new XmpError('it has more than one rdf:RDF');
      rdf = one;
    }
  });
  parser.on('text', (data) => {
    const top = stack.at(-1);
    if (top !== undefined) top.text += data;
  });
  parser.on('cdata', (data) => {
    const top = stack.at(-1);
    if (top !== undefined) top.text += data;
  });
  parser.on('closetag', ({ isSelfClosing }) => {
    const element = stack.pop();
    if (element === undefined || isSelfClosing) return;
    element.end = parser.position + bom;
    element.closeStart = text.lastIndexOf('</', element.end - 1);
  });
  parser.write(text.slice(bom)).close();
  if (rdf === undefined) throw new XmpError('it contains no rdf:RDF');
  return rdf;
}

/** The rdf:Description elements, which contain the properties. */
export function descriptionsOf(rdf: Element): Element[] {
  return rdf.children.filter(({ uri, local }) => uri === RDF && local === 'Description');
}
