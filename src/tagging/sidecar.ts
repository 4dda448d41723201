import { escapeUTF8 } from 'entities';
import { FIELDS, type Field, nameOfField, propertyOf, RECORD, tagsOf } from './fields.ts';
import { descriptionsOf, type Element, parseXmp, RDF, XmpError } from './xmp.ts';

/** A new sidecar without tags. */
export const EMPTY_SIDECAR = `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="${RDF}">
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
`;

/** An edit: a piece of text that replaces another. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The tags of a label in each field. */
export type Tags = ReadonlyMap<Field, readonly string[]>;

/**
 * The tags of labels: in `dc:subject` the label alone, in the other fields the path to it, `animal/pet/dog`, below a keyword. A
 * separator inside a label is replaced, because it would begin a new level.
 *
 * @param keyword what all paths begin with
 * @param parents of labels that have one; without circles
 */
export function tagsFor(
  labels: readonly string[],
  keyword: string | undefined,
  parents: ReadonlyMap<string, string> = new Map(),
): Tags {
  const pathTo = (label: string): string[] => {
    const parent = parents.get(label);
    return [...(parent === undefined ? [] : pathTo(parent)), label];
  };
  const level = (text: string) => text.replace(/[/|]/gu, '-');
  const of = (field: Field) =>
    labels.map((label) =>
      field.separator === undefined
        ? label
        : [...(keyword === undefined ? [] : [keyword]), ...pathTo(label)].map(level).join(field.separator),
    );
  return new Map(FIELDS.map((field) => [field, of(field)]));
}

/**
 * Adds tags to a sidecar, except those that it already has. All other bytes stay.
 *
 * Programs such as Immich and darktable read the first of these fields that exists. So a field that is new begins with the
 * tags that another hierarchical field, or the picture itself, already has.
 *
 * @param embedded hierarchical tags inside the picture, their levels separated by `/`
 * @returns the new text, and what was added as `dc:subject=cat`
 * @throws XmpError
 */
export function addTags(
  text: string,
  tags: Tags,
  embedded: readonly string[] = [],
): { readonly text: string; readonly added: readonly string[] } {
  const rdf = parseXmp(text);
  const inherited = inheritedTags(rdf, embedded);
  const missing = new Map<Field, string[]>();
  for (const [field, wanted] of tags) {
    const present = new Set(tagsOf(rdf, field));
    const isNew = propertyOf(rdf, field) === undefined;
    const { separator } = field;
    const first = isNew && separator !== undefined ? inherited.map((tag) => tag.split('/').join(separator)) : [];
    const own = wanted.filter((tag) => !present.has(tag));
    if (own.length > 0) missing.set(field, [...new Set([...first, ...own])]);
  }
  const added = [...missing].flatMap(([field, all]) => all.map((tag) => `${nameOfField(field)}=${tag}`));
  if (added.length === 0) return { text, added };
  missing.set(RECORD, added);
  const edited = applyEdits(text, insertions(text, rdf, missing));
  check(text, edited, [...missing.keys()]);
  return { text: edited, added };
}

/** Hierarchical tags that programs would no longer read if a new field came first. */
function inheritedTags(rdf: Element, embedded: readonly string[]): readonly string[] {
  for (const field of FIELDS) {
    if (!('separator' in field)) continue;
    const own = tagsOf(rdf, field);
    if (own.length > 0) return own.map((tag) => tag.split(field.separator).join('/'));
  }
  return embedded;
}

function insertions(text: string, rdf: Element, missing: ReadonlyMap<Field, readonly string[]>): Edit[] {
  const edits: Edit[] = [];
  const fresh: [Field, readonly string[]][] = [];
  for (const [field, tags] of missing) {
    const property = propertyOf(rdf, field);
    if (property === undefined) {
      fresh.push([field, tags]);
      continue;
    }
    const { container, items } = property;
    const name = nameIn(container.prefix, 'li');
    const last = items.at(-1);
    const space = last === undefined ? '' : spaceBefore(text, last.start);
    const lines = tags.map((tag) => `${space}<${name}>${escapeUTF8(tag)}</${name}>`).join('');
    if (last !== undefined) edits.push({ start: last.end, end: last.end, text: lines });
    else if (container.closeStart > container.openEnd || text[container.openEnd - 2] !== '/')
      edits.push({ start: container.openEnd, end: container.openEnd, text: lines });
    else {
      const open = text.slice(container.start, container.openEnd).replace(/\s*\/>$/u, '>');
      const close = `</${nameIn(container.prefix, container.local)}>`;
      edits.push({ start: container.start, end: container.end, text: open + lines + close });
    }
  }
  if (fresh.length > 0) edits.push(newDescription(text, rdf, fresh));
  return edits;
}

/** New fields are in their own Description, after the others. */
function newDescription(text: string, rdf: Element, fields: readonly [Field, readonly string[]][]): Edit {
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const descriptions = descriptionsOf(rdf);
  const last = descriptions.at(-1);
  const indent = last === undefined ? '  ' : (/[ \t]*$/u.exec(text.slice(0, last.start))?.[0] ?? '');
  const about = descriptions[0]?.attributes.find(({ uri, local }) => uri === RDF && local === 'about')?.value ?? '';
  const p = (local: string) => nameIn(rdf.prefix, local);
  const lines = [
    `<${p('Description')} ${p('about')}="${escapeUTF8(about)}"${fields.map(([{ prefix, uri }]) => ` xmlns:${prefix}="${uri}"`).join('')}>`,
    ...fields.flatMap(([field, tags]) => [
      ` <${nameOfField(field)}>`,
      `  <${p(field.container)}>`,
      ...tags.map((tag) => `   <${p('li')}>${escapeUTF8(tag)}</${p('li')}>`),
      `  </${p(field.container)}>`,
      ` </${nameOfField(field)}>`,
    ]),
    `</${p('Description')}>`,
  ];
  const block = lines.map((line) => `${newline}${indent}${line}`).join('');
  if (last !== undefined) return { start: last.end, end: last.end, text: block };
  const isEmpty = rdf.closeStart === rdf.openEnd && text[rdf.openEnd - 2] === '/';
  if (!isEmpty) return { start: rdf.openEnd, end: rdf.openEnd, text: block };
  const open = text.slice(rdf.start, rdf.openEnd).replace(/\s*\/>$/u, '>');
  return { start: rdf.start, end: rdf.end, text: `${open}${block}${newline}</${p('RDF')}>` };
}

/**
 * Removes exactly what this tool added.
 *
 * @returns the new text (undefined if nothing is left that was not added), and what was removed
 * @throws XmpError
 */
export function removeTags(text: string): { readonly text: string | undefined; readonly removed: readonly string[] } {
  const rdf = parseXmp(text);
  const record = propertyOf(rdf, RECORD);
  if (record === undefined) return { text, removed: [] };
  const removed = tagsOf(rdf, RECORD);
  const added = new Set(removed);
  const gone = new Set<Element>([record.element]);
  for (const field of FIELDS) {
    const property = propertyOf(rdf, field);
    if (property === undefined) continue;
    const own = property.items.filter((item) => added.has(`${nameOfField(field)}=${item.text.trim()}`));
    const isOurs = property.description === record.description && own.length === property.items.length;
    for (const element of isOurs ? [property.element] : own) gone.add(element);
  }
  for (const description of descriptionsOf(rdf))
    if (description.children.every((child) => gone.has(child)) && !hasOwnAttributes(description)) gone.add(description);
  const outer = [...gone].filter(
    (element) => ![...gone].some((other) => other !== element && contains(other, element)),
  );
  const edited = applyEdits(
    text,
    outer.map(({ start, end }) => ({ start: start - spaceBefore(text, start).length, end, text: '' })),
  );
  check(text, edited, [...FIELDS, RECORD]);
  const isLeft = edited.replace(/\s/gu, '') !== EMPTY_SIDECAR.replace(/\s/gu, '');
  return { text: isLeft ? edited : undefined, removed };
}

function contains(outer: Element, inner: Element): boolean {
  return outer.start <= inner.start && inner.end <= outer.end;
}

function hasOwnAttributes({ attributes }: Element): boolean {
  return attributes.some(({ uri, local, prefix, name }) => {
    if (prefix === 'xmlns' || name === 'xmlns') return false;
    return !(uri === RDF && local === 'about');
  });
}

function nameIn(prefix: string, local: string): string {
  return prefix === '' ? local : `${prefix}:${local}`;
}

/** The white space before a position, back to the tag or text before it. */
function spaceBefore(text: string, position: number): string {
  return /\s*$/u.exec(text.slice(0, position))?.[0] ?? '';
}

function applyEdits(text: string, edits: readonly Edit[]): string {
  let result = text;
  for (const { start, end, text: piece } of [...edits].sort((a, b) => b.start - a.start))
    result = result.slice(0, start) + piece + result.slice(end);
  return result;
}

/** Checks that the edited text is valid, and that everything except the edited fields is unchanged. @throws XmpError */
function check(before: string, after: string, edited: readonly Field[]): void {
  const foreign = (text: string) => {
    const rdf = parseXmp(text);
    return JSON.stringify(
      descriptionsOf(rdf)
        .map((one) => [
          one.attributes
            .filter(({ prefix, name }) => prefix !== 'xmlns' && name !== 'xmlns')
            .map(({ name, value }) => [name, value]),
          one.children
            .filter((child) => !edited.some(({ uri, local }) => child.uri === uri && child.local === local))
            .map(({ start, end }) => text.slice(start, end)),
        ])
        .filter(([, children]) => (children as string[]).length > 0),
    );
  };
  if (foreign(before) !== foreign(after)) throw new XmpError('its other contents would change');
}
