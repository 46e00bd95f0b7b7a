#!/usr/bin/env python3
"""A cast that is recorded: when it has ended, its link plays the recording, for those who come too late as for those who saw it."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media
from support.scenario import RUNNEL, Scenario

FILM_S = 6


class Recording(Scenario):
    def record(self, *arguments):
        """A film, cast as a channel until its end: the caster, one who saw it, and the file."""
        film = media.live_film(FILM_S)
        folder = self.folder / "recordings"
        caster = self.cast(film, "--live", "--record", folder, *arguments)
        caster.event("playable", 20)
        viewer = self.watch(caster.link, name="viewer")
        viewer.event("playable", 20)
        self.said(caster, "is shared: the stream's link plays it", FILM_S + 20)
        files = list(folder.iterdir())
        self.assertEqual(len(files), 1)
        self.assertAlmostEqual(media.duration_s(files[0]), FILM_S, delta=0.5)
        self.assertEqual(media.decode_errors(files[0]), "")
        return caster, viewer, files[0]

    def said(self, node, words, timeout_s=10):
        return node.wait_for(lambda: next((line for _, line in node.err if words in line), None), timeout_s, f"word that '{words}'")

    def plays(self, late, recording):
        """It has the whole file, and players get all of it."""
        self.assertEqual(late.event("complete", 20)["sha256"], media.sha256(recording))
        streams = late.api_status()["streams"]
        self.assertEqual([s["live"] for s in streams], [False], "the channel that is over is no stream of its own")
        _, _, body = self.http_get(late.url(f"/streams/{streams[0]['id']}/media"))
        self.assertEqual(body, recording.read_bytes())
        decoder = self.start(media.decode_command(late.url(f"/streams/{streams[0]['id']}/master.m3u8"), FILM_S), "decode")
        self.assertEqual((decoder.wait_exit(40), decoder.error_text()), (0, ""))
        decoded = media.Decoded(line for _, line in decoder.out)
        self.assertGreater(decoded.sound_s, FILM_S - 0.5)

    def test_the_old_link_plays_the_recording_for_who_comes_too_late(self):
        caster, viewer, recording = self.record()
        link = self.said(viewer, "runnel:").split(": ", 1)[1]
        self.assertIn(link.split("?")[0], self.said(caster, "is shared"))
        self.plays(self.watch(caster.link, name="late"), recording)
        self.plays(self.watch(link, name="by-its-own-link"), recording)

    def test_a_private_recording_is_for_those_with_the_link_alone(self):
        caster, _, recording = self.record("--private")
        self.plays(self.watch(caster.link, name="late"), recording)
        self.assertIn("&k=", self.said(caster, "is shared"))


class CommandLine(Scenario):
    def test_what_can_not_be_recorded_is_said_at_once(self):
        film = media.live_film(FILM_S)
        for arguments, words in (((film, "--record", self.folder), "a file is one already"),
                                 (("test:", "--compat", "--record", self.folder), "exclude each other")):
            status, _, errors = self.run_to_end([RUNNEL, "cast", *arguments])
            self.assertEqual(status, 2)
            self.assertIn(words, errors)


if __name__ == "__main__":
    unittest.main()
