// The page: which stream, its player, and the swarm beside it.
import { poll, type Status, type Stream } from './api';
import { byId, el, setText, show } from './dom';
import { bytes, clock, rate, seconds } from './format';
import { lagOf } from './lag';
import { PeerTable } from './peers';
import { SwarmPicture } from './picture';
import { Player } from './player';
import { Numbers, ShareView } from './share';
import { Sparkline } from './sparkline';

const video = byId<HTMLVideoElement>('video');
const veil = byId('veil');
const notice = byId('notice');
const liveButton = byId<HTMLButtonElement>('live');
const audioSelect = byId<HTMLSelectElement>('audio');
const subtitleSelect = byId<HTMLSelectElement>('subtitles');
const nodeState = byId('node-state');

const picture = new SwarmPicture(byId('picture'));
const table = new PeerTable((address) => picture.highlight(address));
const share = new ShareView();
const numbers = new Numbers();
const downLine = new Sparkline('Rate in, the last minute');
const upLine = new Sparkline('Rate out, the last minute');
byId('down-line').append(downLine.element);
byId('up-line').append(upLine.element);

let current: Stream | null = null;
let lost = false;
let notMedia = false;

const kNotMedia = 'This is not something to watch, but it can be downloaded.';
const kWaiting: Record<string, string> = {
  connecting: 'Connecting to peers…',
  'waiting for media': 'Waiting for the first pictures…',
  failed: 'This stream has failed.',
  ended: 'The stream has ended.',
};

const player = new Player(video, {
  onVeil: (text) => setVeil(text),
  onTracks: () => fillTracks(),
  onSoundBlocked: (blocked) => show(byId('unmute'), blocked),
  onNotMedia: (text) => showNotMedia(text || kNotMedia),
});

function setVeil(text: string): void {
  setText(veil, text);
  show(veil, text !== '');
}

function showNotMedia(text: string): void {
  notMedia = true;
  setVeil(text);
  show(video, false);
}

// While nothing has played yet, what the node waits for is what the viewer waits for.
function showWaiting(stream: Stream): void {
  if (veil.hidden || notMedia || video.readyState > 1) return;
  const text = kWaiting[stream.state];
  if (text) setVeil(text);
}

function watchable(stream: Stream): boolean {
  return stream.live || !stream.mime || /^(video|audio)\/|^application\/(octet-stream|ogg|mxf|x-matroska)/.test(stream.mime);
}

function fillSelect(select: HTMLSelectElement, names: string[], chosen: number, off: string | null): void {
  const wanted = off === null ? names : [off, ...names];
  if ([...select.options].map((o) => o.text).join('\n') !== wanted.join('\n')) {
    select.replaceChildren(...wanted.map((name, i) => el('option', { value: off === null ? i : i - 1 }, name)));
  }
  select.value = String(chosen);
}

function fillTracks(): void {
  const audio = player.audioTracks();
  const subtitles = player.subtitleTracks();
  show(byId('audio-choice'), audio.length > 1);
  show(byId('subtitle-choice'), subtitles.length > 0);
  fillSelect(audioSelect, audio, player.audioTrack(), null);
  fillSelect(subtitleSelect, subtitles, player.subtitleTrack(), 'Off');
}

function select(stream: Stream): void {
  current = stream;
  notMedia = false;
  show(video, true);
  show(byId('unmute'), false);
  downLine.clear();
  upLine.clear();
  show(liveButton, false);
  document.title = `${stream.title || 'Untitled'} – Runnel`;
  byId<HTMLImageElement>('qr').src = `/streams/${stream.id}/link.svg`;
  if (location.hash !== `#${stream.id}`) history.replaceState(null, '', `#${stream.id}`);
  // A caster hears its own stream already.
  video.muted = stream.role === 'cast';
  if (watchable(stream)) player.open(stream);
  else {
    player.close();
    showNotMedia(kNotMedia);
  }
}

function pick(status: Status): Stream | undefined {
  const wanted = location.hash.slice(1);
  return status.streams.find((s) => s.id === wanted) ?? status.streams.find((s) => s.id === current?.id) ?? status.streams[0];
}

function chooser(streams: Stream[]): void {
  const nav = byId('streams');
  show(nav, streams.length > 1);
  const key = streams.map((s) => `${s.id}${s.title}`).join() + current?.id;
  if (nav.dataset.key === key) return;
  nav.dataset.key = key;
  nav.replaceChildren(
    ...streams.map((s) => {
      const link = el('a', { href: `#${s.id}`, class: s.live ? 'tab live' : 'tab' }, s.title || 'Untitled');
      if (s.id === current?.id) link.setAttribute('aria-current', 'page');
      return link;
    }),
  );
}

function describe(stream: Stream): string {
  const what = stream.live ? 'live stream' : stream.total_bytes > 0 ? bytes(stream.total_bytes) : 'on demand';
  const role = stream.role === 'cast' ? 'cast from this node' : 'watched through this node';
  return [stream.state, what, role].filter(Boolean).join(' · ');
}

function showLive(stream: Stream): void {
  const behind = player.behind();
  show(liveButton, stream.live && !stream.timeline?.ended && behind !== null);
  if (behind === null) return;
  const atEdge = player.atLiveEdge();
  const { total } = lagOf(stream, behind);
  liveButton.classList.toggle('on', atEdge);
  setText(byId('live-text'), atEdge ? `Live · ${seconds(total)} behind` : `${clock(behind)} behind live · go live`);
  liveButton.title = atEdge ? 'Playing at the live edge' : 'Jump to the newest picture';
}

function showNotice(stream: Stream): void {
  setText(notice, stream.problem);
  show(notice, stream.problem !== '');
}

function showLink(stream: Stream, lanUrl: string): void {
  setText(byId('link'), stream.link);
  setText(
    byId('qr-hint'),
    lanUrl ? 'The code opens this page on any phone in your network. The link opens the stream in another Runnel.' : 'Everyone who opens it watches and serves.',
  );
  const download = byId<HTMLAnchorElement>('download');
  show(download, stream.media !== null && stream.total_bytes > 0);
  download.classList.toggle('main', notMedia);
  if (stream.media) download.href = `${stream.media}?download`;
}

function render(status: Status, stream: Stream): void {
  setText(byId('title'), stream.title || 'Untitled');
  setText(byId('subtitle'), describe(stream));
  setText(byId('down-rate'), rate(stream.down_rate));
  setText(byId('up-rate'), rate(stream.up_rate));
  downLine.push(stream.down_rate);
  upLine.push(stream.up_rate);
  picture.update(stream);
  table.update(stream);
  share.update(stream);
  numbers.update(stream, player.behind());
  showLive(stream);
  showWaiting(stream);
  showNotice(stream);
  showLink(stream, status.lan_url);
  if (stream.timeline?.ended && video.ended) setVeil('The stream has ended.');
}

function onStatus(status: Status): void {
  setText(nodeState, `version ${status.version}`);
  const stream = pick(status);
  if (!stream) {
    setText(byId('title'), 'No streams yet');
    setText(byId('subtitle'), 'Start one with: runnel cast FILE, or runnel watch LINK');
    setVeil('This node carries no stream.');
    return;
  }
  const back = lost;
  lost = false;
  nodeState.classList.remove('lost');
  if (stream.id !== current?.id) select(stream);
  else if (back) player.nodeIsBack(stream);
  current = stream;
  chooser(status.streams);
  render(status, stream);
}

function onLost(): void {
  lost = true;
  nodeState.classList.add('lost');
  setText(nodeState, 'the node does not answer');
  setText(notice, 'The Runnel node behind this page does not answer. Is it still running? What is buffered plays on.');
  show(notice, true);
}

async function copyLink(): Promise<void> {
  const said = byId('copied');
  try {
    await navigator.clipboard.writeText(current?.link ?? '');
    setText(said, 'Copied.');
  } catch {
    // Without https a browser may refuse; the link is selected for the user's own copy.
    getSelection()?.selectAllChildren(byId('link'));
    setText(said, 'Selected: press Ctrl+C.');
  }
  setTimeout(() => setText(said, ''), 3000);
}

function onKey(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA|BUTTON|A)$/.test(target.tagName)) return;
  const actions: Record<string, () => void> = {
    ' ': () => (video.paused ? void player.start() : video.pause()),
    k: () => (video.paused ? void player.start() : video.pause()),
    m: () => (video.muted = !video.muted),
    f: () => void (document.fullscreenElement ? document.exitFullscreen() : video.requestFullscreen()),
    l: () => player.goLive(),
    ArrowLeft: () => player.seekBy(-10),
    ArrowRight: () => player.seekBy(10),
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

liveButton.addEventListener('click', () => player.goLive());
audioSelect.addEventListener('change', () => player.chooseAudio(Number(audioSelect.value)));
subtitleSelect.addEventListener('change', () => player.chooseSubtitles(Number(subtitleSelect.value)));
byId('copy').addEventListener('click', () => void copyLink());
byId('unmute').addEventListener('click', () => {
  video.muted = false;
});
document.addEventListener('keydown', onKey, true);
addEventListener('hashchange', () => {
  current = null;
});
poll(onStatus, onLost);
