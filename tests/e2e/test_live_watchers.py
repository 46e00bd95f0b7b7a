#!/usr/bin/env python3
"""A live stream published over RTMP as OBS does it, to five watchers, while watchers come and go and the caster starts again."""
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media
from support.processes import FirstLine
from support.scenario import FULL, Scenario

LENGTH_S = 60 if FULL else 20
WATCHERS = 5
MAX_BEHIND_S = 2.0
MAX_STARTUP_S = 2.0 if FULL else 4.0   # the goal is for a machine that does nothing else
MAX_LAG_S = 6.0
STREAM_KEY = "correct-horse"


class LiveWatchers(Scenario):
    def live_caster(self, *arguments, name="caster"):
        return self.cast(f"rtmp://127.0.0.1:0/live/{STREAM_KEY}", "--key", self.folder / "channel.key", *arguments, name=name)

    def publisher(self, caster, name="publisher"):
        """ffmpeg in OBS's place; what the caster reports leaves the stream key out."""
        return self.start(media.publish_command(f"{self.ingest_url(caster)}/{STREAM_KEY}"), name)

    def watch_from_start(self, link, number, *arguments):
        """A watcher, its recording, and ffprobe asking for its first frame from the moment there is an address to ask."""
        recording = self.folder / f"recording-{number}.mp4"
        watcher = self.watch(link, *arguments, "--out", recording, name=f"watcher-{number}")
        watcher.recording = recording
        watcher.ready()
        watcher.probe = self.start(media.first_frame_command(watcher.stream_url("live.ts")), f"probe-{number}", FirstLine)
        return watcher

    def startup_s(self, watcher):
        """Process start to ffprobe's first decoded frame, by our clock."""
        shown_at, line = watcher.probe.wait_for(lambda: watcher.probe.out[:1], 15, "decoded frame")[0]
        self.assertRegex(line, r"^1280,720,", "not a frame")
        return shown_at - watcher.started_at

    def read(self, watcher):
        reader = media.LiveReader(watcher.stream_url("live.ts"))
        self.addCleanup(reader.close)
        return reader

    def test_viewers_never_run_dry_while_others_come_and_go(self):
        caster = self.live_caster()
        publisher = self.publisher(caster)
        caster.event("playable", 15)
        watchers = [self.watch_from_start(caster.link, i) for i in range(WATCHERS)]
        startups = [self.startup_s(w) for w in watchers]
        begun = time.monotonic()
        readers = {w: self.read(w) for w in watchers}
        killed, joined = watchers[self.random.randrange(WATCHERS)], None
        while (now := time.monotonic() - begun) < LENGTH_S:
            if now > LENGTH_S / 3 and killed in readers:
                readers.pop(killed).close()
                killed.kill9()
            if now > LENGTH_S / 2 and joined is None:
                joined = self.watch_from_start(caster.link, WATCHERS)
                startups.append(self.startup_s(joined))
                readers[joined] = self.read(joined)
            for watcher, reader in readers.items():
                self.assertIsNone(reader.problem, watcher.name)
                self.assertLessEqual(reader.look(), MAX_BEHIND_S, f"the reader of {watcher.name} ran dry at {now:.1f} s")
            publisher.wait_for_end(0.1)
            self.assertTrue(publisher.running, publisher.last_lines())
        staying = list(readers)
        lags = [s["lag_s"] for w in staying for s in w.all_events("stats") if s["lag_s"] is not None]
        for reader in readers.values():
            reader.close()
            self.assertEqual(reader.clock.misaligned, 0)
        print(f"{LENGTH_S} s: start-up at most {max(startups):.2f} s, readers at most {max(r.worst_behind_s for r in readers.values()):.2f} s "
              f"late, lag at most {max(lags):.2f} s, caster sent {caster.next_stats()['up_bytes'] / 1e6:.1f} MB")
        self.assertLess(max(startups), MAX_STARTUP_S)
        self.assertLess(max(lags), MAX_LAG_S)
        for watcher in staying:
            self.assertEqual(watcher.stop(), 0)
        self.check_recordings(staying, killed)
        self.assert_only_events(caster, *watchers, joined)

    def check_recordings(self, staying, killed):
        """All recordings decode; the killed one's up to its last whole fragment."""
        files = {w: sorted(self.folder.glob(f"{w.recording.stem}*.mp4")) for w in [*staying, killed]}
        for watcher, recordings in files.items():
            self.assertTrue(recordings, f"{watcher.name} recorded nothing")
            for recording in recordings:
                if watcher is killed:
                    self.assertGreater(media.whole_fragments(recording), 10)
                self.assertEqual(media.decode_errors(recording), "", recording.name)
        for watcher in staying[:-1]:
            recorded_s = sum(media.duration_s(f) for f in files[watcher])
            self.assertGreater(recorded_s, LENGTH_S * 0.9, watcher.name)

    def test_viewers_go_on_when_the_caster_starts_again_with_its_key(self):
        caster = self.live_caster()
        publisher = self.publisher(caster)
        link, channel = caster.link, caster.id
        watchers = [self.watch(link, name=f"watcher-{i}") for i in range(2)]
        for watcher in watchers:
            watcher.event("playable", 20)
        readers = [self.read(w) for w in watchers]
        self.eventually(lambda: all(r.newest_s() is not None for r in readers), 10, "video from both viewers")
        self.assertEqual(caster.stop(), 0)
        publisher.end()
        again = self.live_caster(name="caster-again")
        self.assertEqual(again.id, channel)
        self.assertEqual(again.link, link, "the key file remembers the ports, so that links stay true")
        restarted = time.monotonic()
        before = [w.next_stats()["verified"] for w in watchers]
        self.publisher(again, "publisher-again")
        for watcher, verified in zip(watchers, before):
            watcher.event("stats", 30, where=lambda s: s["verified"] > verified + 500 and s["lag_s"] is not None and s["lag_s"] < MAX_LAG_S,
                          after=restarted)
        print(f"viewers had the restarted cast after {time.monotonic() - restarted:.1f} s")
        for reader in readers:
            taken = reader.bytes
            self.eventually(lambda: reader.bytes > taken + 100_000, 10, "bytes of the new epoch in a live.ts that stayed open")
            self.assertIsNone(reader.problem)


class TestPicture(Scenario):
    def test_the_test_source_plays_at_once_and_says_its_lag(self):
        caster = self.cast("test:")
        caster.event("playable", 15)
        watcher = self.watch(caster.link)
        playable = watcher.event("playable", 10)
        self.assertLess(playable["startup_s"], MAX_STARTUP_S)
        stats = watcher.event("stats", 10, where=lambda s: s["lag_s"] is not None)
        self.assertLess(stats["lag_s"], MAX_LAG_S)
        self.assertGreater(stats["peers"], 0)

    def test_who_comes_back_remembers_whom_to_call(self):
        """The second time the bare id is enough; a stranger finds nobody by it."""
        caster = self.cast("test:", name="caster")
        home = self.environment("viewer")
        first = self.watch(caster.link, name="first", environment=home)
        first.event("stats", 20, where=lambda s: s["down_bytes"] > 0)
        self.assertEqual(first.stop(), 0)
        bare = caster.link.partition("?")[0]
        again = self.watch(bare, name="again", environment=home)
        stranger = self.watch(bare, name="stranger")
        again.event("playable", 20)
        self.assertEqual(stranger.next_stats()["peers"], 0)

    def test_a_film_cast_live_keeps_real_time(self):
        caster = self.cast(media.film(60), "--live")
        caster.event("playable", 15)
        watcher = self.watch(caster.link)
        watcher.event("playable", 10)
        reader = media.LiveReader(watcher.stream_url("live.ts"))
        self.addCleanup(reader.close)
        first = self.eventually(reader.newest_s, 10, "video")
        begun = time.monotonic()
        self.eventually(lambda: reader.newest_s() > first + 6, 15, "six more seconds of video")
        self.assertGreater(time.monotonic() - begun, 3, "a film cast live does not run ahead")


if __name__ == "__main__":
    unittest.main()
