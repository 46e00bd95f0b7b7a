#!/usr/bin/env python3
"""The demo: a tracker, a caster of a live test picture, a caster of a film, and four viewers that have nothing but a link.

Shows who has what from whom, read from each node's /api/status, until Ctrl-C. With --seconds N it ends by itself and prints a
summary as one JSON object on stdout; all else goes to stderr. Everything stays on this machine. Started by ./run demo.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from support.media import FilmReader, LiveReader
from support.processes import Missed, Node

FILM_S = 90
LOCAL = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--json"]


def say(text=""):
    print(text, file=sys.stderr, flush=True)


def make_film(path):
    """A moving picture and a changing tone, made once."""
    if path.exists():
        return
    say("making a film ...")
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name("making-" + path.name)
    subprocess.run(["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y",
                    "-f", "lavfi", "-i", f"gradients=size=640x360:rate=25:speed=0.02:duration={FILM_S}",
                    "-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=25:duration={FILM_S}",
                    "-f", "lavfi", "-i", f"aevalsrc='0.1*sin(2*PI*t*(220+110*floor(mod(t,8))))':s=48000:d={FILM_S}",
                    "-filter_complex", "[0][1]overlay=(W-w)/2:(H-h)/2", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50",
                    "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k", str(made)], check=True, stdin=subprocess.DEVNULL)
    made.rename(path)


class Demo:
    def __init__(self, runnel):
        self.runnel = runnel
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="runnel-demo-"))
        self.nodes = {}            # name -> Node, in the order of the table
        self.readers = {}          # viewer's name -> what plays there
        self.status = {}           # name -> its stream's entry in /api/status

    def start(self, name, *arguments):
        home = self.folder / name
        home.mkdir()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
        environment.update(HOME=str(home), XDG_RUNTIME_DIR=str(home))
        node = Node([self.runnel, *arguments], self.folder / f"{name}.log", environment=environment)
        self.nodes[name] = node
        return node

    def start_all(self, film):
        tracker = self.start("tracker", "tracker", "--http", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--json").ready()
        announce = ["--tracker", tracker["http"]]
        live = self.start("live", "cast", "test:", "--title", "Live test picture", *announce, *LOCAL)
        movie = self.start("film", "cast", film, "--title", "A film", *announce, *LOCAL)
        live.event("playable", 20)
        for number, (stream, caster) in enumerate((("live", live), ("film", movie), ("live", live), ("film", movie)), 1):
            viewer = self.start(f"viewer {number}", "watch", caster.link, "--player", "none", *LOCAL)
            viewer.stream = stream
        for name, viewer in self.viewers():
            viewer.ready()
            reader = LiveReader if viewer.stream == "live" else FilmReader
            self.readers[name] = reader(viewer.stream_url("live.ts" if viewer.stream == "live" else "media"), *([FILM_S] * (reader is FilmReader)))

    def viewers(self):
        return [(name, node) for name, node in self.nodes.items() if name.startswith("viewer")]

    def refresh(self):
        """Asks every node how it is; fails when one has ended."""
        for name, node in self.nodes.items():
            if not node.running:
                raise Missed(f"{name} ended:\n{node.last_lines()}")
            if name == "tracker":
                continue
            try:
                self.status[name] = node.api_status()["streams"][0]
            except (urllib.error.URLError, OSError, IndexError):
                pass               # the next second shows it
        for reader in self.readers.values():
            reader.look()

    # ---- what the table and the summary say --------------------------------------------------------------------------
    def given_by(self, name):
        """Bytes that a node has from each other node, by name."""
        names = {node.ready()["listen"]: other for other, node in self.nodes.items() if other != "tracker"}
        given = {}
        for peer in self.status.get(name, {}).get("peers", []):
            if peer["down_bytes"]:
                giver = names.get(peer["address"], peer["address"])
                given[giver] = given.get(giver, 0) + peer["down_bytes"]
        return given

    def summary_of(self, name, node):
        reader, status, given = self.readers[name], self.status.get(name, {}), self.given_by(name)
        from_caster = given.get(node.stream, 0)
        return {"name": name, "stream": node.stream,
                "startup_s": round(reader.first_at - node.started_at, 3) if reader.first_at else None,
                "stalls": reader.stalls, "lag_s": status.get("lag_s"), "buffer_s": status.get("buffer_s"),
                "caster_bytes": from_caster, "peer_bytes": sum(given.values()) - from_caster, "rejected": status.get("rejected"),
                "problem": status.get("problem") or reader.problem or ""}

    def summary(self, seconds):
        viewers = [self.summary_of(name, node) for name, node in self.viewers()]
        casters = [{"stream": name, "up_bytes": self.status.get(name, {}).get("up_bytes")} for name in ("live", "film")]
        played = all(v["startup_s"] is not None and not v["problem"] for v in viewers)
        return {"seconds": round(seconds, 1), "played": played, "viewers": viewers, "casters": casters}

    def table(self):
        rows = [("node", "stream", "state", "start-up", "stalls", "lag", "buffer", "has from", "gave")]
        for name, node in self.nodes.items():
            status = self.status.get(name)
            if status is None:
                continue
            seen = self.summary_of(name, node) if name in self.readers else {}
            given = ", ".join(f"{giver} {size(count)}" for giver, count in sorted(self.given_by(name).items()))
            rows.append((name, getattr(node, "stream", name), status["state"], seconds_text(seen.get("startup_s")),
                         str(seen.get("stalls", "")), seconds_text(status["lag_s"]), seconds_text(status["buffer_s"]) if seen else "",
                         given or ("" if seen else "itself"), size(status["up_bytes"])))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]

    def end(self):
        for reader in self.readers.values():
            reader.close()
        for node in self.nodes.values():
            node.send_signal(signal.SIGINT)
        for node in self.nodes.values():
            node.wait_for_end(5)
            node.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def size(count):
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def seconds_text(value):
    return "" if value is None else f"{value:.2f} s"


def addresses(demo):
    lines = [f"  {name}: {node.ready()['http'].rstrip('/')}/" for name, node in demo.nodes.items() if name != "tracker"]
    return ["Pages:", *lines, "Link of the live stream, for another terminal (runnel watch '...'):", f"  {demo.nodes['live'].link}"]


def open_page(url):
    """In the user's browser, where there is a screen for one."""
    if (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and shutil.which("xdg-open"):
        subprocess.Popen(["xdg-open", url], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         start_new_session=True)


def show(demo, seconds, stopping):
    """The table each second on a terminal, each five seconds elsewhere, until the time is up or someone stops it."""
    started, on_terminal = time.monotonic(), sys.stderr.isatty()
    drawn, ticks = 0, 0
    while not stopping.wait(1):
        demo.refresh()
        passed = time.monotonic() - started
        if on_terminal or ticks % 5 == 0:
            lines = [f"{passed:.0f} s" + ("" if seconds else "   (Ctrl-C ends it)"), *demo.table()]
            if on_terminal and drawn:
                sys.stderr.write(f"\x1b[{drawn}A\x1b[J")
            say("\n".join(lines) + "\n")
            drawn = len(lines) + 1
        ticks += 1
        if seconds and passed >= seconds:
            break
    return time.monotonic() - started


def main():
    arguments = argparse.ArgumentParser(prog="./run demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runnel", type=pathlib.Path, default=ROOT / "build" / "release" / "runnel", help=argparse.SUPPRESS)
    arguments.add_argument("--seconds", type=float, default=0, metavar="N", help="end after that time with a summary as JSON")
    options = arguments.parse_args()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    film = ROOT / "build" / "demo" / "film.mp4"
    make_film(film)
    demo = Demo(options.runnel.resolve())
    try:
        demo.start_all(film)
        say("\n".join(addresses(demo)) + "\n")
        if not options.seconds:
            open_page(demo.nodes["viewer 1"].url("/"))
        passed = show(demo, options.seconds, stopping)
        summary = demo.summary(passed)
    except Missed as problem:
        say(str(problem))
        return 1
    finally:
        demo.end()
    if options.seconds:
        print(json.dumps(summary), flush=True)
        return 0 if summary["played"] else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
