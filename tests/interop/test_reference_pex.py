#!/usr/bin/env python3
"""Peer exchange (3.10.1, 8.13) between Runnel and the reference peer."""
import unittest

from cryptography.hazmat.primitives.asymmetric import ec

from reference_scenario import ReferenceScenario
from refpeer import roles
from refpeer.pex import Pex, make_certificate
from refpeer.misbehave import misbehaving
from refpeer.serve import Serve
from refpeer.swarm import Swarm


class PeerExchange(ReferenceScenario):
    def test_runnel_tells_of_peers_that_it_hears_from(self):
        content = self.content(100_000)
        seeder = self.seeder(content)
        node = self.watch(self.link_to(seeder))
        self.assertComplete(node, content)
        pex = Pex()
        leecher = self.leecher_of(node, seeder.peer.swarm, pex=pex)
        self.assertFetched(leecher, content, node)
        leecher.call(pex.ask)
        leecher.wait_for(lambda: pex.learned, 5)
        self.assertEqual(pex.learned, [seeder.address])

    def test_a_leecher_finds_the_other_seeder_through_runnel(self):
        """The whole round: asked, told, met."""
        content = self.content(100_000)
        seeder = self.seeder(content)
        node = self.watch(self.link_to(seeder))
        self.assertComplete(node, content)
        pex = Pex(follows=True)
        leecher = self.leecher_of(node, seeder.peer.swarm, pex=pex)
        leecher.wait_for(leecher.peer.open_channels, 5)
        leecher.call(pex.ask)
        self.assertTrue(seeder.wait_for(lambda: len(seeder.peer.open_channels()) == 2, 5))

    def test_runnel_meets_peers_that_it_is_told_of(self):
        """Its one first peer never serves; the other is known to that one alone."""
        content, pex = self.content(), Pex()
        hidden = self.seeder(content)
        pex.extra.append(hidden.address)
        mute = self.seeder(content, serve=misbehaving("have-lies", Serve)(), pex=pex)
        node = self.watch(self.link_to(mute))
        self.assertComplete(node, content)
        self.assertGreater(roles.part(hidden.peer, Serve).served, 0)

    def test_certificates_of_strangers_lead_nowhere_and_do_no_harm(self):
        """12.2: a membership certificate counts only under a key that is trusted; this one signed for itself."""
        content, key = self.content(), ec.generate_private_key(ec.SECP256R1())
        lured = self.seeder(content)
        certificates = [make_certificate(key, lured.address, lured.peer.swarm.id) for _ in range(8)]
        seeder = self.seeder(content, pex=Pex(certificates=certificates))
        node = self.watch(self.link_to(seeder))
        self.assertComplete(node, content)
        self.assertTrue(seeder.wait_for(lambda: roles.part(seeder.peer, Pex).asked, 10))
        node.next_stats()
        self.assertEqual(lured.peer.counts["Handshake"], 0)
        self.assertStops(node)

    def test_a_cast_tells_its_leechers_of_each_other(self):
        content = self.content(100_000)
        (self.folder / "source").write_bytes(content)
        caster = self.cast(self.folder / "source")
        swarm, pex = Swarm(bytes.fromhex(caster.id)), Pex()
        one = self.leecher_of(caster, swarm)
        self.assertFetched(one, content, caster)
        other = self.leecher_of(caster, swarm, pex=pex)
        self.assertFetched(other, content, caster)
        other.call(pex.ask)
        other.wait_for(lambda: pex.learned, 5)
        self.assertIn(one.address, pex.learned)

    def test_addresses_of_version_6_are_told_as_such(self):
        content = self.content(100_000)
        (self.folder / "source").write_bytes(content)
        caster = self.runnel("cast", self.folder / "source", "--json", "--listen", "[::1]:0", "--http", "127.0.0.1:0", name="caster")
        swarm, pex = Swarm(bytes.fromhex(caster.id)), Pex()
        at = "::1", int(caster.ready()["listen"].rpartition(":")[2])
        one, other = self.host(roles.leecher(swarm), "::1"), self.host(roles.leecher(swarm, pex=pex), "::1")
        for leecher in (one, other):
            leecher.connect(at)
            self.assertFetched(leecher, content, caster)
        other.call(pex.ask)
        other.wait_for(lambda: pex.learned, 5)
        self.assertEqual(pex.learned, [one.address])


if __name__ == "__main__":
    unittest.main()
