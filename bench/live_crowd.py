#!/usr/bin/env python3
"""What one caster pays for many live viewers that nobody helps it to serve: 2.5 Mb/s and sound, sealed, all viewers played by one process.

    bench/live_crowd.py [--viewers N] [--seconds N] [--warm-up N] [--no-history]

Exit status 1 when a goal is missed. On two processors the process that plays the viewers takes most of what there is.
"""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
import history
from support import media
from support.scenario import BUILD, Scenario

STREAM_KEY = "crowd"
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def processor_s(pid):
    """Seconds that a process has computed, in its own code and in the kernel's (proc(5))."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


class LiveCrowd(Scenario):
    def runTest(self):
        caster = self.cast(f"rtmp://127.0.0.1:0/live/{STREAM_KEY}")
        self.start(media.publish_command(f"{self.ingest_url(caster)}/{STREAM_KEY}"), "publisher")
        caster.event("playable", 15)
        port = caster.ready()["listen"].rpartition(":")[2]
        command = [BUILD / "bench_live_crowd", caster.link, f"127.0.0.1:{port}", str(self.options.viewers), str(self.options.warm_up),
                   str(self.options.seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as crowd:
            self.assertEqual(crowd.stdout.readline(), "measuring\n")
            before = processor_s(caster.pid), processor_s(crowd.pid)
            caster.wait_for_end(self.options.seconds)
            after = processor_s(caster.pid), processor_s(crowd.pid)
            result = json.loads(crowd.stdout.read())
        cores, crowd_cores = ((b - a) / self.options.seconds for a, b in zip(before, after))
        rows = [(f"{self.options.viewers} live viewers: cores of the caster", cores, "", "<= 0.4"),
                ("records within 300 ms: %", 100 * result["in_time"], "", ">= 99.9"),
                ("delay: p50 in ms", result["p50_ms"], "", None), ("delay: p99 in ms", result["p99_ms"], "", None),
                ("delay: p99.9 in ms", result["p999_ms"], "", None), ("cores of who plays the viewers", crowd_cores, "", None)]
        self.assertGreater(result["records"], 0)
        self.assertTrue(history.report("live_crowd", rows, self.options.history), "a goal is missed")


if __name__ == "__main__":
    sys.exit(history.main(LiveCrowd, __doc__, [("--viewers", int, 300, "that watch"), ("--seconds", int, 30, "measured"),
                                            ("--warm-up", int, 45, "seconds before, in which the caster makes room for all of them")]))
