// How far the screen is behind the camera, and where that arises.
import type { Stream } from './api';

// In seconds; null is not known.
export interface Lag {
  source: number | null; // from the picture's coming to the caster until it is signed
  swarm: number | null; // from there until it is here
  player: number | null; // from there to the screen
  total: number; // of what is known
}

// `behind`: how far the screen is behind the newest media that the node has.
export function lagOf(stream: Pick<Stream, 'lag_s' | 'lag_parts'>, behind: number | null): Lag {
  const parts = stream.lag_parts;
  // An older peer tells no parts: there is only the age of what it sent last.
  const here = parts ? parts.source_s + parts.swarm_s : Math.max(0, stream.lag_s ?? 0);
  return { source: parts?.source_s ?? null, swarm: parts?.swarm_s ?? (stream.lag_s === null ? null : here), player: behind, total: here + (behind ?? 0) };
}
