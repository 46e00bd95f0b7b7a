// The last minute of a rate as a small curve.
import { svg } from './dom';

const kSamples = 60;
const kWidth = 120;
const kHeight = 30;

export class Sparkline {
  readonly element: SVGSVGElement;
  private readonly line = svg('path', { class: 'spark-line', fill: 'none' });
  private readonly area = svg('path', { class: 'spark-area' });
  private values: number[] = [];

  constructor(label: string) {
    this.element = svg(
      'svg',
      { viewBox: `0 0 ${kWidth} ${kHeight}`, class: 'spark', preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
      this.area,
      this.line,
    );
  }

  push(value: number): void {
    this.values.push(value);
    if (this.values.length > kSamples) this.values.shift();
    const top = Math.max(1, ...this.values);
    const points = this.values.map((v, i) => {
      const x = kWidth - (this.values.length - 1 - i) * (kWidth / (kSamples - 1));
      const y = kHeight - 2 - (v / top) * (kHeight - 5);
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    const path = `M${points.join('L')}`;
    const first = points[0]?.split(' ')[0] ?? '0';
    this.line.setAttribute('d', path);
    this.area.setAttribute('d', `${path}L${kWidth} ${kHeight}L${first} ${kHeight}Z`);
  }

  clear(): void {
    this.values = [];
    this.line.removeAttribute('d');
    this.area.removeAttribute('d');
  }
}
