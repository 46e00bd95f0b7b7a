// Bundles src into dist: index.html, app.js, app.css, icon.svg. What a node serves is embedded from there at its own build.
import { build } from 'esbuild';
import { copyFile, mkdir, rm } from 'node:fs/promises';

const out = new URL('dist/', import.meta.url);
const src = new URL('src/', import.meta.url);

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  entryPoints: [new URL('main.ts', src).pathname],
  outfile: new URL('app.js', out).pathname,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['es2022'],
  legalComments: 'eof',
});
await build({
  entryPoints: [new URL('style.css', src).pathname],
  outfile: new URL('app.css', out).pathname,
  minify: true,
});
for (const name of ['index.html', 'icon.svg']) await copyFile(new URL(name, src), new URL(name, out));
