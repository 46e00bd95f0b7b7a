#!/usr/bin/env python3
"""Peer exchange by certificates (RFC 7574 3.10.1, 8.13) between hosts whose addresses are public ones, for programs."""
import pathlib
import sys
import unittest

from cryptography.hazmat.primitives import serialization

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "interop")]
from refpeer import roles
from refpeer.host import Host
from refpeer.link import parse_link
from refpeer.pex import Pex
from refpeer.signatures import NAMES as ALGORITHMS
from refpeer.signatures import PrivateKey
from support.netlab import Netlab
from support.processes import Node
from support.scenario import RUNNEL, Scenario

LAB = """
[host.caster]
[host.viewer]
count = 3
[path]
delay_ms = 10
"""
WITHIN_S = 30


class Certificates(Scenario):
    def setUp(self):
        super().setUp()
        self.lab = Netlab(LAB, self.log, seed=self.seed)
        self.addCleanup(self.lab.close)

    def run_in(self, host, verb, *arguments):
        command = [RUNNEL, verb, *arguments, "--json", "--listen", f"{self.lab.address(host)}:0", "--http", "127.0.0.1:0"]
        return self.start(self.lab.command(host, command), host, Node)

    def cast(self, *arguments):
        caster = self.run_in("caster", "cast", "test:", *arguments)
        caster.event("playable", WITHIN_S)
        return caster, caster.ready()["listen"]

    def peer_in(self, host, peer, connect_to):
        """A reference peer in that host that calls there."""
        running = self.lab.call(host, Host, peer, self.lab.address(host)).start()
        self.addCleanup(running.stop)
        place, _, port = connect_to.rpartition(":")
        running.connect((place, int(port)))
        self.assertTrue(running.wait_for(running.peer.open_channels, WITHIN_S), dict(running.peer.counts))
        return running

    def is_believed(self, *arguments):
        """A cast certifies one reference peer to another, which knows nothing of the cast but its key."""
        caster, place = self.cast(*arguments)
        swarm, _ = parse_link(caster.link)
        one = self.peer_in("viewer-1", roles.live_client(swarm), place)
        pex = Pex(trusted_keys=[swarm.public_key.key])
        other = self.peer_in("viewer-2", roles.live_client(swarm, pex=pex), place)
        other.call(pex.ask)
        other.wait_for(lambda: pex.learned or pex.refused, WITHIN_S)
        self.assertEqual((pex.learned, pex.refused), ([one.address], []))
        counts = dict(other.peer.counts)
        self.assertGreater(counts.get("PexResCert", 0), 0)
        self.assertNotIn("PexRes", counts, "3.10.1: no plain addresses here")
        self.assertEqual(other.peer.complaints, [])
        caster.stop(10)

    def test_the_reference_peer_believes_what_a_cast_certifies(self):
        self.is_believed()

    def test_it_does_so_with_each_kind_of_key(self):
        for algorithm in ("p384", "rsa-sha256", "ed25519"):
            with self.subTest(algorithm=algorithm):
                file = self.folder / f"{algorithm}.key"
                key = PrivateKey.generate(ALGORITHMS[algorithm]).key
                file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
                file.chmod(0o600)
                self.is_believed("--key", file)

    def meet(self, *arguments):
        """Viewers that know the cast alone, with no tracker."""
        caster, place = self.cast(*arguments)
        link = self.only_by(caster.link, place)
        viewers = [self.run_in(f"viewer-{number}", "watch", link, "--player", "none") for number in (1, 2, 3)]
        for viewer in viewers:
            viewer.event("stats", WITHIN_S, where=lambda s: s["peers"] >= 3)
        for node in (*viewers, caster):
            self.assertEqual(node.stop(10), 0, node.error_text())

    def test_viewers_of_a_cast_meet_without_a_tracker(self):
        self.meet()

    def test_viewers_of_a_private_cast_do_so_as_well(self):
        self.meet("--private")


if __name__ == "__main__":
    unittest.main()
