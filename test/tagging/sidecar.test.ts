import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { embeddedTags, iptcKeywords } from '../../src/tagging/embedded.ts';
import { addTags, EMPTY_SIDECAR, removeTags, tagsFor } from '../../src/tagging/sidecar.ts';
import { decodeXmp, parseXmp } from '../../src/tagging/xmp.ts';

const DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"';
const packet = (inside: string) =>
  `\uFEFF<?xpacket begin="" id="x"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n <r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n${inside} </r:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>  `;
/** A sidecar with everything that is difficult for a serialiser: other prefixes, CDATA, comments, odd quotes, entities, emoji. */
const USERS = packet(`  <r:Description r:about='uuid:1' ${DC} xmlns:foo="urn:foo"
    foo:odd='"' >
   <dc:subject>
    <r:Bag>
     <r:li>user &amp; &#x41; 😀</r:li>
    </r:Bag>
   </dc:subject>
   <!-- kept --><foo:bar   a="1"><![CDATA[<raw>]]></foo:bar>
  </r:Description>
`);
const TAGS = tagsFor(['cat', 'a/b|c <&> é'], 'auto');

/** The tags that ExifTool reads. Skipped if it is not installed. */
function exiftool(text: string): Record<string, unknown> | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'xmp-'));
  try {
    writeFileSync(join(folder, 'a.xmp'), text);
    const json = execFileSync('exiftool', ['-j', '-XMP:all', join(folder, 'a.xmp')], { encoding: 'utf8' });
    return JSON.parse(json)[0];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('a sidecar', () => {
  it.each([
    ['new', EMPTY_SIDECAR],
    ["a user's", USERS],
    ["a user's, with CRLF", USERS.replace(/\n/gu, '\r\n')],
    ['without a Description', packet('')],
  ])('%s: tags are added once and removed without a trace', (_, before) => {
    const { text, added } = addTags(before, TAGS);
    expect(added).toContain('digiKam:TagsList=auto/a-b-c <&> é');
    expect(added).toContain('dc:subject=a/b|c <&> é');
    expect(addTags(text, TAGS)).toEqual({ text, added: [] });
    for (const line of before.split('\n')) expect(text).toContain(line);
    const { text: after, removed } = removeTags(text);
    expect(removed).toEqual(added);
    expect(after).toBe(before === EMPTY_SIDECAR ? undefined : before);
  });

  it('is read by ExifTool with the tags of the user and ours', (context) => {
    const read = exiftool(addTags(USERS, TAGS).text);
    if (read === undefined) return context.skip('exiftool is not installed');
    expect(read).toMatchObject({
      Subject: ['user & A 😀', 'cat', 'a/b|c <&> é'],
      TagsList: ['auto/cat', 'auto/a-b-c <&> é'],
      HierarchicalSubject: ['auto|cat', 'auto|a-b-c <&> é'],
    });
  });

  it('keeps tags that the user added later, also in fields that this tool made', () => {
    const { text } = addTags(EMPTY_SIDECAR, tagsFor(['cat'], undefined));
    const edited = text.replace('<rdf:li>cat</rdf:li>', '<rdf:li>cat</rdf:li>\n    <rdf:li>mine</rdf:li>');
    const after = removeTags(edited).text ?? '';
    expect(after).toContain('<rdf:li>mine</rdf:li>');
    expect(after).not.toContain('cat<');
    expect(() => parseXmp(after)).not.toThrow();
  });

  it('does not remove a tag that the user had before', () => {
    const mine = addTags(EMPTY_SIDECAR, tagsFor(['cat'], undefined)).text.replace(
      /clipClassify:added/gu,
      'clipClassify:other',
    );
    const again = addTags(mine, tagsFor(['cat', 'dog'], undefined));
    expect(again.added).toEqual(['dc:subject=dog', 'digiKam:TagsList=dog', 'lr:hierarchicalSubject=dog']);
    expect(removeTags(again.text).text).toContain('<rdf:li>cat</rdf:li>');
  });

  it('writes the path of a label that has parents, below the keyword', (context) => {
    const parents = new Map([
      ['dog', 'pet'],
      ['pet', 'animal'],
    ]);
    expect([...tagsFor(['dog'], undefined, parents).values()]).toEqual([
      ['dog'],
      ['animal/pet/dog'],
      ['animal|pet|dog'],
    ]);
    const read = exiftool(addTags(USERS, tagsFor(['dog', 'sky'], 'auto', parents)).text);
    if (read === undefined) return context.skip('exiftool is not installed');
    expect(read).toMatchObject({
      Subject: ['user & A 😀', 'dog', 'sky'],
      TagsList: ['auto/animal/pet/dog', 'auto/sky'],
      HierarchicalSubject: ['auto|animal|pet|dog', 'auto|sky'],
    });
  });

  it('starts a new hierarchical field with the existing tags, which programs would otherwise ignore', () => {
    const { added } = addTags(EMPTY_SIDECAR, tagsFor(['cat'], undefined), ['pets/mine']);
    expect(added).toEqual([
      'dc:subject=cat',
      'digiKam:TagsList=pets/mine',
      'digiKam:TagsList=cat',
      'lr:hierarchicalSubject=pets|mine',
      'lr:hierarchicalSubject=cat',
    ]);
  });

  it.each([
    ['a DOCTYPE', `<!DOCTYPE x>${EMPTY_SIDECAR.slice(EMPTY_SIDECAR.indexOf('<x:'))}`],
    ['a bare ampersand', USERS.replace('&amp;', '&')],
    ['no rdf:RDF', '<x/>'],
    ['a cut end', USERS.slice(0, -60)],
    ['a property as an attribute', packet(`<r:Description r:about="" ${DC} dc:subject="x"/>`)],
    ['elements that are nested too deep', packet('<r:a>'.repeat(120) + '</r:a>'.repeat(120))],
  ])('with %s is refused', (_, text) => {
    expect(() => addTags(text, TAGS)).toThrow(/it |its |dc:subject/u);
  });

  it('refuses UTF-16 and bytes that are not UTF-8', () => {
    expect(() => decodeXmp(Buffer.from(`\uFEFF${USERS}`, 'utf16le'))).toThrow('UTF-16');
    expect(() => decodeXmp(Buffer.from([0x3c, 0xe9, 0x3e]))).toThrow('not valid UTF-8');
  });

  it('is never damaged further: 500 damaged copies are refused or can be restored', () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    let accepted = 0;
    for (let n = 0; n < 500; n++) {
      const bytes = Buffer.from(USERS);
      for (let k = 0; k <= random(3); k++) bytes[random(bytes.length)] = n % 2 === 0 ? random(256) : 32 + random(95);
      try {
        const before = decodeXmp(bytes);
        const { text, added } = addTags(before, TAGS);
        if (added.length > 0) expect(removeTags(text).text).toBe(before);
        accepted++;
      } catch (error) {
        expect((error as Error).name).toBe('XmpError');
      }
    }
    expect(accepted).toBeGreaterThan(50);
  });
});

describe('tags inside a picture', () => {
  it('are read from its XMP packet or its IPTC keywords', () => {
    const { text } = addTags(EMPTY_SIDECAR, tagsFor(['own'], 'pets'));
    expect(embeddedTags(Buffer.from(text))).toEqual(['pets/own']);
    expect(embeddedTags(Buffer.from('no XMP'))).toEqual([]);
    expect(iptcKeywords(Buffer.from('\x1c\x02\x19\x00\x03own\x1c\x02\x19\x00\x05other', 'latin1'))).toEqual([
      'own',
      'other',
    ]);
    expect(iptcKeywords(Buffer.from('\x1c\x02\x19\xff', 'latin1'))).toEqual([]);
  });
});
