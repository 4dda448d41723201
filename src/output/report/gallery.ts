import type { Findings } from '../../find.ts';
import { html } from './markup.ts';
import { page } from './shell.ts';
import { STYLE } from './style.ts';
import { pictureKey } from './thumbnails.ts';

const GALLERY = `
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; padding: 0; list-style: none; }
.gallery img { width: 100%; height: 11rem; object-fit: cover; border-radius: 4px; }
.gallery .path { overflow-wrap: anywhere; margin: 0.25rem 0 0; }
`;

/**
 * The ranking of `find` as one page.
 *
 * @param pictures `data:` addresses by `pictureKey`
 */
export function galleryPage(
  query: string,
  { found, compared }: Findings,
  pictures: ReadonlyMap<string, string>,
): string {
  const items = found.map((one, n) => {
    const address = pictures.get(pictureKey(one));
    const picture =
      address === undefined ? html`<p class="missing">no picture</p>` : html`<img src="${address}" alt="${one.image}">`;
    return html`<li>${picture}<p class="path">${n + 1}. ${one.image}</p><p><data value="${one.cosine}">${one.cosine.toFixed(3)}</data></p></li>\n`;
  });
  return page(
    query,
    STYLE + GALLERY,
    html`<header>
<h1>${query}</h1>
<p>The best ${found.length} of ${compared} pictures. The number is the cosine of picture and text.</p>
</header>
<ol class="gallery">
${items}</ol>
`,
  );
}
