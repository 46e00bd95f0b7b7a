#!/usr/bin/env python3
"""Membership certificates (3.10.1, 8.13, 12.2.2) from the reference peer as the source of a live stream to a viewer of Runnel. What a cast
of Runnel issues, to askers on the open internet alone, is in tests/netlab/test_certificates.py."""
import time
import unittest

from reference_scenario import ReferenceScenario
from refpeer import roles
from refpeer.pex import Pex, make_certificate
from refpeer.signatures import NAMES as ALGORITHMS
from refpeer.signatures import PrivateKey

CHUNKS = 100
HOUR_S = 3600


class FromTheSource(ReferenceScenario):
    def stream(self, algorithm="p256"):
        """A source, and a peer of its swarm that nobody knows of unless he is told."""
        key = PrivateKey.generate(ALGORITHMS[algorithm])
        source = self.live_source(key)
        return key, source, self.host(roles.live_client(source.peer.swarm))

    def told(self, source, *certificates):
        """A viewer that knows the source, which answers PEX_REQ with these."""
        roles.part(source.peer, Pex).certificates = list(certificates)
        return self.watch(self.link_to(source))

    def leads_to_the_peer(self, algorithm):
        key, source, hidden = self.stream(algorithm)
        self.told(source, make_certificate(key.key, hidden.address, source.peer.swarm.id))
        self.assertTrue(hidden.wait_for(hidden.peer.open_channels, 10), dict(hidden.peer.counts))

    def leads_nowhere(self, forge):
        key, source, lured = self.stream()
        node = self.told(source, forge(key, lured.address, source.peer.swarm.id))
        asked = roles.part(source.peer, Pex)
        self.assertTrue(source.wait_for(lambda: asked.asked, 10))
        self.assertAcknowledges(source, CHUNKS, node)      # who gave it is believed in what it signs
        self.assertEqual(lured.peer.counts["Handshake"], 0)
        self.assertStops(node)

    def test_one_of_a_stranger_leads_nowhere(self):
        stranger = PrivateKey.generate(ALGORITHMS["p256"]).key
        self.leads_nowhere(lambda key, address, swarm_id: make_certificate(stranger, address, swarm_id))

    def test_one_with_a_wrong_signature_leads_nowhere(self):
        def forge(key, address, swarm_id):
            der = make_certificate(key.key, address, swarm_id)
            return der[:-1] + bytes([der[-1] ^ 1])
        self.leads_nowhere(forge)

    def test_one_that_is_over_leads_nowhere(self):
        self.leads_nowhere(lambda key, address, swarm_id: make_certificate(key.key, address, swarm_id, 600, time.time() - HOUR_S))

    def test_one_of_tomorrow_leads_nowhere(self):
        self.leads_nowhere(lambda key, address, swarm_id: make_certificate(key.key, address, swarm_id, 600, time.time() + 24 * HOUR_S))

    def test_one_of_another_swarm_leads_nowhere(self):
        other = PrivateKey.generate(ALGORITHMS["p256"]).swarm_id
        self.leads_nowhere(lambda key, address, swarm_id: make_certificate(key.key, address, other))

    def test_one_whose_name_is_not_critical_leads_nowhere(self):
        self.leads_nowhere(lambda key, address, swarm_id: make_certificate(key.key, address, swarm_id, critical=False))

    def test_what_is_no_certificate_leads_nowhere(self):
        self.leads_nowhere(lambda key, address, swarm_id: self.random.randbytes(400))

    def test_a_good_one_beside_a_bad_one_leads_nowhere(self):
        """12.2.2: the whole batch is dropped."""
        key, source, lured = self.stream()
        good = make_certificate(key.key, lured.address, source.peer.swarm.id)
        node = self.told(source, good, good[:-1] + bytes([good[-1] ^ 1]))
        self.assertTrue(source.wait_for(lambda: roles.part(source.peer, Pex).asked, 10))
        self.assertAcknowledges(source, CHUNKS, node)
        self.assertEqual(lured.peer.counts["Handshake"], 0)


def add_algorithms():
    for algorithm in ALGORITHMS:
        def test(self, algorithm=algorithm):
            self.leads_to_the_peer(algorithm)
        setattr(FromTheSource, f"test_one_signed_with_{algorithm.replace('-', '_')}_leads_to_its_peer", test)


add_algorithms()

if __name__ == "__main__":
    unittest.main()
