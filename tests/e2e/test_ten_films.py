#!/usr/bin/env python3
"""Ten films of different containers and codecs, each cast, watched and played in Chromium."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media
from support.chromium import Chromium
from support.scenario import Scenario

SECONDS = 12
PICTURE, TONE, OTHER_TONE = media.picture(SECONDS), media.tone(SECONDS), media.tone(SECONDS, 880)
SUBTITLES = "1\n00:00:01,000 --> 00:00:03,000\nA line of text\n\n2\n00:00:05,000 --> 00:00:07,000\nAnother line\n"
H264, AAC = media.H264, media.AAC
H265 = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none", "-tag:v", "hvc1"]
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "800k"]
AV1 = ["-c:v", "libsvtav1", "-preset", "12", "-crf", "45", "-svtav1-params", "lp=2"]
OPUS = ["-c:a", "libopus", "-b:a", "96k", "-ac", "2"]

# Name -> ffmpeg's arguments after the inputs. Inputs: picture, tone, another tone, subtitles.
FILMS = {
    "h264-aac-index-at-the-end.mp4": [*H264, *AAC, "-map", "0:v", "-map", "1:a"],
    "h264-aac-index-in-front.mp4": [*H264, "-g", "250", *AAC, "-movflags", "+faststart", "-map", "0:v", "-map", "1:a"],
    "h264-two-languages-and-subtitles.mkv": [*H264, *AAC, "-c:s", "srt", "-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s",
                                             "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu",
                                             "-metadata:s:s:0", "language=eng"],
    "vp9-opus.webm": [*VP9, *OPUS, "-map", "0:v", "-map", "1:a"],
    "av1-opus.mkv": [*AV1, *OPUS, "-map", "0:v", "-map", "1:a"],
    "hevc-aac.mp4": [*H265, *AAC, "-map", "0:v", "-map", "1:a"],
    "hevc-ac3.mkv": [*H265, "-c:a", "ac3", "-b:a", "192k", "-ac", "2", "-map", "0:v", "-map", "1:a"],
    "h264-mp3.ts": [*H264, "-c:a", "libmp3lame", "-b:a", "128k", "-map", "0:v", "-map", "1:a"],
    "h264-aac.mov": [*H264, *AAC, "-map", "0:v", "-map", "1:a"],
    "h264-ac3.ts": [*H264, "-c:a", "ac3", "-b:a", "192k", "-ac", "2", "-map", "0:v", "-map", "1:a"],
}


def make(name):
    subtitles = media.CACHE / "subtitles.srt"
    subtitles.parent.mkdir(parents=True, exist_ok=True)
    subtitles.write_text(SUBTITLES, encoding="utf-8")
    return media.cached(name, [*PICTURE, *TONE, *OTHER_TONE, "-i", str(subtitles), *FILMS[name]])


class TenFilms(Scenario):
    def test_each_plays_in_chromium(self):
        browser = Chromium(self)
        for number, name in enumerate(FILMS):
            with self.subTest(name):
                self.play(browser, make(name), number)

    def play(self, browser, path, number):
        caster = self.cast(path, name=f"caster-{number}")
        watcher = self.watch(caster.link, name=f"watcher-{number}")
        page = browser.open(watcher.url("/"))
        try:
            self.eventually(lambda: (v := page.video()) and v["ready"] >= 2, 30, f"picture of {path.name}")
            page.play()
            self.eventually(lambda: page.video()["time"] > 2.5, 20, f"{path.name} playing")
            video = page.video()
            self.assertIsNone(video["error"])
            self.assertGreater(video["frames"], 20)
            self.assertGreater(video["audio_bytes"], 0, "no sound")
            self.assertAlmostEqual(video["duration"], SECONDS, delta=1)
            self.assertLess(page.seek_s(0.7), 5)
            print(f"{path.name}: ok")
        finally:
            page.close()
            watcher.end()
            caster.end()


if __name__ == "__main__":
    unittest.main()
