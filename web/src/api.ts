// What a node tells about itself: /api/status, as docs/API.md describes it.

export interface Peer {
  address: string;
  direction: 'in' | 'out';
  caster: boolean;
  sealed: boolean;
  down_bytes: number;
  up_bytes: number;
  down_rate: number;
  up_rate: number;
  rejected_chunks: number;
  rtt_ms: number;
  queue_delay_ms: number;
  have_fraction: number;
  choking_us: boolean;
  choked_by_us: boolean;
}

export interface Stream {
  id: string;
  title: string;
  link: string;
  role: 'cast' | 'watch';
  live: boolean;
  playlist: string;
  media: string | null;
  live_ts: string | null;
  mime: string | null;
  file_name: string | null;
  state: string;
  problem: string;
  down_bytes: number;
  up_bytes: number;
  origin_bytes: number;
  caster_bytes: number;
  down_rate: number;
  up_rate: number;
  verified: number;
  rejected: number;
  total_bytes: number;
  have_bytes: number;
  buffer_s: number;
  lag_s: number | null;
  lag_parts: { source_s: number; swarm_s: number } | null;
  wanted_chunks: number;
  known_peers: number;
  timeline: { playable: boolean; ended: boolean; window_s: number; window_bytes: number } | null;
  peers: Peer[];
  trackers: string[];
}

export interface Status {
  version: string;
  base_url: string;
  lan_url: string;
  streams: Stream[];
}

const kPollMs = 1000;
const kTimeoutMs = 5000;

export async function fetchStatus(): Promise<Status> {
  const reply = await fetch('/api/status', { cache: 'no-store', signal: AbortSignal.timeout(kTimeoutMs) });
  if (!reply.ok) throw new Error(`the node answers ${reply.status}`);
  return (await reply.json()) as Status;
}

// Asks each second, one question at a time; a hidden page asks too, since its video may play on.
export function poll(onStatus: (status: Status) => void, onLost: (error: unknown) => void): void {
  const ask = async (): Promise<void> => {
    try {
      onStatus(await fetchStatus());
    } catch (error) {
      onLost(error);
    }
    setTimeout(ask, kPollMs);
  };
  void ask();
}
