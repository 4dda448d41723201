// Makes the page of `serve` from src/page: one file that needs nothing else. Run by tools/bundle.js.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#0b6b63"/><path d="M4 5h8M4 8h5M4 11h3" stroke="#fff" stroke-width="1.6" stroke-linecap="round"/></svg>`;

/** @returns the paths of the modules in the page */
export async function buildPage(repository, out) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: repository,
    entryPoints: ['src/page/main.tsx'],
    outdir: out,
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['es2022', 'safari16'],
    tsconfig: 'src/page/tsconfig.json',
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  const textOf = (end) => outputFiles.find(({ path }) => path.endsWith(end))?.text.trim() ?? '';
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:image/svg+xml,${encodeURIComponent(ICON)}">
<title>clip-classify</title>
<style>${textOf('.css')}</style>
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript.</noscript>
<script type="module">${textOf('.js')}</script>
</body>
</html>
`;
  await writeFile(join(repository, out, 'page.html'), html);
  return Object.keys(metafile.inputs);
}
