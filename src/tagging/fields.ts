import { descriptionsOf, type Element, RDF, XmpError } from './xmp.ts';

/** A property with a list of tags. */
export interface Field {
  readonly uri: string;
  readonly prefix: string;
  readonly local: string;
  /** The form of a new property that other programs expect (digiKam and ExifTool: Seq for TagsList). */
  readonly container: 'Bag' | 'Seq';
  /** The separator between a parent and its child. Absent for a flat list. */
  readonly separator?: '/' | '|';
}

export const FIELDS = [
  { uri: 'http://purl.org/dc/elements/1.1/', prefix: 'dc', local: 'subject', container: 'Bag' },
  { uri: 'http://www.digikam.org/ns/1.0/', prefix: 'digiKam', local: 'TagsList', container: 'Seq', separator: '/' },
  {
    uri: 'http://ns.adobe.com/lightroom/1.0/',
    prefix: 'lr',
    local: 'hierarchicalSubject',
    container: 'Bag',
    separator: '|',
  },
] as const satisfies readonly Field[];

/** Records the tags of this tool, so that exactly these can be removed: `dc:subject=cat`. */
export const RECORD: Field = {
  uri: 'urn:clip-classify:tags:1',
  prefix: 'clipClassify',
  local: 'added',
  container: 'Bag',
};

export const nameOfField = ({ prefix, local }: Field) => `${prefix}:${local}`;

/** A property and its list. */
export interface Property {
  readonly description: Element;
  readonly element: Element;
  readonly container: Element;
  readonly items: readonly Element[];
}

/** The property of a field, if the sidecar has it. @throws XmpError if it has a form that cannot be extended */
export function propertyOf(rdf: Element, field: Field): Property | undefined {
  let found: Property | undefined;
  for (const description of descriptionsOf(rdf)) {
    if (description.attributes.some(({ uri, local }) => uri === field.uri && local === field.local))
      throw new XmpError(`${nameOfField(field)} is written as an attribute, which cannot contain a list`);
    for (const element of description.children) {
      if (element.uri !== field.uri || element.local !== field.local) continue;
      if (found !== undefined) throw new XmpError(`it has ${nameOfField(field)} twice`);
      const [container] = element.children;
      if (container?.uri !== RDF || !/^(Bag|Seq|Alt)$/u.test(container.local) || element.children.length > 1)
        throw new XmpError(`${nameOfField(field)} is not a list`);
      const items = container.children.filter(({ uri, local }) => uri === RDF && local === 'li');
      found = { description, element, container, items };
    }
  }
  return found;
}

/** The tags of a field. */
export function tagsOf(rdf: Element, field: Field): string[] {
  return (propertyOf(rdf, field)?.items ?? []).map(({ text }) => text.trim());
}
