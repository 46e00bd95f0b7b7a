#!/usr/bin/env python3
"""Strangers, liars and absentees: random bytes on every socket, a peer that spoils what it serves, a tracker that is not there."""
import hashlib
import pathlib
import socket
import sys
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media, ppspp
from support.scenario import Scenario

CHUNK = 1080
MAX_SPOILT_BEFORE_BAN = 2000       # what may be on its way already when the second bad hash is seen


class SpoilingPeer(Scenario):
    def setUp(self):
        super().setUp()
        self.source, self.target = self.folder / "source.bin", self.folder / "copy.bin"
        self.digest = media.random_file(self.source, 6_000_000, self.seed)

    def seeder(self, spoil):
        seeder = ppspp.Seeder(self.source.read_bytes(), CHUNK, spoil)
        self.addCleanup(seeder.close)
        return seeder

    def bare_link(self, seeder):
        return f"runnel:{seeder.tree.root.hex()}?xl={self.source.stat().st_size}"

    def test_a_peer_that_spoils_chunks_is_banned_and_the_file_is_right(self):
        liar = self.seeder(spoil=True)
        link = self.cast(self.source).link
        watcher = self.watch(link, "--peer", liar.address, "--out", self.target, "--until-complete", "--max-download", "2000000")
        self.assertEqual(watcher.event("complete", 90)["sha256"], self.digest)
        self.assertEqual(watcher.wait_exit(15), 0)
        self.assertEqual(media.sha256(self.target), self.digest)
        self.assertGreater(liar.handshakes, 0, "the liar was never asked")
        print(f"the liar sent {liar.sent} spoilt chunks")
        self.assertLessEqual(liar.sent, MAX_SPOILT_BEFORE_BAN)
        self.assertEqual(liar.acked, 0)

    def test_with_the_liar_alone_nothing_is_stored_or_played(self):
        liar = self.seeder(spoil=True)
        watcher = self.watch(self.bare_link(liar), "--peer", liar.address, "--out", self.target)
        watcher.event("stats", 30, where=lambda s: s["rejected"] >= 2)
        asked = self.eventually(lambda: liar.requested, 5, "request")
        stats = watcher.next_stats()
        self.assertEqual(stats["verified"], 0)
        self.keeps(lambda: liar.sent <= MAX_SPOILT_BEFORE_BAN, 2, f"banned after {asked} requests")
        self.assertEqual(watcher.api_status()["streams"][0]["have_bytes"], 0)
        self.assertEqual(watcher.stop(), 0)

    def test_an_honest_peer_that_knows_only_the_rfc_serves_and_is_served(self):
        honest = self.seeder(spoil=False)
        watcher = self.watch(self.bare_link(honest), "--peer", honest.address, "--out", self.target)
        self.assertEqual(watcher.event("complete", 60)["sha256"], self.digest)
        self.assertGreater(honest.acked, 0)
        data = self.source.read_bytes()
        last = len(honest.tree.chunks) - 1
        for chunk in (0, 1, self.random.randrange(last), last):
            body, hashes = ppspp.fetch_chunk(watcher.ready()["listen"], honest.tree.root, CHUNK, chunk)
            self.assertEqual(hashlib.sha256(body).digest(), hashlib.sha256(data[chunk * CHUNK:(chunk + 1) * CHUNK]).digest())
            for (first, end), digest in hashes.items():
                height = (end - first + 1).bit_length() - 1
                self.assertEqual(digest, honest.tree.hash(height, first >> height), f"hash over {first} to {end}")


class Garbage(Scenario):
    DATAGRAMS = 3000
    CONNECTIONS = 30

    def addresses(self, *nodes):
        """(kind, host, port) of all sockets that these nodes say they have."""
        for node in nodes:
            ready = node.ready()
            if "listen" in ready:
                host, port = ready["listen"].rsplit(":", 1)
                yield "udp", host.strip("[]"), int(port)
            for name in ("http", "udp"):
                if ready.get(name):
                    url = urllib.parse.urlsplit(ready[name])
                    yield "udp" if url.scheme == "udp" else "tcp", url.hostname, url.port

    def noise(self, kind, host, port):
        if kind == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.connect((host, port))
                for _ in range(self.DATAGRAMS):
                    body = self.random.randbytes(self.random.choice((0, 1, 3, 4, 5, 16, 60, 300, 1200, 1472)))
                    # Every other one begins as a handshake, a DHT message, STUN or DTLS would.
                    start = self.random.choice((b"", b"\0\0\0\0\0", b"d1:", b"\0\1\0\0", b"\x16\xfe\xfd"))
                    try:
                        sock.send(start + body)
                    except ConnectionRefusedError:
                        pass           # the kernel tells of a datagram before this one
            return
        for _ in range(self.CONNECTIONS):
            with socket.socket() as sock:
                sock.settimeout(2)
                try:
                    sock.connect((host, port))
                    start = self.random.choice((b"", b"GET ", b"GET / HTTP/1.1\r\n", b"\x03", b"POST /api/x HTTP/1.1\r\nHost: a\r\n"))
                    sock.sendall(start + self.random.randbytes(self.random.choice((1, 100, 1600, 70000))))
                    if self.random.random() < 0.5:
                        sock.recv(1000)
                except OSError:
                    pass               # refused, reset or ignored: all are fine answers

    def test_random_bytes_on_every_socket_disturb_nobody(self):
        source = self.folder / "source.bin"
        digest = media.random_file(source, 5_000_000, self.seed)
        tracker = self.tracker()
        caster = self.cast(source, "--tracker", tracker.ready()["http"])
        live = self.cast("rtmp://127.0.0.1:0/live/key", name="live")
        watcher = self.watch(caster.link, "--max-download", "1000000")
        nodes = [tracker, caster, live, watcher]
        ingest = urllib.parse.urlsplit(self.ingest_url(live))
        targets = [*self.addresses(*nodes), ("tcp", ingest.hostname, ingest.port)]
        self.assertGreaterEqual(len(targets), 8)
        for target in targets:
            self.noise(*target)
        for node in nodes:
            self.assertTrue(node.running, node.last_lines())
        target = self.folder / "copy.bin"
        after = self.watch(caster.link, "--out", target, "--until-complete", name="after")
        self.assertEqual(after.event("complete", 60)["sha256"], digest)
        for node in nodes:
            self.assertEqual(node.stop(), 0, node.last_lines())

    def test_other_sites_cannot_drive_a_node(self):
        caster = self.cast("test:")
        for headers in ({"Host": "evil.example"}, {"Host": "evil.example:80"}):
            status, _, _ = self.http_get(caster.url("/api/status"), headers)
            self.assertGreaterEqual(status, 400, "Host is checked against DNS rebinding")


class AbsentTracker(Scenario):
    def free_port(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            return sock.getsockname()[1]

    def test_without_its_tracker_a_swarm_goes_on_with_the_peers_it_knows(self):
        source, target = self.folder / "source.bin", self.folder / "copy.bin"
        digest = media.random_file(source, 3_000_000, self.seed)
        dead = f"http://127.0.0.1:{self.free_port()}/announce"
        caster = self.cast(source, "--tracker", dead)
        listen = caster.ready()["listen"]
        watcher = self.watch(caster.link, "--tracker", dead, "--peer", listen, "--out", target, "--until-complete")
        self.assertEqual(watcher.event("complete", 60)["sha256"], digest)
        self.assertEqual(watcher.wait_exit(15), 0)
        said = self.eventually(lambda: [t for s in caster.api_status()["streams"] for t in s["trackers"] if dead in t], 10, "tracker's state")
        self.assertNotIn(": ok", said[0])
        self.assertTrue(caster.running)

    def test_a_tracker_that_comes_back_is_found_again(self):
        port = self.free_port()
        source, target = self.folder / "source.bin", self.folder / "copy.bin"
        digest = media.random_file(source, 1_000_000, self.seed)
        url = f"http://127.0.0.1:{port}/announce"
        caster = self.cast(source, "--tracker", url)
        caster.ready()
        self.runnel("tracker", "--http", f"127.0.0.1:{port}", "--json", name="tracker").ready()
        bare = caster.link.split("&x.pe=")[0].split("?x.pe=")[0]
        watcher = self.watch(f"runnel:{caster.id}?xl=1000000", "--tracker", url, "--out", target, "--until-complete")
        self.assertEqual(watcher.event("complete", 90)["sha256"], digest, bare)


class WrongStreamKey(Scenario):
    def test_a_wrong_stream_key_is_refused_and_logged_once(self):
        caster = self.cast("rtmp://127.0.0.1:0/live/right-key")
        ingest = self.ingest_url(caster)
        for attempt in range(3):
            wrong = self.start(media.publish_command(f"{ingest}/wrong-key"), f"wrong-{attempt}")
            self.assertNotEqual(wrong.wait_exit(20), 0)
        self.eventually(lambda: "refused" in caster.error_text().lower(), 5, "word of the refusal")
        self.assertEqual(sum("refused" in line.lower() for line in caster.error_text().splitlines()), 1, caster.error_text())
        self.assertNotIn("right-key", caster.error_text())
        self.start(media.publish_command(f"{ingest}/right-key"), "right")
        caster.event("playable", 20)

    def test_a_second_publisher_does_not_disturb_the_first(self):
        caster = self.cast("rtmp://127.0.0.1:0/live/right-key")
        url = self.ingest_url(caster) + "/right-key"
        first = self.start(media.publish_command(url), "first")
        caster.event("playable", 20)
        second = self.start(media.publish_command(url), "second")
        self.assertNotEqual(second.wait_exit(20), 0)
        self.assertTrue(first.running)


if __name__ == "__main__":
    unittest.main()
