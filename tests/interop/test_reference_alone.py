#!/usr/bin/env python3
"""The reference peer against itself: all that RFC 7574 offers, more than Runnel can be asked for. A tool must be sound to judge."""
import hashlib
import random
import sys
import time
import unittest

from cryptography.hazmat.primitives.asymmetric import ec

from reference_scenario import HERE, ReferenceScenario
from refpeer import clock, records, roles
from refpeer.addressing import NAMES
from refpeer.compat import CompatSource, CompatSwarm
from refpeer.fetch import Fetch
from refpeer.hashes import BY_NAME
from refpeer.link import format_link, parse_link
from refpeer.live import LiveSource
from refpeer.misbehave import misbehaving
from refpeer.pex import Pex, make_certificate, read_certificate
from refpeer.serve import Serve
from refpeer.signatures import NAMES as ALGORITHMS
from refpeer.signatures import PrivateKey
from refpeer.store_plain import UnprotectedStore
from refpeer.swarm import NONE, SIGN_ALL, UNIFIED, Swarm, live_swarm
from refpeer.wire_in_memory import Network
from support.processes import Node

CONTENT = random.Random(7574).randbytes(60_003)


def joined(seeder, leecher):
    network = Network()
    at = network.add(seeder)
    network.add(leecher)
    leecher.connect(at, network.now)
    return network


class Static(unittest.TestCase):
    def exchange(self, seeder, knows_size=False, lose=None, **fetch):
        known = seeder.swarm
        swarm = Swarm(known.id, hash_function=known.hash_function, addressing=known.addressing, chunk_size=known.chunk_size,
                      content_bytes=known.content_bytes if knows_size else None)
        leecher = roles.leecher(swarm, **fetch)
        network = joined(seeder, leecher)
        network.lose = lose or network.lose
        self.assertTrue(network.run_until(lambda: leecher.store.complete), f"{leecher.store.have.count()} {leecher.complaints}")
        self.assertEqual((seeder.complaints, leecher.complaints, leecher.store.rejected), ([], [], 0))
        return leecher

    def test_every_hash_and_addressing(self):
        for hash_name, function in BY_NAME.items():
            for addressing_name, addressing in NAMES.items():
                with self.subTest(hash=hash_name, addressing=addressing_name):
                    seeder = roles.seeder(CONTENT, function.code, addressing)
                    self.assertEqual(self.exchange(seeder).store.content(), CONTENT)

    def test_every_size_around_a_power_of_two(self):
        for count in [*range(1, 18), 31, 32, 33]:
            for knows_size in (False, True):
                with self.subTest(chunks=count, knows_size=knows_size):
                    content = CONTENT[:count * 100 - 37]
                    self.assertEqual(self.exchange(roles.seeder(content, chunk_size=100), knows_size).store.content(), content)

    def test_a_third_of_all_datagrams_lost(self):
        chance = random.Random(1)
        self.exchange(roles.seeder(CONTENT), lose=lambda data: chance.random() < 0.33)

    def test_no_hash_is_derived(self):
        """5.4 to the letter: the sender gives each hash that is needed."""
        leecher = roles.leecher(Swarm(roles.seeder(CONTENT).swarm.id))
        leecher.store.tree.derives = False
        network = joined(roles.seeder(CONTENT), leecher)
        self.assertTrue(network.run_until(lambda: leecher.store.complete))
        self.assertEqual(roles.part(leecher, Fetch).missing, 0)

    def test_no_integrity_protection(self):
        """Method 0, which erratum 4880 took away again."""
        swarm = Swarm(b"name", integrity=NONE, content_bytes=len(CONTENT))
        store = UnprotectedStore(swarm)
        store.append_munro(0, 1, [CONTENT[at:at + 1080] for at in range(0, len(CONTENT), 1080)], None, 0)
        seeder = roles.Peer(swarm, store, [Serve(), Pex()])
        leecher = roles.leecher(swarm)
        self.assertTrue(joined(seeder, leecher).run_until(lambda: leecher.store.complete))
        self.assertEqual(leecher.store.content(), CONTENT)

    def test_liars_get_nothing_accepted(self):
        for name in ("bad-data", "bad-hash", "wrong-chunk"):
            with self.subTest(name):
                seeder = roles.seeder(CONTENT, serve=misbehaving(name, Serve)())
                leecher = roles.leecher(Swarm(seeder.swarm.id))
                joined(seeder, leecher).run_until(lambda: leecher.store.rejected >= 2, 3)
                self.assertEqual(len(leecher.store.chunks), 0)

    def test_links_say_what_they_are_made_of(self):
        swarm = Swarm(bytes(20), hash_function=0, addressing=3, chunk_size=512, content_bytes=99)
        self.assertEqual(parse_link(format_link(swarm, ("127.0.0.1", 5))), (swarm, [("127.0.0.1", 5)]))


class Live(unittest.TestCase):
    def follows(self, integrity, algorithm="ed25519", hash_name="sha256", addressing="chunks64"):
        key = PrivateKey.generate(ALGORITHMS[algorithm], rsa_bits=1024)     # small: made anew in each test
        sizes = {"chunk_size": 1000} if addressing == "bytes64" else {}
        swarm = live_swarm(key.swarm_id, integrity=integrity, hash_function=BY_NAME[hash_name].code, addressing=NAMES[addressing], **sizes)
        source = LiveSource(key, first=0)
        network = joined(roles.live_source(swarm, key, source=source), client := roles.live_client(swarm))
        if integrity != UNIFIED:             # nothing but HAVEs to tune in by
            roles.part(client, Fetch).first = 0
        # Byte ranges know no chunk but full ones.
        full = CONTENT[:7000]
        record = records.Record(records.FILLER, CONTENT[:7300], ntp_time=clock.now_ntp()).encode()
        source.feed = lambda index: full if addressing == "bytes64" else record
        self.assertTrue(network.run_until(lambda: client.store.have.count() >= 40), f"{client.counts} {client.complaints}")
        self.assertEqual((client.complaints, client.store.rejected, client.store.bad_signatures), ([], 0, 0))
        return client, source

    def test_unified_tree_with_every_algorithm(self):
        for algorithm in ALGORITHMS:
            with self.subTest(algorithm):
                client, _ = self.follows(UNIFIED, algorithm)
                self.assertTrue(all(r.payload for _, r in records.read_all(client.store.chunks, 32)))

    def test_unified_tree_with_every_hash_and_addressing(self):
        for hash_name in BY_NAME:
            for addressing in NAMES:
                with self.subTest(hash=hash_name, addressing=addressing):
                    self.follows(UNIFIED, hash_name=hash_name, addressing=addressing)

    def test_every_chunk_signed(self):
        for algorithm in ALGORITHMS:
            with self.subTest(algorithm):
                self.follows(SIGN_ALL, algorithm)

    def test_no_integrity_protection(self):
        self.follows(NONE)

    def test_wrong_signatures_are_counted_and_not_taken(self):
        key = PrivateKey.generate(ALGORITHMS["p256"])
        swarm = live_swarm(key.swarm_id)
        source = misbehaving("wrong-signature", LiveSource)(key, first=0)
        source.feed = lambda index: CONTENT[:3000]
        network = joined(roles.live_source(swarm, key, source=source), client := roles.live_client(swarm))
        self.assertTrue(network.run_until(lambda: client.store.bad_signatures > 3))
        self.assertFalse(client.store.munros or client.store.chunks)

    def test_an_old_munro_is_stale(self):
        client, source = self.follows(UNIFIED)
        first = 32 * 1000
        chunks = source.peer.store.append_munro(first, 32, [b"old"], source.key, clock.to_ntp(time.time() - 3600))
        for message in source.peer.store.munro_messages(first):
            if message.type == 4:
                client.store.offer_integrity(message.chunks, message.hash)
            else:
                self.assertFalse(client.store.offer_signature(chunks, message.ntp_time, message.signature))
        self.assertEqual(client.store.stale, 1)


class Compat(unittest.TestCase):
    def setUp(self):
        self.key = PrivateKey.generate(ALGORITHMS["p256"])
        self.swarm = CompatSwarm(self.key.swarm_id)
        self.source = CompatSource(self.key)
        self.source.feed = lambda index: CONTENT[:20_001]

    def test_a_live_stream_as_older_peers_have_it(self):
        network = joined(roles.live_source(self.swarm, self.key, source=self.source), client := roles.live_client(self.swarm))
        self.assertTrue(network.run_until(lambda: client.store.have.count() >= 100), f"{client.counts} {client.complaints}")
        self.assertEqual((client.complaints, client.store.rejected, client.store.bad_signatures), ([], 0, 0))
        self.assertEqual(client.store.width, 32)
        self.assertEqual({len(chunk) for chunk in client.store.chunks.values()}, {1024})
        for _, stamp, signature in client.store.munros.values():
            self.assertLess(abs(stamp / 1e6 - time.time()), 60)
        subject = client.store.tree.trusted
        self.assertTrue(any(self.swarm.public_key.verify(signature, value) for value in subject.values()), "the hash alone is signed")

    def test_options_4_8_and_9_get_silence(self):
        modern = live_swarm(self.key.swarm_id, addressing=NAMES["chunks32"], hash_function=BY_NAME["sha1"].code, chunk_size=1024)
        source = roles.live_source(self.swarm, self.key, source=self.source)
        network = joined(source, roles.live_client(modern))
        network.run_until(lambda: False, 2)
        self.assertFalse(source.channels)
        self.assertGreater(source.counts["not understood"], 0)

    def test_links_tell_it(self):
        link = format_link(self.swarm, ("127.0.0.1", 5))
        self.assertEqual(parse_link(link), (self.swarm, [("127.0.0.1", 5)]))
        self.assertIsInstance(parse_link(link)[0], CompatSwarm)
        self.assertNotIsInstance(parse_link(link.replace("hf=0", "hf=2"))[0], CompatSwarm)


class Exchange(unittest.TestCase):
    def meeting(self, told):
        """A seeder that only the middle one knows is found through it."""
        network = Network()
        hidden = roles.seeder(CONTENT)
        at_hidden = network.add(hidden)
        middle_pex, pex = told(at_hidden, hidden.swarm.id)
        middle = roles.seeder(CONTENT, serve=misbehaving("have-lies", Serve)(), pex=middle_pex)
        at_middle = network.add(middle)
        leecher = roles.leecher(Swarm(hidden.swarm.id), pex=pex)
        network.add(leecher)
        leecher.connect(at_middle, network.now)
        network.run_until(leecher.open_channels)
        pex.ask(network.now)
        return network.run_until(lambda: leecher.store.complete, 20), pex

    def test_plain_addresses(self):
        def told(address, _):
            middle = Pex()
            middle.extra.append(address)
            return middle, Pex(follows=True)
        self.assertTrue(self.meeting(told)[0])

    def test_certificates(self):
        issuer = ec.generate_private_key(ec.SECP256R1())

        def told(address, swarm_id):
            return Pex(certificates=[make_certificate(issuer, address, swarm_id)]), Pex(follows=True, trusted_keys=[issuer.public_key()])
        self.assertTrue(self.meeting(told)[0])

    def test_certificates_of_others_are_refused(self):
        issuer, stranger = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

        def told(address, swarm_id):
            return Pex(certificates=[make_certificate(stranger, address, swarm_id)]), Pex(follows=True, trusted_keys=[issuer.public_key()])
        found, pex = self.meeting(told)
        self.assertFalse(found)
        self.assertEqual(pex.refused, ["signed by nobody who is trusted"])

    def test_certificates_tell_address_swarm_and_time(self):
        issuer = ec.generate_private_key(ec.SECP256R1())
        for address in (("192.0.2.1", 6778), ("2001:db8::1", 6778)):
            der = make_certificate(issuer, address, b"\x01\xab", 60, at_unix_s=1_800_000_000)
            self.assertEqual(read_certificate(der, [issuer.public_key()], 1_800_000_030), (address, b"\x01\xab"))
            with self.assertRaises(ValueError):
                read_certificate(der, [issuer.public_key()], 1_800_000_100)


class CommandLine(ReferenceScenario):
    def refpeer(self, *arguments, name):
        return self.start([sys.executable, "-m", "refpeer", *arguments], name, Node, directory=HERE)

    def test_a_file_crosses_between_two_processes(self):
        source, copy = self.folder / "source", self.folder / "copy"
        source.write_bytes(CONTENT)
        seeder = self.refpeer("seed", source, "--hash", "sha384", "--addressing", "bin64", name="seed")
        leecher = self.refpeer("leech", seeder.ready()["link"], "--out", copy, name="leech")
        self.assertEqual(leecher.event("complete", 15)["sha256"], hashlib.sha256(CONTENT).hexdigest())
        self.assertEqual(leecher.wait_exit(5), 0)
        self.assertEqual(copy.read_bytes(), CONTENT)

    def test_a_live_stream_crosses_between_two_processes(self):
        source = self.refpeer("live-source", "--signature", "p384", name="source")
        client = self.refpeer("live-client", source.ready()["link"], "--seconds", "10", name="client")
        stats = client.event("stats", 15, where=lambda s: s["records"])
        self.assertEqual((stats["rejected"], stats["bad_signatures"]), (0, 0))


if __name__ == "__main__":
    unittest.main()
