// The page's own arithmetic, without a browser.
import assert from 'node:assert/strict';
import { build } from 'esbuild';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const out = await mkdtemp(join(tmpdir(), 'runnel-web-'));
async function load(name) {
  const outfile = join(out, `${name}.mjs`);
  await build({ entryPoints: [new URL(`../src/${name}.ts`, import.meta.url).pathname], outfile, bundle: true, format: 'esm', logLevel: 'error' });
  return import(pathToFileURL(outfile));
}

try {
  const { bytes, rate, seconds, clock, percent, plural } = await load('format');
  assert.equal(bytes(0), '0 B');
  assert.equal(bytes(999), '999 B');
  assert.equal(bytes(999_600), '1.00 MB');
  assert.equal(bytes(1234), '1.23 kB');
  assert.equal(bytes(48_000_000), '48.0 MB');
  assert.equal(bytes(123_456_789), '123 MB');
  assert.equal(bytes(5e15), '5000 TB');
  assert.equal(bytes(NaN), '–');
  assert.equal(rate(0), '0');
  assert.equal(rate(100), '<1 kb/s');
  assert.equal(rate(12_500), '100 kb/s');
  assert.equal(rate(312_500), '2.50 Mb/s');
  assert.equal(rate(12_500_000), '100.0 Mb/s');
  assert.equal(seconds(2.345), '2.3 s');
  assert.equal(seconds(59.6), '60 s');
  assert.equal(seconds(3725), '1:02:05');
  assert.equal(seconds(Infinity), '–');
  assert.equal(clock(-1), '0:00');
  assert.equal(percent(1, 0), 0);
  assert.equal(percent(3, 2), 100);
  assert.equal(plural(1, 'peer', 'peers'), '1 peer');

  const { fine } = await load('format');
  assert.equal(fine(null), '–');
  assert.equal(fine(0.0749), '0.07 s');
  assert.equal(fine(42), '42 s');

  const { lagOf } = await load('lag');
  assert.deepEqual(lagOf({ lag_s: 0.4, lag_parts: { source_s: 0.125, swarm_s: 0.25 } }, 0.5), { source: 0.125, swarm: 0.25, player: 0.5, total: 0.875 });
  assert.deepEqual(lagOf({ lag_s: 0.4, lag_parts: null }, 0.5), { source: null, swarm: 0.4, player: 0.5, total: 0.9 });
  assert.deepEqual(lagOf({ lag_s: null, lag_parts: null }, null), { source: null, swarm: null, player: null, total: 0 });

  const { LivePace } = await load('pace');
  {
    const at = (nowMs, behind, ahead) => ({ nowMs, behind, ahead, holdBack: 0.6 });
    const pace = new LivePace();
    assert.deepEqual(pace.advise(at(0, 0.65, 0.4)), { target: 0.6, rate: 1, jump: false });
    assert.equal(pace.advise(at(250, 0.8, 0.5)).rate, 1.05, 'a little behind, a little faster');
    assert.equal(pace.advise(at(500, 0.65, 0.4)).rate, 1.05, 'until it is there');
    assert.equal(pace.advise(at(750, 0.62, 0.4)).rate, 1);
    assert.equal(pace.advise(at(1000, 1.6, 1.4)).rate, 1.1);
    assert.equal(pace.advise(at(1250, 1.6, 0.2)).rate, 1, 'not on the last that is in hand');
    assert.equal(pace.advise(at(1500, 2.7, 2.5)).jump, true, 'seconds are jumped over where they are buffered');
    assert.equal(pace.advise(at(1750, 2.7, 2.5)).jump, false, 'but not again at once');
  }
  {
    const at = (nowMs, behind) => ({ nowMs, behind, ahead: 0.5, holdBack: 0.6 });
    const pace = new LivePace();
    assert.equal(pace.advise(at(0, 5)).jump, false, 'media that is not there is not jumped to for some seconds');
    assert.equal(pace.advise(at(1000, 7)).jump, false);
    assert.equal(pace.advise(at(4000, 7)).jump, true);
  }
  {
    const pace = new LivePace();
    const target = (nowMs) => Number(pace.advise({ nowMs, behind: 0.6, ahead: 0.5, holdBack: 0.6 }).target.toFixed(3));
    pace.ranDry(0);
    pace.ranDry(300);
    assert.equal(target(400), 0.8, 'who ran dry keeps more in hand');
    pace.ranDry(1000);
    assert.equal(target(2000), 1);
    assert.equal(target(61_000), 0.8, 'and less again when all is calm');
    assert.equal(target(121_000), 0.6);
    for (let i = 0; i < 99; i += 1) pace.ranDry(130_000 + 1000 * i);
    assert.equal(target(230_000), 1.6, 'within limits');
  }

  const { sources } = await load('share');
  const stream = (down_bytes, caster_bytes, origin_bytes) => sources({ down_bytes, caster_bytes, origin_bytes }).map((s) => `${s.kind} ${s.bytes}`);
  assert.deepEqual(stream(100, 30, 0), ['peers 70', 'caster 30']);
  assert.deepEqual(stream(100, 130, 5), ['peers 0', 'caster 100', 'origin 5']);

  const { shortName } = await load('picture');
  const peer = (address, caster = false) => ({ address, caster });
  const peers = [peer('127.0.0.1:5001'), peer('127.0.0.1:5002'), peer('192.0.2.7:1'), peer('[2001:db8::1234:5678:9abc]:80'), peer('192.0.2.8:1', true)];
  assert.deepEqual(
    peers.map((p) => shortName(p, peers)),
    [':5001', ':5002', '192.0.2.7', '[2001:d…:9abc]', 'caster'],
  );
  console.log('ok web units');
} finally {
  await rm(out, { recursive: true, force: true });
}
