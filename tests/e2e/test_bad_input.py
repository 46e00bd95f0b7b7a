#!/usr/bin/env python3
"""What people get wrong, and what disks and ports do to them: each time a message that helps, and nothing lost."""
import os
import pathlib
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media
from support.scenario import Scenario

ID = "ab" * 32


class BadInput(Scenario):
    def refused(self, node, status, *words):
        """It ends with that status and says why, once as an event and in words that name what was wrong."""
        self.assertEqual(node.wait_exit(20), status, node.last_lines())
        said = node.error_text() + " " + " ".join(e["message"] for e in node.all_events("error"))
        for word in words:
            self.assertIn(word.lower(), said.lower())
        for sign in ("terminate called", "what():", "a bug:"):
            self.assertNotIn(sign, said)
        self.assert_only_events(node)


class WrongWords(BadInput):
    def test_a_wrong_link_is_told_from_a_good_one(self):
        for link in ("nonsense", "runnel:", "runnel:xyz", "runnel:" + "ab" * 31, f"runnel:{ID}?xl=minus", "http://example.invalid/film.mp4",
                     "runnel:" + "00" * 5000, f"runnel:{ID}?x.pe=127.0.0.1:99999"):
            with self.subTest(link=link[:40]):
                node = self.watch(link, name="wrong-link")
                self.assertIn(node.wait_exit(20), (1, 2))
                self.refused(node, node.status, "link")

    def test_a_link_that_nobody_serves_says_so_and_ends_cleanly(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            node = self.watch(f"runnel:{ID}?xl=1000000", "--peer", "127.0.0.1:%d" % silent.getsockname()[1])
            node.ready()
            self.eventually(lambda: self.problem(node), 30, "a word about peers that do not answer")
            self.assertEqual(node.stop(), 0)

    def problem(self, node):
        streams = node.api_status()["streams"]
        return streams and streams[0]["problem"]

    def test_a_wrong_port_is_refused(self):
        for option in ("--listen", "--http"):
            for value in ("127.0.0.1:99999", "127.0.0.1:port", "nowhere"):
                with self.subTest(option=option, value=value):
                    self.refused(self.runnel("watch", f"runnel:{ID}?xl=1000", "--json", option, value, name="wrong-port"), 2, option)

    def test_a_wrong_peer_is_refused(self):
        self.refused(self.watch(f"runnel:{ID}?xl=1000", "--peer", "127.0.0.1:0"), 2, "--peer")

    def test_a_taken_port_is_named(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            tcp.bind(("127.0.0.1", 0))
            tcp.listen()
            source = self.folder / "source.bin"
            source.write_bytes(b"x" * 5000)
            for option, sock in (("--listen", udp), ("--http", tcp)):
                with self.subTest(option=option):
                    port = sock.getsockname()[1]
                    others = {"--listen": "127.0.0.1:0", "--http": "127.0.0.1:0", option: f"127.0.0.1:{port}"}
                    node = self.runnel("cast", source, "--json", *[w for pair in others.items() for w in pair], name="taken")
                    self.refused(node, 1, str(port))


class WrongFiles(BadInput):
    def test_a_missing_file_is_named(self):
        self.refused(self.cast(self.folder / "no-such-film.mp4"), 1, "no-such-film.mp4")

    def test_an_unreadable_file_is_named(self):
        source = self.folder / "locked.mp4"
        source.write_bytes(b"x" * 5000)
        source.chmod(0)
        user = self.unprivileged()
        options = {"user": user, "environment": self.environment("locked", user)} if user is not None else {}
        self.refused(self.cast(source, **options), 1, "locked.mp4")

    def test_a_folder_is_not_a_film(self):
        self.refused(self.cast(self.folder), 1, str(self.folder.name))

    def test_an_empty_file_is_refused(self):
        source = self.folder / "empty.mp4"
        source.touch()
        self.refused(self.cast(source), 1, "empty")

    def test_what_is_not_media_is_shared_as_bytes(self):
        source = self.folder / "notes.bin"
        digest = media.random_file(source, 777_777, self.seed)
        self.arrives(source, digest)

    def test_a_truncated_film_is_shared_as_bytes(self):
        whole = media.film(60).read_bytes()
        source = self.folder / "half.mp4"
        source.write_bytes(whole[:len(whole) // 2])    # its index was at the end
        self.arrives(source, media.sha256(source))

    def arrives(self, source, digest):
        caster = self.cast(source)
        target = self.folder / "copy"
        watcher = self.watch(caster.link, "--out", target, "--until-complete")
        self.assertEqual(watcher.event("complete", 30)["sha256"], digest)
        self.assertEqual(watcher.wait_exit(15), 0)
        status, _, body = self.http_get(caster.stream_url("media"))
        self.assertEqual((status, body), (200, source.read_bytes()))
        status, _, _ = self.http_get(caster.url("/"))
        self.assertEqual(status, 200)

    def test_an_out_folder_that_does_not_exist_is_named(self):
        source = self.folder / "source.bin"
        media.random_file(source, 100_000, self.seed)
        node = self.watch(self.cast(source).link, "--out", self.folder / "nowhere" / "copy.bin", "--until-complete")
        self.refused(node, 1, "nowhere")


class FullDisk(BadInput):
    def small_disk(self, megabytes):
        small = self.folder / "small-disk"
        small.mkdir()
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", small],
                                               capture_output=True).returncode:
            self.skipTest("a small file system to fill needs the right to mount one")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", small], check=False))
        return small

    def test_a_disk_that_is_too_small_is_told_at_once_and_nobody_else_minds(self):
        small = self.small_disk(4)
        source = self.folder / "source.bin"
        digest = media.random_file(source, 20_000_000, self.seed)
        caster = self.cast(source)
        self.refused(self.watch(caster.link, "--out", small / "copy.bin", "--until-complete", name="full"), 1, "disk", "space")
        target = self.folder / "copy.bin"
        watcher = self.watch(caster.link, "--out", target, "--until-complete", name="after")
        self.assertEqual(watcher.event("complete", 60)["sha256"], digest)

    def test_a_disk_that_fills_meanwhile_costs_nothing_that_was_stored(self):
        small = self.small_disk(30)
        source, target = self.folder / "source.bin", small / "copy.bin"
        digest = media.random_file(source, 20_000_000, self.seed)
        caster = self.cast(source)
        watcher = self.watch(caster.link, "--out", target, "--until-complete", "--max-download", "4000000", name="fills")
        watcher.event("stats", 20, where=lambda s: s["verified"] > 1000)
        self.fill(small / "other")
        self.refused(watcher, 1, "disk")
        (small / "other").unlink()
        again = self.watch(caster.link, "--out", target, "--until-complete", name="again")
        self.assertEqual(again.event("complete", 60)["sha256"], digest)
        self.assertLess(again.last_stats()["verified"], 20_000_000 // 1080)

    def fill(self, path):
        with open(path, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass


if __name__ == "__main__":
    unittest.main()
