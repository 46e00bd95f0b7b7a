// The swarm around this node: peers on an ellipse, a line each way whose width is the rate.
import type { Peer, Stream } from './api';
import { setText, svg } from './dom';
import { rate } from './format';

const kWidth = 360;
const kHeight = 250;
const kMaxDrawn = 14;
const kCentre = { x: kWidth / 2, y: kHeight / 2 };
// The widest line stands for this many bytes per second or for the fastest peer, whichever is more.
const kFullRate = 250_000;
const kMaxLine = 9;

interface Drawn {
  group: SVGGElement;
  down: SVGPathElement;
  up: SVGPathElement;
  dot: SVGCircleElement;
  name: SVGTextElement;
  title: SVGTitleElement;
}

function lineWidth(bytesPerSecond: number, full: number): number {
  return bytesPerSecond < 50 ? 0 : 1 + (kMaxLine - 1) * Math.sqrt(Math.min(1, bytesPerSecond / full));
}

// A curve from a to b that leaves the straight line by `bend` to its left.
function curve(a: { x: number; y: number }, b: { x: number; y: number }, bend: number): string {
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const length = Math.hypot(dx, dy) || 1;
  const mx = (a.x + b.x) / 2 + (-dy / length) * bend;
  const my = (a.y + b.y) / 2 + (dx / length) * bend;
  return `M${a.x.toFixed(1)} ${a.y.toFixed(1)}Q${mx.toFixed(1)} ${my.toFixed(1)} ${b.x.toFixed(1)} ${b.y.toFixed(1)}`;
}

function host(address: string): string {
  return address.slice(0, Math.max(0, address.lastIndexOf(':')));
}

// The host; the port where several peers share a host, as on one machine.
export function shortName(peer: Peer, peers: Peer[]): string {
  if (peer.caster) return 'caster';
  const name = host(peer.address);
  if (peers.filter((p) => host(p.address) === name).length > 1) return peer.address.slice(name.length);
  return name.length > 16 ? `${name.slice(0, 7)}…${name.slice(-6)}` : name || peer.address;
}

export class SwarmPicture {
  private readonly lines = svg('g', { class: 'flows' });
  private readonly dots = svg('g');
  private readonly more = svg('text', { class: 'more', x: kWidth / 2, y: kHeight - 4, 'text-anchor': 'middle' });
  private readonly self = svg('text', { class: 'self-name', x: kCentre.x, y: kCentre.y + 4, 'text-anchor': 'middle' });
  private readonly drawn = new Map<string, Drawn>();
  private readonly element: SVGSVGElement;

  constructor(parent: HTMLElement) {
    const centre = svg('circle', { class: 'self', cx: kCentre.x, cy: kCentre.y, r: 24 });
    this.element = svg('svg', { viewBox: `0 0 ${kWidth} ${kHeight}`, role: 'img' }, this.lines, centre, this.self, this.dots, this.more);
    parent.append(this.element);
  }

  highlight(address: string | null): void {
    for (const [key, one] of this.drawn) one.group.classList.toggle('lit', key === address);
    this.element.classList.toggle('has-lit', address !== null);
  }

  update(stream: Stream): void {
    const peers = [...stream.peers]
      .sort((a, b) => Number(b.caster) - Number(a.caster) || b.down_rate + b.up_rate - a.down_rate - a.up_rate)
      .slice(0, kMaxDrawn)
      .sort((a, b) => Number(b.caster) - Number(a.caster) || (a.address < b.address ? -1 : 1));
    const full = Math.max(kFullRate, ...peers.map((p) => Math.max(p.down_rate, p.up_rate)));
    const present = new Set(peers.map((p) => p.address));
    for (const [address, one] of this.drawn) {
      if (present.has(address)) continue;
      one.group.remove();
      one.dot.parentNode?.removeChild(one.dot);
      one.name.remove();
      this.drawn.delete(address);
    }
    peers.forEach((peer, i) => this.place(peer, i, peers, full));
    setText(this.self, stream.role === 'cast' ? 'caster' : 'you');
    setText(this.more, stream.peers.length > peers.length ? `and ${stream.peers.length - peers.length} more` : '');
    this.element.setAttribute('aria-label', this.describe(stream));
  }

  private describe(stream: Stream): string {
    if (stream.peers.length === 0) return 'No peers are connected.';
    return `This node among ${stream.peers.length} peers: ${rate(stream.down_rate)} come in, ${rate(stream.up_rate)} go out.`;
  }

  private place(peer: Peer, index: number, peers: Peer[], full: number): void {
    const count = peers.length;
    const one = this.drawn.get(peer.address) ?? this.create(peer.address);
    const angle = -Math.PI / 2 + (2 * Math.PI * index) / count;
    const at = { x: kCentre.x + Math.cos(angle) * (kWidth / 2 - 52), y: kCentre.y + Math.sin(angle) * (kHeight / 2 - 30) };
    const bend = count > 10 ? 6 : 9;
    one.down.setAttribute('d', curve(at, kCentre, bend));
    one.up.setAttribute('d', curve(kCentre, at, bend));
    this.flow(one.down, peer.down_rate, full);
    this.flow(one.up, peer.up_rate, full);
    one.dot.setAttribute('cx', at.x.toFixed(1));
    one.dot.setAttribute('cy', at.y.toFixed(1));
    one.dot.setAttribute('r', peer.caster ? '12' : '8');
    one.dot.setAttribute('class', peer.caster ? 'peer caster' : 'peer');
    const below = at.y >= kCentre.y - 1;
    one.name.setAttribute('x', at.x.toFixed(1));
    one.name.setAttribute('y', (at.y + (below ? 22 : -14) + (peer.caster ? (below ? 4 : -3) : 0)).toFixed(1));
    setText(one.name, shortName(peer, peers));
    setText(one.title, `${peer.address}: gives ${rate(peer.down_rate)}, takes ${rate(peer.up_rate)}`);
  }

  private flow(path: SVGPathElement, bytesPerSecond: number, full: number): void {
    const width = lineWidth(bytesPerSecond, full);
    path.setAttribute('stroke-width', width.toFixed(1));
    path.classList.toggle('still', width === 0);
  }

  private create(address: string): Drawn {
    const down = svg('path', { class: 'flow down', fill: 'none' });
    const up = svg('path', { class: 'flow up', fill: 'none' });
    const title = svg('title');
    const group = svg('g', {}, title, svg('g', {}, down, up));
    const dot = svg('circle', { class: 'peer' });
    const name = svg('text', { class: 'peer-name', 'text-anchor': 'middle' });
    this.lines.append(group);
    this.dots.append(dot, name);
    const one = { group, down, up, dot, name, title };
    this.drawn.set(address, one);
    return one;
  }
}
