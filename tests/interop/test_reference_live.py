#!/usr/bin/env python3
"""Live swarms between Runnel and the reference peer: each as source, relay and viewer, with every signature algorithm."""
import time
import unittest

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from reference_scenario import ReferenceScenario
from refpeer import clock, hashes, records, roles
from refpeer.addressing import NAMES as ADDRESSINGS
from refpeer.bins import Range
from refpeer.fetch import Fetch
from refpeer.link import parse_link, uncompressed
from refpeer.live import INDICES_PER_S, LiveSource, TimedSource
from refpeer.messages import Have, SignedIntegrity
from refpeer.misbehave import misbehaving
from refpeer.signatures import NAMES as ALGORITHMS
from refpeer.signatures import PrivateKey
from refpeer.swarm import SIGN_ALL, live_swarm

CHUNKS = 100
LEAVES = 32
AHEAD = 40 * INDICES_PER_S      # of the clock: who does not know the source's yet believes up to 60 s
OTHER_HASHES = ("sha1", "sha224", "sha384", "sha512")


class ReferenceAsSource(ReferenceScenario):
    def follows_and_relays(self, algorithm, **metadata):
        """Runnel verifies the stream, and what it relays passes the reference peer's own check of hashes and signatures."""
        key = PrivateKey.generate(ALGORITHMS[algorithm])
        source = self.live_source(key, **metadata)
        node = self.watch(self.link_to(source))
        self.assertAcknowledges(source, CHUNKS, node)
        self.assertFollows(self.live_client_of(node, source.peer.swarm), CHUNKS)
        self.assertStops(node)

    def follows_and_relays_signed_chunks(self, algorithm):
        """6.1.1: no munros, a signature before each chunk. Nothing but HAVEs says where to tune in."""
        key = PrivateKey.generate(ALGORITHMS[algorithm])
        source = self.live_source(key, integrity=SIGN_ALL)
        node = self.watch(self.link_to(source))
        self.assertAcknowledges(source, CHUNKS, node)
        fetch = Fetch(live=True)
        fetch.first = 0
        self.assertFollows(self.live_client_of(node, source.peer.swarm, fetch=fetch), CHUNKS)
        self.assertEqual(node.next_stats()["rejected"], 0)
        self.assertStops(node)

    def test_a_stream_of_signed_chunks_plays(self):
        """The records of a cast, each of its chunks signed anew by another key."""
        caster = self.cast("test:")
        copied = self.live_client_of(caster, parse_link(caster.link)[0]).peer.store.chunks

        class Copying(LiveSource):
            def flush(self, now):
                for index in sorted(set(copied) - set(self.peer.store.chunks)):
                    self.add_munro(index, [copied[index]], clock.now_ntp(), now)
                super().flush(now)

        key = PrivateKey.generate(ALGORITHMS["p256"])
        source = self.host(roles.live_source(live_swarm(key.swarm_id, integrity=SIGN_ALL), key, source=Copying(key)))
        self.watch(self.link_to(source)).event("playable", 15)

    def test_who_claims_chunks_of_the_future_keeps_nobody_from_signed_ones(self):
        """Without munros, HAVEs are all that a newcomer has to go by."""
        class Ahead(TimedSource):
            def greeting(self, channel):
                return []

            def announce(self, channel, chunks, now):
                self.peer.send(channel, [Have(Range(chunks.first + AHEAD, chunks.last + AHEAD))], now)

            def serve(self, channel, chunk, now):
                pass

        key = PrivateKey.generate(ALGORITHMS["ed25519"])
        honest, liar = self.live_source(key, integrity=SIGN_ALL), self.live_source(key, Ahead, integrity=SIGN_ALL)
        node = self.watch(self.link_to(liar, honest))
        self.assertTrue(liar.wait_for(lambda: liar.peer.counts["opened"], 10))
        self.assertAcknowledges(honest, CHUNKS, node)

    def test_wrong_chunks_among_signed_ones_are_never_taken(self):
        key = PrivateKey.generate(ALGORITHMS["ed25519"])
        liar = self.live_source(key, misbehaving("bad-data", TimedSource), integrity=SIGN_ALL)
        node = self.watch(self.link_to(liar))
        node.event("stats", 15, where=lambda s: s["rejected"] > 0)
        self.assertEqual(node.next_stats()["verified"], 0)

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

        def test(self, algorithm=algorithm):
            self.follows_and_relays_signed_chunks(algorithm)
        setattr(ReferenceAsSource, f"test_runnel_follows_and_relays_chunks_signed_each_with_{algorithm.replace('-', '_')}", test)
    for name in ("bin32", "chunks32", "bin64"):
        def test(self, name=name):
            self.metadata_are_heeded(addressing=ADDRESSINGS[name])
        setattr(ReferenceAsSource, f"test_runnel_heeds_the_live_links_addressing_{name}", test)
    for name in OTHER_HASHES:
        def test(self, name=name):
            self.metadata_are_heeded(hash_function=hashes.BY_NAME[name].code)
        setattr(ReferenceAsSource, f"test_runnel_heeds_the_live_links_hash_{name}", test)


add_sources()


class RunnelAsSource(ReferenceScenario):
    def key_file(self, key, encryption=serialization.NoEncryption(), head=b""):
        path = self.folder / "channel.key"
        path.write_bytes(head + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
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
        return caster

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

    def follows_cast_signed(self, algorithm, rsa_bits=2048, head=b""):
        key = PrivateKey.generate(ALGORITHMS[algorithm], rsa_bits)
        caster = self.follows_cast("--key", self.key_file(key.key, head=head))
        self.assertEqual(uncompressed(bytes.fromhex(caster.id)), key.swarm_id)

    def test_the_reference_peer_follows_a_cast_signed_with_rsa_sha1(self):
        """An RSA key signs with SHA-256 unless its file says otherwise."""
        self.follows_cast_signed("rsa-sha1", head=b"Algorithm: 5 (RSASHA1)\n")

    def test_the_reference_peer_follows_a_cast_signed_with_the_longest_rsa_key(self):
        """Munro and signature in one datagram (6.1.2.3) still, with the longest hash as well."""
        key = PrivateKey.generate(ALGORITHMS["rsa-sha256"], 4096)
        self.follows_cast("--key", self.key_file(key.key), "--hash", "sha512")

    def test_a_viewer_of_runnel_follows_and_relays_a_cast_signed_with_the_longest_rsa_key(self):
        """Bundles of push have no room for such signatures: the stream is pulled."""
        caster = self.cast("test:", "--key", self.key_file(PrivateKey.generate(ALGORITHMS["rsa-sha256"], 4096).key), "--hash", "sha512")
        viewer = self.watch(caster.link)
        self.assertTrue(viewer.event("playable", 15)["url"])
        viewer.event("stats", 15, where=lambda s: s["verified"] >= CHUNKS)
        self.assertFollows(self.live_client_of(viewer, parse_link(caster.link)[0]), CHUNKS)

    def test_a_key_that_can_not_sign_is_refused_with_its_reason(self):
        plain = serialization.NoEncryption()
        cases = {"2048 to 4096 bits": (rsa.generate_private_key(65537, 1024), plain, b""),
                 "not one of RSA": (ec.generate_private_key(ec.SECP521R1()), plain, b""),
                 "without its pass phrase": (ec.generate_private_key(ec.SECP256R1()), serialization.BestAvailableEncryption(b"x"), b""),
                 "Algorithm:": (ec.generate_private_key(ec.SECP256R1()), plain, b"Algorithm: 5\n")}
        for reason, (key, encryption, head) in cases.items():
            with self.subTest(reason=reason):
                caster = self.cast("test:", "--key", self.key_file(key, encryption, head))
                self.assertEqual(caster.wait_exit(15), 1)
                message = caster.all_events("error")[0]["message"]
                self.assertIn(reason, message)
                self.assertIn("channel.key", message)

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


def add_casts():
    for algorithm in ("p256", "p384", "rsa-sha256", "ed25519"):
        def test(self, algorithm=algorithm):
            self.follows_cast_signed(algorithm)
        setattr(RunnelAsSource, f"test_the_reference_peer_follows_a_cast_signed_with_{algorithm.replace('-', '_')}", test)
    for name in OTHER_HASHES:
        def test(self, name=name):
            self.follows_cast("--hash", name)
        setattr(RunnelAsSource, f"test_the_reference_peer_follows_a_cast_by_hash_{name}", test)


add_casts()

if __name__ == "__main__":
    unittest.main()
