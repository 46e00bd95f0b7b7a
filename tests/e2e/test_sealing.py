#!/usr/bin/env python3
"""Sealed between nodes: nobody on the way reads or changes what is said, and a private stream is not even found."""
import json
import pathlib
import re
import subprocess
import sys
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media, ppspp
from support.relay import Meddler, Relay, is_dtls
from support.scenario import RUNNEL, Scenario

CHUNK = 1080


class Sealing(Scenario):
    BYTES = 3_000_000

    def setUp(self):
        super().setUp()
        self.source, self.target = self.folder / "source.bin", self.folder / "copy.bin"
        self.digest = media.random_file(self.source, self.BYTES, self.seed)

    def relay(self, node, rule=None):
        relay = Relay(node.ready()["listen"], rule)
        self.addCleanup(relay.close)
        return relay

    @staticmethod
    def without_secret(link):
        return re.sub(r"[?&]k=[0-9a-f]+", lambda found: found.group()[0], link).replace("?&", "?")

    def sealed_of(self, node):
        return [peer["sealed"] for peer in node.api_status()["streams"][0]["peers"]]

    # ---- on the way --------------------------------------------------------------------------------------------------
    def test_nobody_on_the_way_reads_or_changes_anything(self):
        meddler = Meddler(self.seed)
        caster = self.cast(self.source)
        relay = self.relay(caster, meddler)
        watcher = self.watch(self.only_by(caster.link, relay.address), "--out", self.target, "--until-complete")
        self.assertEqual(watcher.event("complete", 60)["sha256"], self.digest)
        self.assertEqual(watcher.wait_exit(15), 0)
        print(f"changed {meddler.changed}, repeated {meddler.repeated}, dropped {meddler.dropped} of {len(relay.seen)} datagrams")
        self.assertGreater(meddler.changed, 20)
        rejected = [stats["rejected"] for stats in watcher.all_events("stats") + caster.all_events("stats")]
        self.assertEqual(sum(rejected), 0, "what was changed on the way is noticed before it is taken for the peer's fault")
        told = self.source.read_bytes()
        pieces = {told[at:at + 16] for at in range(0, self.BYTES - 16, CHUNK)} | {bytes.fromhex(caster.id)[:16]}
        for datagram, _ in relay.seen:
            if any(datagram[at:at + 16] in pieces for at in range(len(datagram) - 15)):
                self.fail("something could be read on the way")

    def test_the_page_tells_that_it_is_sealed(self):
        caster = self.cast(self.source)
        watcher = self.watch(caster.link, "--out", self.target)
        watcher.event("complete", 30)
        self.eventually(lambda: self.sealed_of(watcher) == [True] and self.sealed_of(caster) == [True], 5, "sealed peers on both sides")

    # ---- who cannot seal ---------------------------------------------------------------------------------------------
    def test_who_knows_no_sealing_is_spoken_to_in_the_clear(self):
        caster = self.cast(self.source)
        relay = self.relay(caster, lambda datagram, _: [] if is_dtls(datagram) else [datagram])
        watcher = self.watch(self.only_by(caster.link, relay.address), "--out", self.target, "--until-complete")
        self.assertEqual(watcher.event("complete", 30)["sha256"], self.digest)

    def test_sealed_only_speaks_to_nobody_in_the_clear(self):
        caster = self.cast(self.source, "--sealed-only")
        relay = self.relay(caster, lambda datagram, _: [] if is_dtls(datagram) else [datagram])
        watcher = self.watch(self.only_by(caster.link, relay.address), "--out", self.target, "--sealed-only")
        self.eventually(lambda: len(relay.seen) >= 3, 10, "call")
        self.keeps(lambda: all(is_dtls(datagram) for datagram, _ in relay.seen), 3, "only handshakes that seal")
        self.assertEqual(watcher.next_stats()["verified"], 0)
        with self.assertRaises(AssertionError):
            ppspp.fetch_chunk(caster.ready()["listen"], bytes.fromhex(caster.id), CHUNK, 0, timeout_s=2)
        # The two do find each other where nobody stands in between.
        other = self.watch(caster.link, "--out", self.folder / "other.bin", "--sealed-only", "--until-complete", name="other")
        self.assertEqual(other.event("complete", 30)["sha256"], self.digest)

    # ---- private -----------------------------------------------------------------------------------------------------
    def test_a_private_link_opens_what_the_same_link_without_its_secret_does_not_find(self):
        caster = self.cast(self.source, "--private")
        link = caster.link
        self.assertRegex(link, r"[?&]k=[0-9a-f]{32,}")
        stranger = self.watch(self.without_secret(link), "--peer", caster.ready()["listen"], "--out", self.folder / "none.bin", name="stranger")
        with self.assertRaises(AssertionError):
            ppspp.fetch_chunk(caster.ready()["listen"], bytes.fromhex(caster.id), CHUNK, 0, timeout_s=2)
        watcher = self.watch(link, "--out", self.target, "--until-complete")
        self.assertEqual(watcher.event("complete", 30)["sha256"], self.digest)
        self.keeps(lambda: not stranger.api_status()["streams"][0]["peers"], 2, "the stranger meets nobody")
        self.assertEqual(stranger.next_stats()["verified"], 0)

    def test_a_private_link_stays_the_same_and_says_nothing_in_the_clear(self):
        home = self.environment("home")
        first = self.cast(self.source, "--private", environment=home)
        secret = re.search(r"k=[0-9a-f]+", first.link).group()
        self.assertEqual(first.stop(), 0)
        caster = self.cast(self.source, "--private", environment=home)
        self.assertIn(secret, caster.link)
        relay = self.relay(caster)
        watcher = self.watch(self.only_by(caster.link, relay.address), "--out", self.target, "--until-complete")
        self.assertEqual(watcher.event("complete", 30)["sha256"], self.digest)
        for datagram, _ in relay.seen:
            self.assertTrue(is_dtls(datagram) or datagram[0] >= 0xC0, datagram[:16].hex())

    def test_a_private_live_stream_plays_for_who_has_the_link(self):
        caster = self.cast("test:", "--private", "--key", self.folder / "channel.key")
        watcher = self.watch(caster.link)
        stranger = self.watch(self.without_secret(caster.link), "--peer", caster.ready()["listen"], name="stranger")
        watcher.event("playable", 30)
        self.eventually(lambda: self.sealed_of(watcher) == [True], 5, "sealed peer in the status, which is older than the picture by a moment")
        self.assertEqual(stranger.next_stats()["verified"], 0)

    def test_the_page_tells_a_private_links_secret_to_this_machine_only(self):
        address = next((a for a in self.own_addresses() if not a.startswith("127.")), None)
        if address is None:
            self.skipTest("this machine has no address but its loopback's")
        caster = self.runnel("cast", self.source, "--private", "--json", "--lan", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", name="caster")
        secret = re.search(r"k=[0-9a-f]+", caster.link).group()
        port = urllib.parse.urlsplit(caster.ready()["http"]).port
        here = self.http_get(f"http://127.0.0.1:{port}/api/status")[2].decode()
        status, _, elsewhere = self.http_get(f"http://{address}:{port}/api/status")
        self.assertIn(secret, here)
        self.assertEqual(status, 200)
        self.assertIn(caster.id, elsewhere.decode())
        self.assertNotIn(secret, elsewhere.decode())

    @staticmethod
    def own_addresses():
        """IPv4 addresses of this machine."""
        listing = subprocess.run(["ip", "-json", "-4", "address"], capture_output=True, text=True, check=True).stdout
        return [a["local"] for link in json.loads(listing) for a in link.get("addr_info", [])]

    def test_private_and_compat_exclude_each_other(self):
        status, _, text = self.run_to_end([RUNNEL, "cast", self.source, "--private", "--compat"])
        self.assertEqual(status, 2)
        self.assertIn("--private", text)


if __name__ == "__main__":
    unittest.main()
