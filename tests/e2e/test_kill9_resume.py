#!/usr/bin/env python3
"""A watcher killed at random moments goes on where it was, and trusts nothing that it had not verified."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media
from support.scenario import FULL, Scenario

SIZE = (80 if FULL else 24) * 1_000_000
KILLS = 20 if FULL else 6
CHUNK = 1080
MAX_LOSS_PER_KILL_CHUNKS = 1_000_000 // CHUNK + 1
LONGEST_RUN_S = 0.8


class Kill9Resume(Scenario):
    def test_a_killed_watcher_resumes_and_ends_with_the_same_file(self):
        source, target = self.folder / "source.bin", self.folder / "copy.bin"
        digest = media.random_file(source, SIZE, self.seed)
        link = self.cast(source).link
        rate = int(SIZE / (KILLS * LONGEST_RUN_S))     # so that the whole file takes more runs than there are kills
        verified, kills = 0, 0
        while kills < KILLS:
            watcher = self.watch(link, "--out", target, "--until-complete", "--max-download", str(rate), name=f"killed-{kills}")
            watcher.ready()
            ended = watcher.wait_for_end(self.random.uniform(0, 2 * LONGEST_RUN_S))
            now = None if ended else self.verified_now(watcher)
            if now is None:
                self.assertEqual(watcher.status, 0, watcher.last_lines())
                break                                  # the moments were late ones; the file is there
            verified += now
            watcher.kill9()
            kills += 1
        last = self.watch(link, "--out", target, "--until-complete", name="last")
        complete = last.event("complete", 120)
        self.assertEqual(last.wait_exit(15), 0)
        verified += last.last_stats().get("verified", 0)
        self.assertEqual((complete["bytes"], complete["sha256"]), (SIZE, digest))
        self.assertEqual(media.sha256(target), digest)
        chunks = -(-SIZE // CHUNK)
        print(f"{kills} kills; {verified} chunks verified for {chunks}: {(verified - chunks) * CHUNK / 1e6 / max(kills, 1):.3f} MB a kill")
        self.assertGreaterEqual(kills, KILLS // 2)
        self.assertLessEqual(verified, chunks + kills * MAX_LOSS_PER_KILL_CHUNKS)

    def verified_now(self, watcher):
        """Chunks verified since its start, asked just before it is killed; None when it has just ended."""
        try:
            streams = watcher.api_status()["streams"]
        except OSError:
            if watcher.wait_for_end(15):
                return None
            raise
        return streams[0]["verified"] if streams else 0

    def test_a_file_changed_behind_its_back_is_noticed(self):
        source, target = self.folder / "source.bin", self.folder / "copy.bin"
        digest = media.random_file(source, 4_000_000, self.seed)
        link = self.cast(source).link
        first = self.watch(link, "--out", target, "--until-complete", name="first")
        self.assertEqual(first.wait_exit(60), 0)
        with open(target, "r+b") as file:
            file.seek(self.random.randrange(4_000_000 - 8))
            file.write(b"changed!")
        second = self.watch(link, "--out", target, "--until-complete", name="second")
        self.assertEqual(second.event("complete", 60)["sha256"], digest)
        self.assertEqual(second.wait_exit(15), 0)
        self.assertEqual(media.sha256(target), digest)


if __name__ == "__main__":
    unittest.main()
