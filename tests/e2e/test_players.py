#!/usr/bin/env python3
"""Chromium, mpv and VLC each play the live stream and the film from a watcher, and seek."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media
from support.chromium import Chromium
from support.players import Mpv, Vlc
from support.scenario import Scenario

SEEK_TO = 0.9
MAX_SEEK_S = 2.0
FILM_S = 120
# Some way below what would bring the whole film before the seek.
FILM_RATE_LIMIT = ("--max-download", "1500000")


class Players(Scenario):
    def film(self):
        watcher = self.watch(self.cast(media.film(FILM_S)).link, *FILM_RATE_LIMIT)
        watcher.event("playable", 20)
        return watcher

    def live(self):
        watcher = self.watch(self.cast("test:").link)
        watcher.event("playable", 20)
        return watcher

    def plays_film(self, player, name):
        player.plays(2)
        seek_s = player.seek_s(SEEK_TO)
        print(f"{name}: seek to 90 % of a film in {seek_s:.2f} s")
        self.assertLess(seek_s, MAX_SEEK_S)

    def test_mpv_plays_a_film_and_seeks(self):
        self.plays_film(Mpv(self, self.film().stream_url("media")), "mpv")

    def test_mpv_plays_a_film_by_its_playlist_and_seeks(self):
        self.plays_film(Mpv(self, self.film().stream_url("master.m3u8")), "mpv by the playlist")

    def test_vlc_plays_a_film_and_seeks(self):
        self.plays_film(Vlc(self, self.film().stream_url("media")), "VLC")

    def test_vlc_plays_a_film_by_its_playlist_and_seeks(self):
        self.plays_film(Vlc(self, self.film().stream_url("master.m3u8")), "VLC by the playlist")

    def test_mpv_plays_a_live_stream(self):
        watcher = self.live()
        for name in ("live.ts", "master.m3u8"):
            with self.subTest(name):
                Mpv(self, watcher.stream_url(name), f"mpv-{name}").plays(5)

    def test_vlc_plays_a_live_stream(self):
        watcher = self.live()
        for name in ("live.ts", "master.m3u8"):
            with self.subTest(name):
                Vlc(self, watcher.stream_url(name), f"vlc-{name}").plays(5)

    def page(self, watcher):
        page = Chromium(self).open(watcher.url("/"))
        self.eventually(lambda: (v := page.video()) and v["ready"] >= 2, 20, "picture in the page")
        page.play()
        return page

    def advances(self, page, seconds):
        start = page.video()["time"]
        self.eventually(lambda: page.video()["time"] > start + seconds, seconds + 15, f"{seconds} s played in Chromium")
        video = page.video()
        self.assertIsNone(video["error"])
        self.assertGreater(video["frames"], 20)
        self.assertGreater(video["audio_bytes"], 0)
        return video

    def test_chromium_plays_a_film_and_seeks(self):
        page = self.page(self.film())
        self.advances(page, 2)
        seek_s = page.seek_s(SEEK_TO)
        print(f"Chromium: seek to 90 % of a film in {seek_s:.2f} s")
        self.assertLess(seek_s, MAX_SEEK_S)
        self.advances(page, 1)
        self.assertEqual(page.complaints(), [])

    def test_chromium_plays_a_live_stream(self):
        page = self.page(self.live())
        video = self.advances(page, 5)
        self.assertLess(video["dropped"], video["frames"] / 4)
        self.assertEqual(page.complaints(), [])


if __name__ == "__main__":
    unittest.main()
