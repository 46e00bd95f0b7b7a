"""Films and publishers made by ffmpeg, and what an outside reader makes of a stream."""
import fractions
import hashlib
import http.client
import os
import pathlib
import random
import subprocess
import threading
import time
import urllib.parse
import urllib.request

from support.scenario import ROOT

CACHE = ROOT / "build" / "test-media"   # made once: encoding is the slowest part of most tests
FFMPEG = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
FFMPEG_STOPPED = 255                    # its exit status when a signal ended it and the output was ended in order


def picture(seconds, width=640, height=360, rate=30):
    return ["-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate={rate}:duration={seconds}"]


def tone(seconds, pitch=440):
    return ["-f", "lavfi", "-i", f"sine=frequency={pitch}:sample_rate=48000:duration={seconds}"]


def cached(name, arguments):
    """The file of that name, made by ffmpeg with these arguments when it is not there yet. The name must tell them apart."""
    path = CACHE / name
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f"{os.getpid()}-{threading.get_ident()}-{name}")
        subprocess.run([*FFMPEG, *arguments, str(made)], check=True, stdin=subprocess.DEVNULL,
                       env=dict(os.environ, SVT_LOG="1"))
        made.rename(path)
    return path


H264 = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac", "-b:a", "128k", "-ac", "2"]


def film(seconds=60):
    """An MP4 as people have them: H.264 and AAC, the index at the end."""
    return cached(f"film-{seconds}.mp4", [*picture(seconds), *tone(seconds), *H264, "-g", "60", *AAC])


def obs_recording(seconds=12):
    """What OBS would send with its x264 defaults at 720p30 and 2.5 Mb/s: constant rate, a key frame each 2 s, B-frames."""
    return cached(f"obs-{seconds}.flv", [
        *picture(seconds, 1280, 720), *tone(seconds), *H264, "-profile:v", "high", "-bf", "2", "-b:v", "2500k", "-minrate",
        "2500k", "-maxrate", "2500k", "-bufsize", "2500k", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", *AAC, "-ar", "48000",
        "-f", "flv"])


def transport_stream(seconds):
    """A plain MPEG transport stream of 1.5 Mb/s or so, a key frame each second."""
    return cached(f"stream-{seconds}.ts", [*picture(seconds), *tone(seconds), *H264, "-b:v", "1500k", "-maxrate", "1500k", "-bufsize",
                                           "750k", "-g", "30", "-keyint_min", "30", "-sc_threshold", "0", *AAC, "-f", "mpegts"])


def codecs(path):
    """The names of the codecs that ffprobe finds in a file."""
    done = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", str(path)],
                          capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def publish_command(url):
    """ffmpeg in OBS's place: that recording over and over in real time. Copied, so that encoding takes no time from what is tested."""
    return [*FFMPEG, "-re", "-stream_loop", "-1", "-i", str(obs_recording()), "-c", "copy", "-f", "flv", "-flvflags",
            "no_duration_filesize", url]


def live_film(seconds, video=(*H264, "-bf", "2"), audio=AAC, kind="h264-aac.mp4"):
    """What a live source sends, as a file to send it from: a key frame each second."""
    return cached(f"live-{seconds}-{kind}", [*picture(seconds), *tone(seconds), *video, "-g", "30", *audio])


def send_command(film, form, to):
    """ffmpeg that sends that film in real time, over and over."""
    return [*FFMPEG, "-re", "-stream_loop", "-1", "-i", str(film), "-c", "copy", "-f", form, to]


def random_file(path, size_bytes, seed):
    """A file without structure; its SHA-256."""
    source, digest = random.Random(seed), hashlib.sha256()
    with open(path, "wb") as file:
        while size_bytes:
            piece = source.randbytes(min(size_bytes, 1 << 20))
            file.write(piece)
            digest.update(piece)
            size_bytes -= len(piece)
    return digest.hexdigest()


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def decode_errors(path, timeout_s=120):
    """What ffmpeg complains of when it decodes every frame; empty when all is well."""
    done = subprocess.run(["ffmpeg", "-hide_banner", "-nostdin", "-v", "error", "-xerror", "-err_detect", "explode", "-i", str(path), "-f",
                           "null", "-"], capture_output=True, text=True, timeout=timeout_s)
    return done.stderr.strip() or ("" if done.returncode == 0 else f"ffmpeg ended with {done.returncode}")


def packets(path):
    """Digests of its packets of picture and sound as they are, not decoded."""
    done = subprocess.run([*FFMPEG, "-i", str(path), "-map", "0:v", "-map", "0:a", "-c", "copy", "-f", "framemd5", "-"], capture_output=True,
                          text=True, timeout=60, check=True)
    return [line.rsplit(",", 1)[1].strip() for line in done.stdout.splitlines() if not line.startswith("#")]


def duration_s(path):
    done = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(path)], capture_output=True,
                          text=True, timeout=60, check=True)
    return float(done.stdout.split()[0])


def decode_command(url, seconds):
    """ffmpeg that decodes picture and sound of a live stream and prints a line per frame; it fails at the first error."""
    return ["ffmpeg", "-hide_banner", "-nostdin", "-v", "error", "-xerror", "-err_detect", "explode", "-analyzeduration", "1000000",
            "-i", url, "-t", str(seconds), "-map", "0:v:0", "-map", "0:a:0", "-fps_mode", "passthrough", "-f", "framecrc", "-"]


class Decoded:
    """What decode_command() printed: `pictures` and how many of them differ, and `sound_s` seconds of sound."""

    def __init__(self, lines):
        bases, pictures, self.sound_s = {}, [], 0.0
        for line in lines:
            if line.startswith("#tb "):
                stream, base = line[4:].split(":")
                bases[int(stream)] = fractions.Fraction(base.strip())
            elif not line.startswith("#"):
                stream, _, _, duration, _, checksum = (word.strip() for word in line.split(",")[:6])
                if stream == "0":
                    pictures.append(checksum)
                else:
                    self.sound_s += float(int(duration) * bases[int(stream)])
        self.pictures, self.different = len(pictures), len(set(pictures))


def first_frame_command(url):
    """ffprobe that prints a line per decoded frame as it comes, told to look no further ahead than it must."""
    return ["stdbuf", "-oL", "ffprobe", "-v", "error", "-probesize", "500000", "-analyzeduration", "200000", "-fpsprobesize", "0",
            "-select_streams", "v:0", "-show_entries", "frame=pict_type,width,height", "-of", "csv=p=0", url]


def whole_fragments(path):
    """Cuts a fragmented MP4 after its last whole fragment, as a player that reads what a crash left would; the number kept."""
    data = pathlib.Path(path).read_bytes()
    offset, keep, fragments = 0, 0, 0
    while offset + 8 <= len(data):
        size, kind = int.from_bytes(data[offset:offset + 4], "big"), data[offset + 4:offset + 8]
        if size == 1:
            size = int.from_bytes(data[offset + 8:offset + 16], "big")
        if size < 8 or offset + size > len(data):
            break
        offset += size
        if kind in (b"moov", b"mdat"):
            keep = offset
            fragments += kind == b"mdat"
    os.truncate(path, keep)
    return fragments


class TsClock:
    """Presentation times of the video in a transport stream, as the bytes come."""
    PACKET = 188
    WRAP = 1 << 33

    def __init__(self):
        self.rest = b""
        self.newest_s = None
        self.packets = 0
        self.misaligned = 0

    def feed(self, data):
        data = self.rest + data
        whole = len(data) - len(data) % self.PACKET
        self.rest = data[whole:]
        for start in range(0, whole, self.PACKET):
            self._packet(data[start:start + self.PACKET])

    def _packet(self, packet):
        self.packets += 1
        if packet[0] != 0x47:
            self.misaligned += 1
            return
        if not packet[1] & 0x40 or not packet[3] & 0x10:
            return                                     # no payload begins here
        payload = packet[5 + packet[4]:] if packet[3] & 0x20 else packet[4:]
        if len(payload) < 14 or payload[:3] != b"\0\0\1" or payload[3] & 0xF0 != 0xE0 or not payload[7] & 0x80:
            return                                     # not the start of a video frame with a time
        p = payload[9:14]
        pts_s = ((p[0] >> 1 & 7) << 30 | p[1] << 22 | p[2] >> 1 << 15 | p[3] << 7 | p[4] >> 1) / 90000
        if self.newest_s is None or pts_s > self.newest_s or pts_s < self.newest_s - 30:   # B-frames go back a little; an epoch far
            self.newest_s = pts_s


class LiveReader:
    """Reads a live.ts as it comes, as a player that shows everything 2 s after the earliest moment it could.

    `worst_behind_s` is how late the newest frame ever was against that first moment: past 2 s the player had run dry. `stalls` counts
    how often that happened.
    """
    SETTLE_S = 1.5                 # what is sent at once when one connects counts as one moment
    BUFFER_S = 2.0
    JUMP_S = 10                    # times that jump further belong to another epoch

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.clock = TsClock()
        self.lock = threading.Lock()
        self.started_at = time.monotonic()
        self.first_at = None
        self.offset_s = None       # newest frame's time minus our clock, at its best while settling
        self.worst_behind_s = 0.0
        self.dry, self.stalls = False, 0
        self.bytes = 0
        self.problem = None
        self.closing = False
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        self.path = parts.path
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            self.connection.request("GET", self.path)
            answer = self.connection.getresponse()
            if answer.status != 200:
                raise ConnectionError(f"{self.path}: {answer.status} {answer.reason}")
            while not self.closing:
                data = answer.read1(65536)
                if not data:
                    raise ConnectionError(f"{self.path} ended")
                self._took(data, time.monotonic())
        except (OSError, http.client.HTTPException) as error:
            if not self.closing:
                self.problem = repr(error)

    def _took(self, data, now):
        with self.lock:
            self.bytes += len(data)
            self._look(now)        # how late it was just before these bytes came
            before = self.clock.newest_s
            self.clock.feed(data)
            newest = self.clock.newest_s
            if newest is None:
                return
            if before is None or abs(newest - before) > self.JUMP_S:
                self.first_at, self.offset_s = now, newest - now
            elif now - self.first_at < self.SETTLE_S:
                self.offset_s = max(self.offset_s, newest - now)

    def _look(self, now):
        if self.offset_s is None or now - self.first_at < self.SETTLE_S:
            return 0.0
        behind_s = now + self.offset_s - self.clock.newest_s
        self.worst_behind_s = max(self.worst_behind_s, behind_s)
        if behind_s > self.BUFFER_S and not self.dry:
            self.stalls += 1
        self.dry = behind_s > self.BUFFER_S
        return behind_s

    def look(self):
        """How late it is at this moment counts too. The greatest lateness so far in seconds."""
        with self.lock:
            self._look(time.monotonic())
            return self.worst_behind_s

    def newest_s(self):
        with self.lock:
            return self.clock.newest_s

    def close(self):
        self.closing = True
        sock = self.connection.sock
        if sock is not None:
            try:
                sock.shutdown(2)
            except OSError:
                pass
        self.thread.join(6)
        self.connection.close()


class FilmReader:
    """Reads a film's bytes as a player does that keeps a few seconds ahead of what it shows, taking each second to be as long in bytes."""
    AHEAD_S = 4.0
    START_S = 0.5                  # what it holds before it starts to show

    def __init__(self, url, length_s):
        self.url, self.length_s = url, length_s
        self.started_at = time.monotonic()
        self.first_at = None       # when it began to show
        self.held_s = 0.0
        self.shown_s = 0.0
        self.looked_at = None
        self.dry, self.stalls = False, 0
        self.problem = None
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            with urllib.request.urlopen(self.url, timeout=30) as answer:
                total = int(answer.headers["Content-Length"])
                while not self.closing.is_set() and (data := answer.read1(65536)):
                    with self.lock:
                        self.held_s += len(data) / total * self.length_s
                        if self.first_at is None and self.held_s >= self.START_S:
                            self.first_at = self.looked_at = time.monotonic()
                    self.look()
                    while self.held_s - self.shown_s > self.AHEAD_S and not self.closing.wait(0.1):
                        self.look()
        except (OSError, http.client.HTTPException) as error:
            if not self.closing.is_set():
                self.problem = repr(error)

    def look(self):
        """Moves what is shown on to this moment, as far as it is held."""
        with self.lock:
            if self.first_at is None:
                return
            now = time.monotonic()
            due_s = self.shown_s + now - self.looked_at
            self.looked_at, self.shown_s = now, min(due_s, self.held_s)
            dry = due_s > self.held_s and self.held_s < self.length_s * 0.999
            self.stalls += dry and not self.dry
            self.dry = dry

    def close(self):
        self.closing.set()
        self.thread.join(2)
