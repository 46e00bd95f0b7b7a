#!/usr/bin/env python3
"""tools/wireshark/ppspp.lua as a third reading of the wire: what tshark finds in captures is what the reference peer reads there,
and no byte is left over."""
import datetime
import os
import pathlib
import random
import re
import subprocess
import tempfile
import unittest

from cryptography.hazmat.primitives.asymmetric import ec

from reference_scenario import ReferenceScenario
from refpeer import bins, clock, messages, records, roles, vectors
from refpeer.addressing import NAMES as ADDRESSINGS
from refpeer.compat import CompatSource, CompatSwarm
from refpeer.cursor import Cursor
from refpeer.fetch import Fetch
from refpeer.hashes import BY_NAME
from refpeer.link import parse_link
from refpeer.live import LiveSource
from refpeer.messages import Handshake, Have
from refpeer.options import VARIABLE_CHUNK_SIZE, Options
from refpeer.pex import Pex, make_certificate
from refpeer.signatures import NAMES as ALGORITHMS
from refpeer.signatures import PrivateKey
from refpeer.swarm import SIGN_ALL, UNIFIED, Swarm, live_swarm
from refpeer.wire_in_memory import Network
from support import capture
from test_reference_vectors import RUNNELS_LIMITS
from support.relay import Relay, is_dtls

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTENT = random.Random(7574).randbytes(20_003)
CALLER, CALLED = ("192.0.2.1", 40001), ("192.0.2.2", 6778)


def setUpModule():
    if capture.TSHARK is None:
        raise unittest.SkipTest("tshark is not installed")


class CaptureTest(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="runnel-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


def said_by_tshark(dissected):
    """What the fields of one datagram say: (name, number or bytes), in their order."""
    said = []
    for field in dissected.fields:
        if field.name in NUMBERS:
            said.append((NUMBERS[field.name], int(field.shown, 0)))
        elif field.name in BYTES:
            said.append((BYTES[field.name], bytes.fromhex(field.raw)))
    return said


NUMBERS = {f"ppspp.{name}": name for name in ("type", "source_channel", "version", "min_version", "integrity_method", "hash_function",
                                              "signature_algorithm", "addressing", "chunk_size", "discard_window", "first", "last",
                                              "time_us", "delay_us", "extension")}
NUMBERS["ppspp.pex.port"] = "port"
NUMBERS["ppspp.pushed.time_us"] = "time_us"
BYTES = {f"ppspp.{name}": name for name in ("swarm_id", "supported_messages", "hash", "ntp_time", "signature", "chunk")}
BYTES["ppspp.pex.certificate"] = "certificate"
BYTES["ppspp.unix_time"] = "ntp_time"        # the same place; older peers have another time there
OPTION_NAMES = {"version": "version", "min_version": "min_version", "swarm_id": "swarm_id", "integrity": "integrity_method",
                "hash_function": "hash_function", "signature_algorithm": "signature_algorithm", "addressing": "addressing",
                "discard_window": "discard_window", "supported": "supported_messages", "chunk_size": "chunk_size"}


def said_by_reference(found):
    """The same, of messages as the reference peer reads them."""
    said = []
    for m in found:
        said.append(("type", m.type))
        if isinstance(m, Handshake):
            said.append(("source_channel", m.channel))
            for name, value in vars(m.options).items():
                if name == "supported" and value is not None:
                    value = messages.options.encode_bitmap(value)
                if value is not None:
                    said.append((OPTION_NAMES[name], value))
            continue
        if hasattr(m, "chunks"):
            said += [("first", m.chunks.first), ("last", m.chunks.last)]
        for name, kept in (("time_us", "time_us"), ("delay_us", "delay_us"), ("payload", "chunk"), ("hash", "hash"), ("ntp_time", "ntp_time"),
                           ("signature", "signature"), ("port", "port"), ("certificate", "certificate"), ("number", "extension")):
            if hasattr(m, name):
                value = getattr(m, name)
                said.append((kept, value.to_bytes(8, "big") if name == "ntp_time" else value))
    return [pair for pair in said if pair != ("certificate", b"")]


class Understood:
    """For test cases with a `folder`."""

    def dissect(self, datagrams, *options):
        path = self.folder / "capture.pcap"
        capture.write_pcap(path, datagrams)
        return capture.dissect(path, self.folder, *options)

    def assertUnderstood(self, datagrams, codec, *options):
        """Each is read as the reference peer reads it, to the last byte. Returns what tshark made of them, and the kinds of messages."""
        return self.assertAllUnderstood([("", datagrams, codec)], *options)

    def assertAllUnderstood(self, conversations, *options):
        """The same for several conversations, (name, datagrams, codec), in one capture, each between hosts of its own."""
        def on_host(number, address):
            return f"10.{number}.0.1" if "." in address[0] else address[0], address[1]
        datagrams = [(on_host(number, source), on_host(number, target), data)
                     for number, (_, seen, _) in enumerate(conversations) for source, target, data in seen]
        rows = [(name, codec) for name, seen, codec in conversations for _ in seen]
        dissected, kinds = self.dissect(datagrams, *options), set()
        for number, (found, (_, _, data), (name, codec)) in enumerate(zip(dissected, datagrams, rows, strict=True), 1):
            where = f"datagram {number} {name}"
            wanted, error = codec.decode_all(Cursor(data, 4))
            self.assertIsNone(error, where)
            self.assertEqual(said_by_tshark(found), said_by_reference(wanted), where)
            self.assertEqual((found.faults, found.covered), ([], set(range(len(data)))), where)
            kinds.update(type(m).__name__ for m in wanted)
        self.assertTrue(kinds)
        return dissected, kinds


HELLO, BUNDLE = 1, 12
EXTENSION_HEAD_BYTES = 5
PUSH_FORMAT = "addressing=4 hash=32 signature=64 chunk=1024 content=unknown"
PUSH_NAMES = dict(enumerate("SUBSCRIBE ACCEPT REFUSE REDIRECT UNSUBSCRIBE PATH ADVERT HAVE_MAP NACK BUSY BUNDLE TRAIN SPREAD ROOTS INTRODUCE".split(), 2))


def extension(number, value):
    return b"\xe0" + number.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def widened(value):
    """A bundle of the vectors, whose signatures have 6 bytes and hashes 4, with as many as P-256 and SHA-256 have."""
    return value[:16] + value[16:17] * 64 + b"".join(value[at:at + 4] * 8 for at in range(22, len(value), 4))


def push_entries():
    """tests/vectors/push.txt: each value in its message."""
    for line, text in vectors.lines("push.txt"):
        said, _, wanted = text.partition(" => ")
        kind, number, value = said.split(maxsplit=2)
        number, value = int(number), vectors.to_bytes(value)
        if number == BUNDLE:
            value = widened(value)
            wanted = re.sub(r"\b[0-9a-f]{8}\b", lambda leaf: leaf[0] * 8, re.sub(r"\b(c3){6}\b", "c3" * 64, wanted))
        yield vectors.Entry(line, kind, None, extension(number, value), wanted, PUSH_FORMAT)


def push_text(number, dissected, value_bytes):
    """What the fields of a message of push say, as push.txt writes it."""
    def raw(name):
        return [field.raw for field in dissected.fields if field.name == f"ppspp.{name}"]

    def numbers(name):
        return [str(int(shown, 0)) for shown in dissected.values(f"ppspp.{name}")]

    def entries():
        chunks = iter(raw("map.chunks"))
        which = ["whole" if whole == "1" else next(chunks) for whole in dissected.values("ppspp.map.whole")]
        return [f"{munro}:{one}" for munro, one in zip(numbers("push.munro"), which, strict=True) if one != "00000000"]

    def word(name, values):
        return f"{name}={','.join(values)}"

    tree = word("tree", numbers("push.tree"))
    match PUSH_NAMES[number]:
        case "SUBSCRIBE":
            words = [tree, word("key", numbers("push.key"))]
        case "ACCEPT" | "PATH":
            words = [tree, word("path", raw("push.path"))]
        case "REFUSE":
            words = [tree, ["full", "starving", "loop"][int(numbers("push.reason")[0])], word("hint", raw("push.hint"))]
            words += [word("place", places) for places in [numbers("push.place")] if places not in ([], ["0"])]
        case "REDIRECT":
            words = [tree, word("hint", raw("push.hint"))]
        case "UNSUBSCRIBE":
            words = [tree]
        case "ADVERT":
            plain = {"uplink": "uplink", "room": "room", "queue": "queue", "sent": "sent_us", "echo": "echo_us", "held": "held_us",
                     "delay": "delay_us"}
            words = [word(name, numbers(f"advert.{field}")) for name, field in plain.items()]
            words += ["lag=" + "".join(raw("advert.lag")), "weakest=" + "".join(raw("advert.least_key"))]
        case "HAVE_MAP" | "NACK":
            words = entries()
        case "BUSY":
            words = numbers("busy.queue_ms") + entries()
        case "BUNDLE":
            words = numbers("push.munro") + [f"ntp={int(raw('bundle.ntp_time')[0], 16)}"] + raw("bundle.signature")
            words.append(word("leaves", raw("bundle.leaf")))
        case "TRAIN":
            words = numbers("train") + [word("datagrams", numbers("train.datagrams")), f"size={value_bytes}"]
        case "SPREAD":
            words = numbers("train") + [word("datagrams", numbers("train.datagrams")), word("us", numbers("train.spread_us"))]
        case "ROOTS":
            words = [",".join(raw("root"))]
        case "INTRODUCE":
            words = raw("whom")
    return " ".join([PUSH_NAMES[number], *words])


class Vectors(Understood, CaptureTest):
    """tests/vectors: each message in a conversation of its own, behind a handshake that says what the vector's format says."""
    # What can only be known with the content's size, which no handshake tells.
    NOT_TO_BE_SEEN = ("a byte range that does not lie on chunk borders", "a byte range in a swarm whose chunks have no fixed size")
    CHANNEL = 0x01020304

    def setUp(self):
        super().setUp()
        rsa = bytes([8, 3, 1, 0, 1]) + bytes([0xC1]) * 256
        self.swarm_ids = {0: None, 64: b"\x0d" + bytes(64), 96: b"\x0e" + bytes(96), 256: rsa}

    def handshake(self, entry):
        said = vectors.words(entry.format)
        signature, hash_bytes = int(said["signature"]), int(said["hash"])
        integrity = UNIFIED if signature else 1 if hash_bytes else 0
        function = next((f.code for f in BY_NAME.values() if f.length == hash_bytes), None)
        chunk = VARIABLE_CHUNK_SIZE if said["chunk"] == "variable" else int(said["chunk"])
        options = Options(version=1, min_version=1, swarm_id=self.swarm_ids[signature], integrity=integrity, hash_function=function,
                          addressing=int(said["addressing"]), chunk_size=chunk)
        return bytes(4) + b"\0" + self.CHANNEL.to_bytes(4, "big") + options.encode()

    def conversations(self, entries, bodies):
        """For each entry a handshake, and the body in a datagram that goes back."""
        for number, (entry, body) in enumerate(zip(entries, bodies)):
            caller = ("192.0.2.1", 20000 + number)
            yield caller, CALLED, self.handshake(entry)
            yield CALLED, caller, self.CHANNEL.to_bytes(4, "big") + body

    def test_every_message_is_read_as_its_vector_says(self):
        entries = list(vectors.wire_entries())
        dissected = self.dissect(self.conversations(entries, [e.data for e in entries]))[1::2]
        self.assertGreater(len(entries), 150)
        for entry, found in zip(entries, dissected, strict=True):
            with self.subTest(line=entry.line):
                self.check(entry, found)

    def check(self, entry, found):
        wanted, _ = vectors.to_messages(entry.text)
        said, wanted_said = said_by_tshark(found), said_by_reference(wanted)
        self.assertIn("ppspp", found.protocols)
        self.assertEqual(found.covered, set(range(4 + len(entry.data))))
        if entry.data.hex() in RUNNELS_LIMITS:
            by_the_rfc = [Have(chunks) for chunks in RUNNELS_LIMITS[entry.data.hex()]]
            self.assertEqual(said, [pair for pair in said_by_reference(by_the_rfc) if by_the_rfc[0].chunks != bins.EMPTY or pair[0] == "type"])
            return
        if entry.kind == "reject":
            self.assertEqual(said[:len(wanted_said)], wanted_said)
            if not entry.text.endswith(self.NOT_TO_BE_SEEN):
                self.assertTrue(found.faults, "nothing is said to be wrong with it")
            return
        self.assertEqual(found.faults, [])
        if entry.kind == "accept":
            self.assertEqual(said, wanted_said)

    def test_no_message_cut_short_or_spoilt_is_more_than_the_dissector_can_bear(self):
        seed = int(os.environ.get("RUNNEL_SEED", random.SystemRandom().randrange(2**32)))
        print(f"RUNNEL_SEED={seed}")
        chance, entries, bodies = random.Random(seed), [], []
        for entry in [*vectors.wire_entries(), *push_entries()]:
            for _ in range(12):
                body = bytearray(entry.data[:chance.randrange(len(entry.data) + 1)])
                if body and chance.random() < 0.7:
                    body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
                entries.append(entry)
                bodies.append(bytes(body))
        path = self.folder / "capture.pcap"
        capture.write_pcap(path, self.conversations(entries, bodies))
        # A fault of the script, or an exception of Wireshark's own, instead of a message that says what is invalid.
        out = capture.run_tshark("-r", path, "-Y", "_ws.lua.text or _ws.malformed", *capture.as_ppspp(CALLED[1]), folder=self.folder)
        self.assertEqual(out, "")

    def test_hello_and_extensions_that_are_not_known(self):
        hello = bytes.fromhex("e0 0001 000a 1122334455667788 0007")
        pushes = bytes.fromhex("e0 0001 000b 1122334455667788 0007 03")
        begins = bytes.fromhex("e0 0001 0013 1122334455667788 0007 01 0000000000000105")
        later = bytes.fromhex("e0 0001 0015 1122334455667788 0007 00 0000000000000105 aabb")
        short = bytes.fromhex("e0 0001 0009 1122334455667788 00")
        unknown = bytes.fromhex("e0 1234 0003 010203 0b")
        bodies = [hello, pushes, begins, later, short, unknown]
        known, able, begun, newer, cut, other = self.dissect(self.conversations([next(vectors.wire_entries())] * len(bodies), bodies))[1::2]
        self.assertEqual((known.values("ppspp.hello.node_id"), known.values("ppspp.hello.watchers")), (["0x1122334455667788"], ["7"]))
        self.assertEqual([d.values("ppspp.hello.abilities") for d in (known, able, newer)], [[], ["0x03"], ["0x00"]])
        self.assertEqual([d.values("ppspp.hello.pushes") for d in (known, able, newer)], [[], ["1"], ["0"]])
        self.assertEqual([d.values("ppspp.hello.beginning") for d in (able, begun, newer)], [[], ["261"], ["261"]])
        self.assertEqual([d.values("ppspp.extension.value") for d in (known, able, begun, newer)], [[], [], [], ["aa:bb"]])
        self.assertTrue(cut.faults)
        self.assertEqual((other.values("ppspp.extension"), other.values("ppspp.type")), (["4660"], ["224", "11"]))
        self.assertEqual([d.faults for d in (known, able, begun, newer, other)], [[]] * 5)

    def test_every_message_of_push_is_read_as_its_vector_says(self):
        entries = list(push_entries())
        found = self.dissect(self.conversations(entries, [e.data for e in entries]))[1::2]
        self.assertGreater(len(entries), 35)
        for entry, datagram in zip(entries, found, strict=True):
            with self.subTest(line=entry.line):
                number = int.from_bytes(entry.data[1:3], "big")
                self.assertEqual((datagram.values("ppspp.type"), datagram.values("ppspp.extension")), (["224"], [str(number)]))
                self.assertEqual(datagram.covered, set(range(4 + len(entry.data))))
                if entry.kind == "reject":
                    self.assertEqual(bool(datagram.faults), number in PUSH_NAMES or number == HELLO)
                    continue
                self.assertEqual(datagram.faults, [])
                self.assertEqual(push_text(number, datagram, len(entry.data) - EXTENSION_HEAD_BYTES), entry.text)
                self.assertEqual(datagram.values("ppspp.extension.value"), ["ff"] if entry.kind == "tolerate" else [])

    def in_list(self, entries):
        path = self.folder / "capture.pcap"
        capture.write_pcap(path, self.conversations(entries, [e.data for e in entries]))
        return capture.run_tshark("-r", path, "-T", "fields", "-e", "_ws.col.Info", folder=self.folder).splitlines()[1::2]

    def test_the_list_of_packets_says_who_pushes_and_how_much_more_there_is(self):
        values = {"HELLO 7 watchers": (1, bytes(8) + b"\0\7\0"), "HELLO 7 watchers, pushes": (1, bytes(8) + b"\0\7\1"),
                  f"PATH tree=5 path={'00000000,' * 12}and 8 more": (7, b"\5" + bytes(4 * 20)), "NACK (invalid)": (10, b"\0")}
        entries = [next(push_entries())._replace(data=extension(*value)) for value in values.values()]
        self.assertEqual(self.in_list(entries), [f"{self.CHANNEL:08x} EXTENSION {wanted}" for wanted in values])

    def test_the_list_of_packets_names_messages_of_push_as_the_vectors_do(self):
        entries = [e for e in push_entries() if e.kind == "accept"]
        for entry, info in zip(entries, self.in_list(entries), strict=True):
            wanted = entry.text.partition(" lag=")[0]
            if wanted.startswith("BUNDLE"):
                wanted = f"{' '.join(wanted.split()[:2])} leaves={wanted.count(',') + 1}"
            self.assertEqual(info, f"{self.CHANNEL:08x} EXTENSION {wanted}")

    def test_limits_of_push_are_the_last_that_is_read(self):
        """Entries of a map, nodes of a path, hashes of a bundle: one more is a fault, and what follows the message is read all the same."""
        head, unchoke = bytes(16) + bytes(64), b"\x0b"
        within = [(9, bytes(8) + b"\x80" + b"\x81" * 127), (7, b"\x05" + bytes(4 * 32)), (12, head + b"\1" * 32 * 32)]
        beyond = [(9, within[0][1] + b"\x81"), (7, within[1][1] + bytes(4)), (12, within[2][1] + b"\1" * 32)]
        bodies = [extension(*message) + unchoke for message in within + beyond]
        found = self.dissect(self.conversations([next(push_entries())] * 6, bodies))[1::2]
        self.assertEqual([bool(d.faults) for d in found], [False] * 3 + [True] * 3)
        self.assertEqual([d.values("ppspp.type") for d in found], [["224", "11"]] * 6)
        self.assertEqual([len(d.values(name)) for d, name in zip(found, ("ppspp.map.entry", "ppspp.push.path", "ppspp.bundle.leaf") * 2)],
                         [128, 32, 32] * 2)
        self.assertEqual([bool(d.values("ppspp.extension.value")) for d in found], [False] * 3 + [True] * 3)

    def test_a_munro_past_the_last_is_a_fault_also_where_the_sum_wraps(self):
        maps = [bytes.fromhex(start) + b"\x81" for start in ("01fffffffffffffe", "01ffffffffffffff", "ffffffffffffffff")]
        found = self.dissect(self.conversations([next(push_entries())] * 3, [extension(9, value) for value in maps]))[1::2]
        self.assertEqual([bool(d.faults) for d in found], [False, True, True])

    def test_only_zeros_are_padding_of_a_train(self):
        bodies = [extension(13, bytes.fromhex(f"0102 08 0000{last}")) for last in ("00", "07")]
        plain, other = self.dissect(self.conversations([next(push_entries())] * 2, bodies))[1::2]
        self.assertEqual((plain.values("ppspp.train.padding"), plain.values("ppspp.extension.value")), (["00:00:00"], []))
        self.assertEqual((other.values("ppspp.train.padding"), other.values("ppspp.extension.value")), ([], ["00:00:07"]))
        self.assertEqual((plain.faults, other.faults), ([], []))

    def test_a_bundle_is_read_by_the_swarms_lengths(self):
        """As the preferences say where there was no handshake; a handshake that leaves the signature open leaves the rest of the bundle
        open, and one of a swarm without signatures makes it a fault."""
        bundle = extension(12, bytes.fromhex("0000000000000005 e8fe6f8000000000") + b"\xc3" * 96 + b"\1" * 20 + b"\2" * 20)
        found, = self.dissect([(CALLER, CALLED, self.CHANNEL.to_bytes(4, "big") + bundle)], *capture.as_ppspp(CALLED[1]),
                              "-o", "ppspp.assume:TRUE", "-o", "ppspp.assumed_hash:20", "-o", "ppspp.assumed_signature:96")
        self.assertEqual(found.values("ppspp.bundle.signature"), [bytes([0xC3] * 96).hex(":")])
        self.assertEqual(found.values("ppspp.bundle.leaf"), [bytes([value] * 20).hex(":") for value in (1, 2)])
        self.assertEqual((found.faults, found.values("ppspp.extension.value")), ([], []))

        for integrity, is_fault in ((UNIFIED, False), (0, True)):
            options = Options(version=2, min_version=1, integrity=integrity)
            said = bytes(4) + b"\0" + self.CHANNEL.to_bytes(4, "big") + options.encode()
            found = self.dissect([(CALLER, CALLED, said), (CALLED, CALLER, self.CHANNEL.to_bytes(4, "big") + bundle)])[1]
            self.assertEqual((bool(found.faults), found.values("ppspp.push.munro")), (is_fault, [] if is_fault else ["5"]))
            self.assertEqual((found.values("ppspp.bundle.leaf"), len(found.values("ppspp.extension.value"))), ([], 1))

    def test_sealed_datagrams_show_their_channel_counter_and_tag(self):
        sealed = [line.split() for line in (vectors.FOLDER / "seal" / "seal.txt").read_text(encoding="ascii").splitlines() if line.startswith("seal ")]
        found = self.dissect([(CALLER, CALLED, bytes.fromhex(words[-1])) for words in sealed], *capture.as_ppspp(CALLED[1]))
        self.assertGreater(len(found), 8)
        for words, datagram in zip(sealed, found, strict=True):
            data = bytes.fromhex(words[-1])
            self.assertEqual(datagram.values("ppspp.channel"), [f"0x{words[3]}"])
            self.assertEqual(datagram.values("ppspp.sealed.counter"), [words[5]])
            self.assertEqual(datagram.values("ppspp.sealed.tag"), [data[-16:].hex(":")])
            self.assertEqual((datagram.faults, datagram.covered), ([], set(range(len(data)))))


class Recording(Network):
    """The reference peers' network, with a list of what crossed it."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def add(self, peer):
        address, take = super().add(peer), peer.receive

        def noting(data, source, now):
            self.seen.append((source, address, data))
            take(data, source, now)
        peer.receive = noting
        return address


class ReferencePeers(Understood, CaptureTest):
    """Everything that RFC 7574 offers, between two reference peers."""

    def joined(self, one, other):
        network = Recording()
        at = network.add(one)
        network.add(other)
        other.connect(at, network.now)
        return network

    def test_static_swarms_of_every_hash_and_addressing(self):
        conversations = []
        for hash_name, function in BY_NAME.items():
            for addressing_name, addressing in ADDRESSINGS.items():
                seeder = roles.seeder(CONTENT[:5003], function.code, addressing)
                leecher = roles.leecher(seeder.swarm)
                network = self.joined(seeder, leecher)
                self.assertTrue(network.run_until(lambda leecher=leecher: leecher.store.complete))
                conversations.append((f"{hash_name} {addressing_name}", network.seen, seeder.codec))
        self.assertAllUnderstood(conversations)

    def live(self, algorithm, integrity):
        key = PrivateKey.generate(ALGORITHMS[algorithm], rsa_bits=1024)
        swarm = live_swarm(key.swarm_id, integrity=integrity)
        source = LiveSource(key, first=0)
        record = records.Record(records.FILLER, CONTENT[:3300], ntp_time=clock.now_ntp()).encode()
        source.feed = lambda index: record
        client = roles.live_client(swarm)
        if integrity == SIGN_ALL:            # nothing but HAVEs to tune in by
            roles.part(client, Fetch).first = 0
        network = self.joined(roles.live_source(swarm, key, source=source), client)
        self.assertTrue(network.run_until(lambda: client.store.have.count() >= 10))
        return f"{algorithm} {integrity}", network.seen, client.codec

    def test_live_swarms_of_every_signature_algorithm(self):
        conversations = [self.live(algorithm, integrity) for algorithm in ALGORITHMS for integrity in (UNIFIED, SIGN_ALL)]
        dissected, kinds = self.assertAllUnderstood(conversations)
        self.assertLessEqual({"SignedIntegrity", "Integrity", "Data", "Ack", "Request"}, kinds)
        this_year = str(datetime.datetime.now(datetime.timezone.utc).year)
        self.assertTrue(all(this_year in shown for d in dissected for shown in d.values("ppspp.ntp_time")))

    def test_a_live_swarm_as_older_peers_have_it(self):
        """Hash and chunk size are not said; time is Unix time in microseconds."""
        key = PrivateKey.generate(ALGORITHMS["p256"])
        swarm = CompatSwarm(key.swarm_id)
        source = CompatSource(key)
        source.feed = lambda index: CONTENT
        client = roles.live_client(swarm)
        network = self.joined(roles.live_source(swarm, key, source=source), client)
        self.assertTrue(network.run_until(lambda: client.store.have.count() >= 10))
        dissected, kinds = self.assertUnderstood(network.seen, client.codec)
        self.assertLessEqual({"SignedIntegrity", "Integrity", "Data"}, kinds)
        this_year = str(datetime.datetime.now(datetime.timezone.utc).year)
        times = [shown for d in dissected for shown in d.values("ppspp.unix_time")]
        self.assertTrue(times and all(this_year in shown for shown in times), times[:3])

    def test_peer_exchange_by_addresses_and_by_certificates(self):
        issuer = ec.generate_private_key(ec.SECP256R1())
        seeder, asker = roles.seeder(CONTENT), Pex()
        pex = roles.part(seeder, Pex)
        pex.extra += [("127.0.0.9", 6778), ("2001:db8::9", 6778)]
        leecher = roles.leecher(seeder.swarm, pex=asker)
        network = self.joined(seeder, leecher)
        self.assertTrue(network.run_until(lambda: leecher.store.complete))
        asker.ask(network.now)
        self.assertTrue(network.run_until(lambda: asker.learned, 5))
        pex.certificates = [make_certificate(issuer, ("192.0.2.7", 6778), seeder.swarm.id)]
        asker.ask(network.now)
        self.assertTrue(network.run_until(lambda: asker.refused, 5))
        dissected, kinds = self.assertUnderstood(network.seen, seeder.codec)
        self.assertLessEqual({"PexReq", "PexRes", "PexResCert"}, kinds)
        uri = f"file://192.0.2.7:6778/{seeder.swarm.id.hex()}"
        self.assertTrue(any(uri in field.shown for d in dissected for field in d.fields), "the certificate is shown by Wireshark's own dissector")

    def test_a_second_look_at_a_datagram_shows_the_same(self):
        """Wireshark reads a capture once in its order, and then whatever is clicked on."""
        seeder = roles.seeder(CONTENT, addressing=ADDRESSINGS["bin64"])
        leecher = roles.leecher(seeder.swarm)
        network = self.joined(seeder, leecher)
        self.assertTrue(network.run_until(lambda: leecher.store.complete))
        once, twice = self.dissect(network.seen), self.dissect(network.seen, "-2")
        self.assertEqual(once, twice)

    def test_without_the_handshakes_the_preferences_say_how_to_read(self):
        seeder = roles.seeder(CONTENT, addressing=ADDRESSINGS["bin64"])
        leecher = roles.leecher(seeder.swarm)
        network = self.joined(seeder, leecher)
        self.assertTrue(network.run_until(lambda: leecher.store.complete))
        later = network.seen[2:]
        self.assertUnderstood(later, seeder.codec, *capture.as_ppspp(10000), "-o", "ppspp.assume:TRUE", "-o", "ppspp.assumed_addressing:64-bit bins",
                              "-o", "ppspp.assumed_hash:32")
        for found, (_, _, data) in zip(self.dissect(later, *capture.as_ppspp(10000)), later, strict=True):
            self.assertEqual(found.covered, set(range(len(data))))
            self.assertFalse(found.values("ppspp.type"))

    def test_a_first_datagram_to_somebody_else_is_left_alone(self):
        """The heuristic takes nothing that only looks a little like ours."""
        alike = (bytes(40), bytes(4) + b"\0\1\2\3\4\0\1\xfe", bytes(4) + b"\0\1\2\3\4\1\1\0\1\xff", b"\xc0\0\0\1" + bytes(40))
        dissected = self.dissect([(CALLER, ("192.0.2.2", 5000 + number), data) for number, data in enumerate(alike)])
        for found, data in zip(dissected, alike, strict=True):
            self.assertNotIn("ppspp", found.protocols, data.hex())


class Runnel(Understood, ReferenceScenario):
    """What Runnel's own nodes say to each other, through somebody who keeps it."""

    def between(self, caster, *arguments):
        """A viewer that reaches the caster by a recording relay alone, and the recording's datagrams when asked for."""
        relay = Relay(caster.ready()["listen"])
        self.addCleanup(relay.close)
        watcher = self.watch(self.only_by(caster.link, relay.address), *arguments)

        def recorded():
            return [(CALLER, CALLED, data) if to_target else (CALLED, CALLER, data) for data, to_target in list(relay.seen)]
        return watcher, recorded

    def codec(self, caster):
        codec = parse_link(caster.link)[0].codec()
        codec.extensions = True
        return codec

    def cast_file(self, size, *arguments):
        content = self.content(size)
        (self.folder / "source").write_bytes(content)
        return content, self.cast(self.folder / "source", *arguments)

    def test_a_file_between_two_nodes_in_the_clear_is_read_to_the_last_byte(self):
        content, caster = self.cast_file(300_003, "--plain")
        watcher, recorded = self.between(caster, "--plain")
        self.assertComplete(watcher, content)
        self.assertStops(watcher)
        self.assertLessEqual(max(len(data) for _, _, data in recorded()), 1472, "an IP packet on Ethernet (8.1)")
        dissected, kinds = self.assertUnderstood(recorded(), self.codec(caster))
        self.assertLessEqual({"Handshake", "Extension", "Have", "Request", "Integrity", "Data", "Ack"}, kinds)
        self.assertTrue([d for d in dissected if d.values("ppspp.hello.node_id")])

    def test_a_compat_file_is_read_to_the_last_byte(self):
        content, caster = self.cast_file(100_003, "--plain", "--compat")
        watcher, recorded = self.between(caster, "--plain")
        self.assertComplete(watcher, content)
        self.assertStops(watcher)
        self.assertUnderstood(recorded(), self.codec(caster))

    def test_a_live_stream_between_two_nodes_in_the_clear_is_read_to_the_last_byte(self):
        caster = self.cast("test:", "--plain")
        caster.event("playable", 15)
        watcher, recorded = self.between(caster, "--plain")
        watcher.event("stats", 15, where=lambda stats: stats["verified"] >= 100)
        self.assertStops(watcher)
        dissected, kinds = self.assertUnderstood(recorded(), self.codec(caster))
        self.assertLessEqual({"Extension", "SignedIntegrity", "Integrity", "Data", "Ack"}, kinds)
        self.assertEqual([d.values("ppspp.extension.value") for d in dissected if d.values("ppspp.extension.value")], [])

    def test_a_compat_live_stream_is_read_to_the_last_byte(self):
        caster = self.cast("test:", "--plain", "--compat")
        caster.event("playable", 20)
        watcher, recorded = self.between(caster, "--plain")
        watcher.event("stats", 15, where=lambda stats: stats["verified"] >= 100)
        self.assertStops(watcher)
        _, kinds = self.assertUnderstood(recorded(), self.codec(caster))
        self.assertLessEqual({"Extension", "SignedIntegrity", "Integrity", "Data", "Ack"}, kinds)

    def test_sealed_nodes_show_dtls_and_then_counters(self):
        """Nothing is decoded as Runnel's own but what is readable; the handshake is for Wireshark's own dissector."""
        content, caster = self.cast_file(100_003)
        watcher, recorded = self.between(caster)
        self.assertComplete(watcher, content)
        self.assertStops(watcher)
        dissected = self.dissect(recorded())
        by_kind = [d.protocols[-1] for d in dissected]
        for found, (_, _, data) in zip(dissected, recorded()):
            self.assertEqual((found.faults, found.protocols[-1]), ([], "dtls" if is_dtls(data) else "ppspp"), data[:20].hex())
        sealed = [d for d in dissected if d.protocols[-1] == "ppspp"]
        self.assertGreater(by_kind.count("dtls"), 4)
        self.assertGreater(len(sealed), 100)
        counters = {}
        for found in sealed:
            self.assertTrue(found.values("ppspp.sealed.tag"))
            counters.setdefault(found.values("ppspp.channel")[0], []).append(int(found.values("ppspp.sealed.counter")[0]))
        for channel, seen in counters.items():
            self.assertEqual(sorted(seen), list(range(len(seen))), channel)


class Installed(CaptureTest):
    def test_run_dissector_puts_it_where_tshark_finds_it(self):
        environment = dict(os.environ, HOME=str(self.folder), XDG_CONFIG_HOME=str(self.folder / "config"))
        done = subprocess.run([ROOT / "run", "dissector"], env=environment, capture_output=True, text=True, check=True)
        place = pathlib.Path(done.stdout.split(" is in place")[0])
        self.assertEqual(place.read_bytes(), capture.DISSECTOR.read_bytes())
        self.assertTrue(place.is_relative_to(self.folder), place)
        protocols = subprocess.run([capture.TSHARK, "-G", "protocols"], env=environment, capture_output=True, text=True, check=True).stdout
        self.assertIn("\tppspp\n", protocols)


if __name__ == "__main__":
    unittest.main()
