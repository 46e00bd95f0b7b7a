#!/usr/bin/env python3
"""A file to several watchers at once: equal bytes, a caster that is spared, small nodes."""
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media
from support.processes import MemoryWatch
from support.scenario import FULL, SANITIZED, Scenario

SIZE = (200 if FULL else 40) * 1_000_000
WATCHERS = 3
MAX_FILES_SENT = 1.5
MAX_MEMORY_BYTES = 40_000_000


class FileSwarm(Scenario):
    def test_three_watchers_that_start_together_serve_each_other(self):
        source = self.folder / "source.bin"
        digest = media.random_file(source, SIZE, self.seed)
        caster = self.cast(source)
        link = caster.link
        targets = [self.folder / f"copy-{i}.bin" for i in range(WATCHERS)]
        # The caster hears nobody before all of them are there: on a busy machine the first would have everything, and be gone, by then.
        caster.send_signal(signal.SIGSTOP)
        watchers = [self.watch(link, "--out", target, "--until-complete", name=f"watcher-{i}") for i, target in enumerate(targets)]
        for watcher in watchers:
            watcher.ready()
        caster.send_signal(signal.SIGCONT)
        memory = MemoryWatch(watchers)
        try:
            for watcher in watchers:
                complete = watcher.event("complete", 240)
                self.assertEqual((complete["bytes"], complete["sha256"]), (SIZE, digest))
                self.assertEqual(watcher.wait_exit(15), 0)
        finally:
            memory.close()
        for target in targets:
            self.assertEqual(media.sha256(target), digest, target.name)
        sent = caster.next_stats()["up_bytes"] / SIZE
        seconds = max(w.ended_at - w.started_at for w in watchers)
        peak = max(memory.peak_bytes.values())
        print(f"{SIZE // 10**6} MB to {WATCHERS} watchers in {seconds:.1f} s; the caster sent {sent:.2f} files; "
              f"most memory of a watcher {peak / 1e6:.1f} MB")
        self.assertLessEqual(sent, MAX_FILES_SENT)
        self.assertGreater(peak, 0)
        if not SANITIZED:
            self.assertLess(peak, MAX_MEMORY_BYTES)
        self.assert_only_events(caster, *watchers)

    def test_a_watcher_without_out_offers_the_bytes_by_ranges(self):
        source = self.folder / "source.bin"
        media.random_file(source, 3_000_001, self.seed)
        caster = self.cast(source)
        watcher = self.watch(caster.link)
        body = source.read_bytes()
        self.assertEqual(self.get_range(watcher, 2_500_000, 2_500_099), body[2_500_000:2_500_100])
        self.assertEqual(self.get_range(watcher, 0, len(body) - 1), body)

    def get_range(self, node, first, last):
        status, _, data = self.http_get(node.stream_url("media"), {"Range": f"bytes={first}-{last}"})
        self.assertEqual(status, 206)
        return data


if __name__ == "__main__":
    unittest.main()
