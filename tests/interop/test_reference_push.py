#!/usr/bin/env python3
"""Runnel and the reference peer's parent of push (docs/EXTENSIONS.md): it feeds viewers, and is banned where it spoils what it pushes."""
import dataclasses
import unittest

from reference_scenario import ReferenceScenario
from refpeer import push_values, roles, vectors
from refpeer.cursor import Malformed
from refpeer.link import parse_link
from refpeer.messages import Codec
from refpeer.misbehave import misbehaving
from refpeer.pex import Pex
from refpeer.push import PushParent
from refpeer.serve import Serve
from refpeer.signatures import NAMES as ALGORITHMS
from refpeer.signatures import PrivateKey

CHUNKS = 300
WITHIN_S = 20
BANNED = "a peer sent false data and is banned: 127.0.0.1:%d"
NOT_FOR_PARENTS = {7, 11, 13, 14, 15, 16}    # PATH, BUSY, TRAIN, SPREAD, ROOTS, INTRODUCE
REASONS = ["full", "starving", "loop"]


def to_hexes(text):
    return tuple(int(word, 16) for word in text.split(",") if word)


def to_entries(words):
    """`5:whole 6:80000001`"""
    return tuple((int(munro), push_values.WHOLE if chunks == "whole" else int(chunks, 16))
                 for munro, _, chunks in (word.partition(":") for word in words))


def to_value(text):
    """The value that a line of push.txt writes on its right."""
    name, *rest = text.split()
    said = vectors.words(text)
    match name:
        case "SUBSCRIBE":
            return push_values.Subscribe(int(said["tree"]), int(said["key"]))
        case "ACCEPT":
            return push_values.Accept(int(said["tree"]), to_hexes(said["path"]))
        case "REFUSE":
            return push_values.Refuse(int(said["tree"]), REASONS.index(rest[1]), int(said["hint"], 16), int(said.get("place", 0)))
        case "REDIRECT":
            return push_values.Redirect(int(said["tree"]), int(said["hint"], 16))
        case "UNSUBSCRIBE":
            return push_values.Unsubscribe(int(said["tree"]))
        case "ADVERT":
            numbers = [int(said[word]) for word in ("uplink", "room", "queue", "sent", "echo", "held", "delay")]
            return push_values.Advert(*numbers, bytes.fromhex(said["lag"]), bytes.fromhex(said["weakest"]))
        case "HAVE_MAP":
            return push_values.HaveMap(to_entries(rest))
        case "NACK":
            return push_values.Nack(to_entries(rest))
        case "BUNDLE":
            leaves = tuple(bytes.fromhex(word) for word in said["leaves"].split(","))
            return push_values.Bundle(int(rest[0]), int(said["ntp"]), bytes.fromhex(rest[2]), leaves)
    raise ValueError(text)


class Values(unittest.TestCase):
    codec = Codec(None, 4, 6)            # the sizes in push.txt

    def test_vectors(self):
        """Bytes to values for every line of a kind that parents say or hear, and back for those that are to be written so."""
        checked, left_out = set(), set()
        for line, text in vectors.lines("push.txt"):
            said, _, wanted = text.partition("=>")
            kind, number, *data = said.split()
            number, data = int(number), vectors.to_bytes("".join(data))
            with self.subTest(line=line):
                if kind == "reject":
                    with self.assertRaises(Malformed):
                        push_values.decode(number, data, self.codec)
                elif number not in push_values.KINDS:
                    left_out.add(number)
                else:
                    value = to_value(wanted.strip())
                    self.assertEqual(push_values.decode(number, data, self.codec), value)
                    if kind == "accept":
                        self.assertEqual(push_values.to_extension(value).value.hex(), data.hex())
                    checked.add(number)
        self.assertEqual(left_out, NOT_FOR_PARENTS)
        self.assertEqual(checked, set(push_values.KINDS) - {push_values.Hello.number})

    def test_hello(self):
        """Of an earlier version, of ours, and of a later one."""
        known = push_values.Hello(0x1122334455667788, 7, 1)
        self.assertEqual(known.encode().hex(), "1122334455667788000701")
        for text, abilities in (("11223344556677880007", 0), ("1122334455667788000701", 1), ("1122334455667788000703ff", 3)):
            self.assertEqual(push_values.decode(1, bytes.fromhex(text), None), dataclasses.replace(known, abilities=abilities))
        begins = dataclasses.replace(known, beginning=0x102030405)
        self.assertEqual(begins.encode().hex(), "11223344556677880007010000000102030405")
        for end in ("", "ff"):
            self.assertEqual(push_values.decode(1, begins.encode() + bytes.fromhex(end), None), begins)

    def test_trees(self):
        """Both halves of a munro lie in all sixteen trees, in turn; SplitMix64's first number from a seed of zero is well known."""
        self.assertEqual(push_values.mix64(0), 0xe220a8397b1dcdaf)
        trees = [push_values.tree_of(32 * 435485593088 + leaf) for leaf in range(32)]
        self.assertEqual([(tree - trees[0]) % 16 for tree in trees], [*range(16)] * 2)


class TellsNobody(Pex):
    """Whoever asks hears of nobody, and so stays with us."""

    def answer(self, channel, now):
        pass


class PushScenario(ReferenceScenario):
    def pushing_source(self, push):
        return self.live_source(PrivateKey.generate(ALGORITHMS["p256"]), push=push)

    def pushing_client(self, caster, push):
        """A reference client that fetches from the caster, and pushes what it has."""
        swarm = dataclasses.replace(parse_link(caster.link)[0], version=2)
        return self.live_client_of(caster, swarm, push=push, pex=TellsNobody())


class Parents(PushScenario):
    def assertFeeds(self, parent, push):
        """A viewer that knows nobody else: it wants all trees, and soon what it verifies comes by push, and hardly any by pull."""
        node = self.watch(self.link_to(parent))
        serve = roles.part(parent.peer, Serve)
        all_trees = set(range(push_values.SUBSTREAMS))
        wanted = parent.wait_for(lambda: all_trees <= {t for c in parent.peer.open_channels() for t in c.of(push).trees}, WITHIN_S)
        self.assertTrue(wanted, f"{push.subscribes} times it was asked for a tree; {dict(parent.peer.counts)} {node.error_text()}")

        def fed():
            pushed, pulled, verified = push.pushed, serve.served, node.next_stats()["verified"]
            node.event("stats", WITHIN_S, where=lambda s: s["verified"] >= verified + CHUNKS)
            return push.pushed - pushed >= CHUNKS and serve.served - pulled <= 0.1 * (push.pushed - pushed)
        self.eventually(fed, WITHIN_S, "stretch of the stream by push")
        self.assertGreater(push.bundles, 0)
        self.assertEqual((node.last_stats()["rejected"], parent.peer.complaints), (0, []))
        self.assertNotIn("banned", node.error_text())
        self.assertStops(node)

    def test_a_source_that_pushes_feeds_a_viewer(self):
        push = PushParent(is_source=True)
        self.assertFeeds(self.pushing_source(push), push)

    def test_a_client_that_pushes_feeds_a_viewer_that_knows_nobody_else(self):
        push = PushParent()
        self.assertFeeds(self.pushing_client(self.cast("test:"), push), push)


class Liars(PushScenario):
    def bans_and_goes_on(self, liar, push, link):
        """The liar is found out by what it pushes, and never heard again; others bring the stream, and nothing wrong is passed on."""
        node = self.watch(link)
        node_address = self.address_of(node)
        node.wait_for(lambda: any(BANNED % liar.address[1] in line for _, line in node.err), WITHIN_S, "ban")
        self.assertGreater(push.subscribes, 0)
        gone = liar.wait_for(lambda: all(c.address != node_address for c in liar.peer.open_channels()), 5)
        self.assertTrue(gone, "the channel to the liar was left open")
        node.next_stats()   # may tell of before the ban
        asked, stats = push.subscribes, node.next_stats()
        later = node.event("stats", WITHIN_S, where=lambda s: s["verified"] >= stats["verified"] + CHUNKS)
        self.assertEqual(push.subscribes, asked, "the liar was asked again")
        self.assertEqual(later["rejected"], stats["rejected"])
        self.assertFollows(self.live_client_of(node, parse_link(link)[0]), 50)
        self.assertStops(node)
        return later["rejected"]

    def test_who_pushes_wrong_chunks_is_banned(self):
        """Beside an honest caster."""
        caster, push = self.cast("test:"), misbehaving("bad-push", PushParent)()
        liar = self.pushing_client(caster, push)
        link = f"{caster.link}&x.pe=127.0.0.1:{liar.address[1]}"
        self.assertGreaterEqual(self.bans_and_goes_on(liar, push, link), 2)
        self.assertGreaterEqual(push.pushed, 2)

    def test_who_pushes_wrong_bundles_is_banned(self):
        """The liar is the source itself, since nobody looks at a bundle of what is known already: no other's can come first. An
        honest client beside it has the stream by pull."""
        push = misbehaving("bad-bundle", PushParent)(is_source=True)
        liar = self.pushing_source(push)
        honest = self.live_client_of(liar, dataclasses.replace(liar.peer.swarm, version=1))
        self.assertEqual(self.bans_and_goes_on(liar, push, self.link_to(liar, honest)), 0)
        self.assertGreaterEqual(push.bundles, 2)


if __name__ == "__main__":
    unittest.main()
