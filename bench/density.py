#!/usr/bin/env python3
"""What a node costs that holds much: idle peers by thousands, and a swarm far larger than its memory.

    bench/density.py [--peers N] [--gigabytes N] [--seconds N] [--no-history]

The large file is sparse (zeros), so it takes no disk but its hash tree, 60 MB a gigabyte. Exit status 1 when a goal is missed.
"""
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
import history
from support.processes import MemoryWatch
from support.scenario import BUILD, Scenario

HASHING_S = 600           # at most, for the large file


class Density(Scenario):
    def peers(self):
        done = subprocess.run([BUILD / "bench_density", str(self.options.peers)], capture_output=True, text=True, check=True)
        return {one["kind"]: one for one in map(json.loads, done.stdout.splitlines())}

    def cast_large(self, source, cache, name):
        """(the caster, seconds from its start until it can be watched)"""
        caster = self.cast(source, name=name, environment=dict(self.environment(name), XDG_CACHE_HOME=str(cache)))
        at, _ = caster.timed_event("ready", HASHING_S)
        return caster, at - caster.started_at

    def large(self):
        source, cache = self.folder / "large.bin", self.folder / "cache"
        with open(source, "wb") as file:
            file.truncate(self.options.gigabytes * 10**9)
        first, hashed_s = self.cast_large(source, cache, "first")
        first.stop(60)
        caster, opened_s = self.cast_large(source, cache, "again")
        watcher = self.watch(caster.link, "--out", self.folder / "copy.bin", name="watcher")
        watcher.ready()
        watch = MemoryWatch([watcher, caster])
        began = time.monotonic()
        while time.monotonic() - began < self.options.seconds:
            stats = watcher.next_stats()
        watch.close()
        self.assertGreater(stats["verified"], 0)
        watcher.stop(60)
        return hashed_s, opened_s, watch.peak_bytes[watcher], watch.peak_bytes[caster]

    def runTest(self):
        peers = self.peers()
        hashed_s, opened_s, watcher_bytes, caster_bytes = self.large()
        rows = [("idle peer, plain: bytes", peers["plain"]["bytes_per_peer"], "", "<= 1024"),
                ("idle peer, sealed: bytes", peers["sealed"]["bytes_per_peer"], "", "<= 4096"),
                (f"{self.options.peers} idle peers, plain: % of a core", peers["plain"]["core_percent"], "", "<= 0.5"),
                (f"{self.options.peers} idle peers, sealed: % of a core", peers["sealed"]["core_percent"], "", "<= 0.5"),
                ("1,000 swarms of 10 known peers: bytes of each", peers["swarms"]["bytes_per_swarm"], "", None),
                ("1,000 swarms of 10 known peers: % of a core", peers["swarms"]["core_percent"], "", None),
                (f"{self.options.gigabytes} GB, tree on disk: opened in s", opened_s, "", "<= 1"),
                (f"{self.options.gigabytes} GB, hashed for the first time in s", hashed_s, "", None),
                (f"{self.options.gigabytes} GB, watching node: MB (PSS)", watcher_bytes / 1e6, "", "<= 20"),
                (f"{self.options.gigabytes} GB, casting node: MB (PSS)", caster_bytes / 1e6, "", None)]
        self.assertTrue(history.report("density", rows, self.options.history), "a goal is missed")


if __name__ == "__main__":
    sys.exit(history.main(Density, __doc__, [("--peers", int, 5000, "that are idle"), ("--gigabytes", int, 50, "of the large swarm"),
                                          ("--seconds", int, 10, "for which it is watched")]))
