/** The beginning of a drawing of 20 × 10 pixels. */
export const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="20" height="10">';

const include = (url: string) => `<xi:include href="${url}" parse="text" xmlns:xi="http://www.w3.org/2001/XInclude"/>`;
const fill = (url: string) => `<rect width="9" height="9" style="fill: url(${url}#a) none"/>`;

/** Drawings that name another file or address, each in its own way. */
export const LEAKY: readonly (readonly [way: string, svg: (url: string) => string])[] = [
  ['an image', (url) => `${SVG}<image xlink:href="${url}" width="20" height="10"/></svg>`],
  ['a part of another drawing', (url) => `${SVG}<use xlink:href="${url}#a"/></svg>`],
  ['a text', (url) => `${SVG}<text y="9">${include(url)}</text></svg>`],
  [
    'a style sheet',
    (url) => `${SVG}<style>@import url("${url}"); rect { fill: url("${url}#a") }</style>${fill(url)}</svg>`,
  ],
];

/** A drawing whose text is a file. */
export const ENTITY = `<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/hostname">]>${SVG}<text y="9">&x;</text></svg>`;
