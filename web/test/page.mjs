// The page in Debian's Chromium over a real HTTP server (tests/support/fake_node.cpp).
//   node test/page.mjs PATH/TO/fake_node FOLDER [--shots FOLDER]
// FOLDER keeps the film that fake_node makes. Exit status 0 if everything holds.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { launch } from './browser.mjs';

const [program, folder, flag, shots] = process.argv.slice(2);
assert(program && folder, 'usage: node test/page.mjs FAKE_NODE FOLDER [--shots FOLDER]');
const kSlowMs = 60_000;

async function startNode() {
  const node = spawn(program, ['127.0.0.1:0', folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [base] = await once(createInterface({ input: node.stdout }), 'line');
  return { base, stop: () => node.stdin.end(), gone: once(node, 'exit') };
}

const video = (page, expression) => page.evaluate(`(() => { const video = document.querySelector('video'); return ${expression}; })()`);
// Asked again and again from outside: the page's own policy forbids what waitForFunction does inside it.
async function until(page, expression) {
  const limit = Date.now() + kSlowMs;
  while (!(await video(page, expression))) {
    if (Date.now() > limit) throw new Error(`never came true: ${expression}`);
    await new Promise((wake) => setTimeout(wake, 50));
  }
}
const text = (selector) => `document.querySelector('${selector}').textContent`;

async function playsLive(page, base, streams) {
  await page.goto(`${base}/#${streams.live.id}`);
  await until(page, 'video.currentTime > 0 && video.readyState >= 3');
  const from = await video(page, 'video.currentTime');
  await until(page, `video.currentTime > ${from} + 3`);
  await until(page, "document.querySelector('#live').classList.contains('on')");
  assert.match(await page.textContent('#live-text'), /^Live · .* behind$/);
  const lag = await page.locator('#numbers div', { hasText: /^Lag from/ }).allTextContents();
  assert.deepEqual(lag.slice(0, 2), ['Lag from the source0.06 s', 'Lag from the swarm0.17 s']);
  assert.match(lag[2], /^Lag from this player\d\.\d\d s$/);
  assert.equal(await page.locator('#peers tbody tr').count(), 6);
}

async function rewindsAndGoesLive(page) {
  await until(page, 'video.seekable.length > 0 && video.seekable.end(0) - video.seekable.start(0) > 20');
  await video(page, 'video.currentTime = video.currentTime - 12');
  await until(page, '!video.seeking && video.readyState >= 3');
  await until(page, `/go live/.test(${text('#live-text')})`);
  await page.click('#live');
  await until(page, "document.querySelector('#live').classList.contains('on')");
}

async function playsFilm(page, base, streams) {
  await page.goto(`${base}/#${streams.film.id}`);
  await page.reload();
  await until(page, 'video.currentTime > 0.5 && Math.abs(video.duration - 60) < 1');
  const begun = Date.now();
  await video(page, 'video.currentTime = video.duration * 0.9');
  await until(page, '!video.seeking && video.readyState >= 3 && video.currentTime > 54.2');
  console.log(`  a seek to 90 % plays after ${Date.now() - begun} ms`);
  assert.deepEqual(await page.locator('#audio option').allTextContents(), ['English', 'Deutsch']);
  assert.deepEqual(await page.locator('#subtitles option').allTextContents(), ['Off', 'English']);
}

async function changesTracks(page) {
  await video(page, 'video.currentTime = 1');
  await page.selectOption('#audio', { label: 'Deutsch' });
  await page.selectOption('#subtitles', { label: 'English' });
  await until(page, "[...video.textTracks].some((t) => t.mode === 'showing' && t.cues && [...t.cues].some((c) => /Scene 1 of/.test(c.text)))");
  const from = await video(page, 'video.currentTime');
  await until(page, `video.currentTime > ${from} + 2`);
  assert.equal(await page.inputValue('#audio'), '1');
}

async function offersDownloads(page, base, streams) {
  await page.goto(`${base}/#${streams.file.id}`);
  await until(page, `/downloaded/.test(${text('#veil')})`);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')]);
  assert.equal(download.suggestedFilename(), 'archive.zip');
}

async function saysWhenTheNodeIsGone(page, node) {
  node.stop();
  await node.gone;
  await until(page, `/does not answer/.test(${text('#notice')})`);
}

async function takeShots(browser, base, streams, into) {
  await mkdir(into, { recursive: true });
  const shot = async (name, id, width, height, colorScheme) => {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    await page.goto(`${base}/#${id}`);
    await until(page, 'video.currentTime > 4');
    await page.screenshot({ path: `${into}/${name}.png`, fullPage: width < 700 });
    await page.close();
  };
  await shot('live', streams.live.id, 1440, 1000, 'dark');
  await shot('film', streams.film.id, 1440, 1000, 'light');
  await shot('cast', streams.own.id, 1440, 1000, 'dark');
  await shot('phone', streams.live.id, 390, 844, 'dark');
}

const node = await startNode();
const list = await (await fetch(`${node.base}/streams`)).json();
const streams = { live: list[0], film: list[1], own: list[2], file: list[3] };
const browser = await launch();
let failed = false;
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(node.base) && !/^(blob|data):/.test(request.url())) wrong.push(`asks elsewhere: ${request.url()}`);
  });
  const step = async (name, work) => {
    await work();
    assert.deepEqual(wrong, [], name);
    console.log(`ok ${name}`);
  };
  if (flag === '--shots') await step('screenshots', () => takeShots(browser, node.base, streams, shots));
  await step('plays the live stream at its edge', () => playsLive(page, node.base, streams));
  await step('rewinds and goes live again', () => rewindsAndGoesLive(page));
  await step('plays the film and seeks', () => playsFilm(page, node.base, streams));
  await step('changes sound and subtitles', () => changesTracks(page));
  await step('offers what is not media as a download', () => offersDownloads(page, node.base, streams));
  await step('says when the node is gone', () => saysWhenTheNodeIsGone(page, node));
} catch (error) {
  failed = true;
  console.error(error);
} finally {
  await browser.close();
  node.stop();
}
process.exit(failed ? 1 : 0);
