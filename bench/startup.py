#!/usr/bin/env python3
"""How soon a viewer sees something: from the start of `runnel watch` to the first 2 MB, in order, at its HTTP server.

    bench/startup.py [--rounds N] [--no-history]

The caster runs already; each round is a new process without a cache. Medians over the rounds; exit status 1 when a goal is missed.
"""
import pathlib
import statistics
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
import history
from support import media
from support.scenario import RUNNEL, Scenario

FILE_BYTES = 100_000_000
FIRST_BYTES = 2_000_000


class Startup(Scenario):
    def one_round(self, link, expected, number):
        """(until its HTTP server is told, until the bytes are here), ms"""
        watcher = self.watch(link, "--out", self.folder / f"copy-{number}.bin", name=f"watcher-{number}")
        at, _ = watcher.timed_event("ready", 30)
        request = urllib.request.Request(watcher.stream_url("media"), headers={"Range": f"bytes=0-{FIRST_BYTES - 1}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.assertEqual(answer.read(), expected)
        done = time.monotonic()
        watcher.stop()
        (self.folder / f"copy-{number}.bin").unlink()
        return (at - watcher.started_at) * 1000, (done - watcher.started_at) * 1000

    def program_ms(self):
        """How long the program takes to say its version: loading it, and nothing else."""
        began = time.monotonic()
        subprocess.run([RUNNEL, "--version"], check=True, capture_output=True)
        return (time.monotonic() - began) * 1000

    def runTest(self):
        source = self.folder / "source.bin"
        media.random_file(source, FILE_BYTES, self.seed)
        with open(source, "rb") as file:
            expected = file.read(FIRST_BYTES)
        link = self.cast(source).link
        rounds = [(self.program_ms(), *self.one_round(link, expected, number)) for number in range(self.options.rounds)]
        load, ready, first = (statistics.median(column) for column in zip(*rounds))
        rows = [("runnel --version: ms", load, "", None), ("watch, until its address is told: ms", ready, "", None),
                ("watch, first 2 MB at HTTP: ms", first, "", "<= 60")]
        self.assertTrue(history.report("startup", rows, self.options.history), "a goal is missed")


if __name__ == "__main__":
    sys.exit(history.main(Startup, __doc__, [("--rounds", int, 15, "medians are taken over")]))
