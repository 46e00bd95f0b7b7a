#!/usr/bin/env python3
"""Live swarms between Runnel and the reference peer: each as source, relay and viewer, with every signature algorithm."""
import time
import unittest

from cryptography.hazmat.primitives import serialization

from reference_scenario import ReferenceScenario
from refpeer import clock, hashes, records, roles
from refpeer.addressing import NAMES as ADDRESSINGS
from refpeer.fetch import Fetch
from refpeer.link import parse_link
from refpeer.live import LiveSource, TimedSource
from refpeer.messages import SignedIntegrity
from refpeer.signatures import NAMES as ALGORITHMS
from refpeer.signatures import PrivateKey

CHUNKS = 100
LEAVES = 32


class ReferenceAsSource(ReferenceScenario):
    def follows_and_relays(self, algorithm, **metadata):
        """Runnel verifies the stream, and what it relays passes the reference peer's own check of hashes and signatures."""
        key = PrivateKey.generate(ALGORITHMS[algorithm])
        source = self.live_source(key, **metadata)
        node = self.watch(self.link_to(source))
        self.assertAcknowledges(source, CHUNKS, node)
        self.assertFollows(self.live_client_of(node, source.peer.swarm), CHUNKS)
        self.assertStops(node)

    def metadata_are_heeded(self, **metadata):
        """Runnel takes the link; so its handshake must say what the link says (3.1, 11.1.1), and the stream must come."""
        key = PrivateKey.generate(ALGORITHMS["p256"])
        timed = metadata.get("addressing", ADDRESSINGS["chunks64"]) in (ADDRESSINGS["bin64"], ADDRESSINGS["chunks64"])
        source = self.live_source(key, TimedSource if timed else LiveSource, **metadata)
        node = self.watch(self.link_to(source))
        self.assertAcknowledges(source, CHUNKS, node)
        self.assertStops(node)

    def test_a_restarted_source_with_the_same_key_is_followed_on(self):
        key = PrivateKey.generate(ALGORITHMS["p256"])
        first = self.live_source(key)
        node = self.watch(self.link_to(first))
        self.assertAcknowledges(first, CHUNKS, node)
        first.stop()
        again = self.live_source(key)
        again.connect(self.address_of(node))
        self.assertAcknowledges(again, CHUNKS, node)

    def test_pushed_chunks_that_were_not_asked_for_are_no_offence(self):
        """3.7: a live source may push."""
        class Pushing(TimedSource):
            def announce(self, channel, chunks, now):
                super().announce(channel, chunks, now)
                channel.of(self).queue.append(chunks)

        source = self.live_source(PrivateKey.generate(ALGORITHMS["ed25519"]), source_class=Pushing)
        node = self.watch(self.link_to(source))
        self.assertAcknowledges(source, 2 * CHUNKS, node)
        self.assertEqual(node.next_stats()["rejected"], 0)


def add_sources():
    for algorithm in ALGORITHMS:
        def test(self, algorithm=algorithm):
            self.follows_and_relays(algorithm)
        setattr(ReferenceAsSource, f"test_runnel_follows_and_relays_{algorithm.replace('-', '_')}", test)
    for name in ("bin32", "chunks32", "bin64"):
        def test(self, name=name):
            self.metadata_are_heeded(addressing=ADDRESSINGS[name])
        setattr(ReferenceAsSource, f"test_runnel_heeds_the_live_links_addressing_{name}", test)
    for name in ("sha1", "sha224", "sha384", "sha512"):
        def test(self, name=name):
            self.metadata_are_heeded(hash_function=hashes.BY_NAME[name].code)
        setattr(ReferenceAsSource, f"test_runnel_heeds_the_live_links_hash_{name}", test)


add_sources()


class RunnelAsSource(ReferenceScenario):
    def key_file(self, algorithm):
        path = self.folder / f"{algorithm}.key"
        key = PrivateKey.generate(ALGORITHMS[algorithm]).key
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        path.chmod(0o600)
        return path

    def client_of_cast(self, *arguments):
        caster = self.cast("test:", *arguments)
        caster.event("playable", 15)         # there is a munro to show now
        swarm, _ = parse_link(caster.link)
        seen = []
        client = roles.live_client(swarm)
        take = client.take_message

        def noting(channel, message, now):
            seen.append((channel.received, message))
            take(channel, message, now)
        client.take_message = noting
        running = self.host(client)
        running.connect(self.address_of(caster))
        return caster, running, seen

    def follows_cast(self, *arguments):
        caster, client, seen = self.client_of_cast(*arguments)
        self.assertFollows(client, CHUNKS)
        self.check_munros(client.peer.store, seen)
        self.check_records(client)
        self.assertStops(caster)

    def check_munros(self, store, seen):
        self.assertEqual(store.width, LEAVES)
        shown = next(number for number, m in seen if isinstance(m, SignedIntegrity))
        # 6.1.2.4: from the responder's datagram after its handshake on, unasked; never within that first one.
        self.assertEqual(shown, 2, "the tune-in munro belongs into the responder's next datagram")
        for chunks, ntp_time, _ in store.munros.values():
            self.assertEqual(chunks.first % LEAVES, 0)
            self.assertLess(abs(clock.from_ntp(ntp_time) - time.time()), 20, "an NTP time stamp (8.9)")

    def check_records(self, client):
        """docs/STREAM.md: what the chunks carry is whole records, each at the start of a munro."""
        found = client.wait_for(lambda: [r for _, r in records.read_all(client.peer.store.chunks, LEAVES) if r.kind == records.MEDIA], 5)
        self.assertTrue(found)
        for record in found:
            self.assertIn(b"moof", record.payload[:200])
            self.assertEqual(record.independent, bool(record.init))

    def test_the_reference_peer_follows_a_cast(self):
        self.follows_cast()

    def test_the_reference_peer_follows_a_cast_signed_with_ed25519(self):
        self.follows_cast("--key", str(self.key_file("ed25519")))

    def test_casts_sign_with_no_p384_and_rsa(self):
        """A gap, and plainly refused: Runnel verifies these algorithms but does not sign with them."""
        casters = {algorithm: self.cast("test:", "--key", str(self.key_file(algorithm))) for algorithm in ("p384", "rsa-sha256")}
        for algorithm, caster in casters.items():
            with self.subTest(algorithm=algorithm):
                self.assertIn(caster.wait_exit(15), (1, 2))
                self.assertIn("algorithm", caster.all_events("error")[0]["message"])

    def test_nothing_is_announced_before_its_munro_is_signed(self):
        """6.1.2.3, seen from outside: each announced chunk can be had under a signed munro."""
        caster, client, _ = self.client_of_cast()
        self.assertFollows(client, CHUNKS)
        fetch = roles.part(client.peer, Fetch)
        self.assertEqual(fetch.missing, 0)
        window = client.peer.open_channels()[0].options.discard_window
        self.assertIsNotNone(window, "a live peer says what it keeps (7.9)")

    def test_a_relaying_viewer_gives_a_cast_on_to_the_reference_peer(self):
        caster = self.cast("test:")
        viewer = self.watch(caster.link)
        viewer.event("stats", 15, where=lambda s: s["verified"] >= CHUNKS)
        self.assertFollows(self.live_client_of(viewer, parse_link(caster.link)[0]), CHUNKS)


if __name__ == "__main__":
    unittest.main()
