#!/usr/bin/env python3
"""The command line as scripts and people rely on it: help, exit status, signals, what is on stdout."""
import pathlib
import re
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media
from support.processes import Process
from support.scenario import ROOT, RUNNEL, Scenario

VERBS = ("cast", "watch", "tracker", "inspect")
LATER = ("relay", "doctor", "sim", "node")


class Help(Scenario):
    def test_help_names_the_verbs_and_each_verb_has_its_own(self):
        status, out, err = self.run_to_end([RUNNEL, "--help"])
        self.assertEqual((status, err), (0, ""))
        for verb in VERBS:
            self.assertIn(verb, out)
            status, text, _ = self.run_to_end([RUNNEL, verb, "--help"])
            self.assertEqual(status, 0)
            self.assertGreater(len(text.splitlines()), 8, text)
            self.assertLessEqual(max(map(len, text.splitlines())), 140, text)

    def test_help_and_shell_completion_know_the_same_options(self):
        sys.path.insert(0, str(ROOT / "packaging"))
        import make_completions
        for verb, (_, options) in make_completions.VERBS.items():
            _, text, _ = self.run_to_end([RUNNEL, verb, "--help"])
            self.assertEqual(sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--help"}), sorted(set(options) - {"--help"}), verb)

    def test_wrong_usage_is_status_2_and_says_what_is_right(self):
        for words in ([], ["dance"], ["cast"], ["watch"], ["cast", "--no-such-option", "test:"],
                      ["cast", "--chunk-size", "511", __file__], ["watch", "--window", "19", "runnel:x"], *[[verb, "x"] for verb in LATER]):
            with self.subTest(words=words):
                status, out, err = self.run_to_end([RUNNEL, *words])
                self.assertEqual((status, out), (2, ""))
                self.assertTrue(err.strip())

    def test_what_comes_later_says_so(self):
        for words in ([verb, "x"] for verb in LATER):
            self.assertIn("not part of this version", self.run_to_end([RUNNEL, *words])[2], words)
        for words in (["test:", "--ladder", "720,480"], ["--ladder=720", "test:"]):
            with self.subTest(words=words):
                status, out, err = self.run_to_end([RUNNEL, "cast", *words])
                self.assertEqual((status, out), (2, ""))
                self.assertIn("not part of this version", err)
        status, _, err = self.run_to_end([RUNNEL, "watch", "runnel:" + "ab" * 32, "--player", "sdl"])
        self.assertEqual(status, 2)
        self.assertIn("not part of this version", err)

    def test_version_is_told(self):
        status, out, _ = self.run_to_end([RUNNEL, "--version"])
        self.assertEqual(status, 0)
        self.assertRegex(out, r"\d+\.\d+\.\d+")


class Running(Scenario):
    def small_file(self):
        source = self.folder / "source.bin"
        media.random_file(source, 300_000, self.seed)
        return source

    def test_cast_prints_the_link_as_the_only_line_on_stdout(self):
        caster = self.start([RUNNEL, "cast", self.small_file(), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"], "caster", Process)
        caster.wait_for(lambda: caster.out, 15, "link")
        self.assertEqual(caster.stop(), 0)
        lines = [line for _, line in caster.out]
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], r"^runnel:[0-9a-f]{64}\?xl=300000&")

    def test_signals_end_every_verb_cleanly(self):
        source = self.small_file()
        for number in (signal.SIGINT, signal.SIGTERM):
            caster, tracker, live = self.cast(source), self.tracker(), self.cast("test:", name="live")
            watcher = self.watch(caster.link)
            for node in (watcher, caster, tracker, live):
                node.ready()
                self.assertEqual(node.stop(number=number), 0, node.last_lines())

    def test_ready_says_all_that_a_script_needs(self):
        caster = self.cast(self.small_file(), "--title", "A title & more")
        ready = caster.ready()
        self.assertTrue({"link", "id", "listen", "http"} <= ready.keys(), ready)
        self.assertIn("dn=", ready["link"])
        self.assertNotIn(":0", ready["listen"][-2:])
        stats = caster.event("stats", 5)
        self.assertTrue({"peers", "down_bytes", "up_bytes", "origin_bytes", "verified", "rejected", "buffer_s", "lag_s"} <= stats.keys())
        tracker = self.tracker().ready()
        self.assertTrue(tracker["http"].startswith("http://") and tracker["udp"].startswith("udp://"), tracker)

    def test_a_link_is_enough_with_nothing_else_running(self):
        caster, target = self.cast(self.small_file()), self.folder / "copy.bin"
        watcher = self.watch(caster.link, "--out", target, "--until-complete")
        self.assertEqual(watcher.wait_exit(30), 0)
        self.assertEqual(target.read_bytes(), (self.folder / "source.bin").read_bytes())

    def test_viewers_find_each_other_by_a_tracker_alone(self):
        tracker = self.tracker().ready()
        for kind in ("http", "udp"):
            with self.subTest(kind=kind):
                caster = self.cast(self.small_file(), "--tracker", tracker[kind], name=f"caster-{kind}")
                link = f"runnel:{caster.id}?xl=300000"
                watcher = self.watch(link, "--tracker", tracker[kind], "--out", self.folder / f"{kind}.bin", "--until-complete")
                self.assertEqual(watcher.wait_exit(45), 0)

    def test_a_key_file_keeps_a_channel_its_name(self):
        key = self.folder / "channel.key"
        first = self.cast("test:", "--key", key)
        name = first.id
        self.assertEqual(first.stop(), 0)
        self.assertEqual(key.stat().st_mode & 0o077, 0, "a key is its owner's alone")
        self.assertEqual(self.cast("test:", "--key", key, name="again").id, name)

    def test_inspect_tells_of_links_files_and_nodes(self):
        caster = self.cast(self.small_file())
        for subject, word in ((caster.link, caster.id), (self.folder / "source.bin", caster.id), (caster.ready()["http"], caster.id)):
            status, out, err = self.run_to_end([RUNNEL, "inspect", subject])
            self.assertEqual(status, 0, err)
            self.assertIn(word, out)

    def test_rate_limits_hold(self):
        source = self.folder / "larger.bin"
        media.random_file(source, 3_000_000, self.seed)
        caster = self.cast(source)
        slow = self.watch(caster.link, "--max-download", "500000", "--out", self.folder / "slow.bin", "--until-complete", name="slow")
        self.assertEqual(slow.wait_exit(40), 0)
        self.assertGreater(slow.ended_at - slow.started_at, 3.5)


if __name__ == "__main__":
    unittest.main()
