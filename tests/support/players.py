"""mpv and VLC without screen and sound, each steered and asked over a Unix socket of its own, as an unprivileged user."""
import json
import os
import re
import socket
import tempfile
import time

from support.processes import Missed, Process


class _Player:
    """What both have in common: a folder that the player's user may write to, and a line-wise socket in it."""

    def __init__(self, scenario, name, command):
        self.scenario, self.name = scenario, name
        user = scenario.unprivileged()
        folder = tempfile.mkdtemp(prefix=f"{name}-", dir=scenario.folder)
        if user is not None:
            os.chown(folder, user, user)
        self.path = os.path.join(folder, "control")
        self.process = scenario.start(command(self.path), name, Process, user=user, environment=scenario.environment(name, user))
        self.socket = scenario.eventually(self._connect, 20, f"control socket of {name}")
        self.socket.settimeout(10)
        self.lines = self.socket.makefile("rb")
        scenario.addCleanup(self._close)

    def _connect(self):
        if not self.process.running:
            raise Missed(f"{self.name} ended\n{self.process.last_lines()}")
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(self.path)
            return sock
        except OSError:
            sock.close()
            return None

    def _close(self):
        self.lines.close()
        self.socket.close()

    def plays(self, seconds, timeout_s=20):
        """Waits until it has shown that much; the seconds that took."""
        started = time.monotonic()
        first = self.scenario.eventually(self._moving, timeout_s, f"playback in {self.name}")
        self.scenario.eventually(lambda: (now := self._moving()) is not None and now >= first + seconds, timeout_s + seconds,
                                 f"{seconds} s played by {self.name}")
        return time.monotonic() - started

    def _moving(self):
        return self.time_s()


class Mpv(_Player):
    def __init__(self, scenario, url, name="mpv"):
        self.number = 0
        super().__init__(scenario, name, lambda path: ["mpv", "--no-config", "--no-terminal", "--vo=null", "--ao=null", "--ytdl=no",
                                                       f"--input-ipc-server={path}", url])

    def command(self, *words):
        self.number += 1
        self.socket.sendall(json.dumps({"command": words, "request_id": self.number}).encode() + b"\n")
        while line := self.lines.readline():
            answer = json.loads(line)
            if answer.get("request_id") == self.number and "error" in answer:
                return answer.get("data") if answer["error"] == "success" else None
        raise Missed(f"mpv ended\n{self.process.last_lines()}")

    def time_s(self):
        return self.command("get_property", "time-pos")

    def duration_s(self):
        return self.command("get_property", "duration")

    def seek_s(self, fraction, timeout_s=20):
        """Seeks; seconds until playback moves on from there."""
        target, started = self.duration_s() * fraction, time.monotonic()
        self.command("seek", fraction * 100, "absolute-percent+exact")
        self.scenario.eventually(lambda: (self.time_s() or 0) >= target + 0.05 and self.command("get_property", "seeking") is False
                                 and self.command("get_property", "core-idle") is False, timeout_s, f"mpv playing at {target:.1f} s", 0.02)
        return time.monotonic() - started


class Vlc(_Player):
    def __init__(self, scenario, url, name="vlc"):
        super().__init__(scenario, name, lambda path: ["vlc", "--intf", "oldrc", "--rc-unix", path, "--rc-fake-tty", "--vout", "dummy",
                                                       "--aout", "dummy", "--no-video-title-show", "--no-media-library", "--no-lua", url])

    def ask(self, command, pattern, last=None):
        """What the pattern takes from its answer: the first line that fits, or None when `last` comes before."""
        self.socket.sendall(command.encode() + b"\n")
        while line := self.lines.readline().decode("utf-8", "replace"):
            if match := re.search(pattern, line):
                found = match.group(1)
                while last and line and not line.startswith(last):
                    line = self.lines.readline().decode("utf-8", "replace")
                return found
            if last and line.startswith(last):
                return None
        raise Missed(f"vlc ended\n{self.process.last_lines()}")

    def shown_frames(self):
        """Frames that it has displayed since it began."""
        return int(self.ask("stats", r"frames displayed\s*:\s*(\d+)", "stats: returned") or 0)

    def time_s(self):
        return float(self.ask("get_time", r"^(?:> )*(\d+)\s*$"))

    def duration_s(self):
        return float(self.ask("get_length", r"^(?:> )*(\d+)\s*$"))

    def _moving(self):
        return self.time_s() if self.shown_frames() > 0 else None

    def seek_s(self, fraction, timeout_s=20):
        """Seeks; seconds until frames of that place were shown."""
        target, started = int(self.duration_s() * fraction), time.monotonic()
        self.socket.sendall(f"seek {target}\n".encode())
        self.scenario.eventually(lambda: (self.time_s() or 0) >= target, timeout_s, f"vlc at {target} s", 0.02)
        shown = self.shown_frames()
        self.scenario.eventually(lambda: self.shown_frames() > shown + 2, timeout_s, f"vlc showing frames at {target} s", 0.02)
        return time.monotonic() - started
