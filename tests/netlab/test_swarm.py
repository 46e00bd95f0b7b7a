#!/usr/bin/env python3
"""The program itself between hosts of a lab."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media
from support.netlab import Netlab
from support.processes import Node
from support.scenario import RUNNEL, Scenario

SIZE = 2_000_000
LAB = """
[host.caster.up]
rate_mbps = 50
[host.watcher]
count = 2
[path]
delay_ms = 40
jitter_ms = 2
loss = 0.01
"""


class Swarm(Scenario):
    def test_a_file_comes_whole_through_delay_and_loss(self):
        lab = Netlab(LAB, self.log, seed=self.seed)
        self.addCleanup(lab.close)
        source = self.folder / "source.bin"
        digest = media.random_file(source, SIZE, self.seed)
        caster = self.run_in(lab, "caster", "cast", source)
        link = caster.link
        targets = {host: self.folder / host for host in ("watcher-1", "watcher-2")}
        watchers = [self.run_in(lab, host, "watch", link, "--player", "none", "--out", target, "--until-complete")
                    for host, target in targets.items()]
        for watcher in watchers:
            self.assertEqual(watcher.event("complete", 60)["sha256"], digest)
            self.assertEqual(watcher.wait_exit(15), 0)
        for target in targets.values():
            self.assertEqual(media.sha256(target), digest)
        stats = lab.stats()
        print(f"{max(w.ended_at - w.started_at for w in watchers):.1f} s; the caster put "
              f"{stats['hosts']['caster']['up']['bytes'] / SIZE:.2f} files on the wire; {stats['lateness']}")
        self.assertGreater(sum(path["lost"] for path in stats["paths"]), 0)

    def run_in(self, lab, host, verb, *arguments):
        command = [RUNNEL, verb, *arguments, "--json", "--listen", f"{lab.address(host)}:0", "--http", "127.0.0.1:0"]
        return self.start(lab.command(host, command), host, Node)


if __name__ == "__main__":
    unittest.main()
