#!/usr/bin/env python3
"""A file crosses between Runnel and the reference peer, both ways, in every way of hashing and addressing of RFC 7574."""
import json
import unittest

from reference_scenario import CHUNK_SIZE, COMPLETE_WITHIN_S, FULL, RUNNEL, ReferenceScenario
from refpeer import roles
from refpeer.addressing import NAMES
from refpeer.fetch import Fetch
from refpeer.hashes import BY_NAME
from refpeer.serve import Serve
from refpeer.swarm import Swarm


class Exchange(ReferenceScenario):
    """One megabyte. A test a combination, so that one that fails does not hide others. All of them with `./run test --full`; else each
    hash with the addressing of 32-bit chunk ranges, and each addressing with the two hashes that all peers must know (7.6)."""

    def fetches(self, hash_name, addressing_name):
        content = self.content()
        seeder = self.seeder(content, hash_name, addressing_name)
        node = self.watch(self.link_to(seeder), "--out", self.folder / "copy")
        self.assertComplete(node, content)
        self.assertEqual((self.folder / "copy").read_bytes(), content)
        self.assertEqual(seeder.peer.complaints, [])
        self.assertStops(node)

    def serves(self, hash_name, addressing_name):
        """Runnel gets the file by 32-bit chunk ranges, then opens it as a swarm of the addressing in question."""
        content, copy = self.content(), self.folder / "copy"
        seeder = self.seeder(content, hash_name)
        first = self.watch(self.link_to(seeder), "--out", copy, "--until-complete")
        self.assertEqual(first.wait_exit(15), 0)
        node = self.watch(self.link_to(seeder, ca=NAMES[addressing_name]).replace("&ca=2", "", 1), "--out", copy)
        self.assertComplete(node, content)
        known = seeder.peer.swarm
        leecher = self.leecher_of(node, Swarm(known.id, hash_function=known.hash_function, addressing=NAMES[addressing_name],
                                              chunk_size=known.chunk_size, lists_messages=hash_name != "sha1"))
        self.assertFetched(leecher, content, node)
        self.assertStops(node)


def add_combinations():
    for hash_name in BY_NAME:
        for addressing_name in NAMES:
            if not (FULL or hash_name in ("sha1", "sha256") or addressing_name == "chunks32"):
                continue
            for way in ("fetches", "serves"):
                def test(self, way=way, hash_name=hash_name, addressing_name=addressing_name):
                    getattr(self, way)(hash_name, addressing_name)
                setattr(Exchange, f"test_runnel_{way}_{hash_name}_{addressing_name}", test)


add_combinations()


class Cast(ReferenceScenario):
    def cast_file(self, content, *arguments):
        source = self.folder / "source"
        source.write_bytes(content)
        return self.cast(source, *arguments)

    def fetch_from_cast(self, content, *arguments, timeout_s=COMPLETE_WITHIN_S, **metadata):
        caster = self.cast_file(content, *arguments)
        leecher = self.leecher_of(caster, Swarm(bytes.fromhex(caster.id), **metadata))
        self.assertFetched(leecher, content, caster, timeout_s)
        self.assertStops(caster)

    def test_the_reference_peer_fetches_what_is_cast(self):
        self.fetch_from_cast(self.content())

    def test_the_reference_peer_fetches_what_is_cast_with_other_chunk_sizes(self):
        for chunk_size in (512, 1024, 1300):
            with self.subTest(chunk_size=chunk_size):
                self.fetch_from_cast(self.content(200_001), "--chunk-size", str(chunk_size), chunk_size=chunk_size)

    def test_the_reference_peer_fetches_what_is_cast_by_every_hash(self):
        for name, function in BY_NAME.items():
            with self.subTest(hash=name):
                self.fetch_from_cast(self.content(), "--hash", name, hash_function=function.code)

    def test_who_watches_a_cast_of_another_hash_gets_the_file_by_its_link(self):
        for name, function in BY_NAME.items():
            with self.subTest(hash=name):
                content = self.content(100_003)
                caster = self.cast_file(content, "--hash", name)
                self.assertEqual(len(caster.id), 2 * function.length)
                node = self.watch(caster.link, "--out", self.folder / f"copy-{name}")
                self.assertComplete(node, content)
                self.assertStops(node)
                self.assertStops(caster)

    def test_the_reference_peer_fetches_from_a_compat_cast(self):
        self.fetch_from_cast(self.content(), "--compat", hash_function=0, chunk_size=1024, lists_messages=False)

    def test_a_compat_cast_answers_peers_that_list_the_messages_of_the_rfc(self):
        """7.10: the option may be there; and 3.1.1 knows no reason for silence but a failed check."""
        self.fetch_from_cast(self.content(100_000), "--compat", timeout_s=4, hash_function=0, chunk_size=1024)

    def test_files_of_every_awkward_size_cross(self):
        """One chunk, less than one, exact multiples, powers of two and their neighbours."""
        for size in (1, 1079, 1080, 1081, 4 * 1080, 7 * 1080, 8 * 1080 + 1):
            with self.subTest(size=size):
                self.fetch_from_cast(self.content(size))

    def test_a_peer_that_derives_no_hash_from_others_gets_the_file(self):
        """Runnel sends the leaf hashes of a block ahead of it. Who takes only hashes that are sent themselves (5.4) asks again."""
        content = self.content()
        caster = self.cast_file(content)
        peer = roles.leecher(Swarm(bytes.fromhex(caster.id)))
        peer.store.tree.derives = False
        leecher = self.host(peer)
        leecher.connect(self.address_of(caster))
        self.assertFetched(leecher, content, caster)
        print(f"{roles.part(peer, Fetch).missing} chunks came before hashes that this peer could not do without")

    def test_a_leecher_that_knows_the_size_fetches_as_well(self):
        content = self.content()
        caster = self.cast_file(content)
        self.assertFetched(self.leecher_of(caster, Swarm(bytes.fromhex(caster.id), content_bytes=len(content))), content, caster)

    def test_a_cast_feeds_two_leechers_that_feed_each_other(self):
        content = self.content()
        caster = self.cast_file(content)
        swarm = Swarm(bytes.fromhex(caster.id))
        one, other = self.leecher_of(caster, swarm), self.leecher_of(caster, swarm)
        one.connect(other.address)
        for leecher in (one, other):
            self.assertFetched(leecher, content, caster)


class BareIds(ReferenceScenario):
    """5.6: no more is known than the id; the size follows from the peaks, and from the last chunk's length."""

    def fetches(self, content, hash_name, *arguments):
        seeder = self.seeder(content, hash_name, knows_size=False)
        node = self.watch(seeder.peer.swarm.id.hex(), "--peer", "%s:%d" % seeder.address, *arguments)
        self.assertComplete(node, content)

    def test_runnel_finds_the_size_of_a_bare_id_of_every_hash(self):
        for name in BY_NAME:
            with self.subTest(hash=name):
                self.fetches(self.content(100_003), name)

    def test_what_the_root_is_the_hash_of_is_no_file(self):
        """5.1 hashes leaves and nodes alike, so the root's two children joined look like a file of one chunk. Without a size from the link
        that is never believed."""
        for name, function in BY_NAME.items():
            with self.subTest(hash=name):
                size = CHUNK_SIZE.get(name, 1080)
                content = self.content(2 * size)
                joined = function.of(content[:size]) + function.of(content[size:])
                liar = self.seeder(joined, name, knows_size=False)
                self.assertEqual(liar.peer.swarm.id, roles.seeder(content, function.code, chunk_size=size).swarm.id)
                node = self.watch(liar.peer.swarm.id.hex(), "--peer", "%s:%d" % liar.address)
                self.assertTrue(liar.wait_for(lambda: roles.part(liar.peer, Serve).served > 1, 5))
                self.assertStops(node)
                self.assertEqual(node.all_events("complete"), [])

    def test_runnel_finds_the_size_of_a_bare_id(self):
        for size in (1, 1081, 4 * 1080, 100_003):
            with self.subTest(size=size):
                self.fetches(self.content(size), "sha256")

    def test_runnel_finds_the_size_of_a_bare_id_of_an_older_peer(self):
        self.fetches(self.content(100_003), "sha1", "--compat")


class TwentyMegabytes(ReferenceScenario):
    SIZE = 20_000_000

    def both_ways(self, hash_name, cast_arguments, **metadata):
        content, source = self.content(self.SIZE), self.folder / "source"
        seeder = self.seeder(content, hash_name)
        node = self.watch(self.link_to(seeder), "--out", self.folder / "copy")
        self.assertComplete(node, content, 40)
        self.assertStops(node)
        source.write_bytes(content)
        caster = self.cast(source, *cast_arguments)
        self.assertEqual(bytes.fromhex(caster.id), seeder.peer.swarm.id)
        leecher = self.leecher_of(caster, Swarm(bytes.fromhex(caster.id), **metadata))
        self.assertFetched(leecher, content, caster, 40)

    def test_twenty_megabytes_of_sha256(self):
        self.both_ways("sha256", [])

    def test_twenty_megabytes_of_sha1(self):
        self.both_ways("sha1", ["--compat"], hash_function=0, chunk_size=1024, lists_messages=False)


class Roots(ReferenceScenario):
    def test_both_compute_the_same_id_for_a_file(self):
        """5.1, whatever the number of chunks: padding is where implementations differ."""
        for chunks in (1, 2, 3, 5, 7, 8, 9, 33):
            content = self.content(chunks * 1080 - 11)
            source = self.folder / f"{chunks}"
            source.write_bytes(content)
            for name, function in BY_NAME.items():
                with self.subTest(chunks=chunks, hash=name):
                    status, out, _ = self.run_to_end([RUNNEL, "inspect", "--json", "--hash", name, source])
                    self.assertEqual((status, json.loads(out)["id"]), (0, roles.seeder(content, function.code).swarm.id.hex()))


if __name__ == "__main__":
    unittest.main()
