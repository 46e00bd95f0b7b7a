#!/usr/bin/env python3
"""One live scenario twice: by real processes in the network lab, sealed, and by the simulator, side by side. Needs root.

    bench/live.py [--scenario NAME] [--peers N] [--over N] [--seconds N] [--window N] [--against RUNNEL] [--no-history]

The scenario is one of tests/sim/scenarios, in TOML; the lab takes its lines and paths from it. The delay of a chunk is from the source's
signature, when its record is complete, to its being verified at a viewer; all processes share this machine's clock. Of the source, what its
line carried, headers included, against what the stream's own chunks would take. With another build of runnel (`--against`) half of the
viewers run that one, so that both are measured in one swarm by one machine; give `--window 60` then, what older builds keep. Exit status 1
when a goal is missed.
"""
import concurrent.futures
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time
import tomllib
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
import history
from support import media
from support.netlab import Netlab
from support.processes import Missed, Node
from support.scenario import BUILD, ROOT, RUNNEL, Scenario

SCENARIOS = ROOT / "tests" / "sim" / "scenarios"
QUEUE_BYTES = 128 * 1024            # of an uplink, as in the simulator
AUDIO_KBPS = 128
FRAMING_KBPS = 150                  # what fMP4 and records add, and the encoder beyond its rate
IN_TIME_S = 1
LOOKS = 4                           # while it is measured; each asks every viewer
GOALS = {"p50": "<= 0.2", "p95": "<= 0.35", "p99": "<= 0.5"}
WINDOW_S, PSS_MB = 20, "<= 20"      # what a viewer takes that keeps so much


def film(kbps):
    """What a camera's encoder would send for a stream of this rate: one key frame a second."""
    video = f"{kbps - AUDIO_KBPS - FRAMING_KBPS}k"
    return media.cached(f"live-stream-{kbps}.mp4", [
        *media.picture(20, 1280, 720), *media.tone(20), *media.H264, "-tune", "zerolatency", "-b:v", video, "-minrate", video, "-maxrate",
        video, "-bufsize", video, "-g", "30", "-keyint_min", "30", "-sc_threshold", "0", *media.AAC])


class Delays:
    """Counts by bucket."""

    def __init__(self):
        self.counts = {}

    def add(self, counts, sign=1):
        for upper_ms, chunks in counts:
            self.counts[upper_ms] = self.counts.get(upper_ms, 0) + sign * chunks

    def since(self, looks, host):
        """A viewer's, of what was published since the first look: what is fetched to fill the holes of before is not among them."""
        for before, after in zip(looks, looks[1:]):
            part = Delays()
            part.add(after["viewers"][host]["chunk_delays"]["counts"])
            part.add(before["viewers"][host]["chunk_delays"]["counts"], -1)
            longest_ms = (after["at"] - looks[0]["at"]) * 1000
            self.add((upper_ms, chunks) for upper_ms, chunks in part.counts.items() if upper_ms <= longest_ms)
        return self

    @property
    def total(self):
        return sum(self.counts.values())

    def within_s(self, limit_s):
        return sum(chunks for upper_ms, chunks in self.counts.items() if upper_ms <= limit_s * 1000) / max(self.total, 1)

    def quantile_s(self, share):
        seen = 0
        for upper_ms, chunks in sorted(self.counts.items()):
            seen += chunks
            if seen >= share * self.total:
                return upper_ms / 1000
        return float("nan")


class Live(Scenario):
    def setUp(self):
        super().setUp()
        self.plan = tomllib.loads((SCENARIOS / f"{self.options.scenario}.toml").read_text(encoding="utf-8"))
        self.peers = self.options.peers or self.plan["peers"]
        self.others = set()             # the hosts of viewers that run another build
        self.hosts = [f"viewer-{i + 1}" for i in range(self.peers)]

    def lab_description(self):
        """The scenario in the lab's words; lines are dealt out by the seed."""
        lines = [f"path = {self.words(self.plan['path'])}", f"[host.source]\nup = {self.line(self.plan['source'])}",
                 f"[host.viewer]\ncount = {self.peers}"]
        kinds = []
        for kind in self.plan["viewers"]:
            kinds += [kind] * round(kind["share"] * self.peers)
        kinds = (kinds + [self.plan["viewers"][-1]] * self.peers)[:self.peers]
        random.Random(self.seed).shuffle(kinds)
        for host, kind in zip(self.hosts, kinds):
            lines.append(f"[host.{host}]\nup = {self.line(kind)}\ndown = {{ rate_mbps = {kind['down_mbps']} }}")
        self.uplinks = dict(zip(self.hosts, (kind["up_mbps"] for kind in kinds)))
        return "\n".join(lines)

    @staticmethod
    def line(kind):
        return f"{{ rate_mbps = {kind['up_mbps']}, queue_bytes = {QUEUE_BYTES} }}"

    @staticmethod
    def words(table):
        return "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items()) + " }"

    def run_the_other(self):
        """Of each kind of line every second viewer runs the other build, if there is one."""
        kinds = set(self.uplinks.values()) if self.options.against else ()
        return {host for kind in kinds for host in [host for host in self.hosts if self.uplinks[host] == kind][1::2]}

    def run_in(self, host, verb, *arguments):
        program = self.options.against if host in self.others else RUNNEL
        command = [program, verb, *arguments, "--json", "--listen", f"{self.lab.address(host)}:0", "--http", "127.0.0.1:0"]
        return self.start(self.lab.command(host, command), host, Node)

    def window(self, host):
        return [] if host in self.others else ["--window", str(self.options.window)]   # the other build may know of none

    def status(self, host, node):
        def read():
            with urllib.request.urlopen(node.url("/api/status"), timeout=10) as answer:
                return json.load(answer)["streams"][0]
        return self.lab.call(host, read)

    def statuses(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return dict(zip(self.viewers, pool.map(lambda item: self.status(*item), self.viewers.items())))

    def look(self):
        return {"at": time.monotonic(), "pss_mb": {host: pss_mb(node) for host, node in self.viewers.items()}, "lab": self.lab.stats(), "viewers": self.statuses(), "source": self.status("source", self.caster),
                "cpu_s": {host: cpu_s(node) for host, node in [*self.viewers.items(), ("source", self.caster)]}}

    def real(self):
        """The lab's column, by measure."""
        self.lab = Netlab(self.lab_description(), self.log, seed=self.seed)
        self.addCleanup(self.lab.close)
        self.others = self.run_the_other()
        self.caster = self.run_in("source", "cast", "--live", "--loop", film(self.plan["live"]["kbps"]))
        link = self.caster.link
        self.viewers = {}
        begun, over_s = time.monotonic(), self.options.over or self.plan["joins"]["over_s"]
        for i, host in enumerate(self.hosts):
            self.caster.wait_for_end(max(0, begun + over_s * i / self.peers - time.monotonic()))
            self.viewers[host] = self.run_in(host, "watch", link, "--player", "none", *self.window(host))
        settle_s = self.plan["live"]["measure_from_s"] - self.plan["joins"]["over_s"]
        self.caster.wait_for_end(begun + over_s + settle_s - time.monotonic())
        startups = self.startups()
        looks = [self.look()]
        for _ in range(LOOKS):
            self.caster.wait_for_end(self.options.seconds / LOOKS)
            looks.append(self.look())
        self.tell(looks)
        if self.others:
            self.tell_build("this build", self.viewers.keys() - self.others, looks)
            self.tell_build(self.options.against, self.others, looks)
        return dict(self.compare(looks), **startups)

    def startups(self):
        """How long the viewers took to have something to play, those that have."""
        taken = sorted(event["startup_s"] for node in self.viewers.values() for event in node.all_events("playable"))
        return {"playable": len(taken) / self.peers, "playable_p50_s": taken[len(taken) // 2] if taken else float("nan")}

    def compare(self, looks):
        first, last = looks[0], looks[-1]
        delays, media_bytes = Delays(), 0
        for host in self.viewers:
            delays.since(looks, host)
            media_bytes += last["viewers"][host]["down_bytes"] - first["viewers"][host]["down_bytes"]
        seconds = last["at"] - first["at"]

        def sent(host):
            return last["lab"]["hosts"][host]["up"]["bytes"] - first["lab"]["hosts"][host]["up"]["bytes"]
        stream = self.plan["live"]["kbps"] * 125 * seconds

        def datagrams(way):
            return sum(last["lab"]["hosts"][host][way]["packets"] - first["lab"]["hosts"][host][way]["packets"] for host in self.viewers)
        return {"p50": delays.quantile_s(0.5), "p95": delays.quantile_s(0.95), "p99": delays.quantile_s(0.99),
                "in_time": delays.within_s(IN_TIME_S), "chunks_per_viewer_s": delays.total / self.peers / seconds,
                "source_copies": sent("source") / stream, "wire": (sum(map(sent, self.viewers)) + sent("source")) / max(media_bytes, 1),
                "media_kbps": media_bytes / self.peers / seconds / 125, "datagrams_up": datagrams("up") / self.peers / seconds,
                "datagrams_down": datagrams("down") / self.peers / seconds,
                "cores": sum(last["cpu_s"].values()) / seconds - sum(first["cpu_s"].values()) / seconds,
                "pss_mb": statistics.mean(last["pss_mb"].values()), "lab_late_us": last["lab"]["lateness"]["mean_us"]}

    def tell(self, looks):
        """A line for each viewer, for whoever wants to know why."""
        last = looks[-1]
        push = last["source"]["push"]
        print(f"  source     up {self.plan['source']['up_mbps']:4.1f} Mb/s, found {push['uplink'] / 125e3:5.2f}; stream {push['stream_rate'] / 125e3:5.2f}; "
              f"slots {push['slots_used']:4.1f} of {push['slots']:4.1f}; waiting {push['waiting_s']:.3f} s; line {push['line_queue_s']}")
        for host in self.viewers:
            mine = Delays().since(looks, host)
            push = last["viewers"][host]["push"] or {}
            print(f"  {host:<10} up {self.uplinks[host]:4.1f} Mb/s, found {push.get('uplink', 0) / 125e3:5.2f}; slots {push.get('slots_used', 0):4.1f} of "
                  f"{push.get('slots', 0):4.1f}, fed by {push.get('fed', 0):2}; waiting {push.get('waiting_s', 0):.3f} s, line {push.get('line_queue_s') or 0:.3f}; peers {len(last['viewers'][host]['peers']):2}; delays "
                  f"{mine.quantile_s(0.5):.2f} {mine.quantile_s(0.95):.2f} {mine.quantile_s(0.99):.2f}, {mine.total} chunks; "
                  f"rejected {last['viewers'][host]['rejected']}", flush=True)

    @staticmethod
    def tell_build(name, hosts, looks):
        first, last = looks[0], looks[-1]
        delays = Delays()
        for host in hosts:
            delays.since(looks, host)
        share = statistics.mean(last["cpu_s"][host] - first["cpu_s"][host] for host in hosts) / (last["at"] - first["at"])
        quantiles = " ".join(f"{delays.quantile_s(quantile):.3f}" for quantile in (0.5, 0.95, 0.99))
        memory = statistics.mean(last["pss_mb"][host] for host in hosts)
        print(f"  {name}: {len(hosts)} viewers, {100 * share:.2f} % of a processor and {memory:.1f} MB each; delays {quantiles} s", flush=True)

    def simulated(self):
        settings = ["--peers", str(self.peers), "--seed", "1", "--set", f"duration_s={self.plan['live']['measure_from_s'] + self.options.seconds}"]
        done = subprocess.run([BUILD / "runnel-sim", SCENARIOS / f"{self.options.scenario}.toml", *settings, "--json"], capture_output=True,
                              text=True, check=False)
        measures = json.loads(done.stdout)["measures"]
        return {"p50": measures["chunk_delay_p50_s"], "p95": measures["chunk_delay_p95_s"], "p99": measures["chunk_delay_p99_s"],
                "in_time": measures["in_time_1s"]}

    def runTest(self):
        real = self.real()
        self.lab.close()
        simulated = self.simulated() if self.options.simulator else {}
        goals = dict(GOALS, pss_mb=PSS_MB) if self.options.window == WINDOW_S and not self.others else GOALS
        rows = [(f"real: {name}", value, f"(simulated {simulated[name]:.3g})" if name in simulated else "", goals.get(name))
                for name, value in real.items()]
        self.assertTrue(history.report(f"live {self.options.scenario} {self.peers}", rows, self.options.history), "a goal is missed")


def pss_mb(node):
    """What it has in memory, shared pages by its share of them."""
    lines = pathlib.Path(f"/proc/{node.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def cpu_s(node):
    """Of a process and all that it has waited for."""
    try:
        fields = pathlib.Path(f"/proc/{node.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except FileNotFoundError:
        raise Missed(f"{node.name} has ended\n{node.last_lines()}") from None
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(history.main(Live, __doc__, [("--scenario", str, "live_push_60", "of tests/sim/scenarios"),
                                          ("--peers", int, 0, "viewers; 0: as many as the scenario says"),
                                          ("--over", int, 0, "seconds within which all come; 0: as the scenario says"),
                                          ("--seconds", int, 20, "that are measured"),
                                          ("--window", int, WINDOW_S, "seconds that viewers keep"),
                                          ("--against", str, "", "another runnel, which half of the viewers run"),
                                          ("--simulator", int, 1, "0: without the simulator's column")]))
