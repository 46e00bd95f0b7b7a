// The video element and hls.js: live with low latency, on demand with seeking; what goes wrong becomes words and another try.
import Hls, { ErrorDetails, ErrorTypes, Events, type ErrorData, type HlsConfig } from 'hls.js';
import type { Stream } from './api';
import { LivePace } from './pace';

export interface PlayerEvents {
  // A line over the picture while nothing plays; empty takes it away.
  onVeil(text: string): void;
  onTracks(): void;
  // The browser lets no sound begin by itself, so the video plays without; false once there is sound.
  onSoundBlocked(blocked: boolean): void;
  // This content is not for watching; the words say why.
  onNotMedia(text: string): void;
}

const kRetryMs = 2000;
const kLiveEdgeS = 4;
// From the first picture until what comes in has found its pace.
const kSettleMs = 5000;
// A jump back of more than this is the viewer's; smaller ones are hls.js at work.
const kRewindS = 2;
// A swarm that just starts takes its time, and a film's segment may wait for a slow peer: the node answers when it can.
const kPatientLoad = {
  maxTimeToFirstByteMs: 60_000,
  maxLoadTimeMs: 120_000,
  timeoutRetry: { maxNumRetry: 10, retryDelayMs: 0, maxRetryDelayMs: 0 },
  errorRetry: { maxNumRetry: 30, retryDelayMs: 500, maxRetryDelayMs: 4000 },
};

function config(live: boolean): Partial<HlsConfig> {
  const patient = { default: kPatientLoad };
  return {
    lowLatencyMode: live,
    backBufferLength: live ? 60 : 120,
    maxBufferLength: 30,
    liveDurationInfinity: true,
    // LivePace does both.
    maxLiveSyncPlaybackRate: 1,
    liveSyncOnStallIncrease: 0,
    // The swarm paces what comes in; hls.js has one rendition to choose from.
    startLevel: 0,
    fragLoadPolicy: patient,
    manifestLoadPolicy: patient,
    playlistLoadPolicy: patient,
  };
}

export class Player {
  private hls: Hls | null = null;
  private stream: Stream | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private lastRecovery = 0;
  private direct = false;
  private timeShifted = false;
  private lastTime = 0;
  private begunMs = Infinity;
  private pace = new LivePace();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly events: PlayerEvents,
  ) {
    video.addEventListener('playing', () => this.events.onVeil(''));
    video.addEventListener('volumechange', () => {
      if (!video.muted) this.events.onSoundBlocked(false);
    });
    video.addEventListener('error', () => this.onVideoError());
    video.addEventListener('pause', () => {
      // Opening another stream pauses as well, with nothing to show then.
      if (!video.ended && video.readyState >= 2) this.timeShifted = true;
    });
    video.addEventListener('seeking', () => {
      if (video.currentTime < this.lastTime - kRewindS) this.timeShifted = true;
    });
    video.addEventListener('waiting', () => {
      // Where it begins, and after a seek, waiting is not running dry.
      const settled = performance.now() - this.begunMs > kSettleMs;
      if (this.hls && settled && !video.seeking && !this.timeShifted) this.pace.ranDry(performance.now());
    });
    video.addEventListener('timeupdate', () => {
      if (!video.seeking) this.lastTime = video.currentTime;
      if (this.begunMs === Infinity && video.currentTime > 0) this.begunMs = performance.now();
      this.holdLiveEdge();
    });
  }

  open(stream: Stream): void {
    this.close();
    this.stream = stream;
    this.direct = false;
    this.timeShifted = false;
    this.lastTime = 0;
    this.begunMs = Infinity;
    this.pace = new LivePace();
    this.events.onVeil(stream.live ? 'Waiting for the stream…' : 'Opening the film…');
    if (Hls.isSupported()) return this.openHls(stream);
    if (this.video.canPlayType('application/vnd.apple.mpegurl')) {
      this.video.src = stream.playlist;
      void this.start();
      return;
    }
    this.events.onVeil('This browser can play neither HLS nor Media Source Extensions. Open the link in mpv or VLC.');
  }

  close(): void {
    clearTimeout(this.retry);
    this.hls?.destroy();
    this.hls = null;
    this.stream = null;
    this.video.removeAttribute('src');
    this.video.load();
    this.events.onTracks();
  }

  // After the node was away: what plays goes on, what failed begins again.
  nodeIsBack(stream: Stream): void {
    if (this.stream?.id === stream.id && (stream.live || this.video.readyState < 2)) this.open(stream);
  }

  audioTracks(): string[] {
    return this.hls?.audioTracks.map((t, i) => t.name || t.lang || `Track ${i + 1}`) ?? [];
  }
  audioTrack(): number {
    return this.hls?.audioTrack ?? -1;
  }
  chooseAudio(index: number): void {
    if (this.hls) this.hls.audioTrack = index;
  }
  subtitleTracks(): string[] {
    return this.hls?.subtitleTracks.map((t, i) => t.name || t.lang || `Track ${i + 1}`) ?? [];
  }
  subtitleTrack(): number {
    return this.hls?.subtitleTrack ?? -1;
  }
  chooseSubtitles(index: number): void {
    if (!this.hls) return;
    this.hls.subtitleTrack = index;
    this.hls.subtitleDisplay = index >= 0;
  }

  // Seconds between the newest media that this node could play and what is on the screen.
  behind(): number | null {
    if (!this.stream?.live || !this.hls || this.video.readyState < 2) return null;
    const edge = this.hls.latency;
    return edge > 0 ? edge : null;
  }
  atLiveEdge(): boolean {
    const behind = this.behind();
    const target = this.hls?.targetLatency ?? 0;
    return behind !== null && !this.video.paused && behind < (target ?? 0) + kLiveEdgeS;
  }
  goLive(): void {
    this.toLiveEdge();
    void this.start();
  }
  private toLiveEdge(): void {
    const position = this.hls?.liveSyncPosition;
    if (position) this.video.currentTime = position;
    this.timeShifted = false;
  }
  // A viewer who has neither paused nor rewound wants the present.
  private holdLiveEdge(): void {
    const { hls, video } = this;
    const behind = this.behind();
    const details = hls?.latestLevelDetails;
    if (!hls || !details || behind === null) return;
    const holdBack = details.partHoldBack || details.holdBack;
    // What has ended has no edge any more to keep near to.
    if (this.timeShifted || video.paused || !details.live || holdBack === 0) {
      this.pace.rest();
      this.play(1);
      return;
    }
    const advice = this.pace.advise({ nowMs: performance.now(), behind, ahead: this.ahead(), holdBack });
    if (hls.targetLatency !== advice.target) hls.targetLatency = advice.target;
    this.play(advice.rate);
    if (advice.jump) this.toLiveEdge();
  }
  private play(rate: number): void {
    if (this.video.playbackRate !== rate) this.video.playbackRate = rate;
  }
  // Seconds that are buffered from the picture on.
  private ahead(): number {
    const { buffered, currentTime } = this.video;
    for (let i = 0; i < buffered.length; i += 1) {
      if (buffered.start(i) <= currentTime && currentTime < buffered.end(i)) return buffered.end(i) - currentTime;
    }
    return 0;
  }

  seekBy(seconds: number): void {
    const range = this.video.seekable;
    if (range.length === 0) return;
    const to = this.video.currentTime + seconds;
    this.video.currentTime = Math.min(Math.max(to, range.start(0)), range.end(range.length - 1));
  }

  async start(): Promise<void> {
    try {
      await this.video.play();
    } catch (error) {
      // Browsers let a page begin with sound only after the user has touched it.
      if (!(error instanceof DOMException) || error.name !== 'NotAllowedError' || this.video.muted) return;
      this.video.muted = true;
      this.events.onSoundBlocked(true);
      await this.video.play().catch(() => this.events.onVeil(''));
    }
  }

  private openHls(stream: Stream): void {
    const hls = new Hls(config(stream.live));
    this.hls = hls;
    hls.on(Events.ERROR, (_, data) => this.onError(hls, data));
    hls.on(Events.MANIFEST_PARSED, () => {
      this.events.onTracks();
      void this.start();
    });
    for (const event of [Events.AUDIO_TRACKS_UPDATED, Events.AUDIO_TRACK_SWITCHED, Events.SUBTITLE_TRACKS_UPDATED, Events.SUBTITLE_TRACK_SWITCH] as const) {
      hls.on(event, () => this.events.onTracks());
    }
    hls.subtitleDisplay = false;
    hls.loadSource(stream.playlist);
    hls.attachMedia(this.video);
  }

  private onError(hls: Hls, data: ErrorData): void {
    if (hls !== this.hls || !this.stream) return;
    const status = data.response?.code ?? 0;
    if (data.details === ErrorDetails.MANIFEST_LOAD_ERROR && status === 415) return void this.notPlayable(this.stream);
    if (!data.fatal) return;
    if (data.type === ErrorTypes.MEDIA_ERROR && performance.now() - this.lastRecovery > 5000) {
      this.lastRecovery = performance.now();
      hls.recoverMediaError();
      return;
    }
    const stream = this.stream;
    this.events.onVeil(status === 404 ? 'This stream has no media here (yet).' : 'The media does not come through; trying again…');
    clearTimeout(this.retry);
    this.retry = setTimeout(() => {
      if (this.stream?.id === stream.id) this.open(stream);
    }, kRetryMs);
  }

  // The node cannot cut it into segments: perhaps the browser plays the file as it is.
  private async notPlayable(stream: Stream): Promise<void> {
    this.hls?.destroy();
    this.hls = null;
    if (stream.media && /^(video|audio)\//.test(stream.mime ?? '')) {
      this.direct = true;
      this.video.src = stream.media;
      return this.start();
    }
    const words = await fetch(stream.playlist).then((reply) => reply.text(), () => '');
    this.events.onNotMedia(words.trim());
  }

  private onVideoError(): void {
    if (this.direct && this.stream) this.events.onNotMedia('Neither this node nor the browser can play this file.');
  }
}
