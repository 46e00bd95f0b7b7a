#!/usr/bin/env python3
"""A live swarm of twenty processes, each on an address of its own, of which a third spoil what they give to others.

Half of these push: they are asked soon, and often. Those that only answer are hardly asked where others push.
"""
import pathlib
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media
from support.processes import Node
from support.scenario import FULL, ROOT, SANITIZED, Scenario

WATCHERS = 4 if SANITIZED else 13     # a sanitizer makes several of each
FIRST = 4                             # of them are there when the polluters come, still look for parents, and are sure to ask them
PUSHERS = {"bad-push": "pushed", "bad-bundle": "bundles"}   # parents of push, and what counts that which they spoil
POLLUTERS = ("bad-push", "bad-push", "bad-bundle", "bad-data", "bad-hash", "wrong-chunk")
LENGTH_S = 75 if FULL else 15
# Chunks that the polluters got rid of, of those that the viewers wanted. What a ban costs does not grow with the stream.
MAX_WASTED = 0.01 if FULL else 0.04
MAX_BEHIND_S = 2.0 if FULL else 6.0     # twenty processes share the machine with other tests


class Polluters(Scenario):
    def address(self):
        """The next loopback address that nobody has: bans go by address."""
        self.addresses = getattr(self, "addresses", 1) + 1
        return f"127.0.0.{self.addresses}"

    def polluter(self, kind, link, victims, number):
        """The reference peer: it fetches what is right, says that it has it, and gives it on wrong."""
        command = [sys.executable, "-m", "refpeer", "live-client", link, "--misbehave", kind, "--seconds", "1000", "--listen",
                   f"{self.address()}:0", *(word for victim in victims for word in ("--peer", victim)), *["--push"] * (kind in PUSHERS)]
        environment = dict(self.environment(f"polluter-{number}"), PYTHONPATH=str(ROOT / "tests" / "interop"))
        return self.start(command, f"polluter-{number}-{kind}", Node, environment=environment)

    def test_nothing_wrong_is_played_and_little_is_wasted(self):
        caster = self.cast("rtmp://127.0.0.1:0/live/key", address=self.address())
        self.start(media.publish_command(f"{self.ingest_url(caster)}/key"), "publisher")
        caster.event("playable", 15)
        def some(numbers):
            return [self.watch(caster.link, "--out", self.folder / f"recording-{i}.mp4", name=f"watcher-{i}", address=self.address())
                    for i in numbers]
        # Who comes after the polluters looks for parents among them as well.
        watchers = some(range(FIRST))
        victims = [node.ready()["listen"] for node in (caster, *watchers)]
        polluters = [self.polluter(kind, caster.link, victims, i) for i, kind in enumerate(POLLUTERS)]
        for polluter in polluters:
            polluter.event("stats", 20, where=lambda stats: stats["chunks"] > 0)
        watchers += some(range(FIRST, WATCHERS))
        for node in watchers:
            node.event("playable", 20)
        readers = [self.read(watcher) for watcher in watchers]
        begun = time.monotonic()
        while (now := time.monotonic() - begun) < LENGTH_S:
            for watcher, reader in zip(watchers, readers):
                self.assertIsNone(reader.problem, watcher.name)
                self.assertLessEqual(reader.look(), MAX_BEHIND_S, f"the reader of {watcher.name} ran dry at {now:.1f} s")
            caster.wait_for_end(0.1)
        wasted = sum(polluter.last_stats()["served"] for polluter in polluters)
        pushed = [polluter.last_stats()[PUSHERS[kind]] for polluter, kind in zip(polluters, POLLUTERS) if kind in PUSHERS]
        wanted = sum(watcher.next_stats()["verified"] for watcher in watchers)
        rejected = [watcher.last_stats()["rejected"] for watcher in watchers]
        print(f"{LENGTH_S} s: polluters gave {wasted} chunks, {wasted / wanted:.2%} of {wanted}; wrong ones pushed {pushed}; rejected "
              f"by each viewer {rejected}, readers at most {max(reader.worst_behind_s for reader in readers):.2f} s late")
        self.assertTrue(all(polluter.running for polluter in polluters))
        for polluter in polluters:
            polluter.end()
        self.assertGreater(sum(rejected), len(polluters), "the polluters were hardly asked: nothing was shown")
        self.assertGreater(min(pushed), len(polluters), "one that pushes was hardly asked: nothing was shown of it")
        self.assertLess(wasted / wanted, MAX_WASTED)
        for watcher in watchers:
            watcher.send_signal(signal.SIGINT)
        published = set(media.packets(media.obs_recording()))
        for number, watcher in enumerate(watchers):
            self.assertEqual(watcher.wait_exit(10), 0, watcher.last_lines())
            self.check_recording(self.folder / f"recording-{number}.mp4", published)

    def read(self, watcher):
        reader = media.LiveReader(watcher.stream_url("live.ts"))
        self.addCleanup(reader.close)
        return reader

    def check_recording(self, recording, published):
        """Each packet of it is one that was published, byte for byte."""
        played = media.packets(recording)
        self.assertGreater(len(played), LENGTH_S * 20)
        self.assertEqual(set(played) - published, set(), recording.name)


if __name__ == "__main__":
    unittest.main()
