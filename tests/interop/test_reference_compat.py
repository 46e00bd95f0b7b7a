#!/usr/bin/env python3
"""Live swarms as older peers have them (row P9) between Runnel and the reference peer, which speaks nothing else here."""
import time
import unittest

from cryptography.hazmat.primitives import serialization

from reference_scenario import ReferenceScenario
from refpeer import roles
from refpeer.compat import CHUNK_BYTES, NULL_PACKET, CompatSource, CompatSwarm
from refpeer.fetch import Fetch
from refpeer.link import parse_link
from refpeer.misbehave import misbehaving
from refpeer.serve import Serve
from refpeer.signatures import ECDSA_P256, ED25519, PrivateKey
from support import media

CHUNKS = 100
LEAVES = 32
PACKET = 188


def new_key():
    return PrivateKey.generate(ECDSA_P256)


class ReferenceAsSource(ReferenceScenario):
    def film(self):
        return media.transport_stream(20).read_bytes()

    def film_source(self):
        film = self.film()
        return self.compat_source(new_key(), film, len(film) / 20), film

    def test_runnel_follows_and_relays(self):
        """Found out by negotiation: it is called with all options first, stays silent, and is called without 4, 8 and 9."""
        source = self.compat_source(new_key())
        node = self.watch(self.link_to(source))
        self.assertAcknowledges(source, CHUNKS, node)
        self.assertGreater(source.peer.counts["not understood"], 0)
        options = source.peer.open_channels()[0].options
        self.assertEqual((options.hash_function, options.supported, options.chunk_size), (None, None, None))
        self.assertLess(options.discard_window, 2**32 - 1, "of 32 bits, and it keeps no more")
        client = self.live_client_of(node, source.peer.swarm)
        self.assertFollows(client, CHUNKS)
        for index, payload in client.peer.store.chunks.items():
            self.assertEqual(payload, source.peer.store.chunks[index])
        self.assertStops(node)

    def test_runnel_is_found_by_an_older_peer_that_calls(self):
        source = self.compat_source(new_key())
        node = self.watch(self.link_to(source))
        self.assertAcknowledges(source, CHUNKS, node)
        client = self.live_client_of(node, source.peer.swarm)
        self.assertFollows(client, CHUNKS)
        self.assertEqual(client.peer.counts["not understood"], 0, "the reply mirrors the call")
        self.assertStops(node)

    def test_a_bare_id_and_compat_are_enough(self):
        source = self.compat_source(new_key())
        at = "%s:%d" % source.address
        node = self.watch(source.peer.swarm.id.hex(), "--compat", "--peer", at)
        self.assertAcknowledges(source, CHUNKS, node)
        self.assertStops(node)

    def test_what_is_written_is_the_transport_stream(self):
        source, film = self.film_source()
        out = self.folder / "out.ts"
        node = self.watch(self.link_to(source), "--out", out)
        self.eventually(lambda: out.exists() and out.stat().st_size > 400_000, 15, "a recording")
        self.assertStops(node)
        written = out.read_bytes()
        self.assertEqual(len(written) % PACKET, 0)
        self.assertIn(written[:300_000], film, "from a packet on, byte for byte")

    def test_it_plays(self):
        source, _ = self.film_source()
        node = self.watch(self.link_to(source))
        node.event("playable", 15)
        reader = media.LiveReader(node.stream_url("live.ts"))
        self.addCleanup(reader.close)
        first = self.eventually(reader.newest_s, 10, "video")
        self.eventually(lambda: reader.newest_s() > first + 3, 15, "three more seconds of video")
        self.assertIsNone(reader.problem)
        stats = node.event("stats", 10, where=lambda s: s["lag_s"] is not None)
        self.assertLess(stats["lag_s"], 6)

    def test_who_joins_in_the_middle_plays_as_well(self):
        """Munros and chunks begin in the middle of packets."""
        source, _ = self.film_source()
        self.assertTrue(source.wait_for(lambda: self.source_of(source).published > 500, 10))
        node = self.watch(self.link_to(source))
        node.event("playable", 15)
        self.assertStops(node)


class Liars(ReferenceScenario):
    def is_not_followed(self, source_class):
        liar = self.compat_source(new_key(), source_class=source_class)
        node = self.watch(self.link_to(liar))
        self.assertTrue(liar.wait_for(lambda: liar.peer.counts["opened"], 10))
        published = self.source_of(liar).published
        self.assertTrue(liar.wait_for(lambda: self.source_of(liar).published > published + 300, 10))
        self.assertEqual(node.next_stats()["verified"], 0)
        self.assertStops(node)

    def test_munros_with_wrong_signatures_are_never_taken(self):
        self.is_not_followed(misbehaving("wrong-signature", CompatSource))

    def test_the_signature_of_another_munro_proves_nothing(self):
        class Shifted(CompatSource):
            """Each munro under the signature of the one before."""
            before = None

            def sign_munro(self, first, payloads, ntp_time):
                super().sign_munro(first, payloads, ntp_time)
                chunks, stamp, own = self.peer.store.munros[first]
                wrong = bytes(64) if self.before is None else self.before
                self.before = own
                self.peer.store.munros[first] = (chunks, stamp, wrong)
        self.is_not_followed(Shifted)

    def test_a_munro_shown_again_in_another_place_is_not_taken(self):
        """The signature covers neither place nor time, so only that it is known already tells."""
        class Repeating(CompatSource):
            """After ten munros the same ones come again, with their true signatures and new time stamps."""
            def publish(self, payload, now, unix_s=None):
                if self.next < 10 * LEAVES:
                    return super().publish(payload, now, unix_s)
                old = self.peer.store.munros[self.next - 10 * LEAVES]
                pieces = [self.peer.store.chunks[i] for i in range(old[0].first, old[0].last + 1)]
                self.add_munro(self.next, pieces, self.peer.swarm.stamp(time.time()), now)
                self.next += LEAVES
                return self.next
        liar = self.compat_source(new_key(), source_class=Repeating)
        node = self.watch(self.link_to(liar))
        node.event("stats", 10, where=lambda s: s["verified"] > 0)
        self.assertTrue(liar.wait_for(lambda: self.source_of(liar).next > 40 * LEAVES, 15))
        self.assertLessEqual(node.next_stats()["verified"], 10 * LEAVES)
        self.assertStops(node)

    def test_munros_of_last_hour_are_not_the_live_edge(self):
        key = new_key()

        class LastHour(CompatSource):
            def publish(self, payload, now, unix_s=None):
                return super().publish(payload, now, time.time() - 3600)
        stale = self.compat_source(key, source_class=LastHour)
        self.assertTrue(stale.wait_for(lambda: self.source_of(stale).published > 50, 10))
        fresh = self.compat_source(key, first=2000 * LEAVES)
        node = self.watch(self.link_to(fresh, stale))
        node.event("stats", 15, where=lambda s: s["verified"] >= CHUNKS)
        self.assertEqual(self.source_of(stale).served, 0)
        self.assertStops(node)

    def test_spoilt_chunks_are_replaced_by_an_honest_relay(self):
        source = self.compat_source(new_key())
        liar = self.live_client_of(source, source.peer.swarm, serve=misbehaving("bad-data", Serve)())
        honest = self.live_client_of(source, source.peer.swarm)
        node = self.watch(self.link_to(liar, honest))
        node.event("stats", 15, where=lambda s: s["verified"] >= 200)
        self.assertFollows(self.live_client_of(node, source.peer.swarm), 50)
        self.assertStops(node)


class RunnelAsSource(ReferenceScenario):
    def compat_cast(self, *arguments, name="caster"):
        caster = self.cast("test:", "--compat", *arguments, name=name)
        caster.event("playable", 20)
        return caster

    def key_file(self, algorithm=ECDSA_P256):
        path = self.folder / f"{algorithm}.key"
        key = PrivateKey.generate(algorithm).key
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        path.chmod(0o600)
        return path

    def client_of(self, node, link):
        swarm, _ = parse_link(link)
        self.assertIsInstance(swarm, CompatSwarm, "the link tells the form")
        return self.live_client_of(node, swarm)

    def stream_of(self, client):
        """What came from its first chunk on without a gap."""
        chunks = client.peer.store.chunks
        first = last = min(chunks)
        while last + 1 in chunks:
            last += 1
        return b"".join(chunks[i] for i in range(first, last + 1))

    def test_the_reference_peer_follows_a_cast(self):
        caster = self.compat_cast()
        client = self.client_of(caster, caster.link)
        self.assertFollows(client, 20 * LEAVES, 20)
        store = client.peer.store
        self.assertEqual(store.width, LEAVES)
        self.assertEqual({len(payload) for payload in store.chunks.values()}, {CHUNK_BYTES})
        self.assertLess(max(store.chunks), 2**20, "indices begin at 0")
        for _, stamp, _ in store.munros.values():
            self.assertLess(abs(stamp / 1e6 - time.time()), 30, "Unix time in microseconds")
        self.assertEqual(len(bytes.fromhex(caster.id)), 65, "printed as older peers take it")
        self.assertStops(caster)

    def test_what_comes_is_a_transport_stream_that_plays(self):
        caster = self.compat_cast()
        client = self.client_of(caster, caster.link)
        # The first munro may begin in the middle of a packet; tables and key frames come each second.
        self.assertTrue(client.wait_for(lambda: client.peer.store.have.count() >= 60 * LEAVES, 20))
        stream = self.stream_of(client)
        start = next(at for at in range(PACKET) if all(stream[at + i * PACKET] == 0x47 for i in range(20)))
        packets = [stream[at:at + PACKET] for at in range(start, len(stream) - PACKET + 1, PACKET)]
        self.assertEqual({packet[0] for packet in packets}, {0x47}, "null packets keep the step")
        pids = [int.from_bytes(packet[1:3], "big") & 0x1FFF for packet in packets]
        self.assertIn(0, pids, "a PAT")
        self.assertIn(NULL_PACKET, packets)
        copy = self.folder / "copy.ts"
        copy.write_bytes(b"".join(packets[pids.index(0):]))
        self.assertEqual(media.codecs(copy), {"h264", "aac"})
        self.assertGreater(media.duration_s(copy), 2)
        self.assertStops(caster)

    def test_nothing_waits_for_its_munro_to_be_full(self):
        """A trickle of a stream still comes ten times a second."""
        caster = self.cast("test:?size=320x180&rate=30&bitrate=100k", "--compat")
        caster.event("playable", 20)
        client = self.client_of(caster, caster.link)
        self.assertFollows(client, 10 * LEAVES)
        before, at = len(client.peer.store.munros), time.monotonic()
        client.wait_for(lambda: len(client.peer.store.munros) >= before + 30, 10)
        self.assertLess(time.monotonic() - at, 6, "100 kb/s fill a munro in two and a half seconds")
        self.assertStops(caster)

    def test_a_relaying_viewer_gives_a_cast_on_to_the_reference_peer(self):
        caster = self.compat_cast()
        viewer = self.watch(caster.link)
        viewer.event("stats", 20, where=lambda s: s["verified"] >= CHUNKS)
        self.assertFollows(self.client_of(viewer, caster.link), CHUNKS)
        self.assertStops(viewer)

    def test_a_caster_that_starts_again_goes_on_behind_what_it_used(self):
        """So viewers of before take it for the same stream; indices from 0 again they would take for the past."""
        key = self.key_file()
        caster = self.compat_cast("--key", key)
        viewer = self.watch(caster.link)
        stats = viewer.event("stats", 20, where=lambda s: s["verified"] >= CHUNKS)
        first = self.client_of(caster, caster.link)
        self.assertFollows(first, CHUNKS)
        used = max(first.peer.store.chunks)
        self.assertStops(caster)
        again = self.compat_cast("--key", key, name="caster-again")
        self.assertEqual(again.link, caster.link)
        client = self.client_of(again, again.link)
        self.assertFollows(client, CHUNKS, 20)
        self.assertGreater(min(client.peer.store.chunks), used)
        viewer.event("stats", 30, where=lambda s: s["verified"] > stats["verified"] + 500)
        self.assertStops(viewer)

    def test_keys_that_older_peers_do_not_know_are_refused(self):
        caster = self.cast("test:", "--compat", "--key", self.key_file(ED25519))
        self.assertIn(caster.wait_exit(15), (1, 2))
        self.assertIn("P-256", caster.all_events("error")[0]["message"])

    def test_a_client_that_asks_gets_no_option_that_it_does_not_know(self):
        caster = self.compat_cast()
        client = self.client_of(caster, caster.link)
        self.assertFollows(client, CHUNKS)
        self.assertEqual(client.peer.counts["not understood"], 0)
        self.assertEqual(roles.part(client.peer, Fetch).missing, 0, "hashes and signatures come before their chunks")


if __name__ == "__main__":
    unittest.main()
