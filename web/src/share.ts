// Where the bytes come from (or, for a caster, what its uplink pays), and the other numbers.
import type { Stream } from './api';
import { byId, el, setText } from './dom';
import { bytes, fine, percent, plural, seconds } from './format';
import { lagOf } from './lag';

interface Source {
  kind: 'peers' | 'caster' | 'origin';
  name: string;
  bytes: number;
}

export function sources(stream: Stream): Source[] {
  const caster = Math.min(stream.caster_bytes, stream.down_bytes);
  const list: Source[] = [
    { kind: 'peers', name: 'other viewers', bytes: stream.down_bytes - caster },
    { kind: 'caster', name: 'the caster', bytes: caster },
  ];
  if (stream.origin_bytes > 0) list.push({ kind: 'origin', name: 'a web server', bytes: stream.origin_bytes });
  return list;
}

function bar(parts: Source[], total: number): HTMLElement {
  const label = parts.map((p) => `${Math.round(percent(p.bytes, total))} % from ${p.name}`).join(', ');
  const element = el('div', { class: 'bar', role: 'img', 'aria-label': label });
  for (const part of parts) {
    const piece = el('span', { class: `bar-part ${part.kind}` });
    piece.style.width = `${percent(part.bytes, total)}%`;
    element.append(piece);
  }
  return element;
}

export class ShareView {
  private readonly root = byId('share');
  private last = '';

  update(stream: Stream): void {
    const key = `${stream.id} ${stream.down_bytes} ${stream.up_bytes} ${stream.caster_bytes} ${stream.origin_bytes}`;
    if (key === this.last) return;
    this.last = key;
    setText(byId('source-title'), stream.role === 'cast' ? 'What your uplink gives' : 'Where the bytes come from');
    this.root.replaceChildren(...(stream.role === 'cast' ? this.given(stream) : this.taken(stream)));
  }

  private taken(stream: Stream): HTMLElement[] {
    const parts = sources(stream);
    const total = parts.reduce((sum, p) => sum + p.bytes, 0);
    if (total === 0) return [el('p', { class: 'quiet' }, 'Nothing has come in yet.')];
    const rows = parts.map((part) =>
      el(
        'li',
        {},
        el('span', { class: `key ${part.kind}`, 'aria-hidden': 'true' }),
        el('span', { class: 'share-name' }, `from ${part.name}`),
        el('strong', {}, `${Math.round(percent(part.bytes, total))} %`),
        el('span', { class: 'quiet' }, bytes(part.bytes)),
      ),
    );
    return [bar(parts, total), el('ul', { class: 'share-list' }, ...rows), this.returned(stream)];
  }

  private returned(stream: Stream): HTMLElement {
    const given = stream.down_bytes > 0 ? ` – ${Math.round((100 * stream.up_bytes) / stream.down_bytes)} % of what you took` : '';
    return el('p', { class: 'quiet' }, `You gave ${bytes(stream.up_bytes)} to others${given}.`);
  }

  private given(stream: Stream): HTMLElement[] {
    const copies = stream.total_bytes > 0 ? stream.up_bytes / stream.total_bytes : 0;
    const words = stream.total_bytes > 0 ? `${copies.toFixed(copies < 10 ? 2 : 0)} times the ${bytes(stream.total_bytes)} of the file` : 'since the start';
    const watching = stream.peers.filter((p) => p.up_rate > 0).length;
    return [
      el('p', { class: 'big' }, bytes(stream.up_bytes)),
      el('p', { class: 'quiet' }, `${words}, to ${plural(watching, 'peer', 'peers')} right now. The others get it from each other.`),
    ];
  }
}

export class Numbers {
  private readonly root = byId('numbers');
  private readonly values = new Map<string, HTMLElement>();

  // `behind`: how far this page's player is behind the newest media, in seconds; null while it plays nothing live.
  update(stream: Stream, behind: number | null): void {
    const rows: [string, string][] = [];
    if (stream.live) {
      const lag = lagOf(stream, behind);
      rows.push(['Lag from the source', fine(lag.source)], ['Lag from the swarm', fine(lag.swarm)], ['Lag from this player', fine(lag.player)]);
      rows.push(['Rewind window', stream.timeline ? seconds(stream.timeline.window_s) : '–']);
    } else {
      const have = stream.total_bytes > 0 ? `${Math.floor(percent(stream.have_bytes, stream.total_bytes))} % of ${bytes(stream.total_bytes)}` : '–';
      rows.push(['Held here', have]);
    }
    if (stream.role === 'watch') rows.push(['Buffer', seconds(stream.buffer_s)]);
    rows.push(['Chunks verified', stream.verified.toLocaleString('en')]);
    rows.push(['Chunks refused', stream.rejected.toLocaleString('en')]);
    if (stream.role === 'watch') rows.push(['Chunks awaited', stream.wanted_chunks.toLocaleString('en')]);
    if (rows.map(([name]) => name).join() !== [...this.values.keys()].join()) this.rebuild(rows);
    for (const [name, text] of rows) setText(this.values.get(name)!, text);
  }

  private rebuild(rows: [string, string][]): void {
    this.values.clear();
    this.root.replaceChildren();
    for (const [name] of rows) {
      const value = el('dd');
      this.values.set(name, value);
      this.root.append(el('div', {}, el('dt', {}, name), value));
    }
  }
}
