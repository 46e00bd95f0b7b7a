#!/usr/bin/env python3
"""Glass to glass: how old the picture is that Chromium shows of a live stream, at the far end of a chain of five peers. Needs root.

    bench/glass.py [--seconds N] [--delay-ms N] [--no-history]

ffmpeg draws the time of day into 720p30 as it makes each picture, encodes it and publishes it by RTMP to `runnel cast`; the page of the last
peer plays it, and the clock is read from its video ten times a second. The network lab (tests/netlab) lets each peer reach its neighbours in the
chain alone, and /api/status of each must say so. All of it shares this machine's clock and processors. Exit status 1 when a goal is missed.
"""
import concurrent.futures
import json
import pathlib
import statistics
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
import history
from support import media, picture_clock
from support.chromium import Chromium
from support.netlab import Netlab
from support.processes import Node
from support.scenario import RUNNEL, Scenario

PEERS = 5
RATE_FPS = 30
KBPS = 2500
LINE_MBPS = 20                      # up, of each host
LOOK_MS = 100                       # between two looks at the clock
STALL_S = 0.25                      # a video that has not moved for so long stalls
SETTLE_S = 10                       # from the first picture until it is measured
STREAM_KEY = "glass"
GOAL_S = 1.5


def publisher(url):
    """A camera and its encoder: picture with the clock, a tone, a key frame each second. Only the picture is held to real time: with a clock of
    its own each, one would wait for the other by as much as it began later."""
    picture = f"testsrc2=size=1280x720:rate={RATE_FPS},format=yuv420p,{picture_clock.filters(RATE_FPS)}"
    rate = f"{KBPS}k"
    return [*media.FFMPEG, "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
            "-c:v", "libx264", "-preset", "superfast", "-tune", "zerolatency", "-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate,
            "-g", str(RATE_FPS), "-keyint_min", str(RATE_FPS), "-sc_threshold", "0", *media.AAC, "-flush_packets", "1", "-f", "flv",
            "-flvflags", "no_duration_filesize", url]


def quantile(values, share):
    """The least of the values that so large a share does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def stalls(rows):
    """(how often the video stood still, for how many seconds in all). `rows` as picture_clock.READER keeps them."""
    count, total_s, moved_at = 0, 0.0, rows[0][0]
    for before, row in zip(rows, rows[1:]):
        if row[2] == before[2] and row is not rows[-1]:
            continue
        still_s = (before[0] - moved_at) / 1000
        if still_s >= STALL_S:
            count, total_s = count + 1, total_s + still_s
        moved_at = row[0]
    return count, total_s


def busy_s():
    """Processor seconds that this machine has spent on anything so far."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, soft = map(int, file.readline().split()[1:8])
    return (user + nice + system + irq + soft) / 100


class Glass(Scenario):
    def lab_description(self):
        """A path between neighbours; whatever goes elsewhere is lost."""
        near = "\n".join(f'[[pair]]\nbetween = ["{one}", "{other}"]\nloss = 0\ndelay_ms = {self.options.delay_ms}\njitter_ms = 2'
                         for one, other in zip(self.hosts, self.hosts[1:]))
        return f"[every.up]\nrate_mbps = {LINE_MBPS}\n[host.source]\n[host.peer]\ncount = {PEERS}\n[path]\nloss = 1\n{near}"

    def run_in(self, host, verb, *arguments):
        command = [RUNNEL, verb, *arguments, "--json", "--listen", f"{self.lab.address(host)}:0", "--http", "127.0.0.1:0"]
        return self.start(self.lab.command(host, command), host, Node)

    def start_chain(self):
        self.nodes = {"source": self.run_in("source", "cast", f"rtmp://127.0.0.1:0/live/{STREAM_KEY}", "--title", "Glass to glass")}
        url = f"{self.ingest_url(self.nodes['source'])}/{STREAM_KEY}"
        self.start(self.lab.command("source", publisher(url)), "publisher")
        link = self.nodes["source"].link
        for before, host in zip(self.hosts, self.hosts[1:]):
            self.nodes[host] = self.run_in(host, "watch", self.only_by(link, self.nodes[before].ready()["listen"]), "--player", "none")
            self.nodes[host].event("playable", 30)

    def status(self, host):
        def read():
            with urllib.request.urlopen(self.nodes[host].url("/api/status"), timeout=10) as answer:
                return json.load(answer)["streams"][0]
        return self.lab.call(host, read)

    def statuses(self):
        with concurrent.futures.ThreadPoolExecutor(len(self.hosts)) as pool:
            return dict(zip(self.hosts, pool.map(self.status, self.hosts)))

    def check_chain(self, statuses):
        """Each node has its neighbours in the chain for peers, and nobody else."""
        names = {self.lab.address(host): host for host in self.hosts}
        shown = {host: sorted(names.get(peer["address"].rsplit(":", 1)[0], peer["address"]) for peer in status["peers"])
                 for host, status in statuses.items()}
        chain = {host: sorted(self.hosts[max(0, i - 1):i] + self.hosts[i + 1:i + 2]) for i, host in enumerate(self.hosts)}
        self.assertEqual(shown, chain, "this is no chain")
        return " - ".join(self.hosts)

    def open_page(self):
        last = self.hosts[-1]
        page = Chromium(self, place=(self.lab, last)).open(self.nodes[last].url("/"))
        self.eventually(lambda: (video := page.video()) and video["ready"] >= 2, 30, "picture in the page")
        page.play()
        page.run(f"{picture_clock.READER}({LOOK_MS})")
        self.eventually(lambda: any(row[1] is not None for row in page.run("glass.take()")), 10, "clock in the picture")
        return page

    def measure(self, page):
        """What the reader saw, by row, and what the last node told of itself meanwhile."""
        self.nodes["source"].wait_for_end(SETTLE_S)
        page.run("glass.take()")
        began, rows, told = time.monotonic(), [], []
        while (left := began + self.options.seconds - time.monotonic()) > 0:
            self.nodes["source"].wait_for_end(min(1, left))
            rows += page.run("glass.take()")
            told.append(self.status(self.hosts[-1]))
        return rows, told

    def runTest(self):
        self.hosts = ["source", *(f"peer-{i + 1}" for i in range(PEERS))]
        self.lab = Netlab(self.lab_description(), self.log, seed=self.seed)
        self.addCleanup(self.lab.close)
        self.start_chain()
        page = self.open_page()
        print(f"chain: {self.check_chain(self.statuses())} - Chromium; {self.options.delay_ms} ms a hop", flush=True)
        busy, began = busy_s(), time.monotonic()
        rows, told = self.measure(page)
        processors = (busy_s() - busy) / (time.monotonic() - began)
        self.check_chain(self.statuses())
        self.assertEqual(page.complaints(), [])
        self.assertTrue(history.report("glass", self.figures(page, rows, told) + [("processors busy", processors, f"of {history.machine()}", None)],
                                       self.options.history), "a goal is missed")

    def figures(self, page, rows, told):
        ages = [row[1] / 1000 for row in rows if row[1] is not None]
        count, still_s = stalls(rows)
        video = page.video()
        source_s, swarm_s = (statistics.median(one["lag_parts"][part] for one in told) for part in ("source_s", "swarm_s"))
        return [("glass to glass: p50", statistics.median(ages), "s", None),
                ("glass to glass: p95", quantile(ages, 0.95), "s", f"<= {GOAL_S}"),
                ("glass to glass: max", max(ages), "s", None),
                ("stalls", count, "", "<= 0"),
                ("stalls: time", still_s, "s", None),
                ("'waiting' events", rows[-1][4] - rows[0][4], "", None),
                ("looks without a clock", len(rows) - len(ages), f"of {len(rows)}", None),
                ("frames dropped", video["dropped"] / max(video["frames"], 1), "of all", None),
                ("played faster", sum(row[3] > 1 for row in rows) / len(rows), "of the time", None),
                ("of it, ingest until signed: p50", source_s, "s", None),
                ("of it, from there through the chain: p50", swarm_s, "s", None),
                ("of it, camera, encoder and player: p50", statistics.median(ages) - source_s - swarm_s, "s", None),
                ("chunk signed to verified: p95", told[-1]["chunk_delays"]["p95_s"], "s", None),
                ("measured", (rows[-1][0] - rows[0][0]) / 1000, "s", None)]


if __name__ == "__main__":
    sys.exit(history.main(Glass, __doc__, [("--seconds", int, 120, "that are measured; the goal is for 600"),
                                           ("--delay-ms", int, 30, "one way, of each hop")]))
