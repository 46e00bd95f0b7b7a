#!/usr/bin/env python3
"""The vectors in tests/vectors say what the reference peer says.

What it writes was settled before it saw them; how strictly it reads, after.
"""
import hashlib
import unittest

import reference_scenario  # noqa: F401  where the package is
from refpeer import bins, hashes, messages, records, tree, vectors
from refpeer.addressing import Addressing
from refpeer.bins import Range
from refpeer.compat import CompatSwarm
from refpeer.cursor import Cursor
from refpeer.signatures import PublicKey, signed_text

# Lines of wire.txt where Runnel keeps limits of its own that RFC 7574 does not have, and what the RFC's arithmetic gives.
RUNNELS_LIMITS = {
    "03ffffffff": [bins.EMPTY],                                    # the empty bin is defined (4.2), if of no use here
    "03ffffffffffffffff": [bins.EMPTY],
    "037fffffffffffffff": [Range(0, 2**63 - 1)],                   # Runnel counts chunks up to 2^62 and reads "all" as that
    "03bfffffffffffffff": [Range(2**62, 2**63 - 1)],
    "038000000000000000": [Range(2**62, 2**62)],
    "0300000000000000004000000000000000": [Range(0, 2**62)],
}


class Wire(unittest.TestCase):
    def test_messages(self):
        """Bytes to messages for every line, and back for those that are to be written so."""
        checked = 0
        for entry in vectors.wire_entries():
            with self.subTest(line=entry.line):
                self.check(entry)
                checked += 1
        self.assertGreater(checked, 150)

    def check(self, entry):
        if entry.codec.addressing is None:
            self.assertEqual(entry.kind, "reject")       # byte ranges without a chunk size: no codec can be made
            return
        found, error = entry.codec.decode_all(Cursor(entry.data))
        if entry.data.hex() in RUNNELS_LIMITS:
            self.assertEqual([m.chunks for m in found], RUNNELS_LIMITS[entry.data.hex()])
            return
        wanted, is_invalid = vectors.to_messages(entry.text)
        self.assertEqual(found, wanted)
        self.assertEqual(error is not None, is_invalid, error)
        if entry.kind == "accept":
            self.assertEqual(b"".join(map(entry.codec.encode, wanted)).hex(), entry.data.hex())

    def test_no_byte_more_or_less(self):
        """Every message cut short is invalid where it is cut; what stands before it counts."""
        for entry in vectors.wire_entries():
            if entry.kind != "accept" or entry.codec.addressing is None or entry.data.hex() in RUNNELS_LIMITS:
                continue
            whole, _ = entry.codec.decode_all(Cursor(entry.data))
            for end in range(len(entry.data)):
                found, error = entry.codec.decode_all(Cursor(entry.data[:end]))
                if error is None and found != whole[:len(found)]:
                    # A chunk reaches to the end, wherever that is: only these messages have no length.
                    self.assertIn(found[-1].type, (messages.DATA, messages.PUSHED), f"line {entry.line}, {end} bytes")


class Trees(unittest.TestCase):
    def setUp(self):
        self.loose, *self.groups = vectors.tree_groups()

    def test_bins_and_intervals(self):
        for statement in self.loose:
            with self.subTest(line=statement.line):
                if statement.kind == "split":
                    cut = bins.split(vectors.to_range(statement.said))
                    self.assertEqual([vectors.to_range(word) for word in statement.result.split()], list(cut))
                else:
                    bin_, said = int(statement.said), vectors.words(statement.result)
                    self.assertEqual((bins.layer(bin_), bins.range_of(bin_), bins.parent(bin_), bins.sibling(bin_)),
                                     (int(said["layer"]), vectors.to_range(said["chunks"]), int(said["parent"]), int(said["sibling"])))
                    self.assertEqual(bins.bin_of(bins.range_of(bin_)), bin_)

    def test_static_trees(self):
        for head, *statements in self.groups:
            if head.kind != "static":
                continue
            said = vectors.words(head.said)
            function, size, content = hashes.BY_CODE[int(said["hash"])], int(said["chunk"]), vectors.to_bytes(said["content"])
            count = -(-len(content) // size)
            nodes = tree.build(function, [function.of(content[at:at + size]) for at in range(0, len(content), size)])
            for statement in statements:
                with self.subTest(line=statement.line):
                    self.check_static(statement, function, count, nodes)

    def check_static(self, statement, function, count, nodes):
        match statement.kind, statement.said.split():
            case "root", [span]:
                self.assertEqual(bins.bin_of(vectors.to_range(span)), bins.root(count))
                self.assertEqual(nodes[bins.root(count)], vectors.to_bytes(statement.result))
                peaks = [(b, nodes[b]) for b in bins.peaks(count)]
                self.assertEqual(tree.root_from_peaks(function, peaks), (bins.root(count), vectors.to_bytes(statement.result)))
            case "peaks", []:
                self.assertEqual(self.bins(statement.result), list(bins.peaks(count)))
            case "node", [number, span]:
                self.assertEqual(bins.range_of(int(number)), vectors.to_range(span))
                self.assertEqual(nodes[int(number)], vectors.to_bytes(statement.result))
            case "uncles", [chunk, "to", "the", "root"]:
                self.assertEqual(self.bins(statement.result), tree.uncles(bins.node(0, int(chunk)), bins.root(count)))
            case "uncles", [chunk, "to", "its", "peak"]:
                peak = next(b for b in bins.peaks(count) if int(chunk) <= bins.range_of(b).last)
                self.assertEqual(self.bins(statement.result), tree.uncles(bins.node(0, int(chunk)), peak))
            case _:
                self.fail(statement)

    def bins(self, text):
        return [bins.bin_of(vectors.to_range(word)) for word in text.split() if word != "-"]

    def test_munros_and_signatures(self):
        for head, *statements in self.groups:
            if head.kind == "static":
                continue
            text, span = self.signed_text_of(head)
            for statement in statements:
                with self.subTest(line=statement.line):
                    self.check_signed(statement, text, span)

    def signed_text_of(self, head):
        said, span = vectors.words(head.said), vectors.to_range(head.said.split()[0])
        addressing = Addressing(int(said["addressing"]), 0 if said["chunk"] == "variable" else int(said["chunk"]))
        if head.kind == "chunk":
            text = signed_text(addressing.encode(span), int(said["ntp"]), vectors.to_bytes(said["content"]))
            self.assertEqual(text, vectors.to_bytes(head.result))
            return text, span
        function = hashes.BY_CODE[int(said["hash"])]
        leaves = [function.of(vectors.to_bytes(word)) for word in said["leaves"].split(",")]
        leaves += [function.zero] * (span.width - len(leaves))
        munro = tree.build(function, leaves)[bins.root(span.width)]
        with self.subTest(line=head.line):
            self.assertEqual(munro, vectors.to_bytes(head.result))
        if "us" in said:                     # as older peers have it
            return CompatSwarm.signed_text(None, addressing.encode(span), int(said["us"]), munro), span
        return signed_text(addressing.encode(span), int(said["ntp"]), munro), span

    def check_signed(self, statement, text, span):
        match statement.kind, statement.said.split():
            case "signed", []:
                self.assertEqual(vectors.to_bytes(statement.result), text)
            case "uncles", [chunk, "to", "its", "munro"]:
                self.assertEqual(self.bins(statement.result), tree.uncles(bins.node(0, int(chunk)), bins.bin_of(span)))
            case "signature", [swarm, signature]:
                key = PublicKey(bytes.fromhex(swarm.removeprefix("swarm=")))
                self.assertEqual(len(signature) // 2, key.signature_bytes)
                self.assertEqual("valid" if key.verify(bytes.fromhex(signature), text) else "invalid", statement.result)
            case _:
                self.fail(statement)

    def test_the_rfcs_example_without_any_of_our_code(self):
        """5.1: seven chunks, the eighth leaf zeros."""
        head = next(group[0] for group in self.groups if group[0].kind == "static")
        content = bytes.fromhex(vectors.words(head.said)["content"])
        sha1 = lambda *parts: hashlib.sha1(b"".join(parts)).digest()  # noqa: E731
        leaf = [sha1(content[at:at + 4]) for at in range(0, 27, 4)] + [bytes(20)]
        pair = [sha1(leaf[at], leaf[at + 1]) for at in (0, 2, 4, 6)]
        root = sha1(sha1(*pair[:2]), sha1(*pair[2:]))
        self.assertEqual(next(s.result for g in self.groups for s in g if s.kind == "root"), root.hex())
        self.assertEqual([bins.bin_of(r) for r in (Range(5, 5), Range(6, 7), Range(0, 3))], [10, 13, 3])


class Stream(unittest.TestCase):
    def test_records(self):
        for name, kind in (("init", records.INIT), ("media", records.MEDIA), ("media-independent", records.MEDIA),
                           ("catalog", records.CATALOG), ("end", records.END)):
            with self.subTest(name):
                data = vectors.record_bytes(name)
                record = records.decode(data)
                self.assertEqual((record.kind, record.independent, record.epoch), (kind, name == "media-independent", 7))
                self.assertEqual(record.encode(), data)
                self.assertEqual(records.length_of(data), len(data))

    def test_a_record_with_any_bit_turned_is_none(self):
        data = vectors.record_bytes("media")
        for at in range(len(data)):
            with self.assertRaises(ValueError):
                records.decode(data[:at] + bytes([data[at] ^ 4]) + data[at + 1:])


if __name__ == "__main__":
    unittest.main()
