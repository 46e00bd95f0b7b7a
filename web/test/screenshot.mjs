// A picture of a running node's page:  node test/screenshot.mjs http://127.0.0.1:8080/#ID OUT.png [WIDTHxHEIGHT] [dark|light]
// Waits until the video has played for three seconds.
import { launch } from './browser.mjs';

const [url, out, size = '1440x1000', colorScheme = 'dark'] = process.argv.slice(2);
if (!url || !out) {
  console.error('usage: node test/screenshot.mjs URL OUT.png [WIDTHxHEIGHT] [dark|light]');
  process.exit(2);
}
const [width, height] = size.split('x').map(Number);
const browser = await launch();
try {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme });
  await page.goto(url);
  const limit = Date.now() + 60_000;
  const played = () =>
    page.evaluate(() => {
      const ranges = document.querySelector('video').played;
      return ranges.length > 0 ? ranges.end(ranges.length - 1) - ranges.start(0) : 0;
    });
  while ((await played()) < 3) {
    if (Date.now() > limit) throw new Error('the video did not play within a minute');
    await new Promise((wake) => setTimeout(wake, 100));
  }
  await page.screenshot({ path: out, fullPage: width < 700 });
} finally {
  await browser.close();
}
