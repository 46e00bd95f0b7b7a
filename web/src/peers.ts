// Each peer as a row: what it gives and takes.
import type { Peer, Stream } from './api';
import { byId, el, setText, show } from './dom';
import { bytes, percent, plural, rate } from './format';

const kMaxRows = 200;

interface Row {
  element: HTMLTableRowElement;
  address: HTMLElement;
  badges: HTMLElement;
  cells: HTMLElement[];
  meter: HTMLElement;
  has: HTMLElement;
}

function badges(peer: Peer): string[] {
  const words: string[] = [];
  if (peer.caster) words.push('caster');
  words.push(peer.direction === 'out' ? 'we called' : 'called us');
  if (!peer.sealed) words.push('in the clear');
  if (peer.choking_us) words.push('chokes us');
  if (peer.choked_by_us) words.push('choked');
  if (peer.rejected_chunks > 0) words.push(`${plural(peer.rejected_chunks, 'bad chunk', 'bad chunks')}`);
  return words;
}

export class PeerTable {
  private readonly body = byId<HTMLTableElement>('peers').tBodies[0]!;
  private readonly rows = new Map<string, Row>();

  constructor(private readonly onPoint: (address: string | null) => void) {}

  update(stream: Stream): void {
    const peers = [...stream.peers].sort((a, b) => Number(b.caster) - Number(a.caster) || (a.address < b.address ? -1 : 1)).slice(0, kMaxRows);
    const present = new Set(peers.map((p) => p.address));
    for (const [address, row] of this.rows) {
      if (present.has(address)) continue;
      row.element.remove();
      this.rows.delete(address);
    }
    peers.forEach((peer, i) => {
      const row = this.rows.get(peer.address) ?? this.create(peer.address);
      this.fill(row, peer);
      if (this.body.rows[i] !== row.element) this.body.insertBefore(row.element, this.body.rows[i] ?? null);
    });
    setText(byId('peer-count'), this.counted(stream));
    show(byId('peers'), peers.length > 0);
    const none = byId('no-peers');
    show(none, peers.length === 0);
    if (peers.length === 0) setText(none, this.nobody(stream));
    this.trackers(stream.trackers);
  }

  private counted(stream: Stream): string {
    const known = Math.max(stream.known_peers, stream.peers.length);
    return known > stream.peers.length ? `${stream.peers.length} connected, ${known} known` : `${stream.peers.length} connected`;
  }

  private nobody(stream: Stream): string {
    if (stream.role === 'cast') return 'Nobody watches yet. Share the link: everyone who opens it watches and serves.';
    return stream.known_peers > 0 ? 'Calling the peers that are known…' : 'Looking for peers…';
  }

  private trackers(lines: string[]): void {
    const list = byId<HTMLUListElement>('trackers');
    while (list.children.length > lines.length) list.lastElementChild?.remove();
    lines.forEach((line, i) => setText(list.children[i] ?? list.appendChild(el('li')), line));
  }

  private create(address: string): Row {
    const name = el('span', { class: 'address' }, address);
    const marks = el('span', { class: 'badges' });
    const cells = Array.from({ length: 5 }, () => el('td', { class: 'num' }));
    const meter = el('span', { class: 'meter-fill' });
    const has = el('span', { class: 'meter-text' });
    const hasCell = el('td', { class: 'has' }, el('span', { class: 'meter' }, meter), has);
    const element = el('tr', {}, el('th', { scope: 'row' }, name, marks), ...cells, hasCell);
    element.addEventListener('pointerenter', () => this.onPoint(address));
    element.addEventListener('pointerleave', () => this.onPoint(null));
    const row = { element, address: name, badges: marks, cells, meter, has };
    this.rows.set(address, row);
    return row;
  }

  private fill(row: Row, peer: Peer): void {
    const words = badges(peer);
    if (row.badges.textContent !== words.join('')) {
      row.badges.replaceChildren(...words.map((word) => el('span', { class: word === 'caster' ? 'badge strong' : 'badge' }, word)));
    }
    const texts = [
      rate(peer.down_rate),
      rate(peer.up_rate),
      bytes(peer.down_bytes),
      bytes(peer.up_bytes),
      peer.rtt_ms > 0 ? `${Math.round(peer.rtt_ms)} ms` : '–',
    ];
    row.cells.forEach((cell, i) => setText(cell, texts[i] ?? ''));
    const has = Math.round(percent(peer.have_fraction, 1));
    row.meter.style.width = `${has}%`;
    setText(row.has, `${has} %`);
  }
}
