// Numbers for people.

export function bytes(n: number): string {
  if (!(n >= 0)) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (n >= 999.5 && unit < units.length - 1) {
    n /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2;
  return `${n.toFixed(digits)} ${units[unit]}`;
}

// Streams are spoken of in bits per second.
export function rate(bytesPerSecond: number): string {
  const bits = bytesPerSecond * 8;
  if (!(bits >= 0)) return '–';
  if (bits < 1000) return bits < 50 ? '0' : '<1 kb/s';
  if (bits < 999_500) return `${Math.round(bits / 1000)} kb/s`;
  return `${(bits / 1e6).toFixed(bits < 9.95e6 ? 2 : 1)} Mb/s`;
}

export function seconds(s: number): string {
  if (!Number.isFinite(s)) return '–';
  if (Math.abs(s) < 10) return `${s.toFixed(1)} s`;
  if (Math.abs(s) < 100) return `${Math.round(s)} s`;
  return clock(s);
}

// Of what is made up of tenths; null is not known.
export function fine(s: number | null): string {
  return s === null ? '–' : s < 10 ? `${s.toFixed(2)} s` : seconds(s);
}

export function clock(s: number): string {
  const whole = Math.max(0, Math.floor(s));
  const h = Math.floor(whole / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const rest = String(whole % 60).padStart(2, '0');
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${rest}` : `${m}:${rest}`;
}

export function percent(part: number, whole: number): number {
  return whole > 0 ? Math.min(100, Math.max(0, (100 * part) / whole)) : 0;
}

export function plural(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}
