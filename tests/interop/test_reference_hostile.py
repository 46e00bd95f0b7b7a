#!/usr/bin/env python3
"""Peers that break the rules on purpose: beside an honest one, whatever they do, Runnel ends with the right bytes."""
import time
import unittest

from reference_scenario import COMPLETE_WITHIN_S, ReferenceScenario
from refpeer.fetch import Fetch
from refpeer.live import TimedSource
from refpeer.misbehave import MISBEHAVIOURS, ONLY_LIVE, misbehaving
from refpeer.serve import Serve
from refpeer.signatures import NAMES as ALGORITHMS
from refpeer.signatures import PrivateKey
from refpeer.swarm import Swarm


class BesideAnHonestSeeder(ReferenceScenario):
    def gets_the_file_in_spite_of(self, name):
        content = self.content(400_003)
        liar = self.seeder(content, serve=misbehaving(name, Serve)())
        honest = self.seeder(content)
        self.assertEqual(liar.peer.swarm.id, honest.peer.swarm.id)
        node = self.watch(self.link_to(liar), "--out", self.folder / "copy")
        # The liar is met first and alone; the honest peer comes to Runnel by itself.
        self.assertTrue(liar.wait_for(lambda: liar.peer.counts["Request"], 10), "the liar was never asked")
        honest.connect(self.address_of(node))
        self.assertComplete(node, content, COMPLETE_WITHIN_S)
        self.assertEqual((self.folder / "copy").read_bytes(), content)
        self.assertStops(node)


def add_static():
    for name in sorted(set(MISBEHAVIOURS) - ONLY_LIVE):
        def test(self, name=name):
            self.gets_the_file_in_spite_of(name)
        setattr(BesideAnHonestSeeder, f"test_gets_the_file_in_spite_of_{name.replace('-', '_')}", test)


add_static()


class AloneWithALiar(ReferenceScenario):
    def test_spoilt_chunks_are_counted_and_never_stored(self):
        liar = self.seeder(self.content(400_003), serve=misbehaving("bad-data", Serve)())
        node = self.watch(self.link_to(liar))
        stats = node.event("stats", 10, where=lambda s: s["rejected"] >= 2)
        self.assertEqual(stats["verified"], 0)
        self.assertEqual(liar.peer.counts["Ack"], 0)

    def test_who_sends_chunks_without_hashes_is_not_asked_without_end(self):
        """5.3: such chunks are dropped; 12.6.2: and their sender is taken for one that does not deliver."""
        content = self.content(400_003)
        liar = self.seeder(content, serve=misbehaving("wrong-chunk", Serve)())
        node = self.watch(self.link_to(liar))
        self.assertTrue(liar.wait_for(lambda: liar.peer.counts["Request"], 10))
        for _ in range(3):
            stats = node.next_stats()
            self.assertLess(stats["down_bytes"], 10 * len(content), f"of a file of {len(content)} bytes, {stats['verified']} chunks verified")

    def test_a_cast_serves_others_while_a_leecher_floods(self):
        content = self.content(400_003)
        (self.folder / "source").write_bytes(content)
        caster = self.cast(self.folder / "source")
        swarm = Swarm(bytes.fromhex(caster.id))

        class Idle(Fetch):
            def flush(self, now):
                pass
        flooder = self.leecher_of(caster, swarm, fetch=Idle(), serve=misbehaving("flood", Serve)())
        self.assertTrue(flooder.wait_for(lambda: flooder.peer.counts["opened"], 10))
        self.assertFetched(self.leecher_of(caster, swarm), content, caster)
        self.assertStops(caster)


class LiveLiars(ReferenceScenario):
    def test_munros_with_wrong_signatures_are_never_taken(self):
        """6.1.2.1: the signature is checked before anything is passed on."""
        key = PrivateKey.generate(ALGORITHMS["p256"])
        liar = self.live_source(key, misbehaving("wrong-signature", TimedSource))
        node = self.watch(self.link_to(liar))
        self.assertTrue(liar.wait_for(lambda: liar.peer.counts["opened"], 10))
        published = self.source_of(liar).published
        self.assertTrue(liar.wait_for(lambda: self.source_of(liar).published > published + 100, 10))
        self.assertEqual(node.next_stats()["verified"], 0)
        self.assertStops(node)

    def test_a_source_that_shows_its_first_munro_for_ever_is_followed_by_its_haves(self):
        """6.1.2.4: an old munro does not set the clock back."""
        liar = self.live_source(PrivateKey.generate(ALGORITHMS["p256"]), misbehaving("old-munro", TimedSource))
        source = self.source_of(liar)
        self.assertTrue(liar.wait_for(lambda: source.published > 50, 10))
        node = self.watch(self.link_to(liar))
        node.event("stats", 12, where=lambda s: s["verified"] >= 100)
        self.assertEqual(node.last_stats()["rejected"], 0)
        self.assertStops(node)

    def test_spoilt_live_chunks_are_replaced_by_an_honest_relay(self):
        key = PrivateKey.generate(ALGORITHMS["p256"])
        source = self.live_source(key)
        liar = self.live_client_of(source, source.peer.swarm, serve=misbehaving("bad-data", Serve)())
        honest = self.live_client_of(source, source.peer.swarm)
        node = self.watch(self.link_to(liar, honest))
        node.event("stats", 12, where=lambda s: s["verified"] >= 200)
        self.assertFollows(self.live_client_of(node, source.peer.swarm), 50)
        self.assertStops(node)

    def test_munros_of_last_hour_are_not_the_live_edge(self):
        """6.1.2.4, 12.6.5: a time stamp that is too old, validly signed and replayed alone, starts nothing."""
        key = PrivateKey.generate(ALGORITHMS["p256"])

        class LastHour(TimedSource):
            def publish(self, payload_of_record, now, unix_s=None):
                return super().publish(payload_of_record, now, time.time() - 3600)
        fresh, stale = self.live_source(key), self.live_source(key, LastHour)
        node = self.watch(self.link_to(stale, fresh))
        node.event("stats", 12, where=lambda s: s["verified"] >= 100)
        served = self.source_of(fresh).served
        self.assertGreater(served, self.source_of(stale).served)
        self.assertStops(node)


if __name__ == "__main__":
    unittest.main()
