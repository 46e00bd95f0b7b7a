#!/usr/bin/env python3
"""The MUSTs of RFC 7574 that show on the wire, one datagram after the other: what Runnel says, and what it keeps to itself."""
import dataclasses
import pathlib
import shutil
import socket
import tempfile
import time
import unittest

from reference_scenario import RUNNEL, STOP_WITHIN_S, ReferenceScenario
from refpeer import bins, messages, roles
from refpeer.bins import Range
from refpeer.cursor import Cursor
from refpeer.messages import Ack, Cancel, Choke, Data, Handshake, Have, Integrity, PexReq, Request, Unchoke
from refpeer.options import Options
from refpeer.serve import Serve
from refpeer.swarm import Swarm
from support.processes import Node

ANSWER_S = 5                     # how long an answer may take
SILENCE_S = 0.3                  # how long a silence is listened to; ended early by an answer to a later question where possible


class Wire:
    """A socket that speaks PPSPP by hand."""

    def __init__(self, test, swarm, address):
        self.swarm, self.codec, self.address = swarm, swarm.codec(), address
        self.channel, self.peer_channel = 0x01020304, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        test.addCleanup(self.socket.close)

    def send(self, *items, channel=None, raw=b""):
        body = b"".join(self.codec.encode(m) for m in items) + raw
        self.socket.sendto((self.peer_channel if channel is None else channel).to_bytes(4, "big") + body, self.address)

    def shake(self, *items, **changes):
        options = dataclasses.replace(self.swarm.options(with_id=True), **changes)
        self.send(Handshake(self.channel, options), *items, channel=0)

    def next(self, timeout_s):
        """(channel, messages, error) of the next datagram, or None."""
        self.socket.settimeout(timeout_s)
        try:
            data = self.socket.recv(65535)
        except TimeoutError:
            return None
        return int.from_bytes(data[:4], "big"), *self.codec.decode_all(Cursor(data, 4))

    def messages(self, timeout_s, until=lambda m: False):
        """The messages that come within that time, or until one is as asked."""
        found, deadline = [], time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0 and (got := self.next(left)):
            found += got[1]
            if any(until(m) for m in got[1]):
                break
        return found

    def opened(self):
        """Completes the handshake and takes what comes unasked."""
        self.shake()
        answer = self.next(ANSWER_S)
        assert answer, f"no answer to a handshake within {ANSWER_S} s"
        _, found, error = answer
        assert error is None, error
        self.peer_channel = found[0].channel
        self.send()
        return self


def is_data(message):
    return isinstance(message, Data)


class Seeding(ReferenceScenario):
    """Against one cast of a file, the same for all tests; the one that ends it leaves the next to begin anew."""
    caster = None

    def setUp(self):
        super().setUp()
        if self.caster is None or not self.caster.running:
            self.begin()
        self.bytes, self.swarm = self.shared_bytes, Swarm(bytes.fromhex(self.caster.id))

    def begin(self):
        kind, kept = type(self), pathlib.Path(tempfile.mkdtemp(prefix="runnel-test-"))
        self.addClassCleanup(shutil.rmtree, kept, ignore_errors=True)
        kind.shared_bytes = self.content(200_003)
        (kept / "source").write_bytes(kind.shared_bytes)
        kind.caster = Node([RUNNEL, "cast", kept / "source", "--json", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"], kept / "caster",
                           environment=dict(self.environment("caster"), HOME=str(kept), XDG_RUNTIME_DIR=str(kept)))
        self.addClassCleanup(kind.caster.end)

    def wire(self):
        return Wire(self, self.swarm, self.address_of(self.caster))

    def assertSilent(self, wire):
        self.assertIsNone(wire.next(SILENCE_S))

    def assertServes(self, wire, chunk):
        wire.send(Request(Range(chunk, chunk)))
        found = wire.messages(ANSWER_S, is_data)
        self.assertTrue(any(is_data(m) and m.chunks.first == chunk for m in found), found)

    def test_the_answer_is_a_handshake_to_our_channel_without_heavy_payload(self):
        wire = self.wire()
        wire.shake()
        channel, found, error = wire.next(ANSWER_S)
        self.assertEqual((channel, error), (wire.channel, None))               # 3.1.1 (2)
        self.assertIsInstance(found[0], Handshake)
        self.assertNotIn(found[0].channel, (0, wire.channel))                  # 8.3
        self.assertIsNone(self.swarm.objection(found[0].options))
        for message in found[1:]:
            self.assertIsInstance(message, (Have, Request))

    def test_every_channel_has_an_id_of_its_own(self):
        ids = set()
        for _ in range(4):
            wire = self.wire()
            wire.shake()
            ids.add(wire.next(ANSWER_S)[1][0].channel)
        self.assertEqual(len(ids), 4)

    def test_the_same_first_datagram_again_finds_the_same_channel(self):
        """8.2: all messages may be sent again."""
        wire = self.wire()
        wire.shake()
        first = wire.next(ANSWER_S)[1][0].channel
        wire.shake()
        self.assertEqual(wire.next(ANSWER_S)[1][0].channel, first)

    def test_other_swarms_and_other_metadata_get_no_answer(self):
        changes = ({"swarm_id": bytes(32)}, {"integrity": 0}, {"integrity": 2, "signature_algorithm": 15},
                   {"integrity": 3, "signature_algorithm": 13}, {"hash_function": 0}, {"addressing": 4}, {"chunk_size": 999},
                   {"version": 9, "min_version": 9})
        wires = [self.wire() for _ in changes]
        for wire, change in zip(wires, changes):
            wire.shake(**change)
        answered = self.wire()
        answered.shake()
        self.assertIsNotNone(answered.next(ANSWER_S))    # it came last, so the others were looked at
        for wire, change in zip(wires, changes):
            with self.subTest(**change):
                found = wire.messages(0.02)
                self.assertTrue(all(isinstance(m, Handshake) and not m.channel for m in found), found)   # silence, or a close

    def test_no_chunk_leaves_before_our_channel_was_echoed(self):
        """3.1.1, 12.1.1: a REQUEST with the first datagram waits for the third."""
        wire = self.wire()
        wire.shake(Request(Range(0, 0)))
        _, found, _ = wire.next(ANSWER_S)
        found += wire.messages(SILENCE_S)
        self.assertFalse(any(isinstance(m, (Data, Integrity)) for m in found), found)

    def test_messages_to_a_channel_that_is_not_ours_are_dropped_and_ours_goes_on(self):
        """3.1.1 (7)."""
        wire = self.wire().opened()
        wire.send(Request(Range(0, 0)), channel=wire.peer_channel ^ 1)
        self.assertFalse(any(map(is_data, wire.messages(SILENCE_S, is_data))))
        self.assertServes(wire, 1)

    def test_nothing_after_an_unknown_message_counts(self):
        """3: dropped together with all that follow."""
        for kind in (14, 99, 255):
            with self.subTest(type=kind):
                wire = self.wire().opened()
                request = wire.codec.encode(Request(Range(0, 0)))
                wire.send(raw=bytes([kind]) + request)
                self.assertFalse(any(map(is_data, wire.messages(SILENCE_S, is_data))))

    def test_what_stood_before_an_unknown_message_counts(self):
        wire = self.wire().opened()
        wire.send(Request(Range(5, 5)), raw=bytes([99]))
        self.assertTrue(any(map(is_data, wire.messages(ANSWER_S, is_data))))

    def test_a_cancel_takes_a_request_back(self):
        """3.8, and 3 for the order."""
        wire = self.wire().opened()
        wire.send(Request(Range(0, 3)), Cancel(Range(0, 3)))
        self.assertFalse(any(map(is_data, wire.messages(SILENCE_S, is_data))))
        self.assertServes(wire, 7)

    def test_a_have_takes_a_request_back(self):
        """3.8: implicit CANCEL."""
        wire = self.wire().opened()
        wire.send(Request(Range(0, 3)), Have(Range(0, 3)))
        self.assertFalse(any(map(is_data, wire.messages(SILENCE_S, is_data))))
        self.assertServes(wire, 7)

    def test_a_cancel_of_what_was_never_asked_does_no_harm(self):
        """12.6.7."""
        wire = self.wire().opened()
        wire.send(Cancel(Range(10, 20)))
        self.assertServes(wire, 7)

    def test_peaks_and_uncles_come_before_the_chunk_highest_first(self):
        """5.4, 5.6.2."""
        wire = self.wire().opened()
        wire.send(Request(Range(4, 4)))
        found = [m for m in wire.messages(ANSWER_S, is_data) if isinstance(m, (Integrity, Data))]
        self.assertTrue(is_data(found[-1]))
        hashes = [bins.bin_of(m.chunks) for m in found[:-1]]
        peaks = list(bins.peaks(-(-len(self.bytes) // 1080)))
        self.assertEqual(hashes[:len(peaks)], peaks)
        uncles = [bins.layer(b) for b in hashes[len(peaks):]]
        self.assertEqual(uncles, sorted(uncles, reverse=True))

    def test_acknowledged_chunks_save_their_hashes(self):
        """5.3: who has chunks 0 and 1 lacks no hash for chunk 2 but its sibling's."""
        wire = self.wire().opened()
        wire.send(Request(Range(0, 1)))
        wire.messages(ANSWER_S, lambda m: is_data(m) and m.chunks.first == 1)
        wire.send(Ack(Range(0, 1), 100), Request(Range(2, 2)))
        found = [m for m in wire.messages(ANSWER_S, lambda m: is_data(m) and m.chunks.first == 2) if isinstance(m, Integrity)]
        self.assertIn(Range(3, 3), [m.chunks for m in found])
        self.assertFalse([m.chunks for m in found if m.chunks.width > 1 and m.chunks.first >= 4], "these were known from chunk 0 on")

    def test_a_closed_channel_serves_no_more(self):
        """8.4."""
        wire = self.wire().opened()
        wire.send(Handshake(0, Options()))
        wire.send(Request(Range(0, 0)))
        self.assertFalse(any(map(is_data, wire.messages(SILENCE_S, is_data))))

    def test_it_says_so_when_it_goes(self):
        """3.1.1 (8), 8.4: a HANDSHAKE from channel 0, with no options but a version."""
        wire = self.wire().opened()
        self.assertServes(wire, 0)
        self.caster.send_signal(2)
        found = wire.messages(ANSWER_S, lambda m: isinstance(m, Handshake) and not m.channel)
        closing = [m for m in found if isinstance(m, Handshake) and not m.channel]
        self.assertTrue(closing, found)
        self.assertEqual(dataclasses.replace(closing[0].options, version=None), Options())
        # It has said goodbye, but may run a moment longer: the next test is not to find it so.
        self.assertEqual(self.caster.wait_exit(STOP_WITHIN_S), 0, self.caster.error_text())

    def test_a_version_one_peer_is_answered_in_version_one(self):
        wire = self.wire()
        wire.shake()
        self.assertEqual(wire.next(ANSWER_S)[1][0].options.version, 1)

    def test_a_keepalive_is_no_offence(self):
        wire = self.wire().opened()
        for _ in range(3):
            wire.send()
        self.assertServes(wire, 0)

    def test_several_requests_in_a_datagram_are_served_in_their_order(self):
        """3.7."""
        wire = self.wire().opened()
        wire.send(Request(Range(9, 9)), Request(Range(2, 2)), Request(Range(30, 30)))
        found = wire.messages(ANSWER_S, lambda m: is_data(m) and m.chunks.first == 30)
        self.assertEqual([m.chunks.first for m in found if is_data(m)][:3], [9, 2, 30])

    def test_the_short_last_chunk_has_its_true_length(self):
        wire = self.wire().opened()
        last = len(self.bytes) // 1080
        wire.send(Request(Range(last, last)))
        found = [m for m in wire.messages(ANSWER_S, is_data) if is_data(m)]
        self.assertEqual(found[0].payload, self.bytes[last * 1080:])


class Fetching(ReferenceScenario):
    """Against one `watch` that finds the reference peer."""

    def silent_socket(self):
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        listener.settimeout(8)
        return listener

    def test_a_handshake_without_answer_comes_again_from_the_same_channel(self):
        """3.1.1 (1), (5); what older peers do not know (options 8 and 9) is left off in the end."""
        listener = self.silent_socket()
        self.watch(f"runnel:{'5a' * 32}?xl=5000&x.pe=127.0.0.1:{listener.getsockname()[1]}")
        seen = []
        while len(seen) < 6 and not any(h.options.chunk_size is None for h in seen):
            data = listener.recv(2000)
            if 20 <= data[0] <= 63:
                continue           # it tries to speak encrypted first, in DTLS, which is none of the RFC's business
            self.assertEqual(data[:4], bytes(4))
            if data[4] == messages.HANDSHAKE:
                seen.append(messages.first_handshake(data)[0])
        first = seen[0].options
        self.assertEqual((first.swarm_id, first.integrity, first.hash_function, first.addressing, first.min_version),
                         (b"\x5a" * 32, 1, 2, 2, 1))
        self.assertEqual({h.channel for h in seen}, {seen[0].channel})
        self.assertIsNone(seen[-1].options.supported)

    def test_who_is_choked_asks_for_nothing(self):
        """3.9: nothing after CHOKE, all of it after UNCHOKE."""
        class Choking(Serve):
            requests_while_choked, choked_at = 0, None

            def on_message(self, channel, message, now):
                if self.choked_at is None and message.type == messages.REQUEST:
                    self.peer.send(channel, [Choke()], now)
                    self.choked_at = now
                    self.channel = channel
                elif message.type == messages.REQUEST and self.is_choking:
                    # What was on its way when CHOKE came is no fault.
                    self.requests_while_choked += now - self.choked_at > 0.2
                else:
                    super().on_message(channel, message, now)

            is_choking = True

            def unchoke(self, now):
                self.is_choking = False
                self.peer.send(self.channel, [Unchoke()], now)

        content, serve = self.content(100_000), Choking()
        seeder = self.seeder(content, serve=serve)
        node = self.watch(self.link_to(seeder))
        self.assertTrue(seeder.wait_for(lambda: serve.choked_at, 10))
        seeder.wait_for(lambda: serve.requests_while_choked, 1.2)
        self.assertEqual(serve.requests_while_choked, 0)
        self.assertFalse(node.all_events("complete"))
        seeder.call(serve.unchoke)
        self.assertComplete(node, content)

    def test_each_chunk_is_acknowledged_with_a_delay_that_can_be(self):
        """3.4, 4.3.2, 8.7: one-way delay in microseconds. Clocks need not agree, so only the differences can be judged."""
        class Noting(Serve):
            def __init__(self):
                super().__init__()
                self.acks = []

            def on_message(self, channel, message, now):
                if message.type == messages.ACK:
                    self.acks.append(message)
                super().on_message(channel, message, now)

        content, serve = self.content(), Noting()
        seeder = self.seeder(content, serve=serve)
        node = self.watch(self.link_to(seeder))
        self.assertComplete(node, content)
        count = -(-len(content) // 1080)
        acknowledged = lambda: {c for ack in serve.acks for c in range(ack.chunks.first, ack.chunks.last + 1)}  # noqa: E731
        seeder.wait_for(lambda: len(acknowledged()) == count, 3)
        self.assertEqual(acknowledged(), set(range(count)))
        base = serve.acks[0].delay_us
        self.assertLess(max(min((a.delay_us - base) % 2**64, (base - a.delay_us) % 2**64) for a in serve.acks), 10_000_000)

    def test_the_swarm_id_in_an_answer_is_no_offence(self):
        """3.1.1 (2): it MAY be repeated."""
        content = self.content(100_000)
        seeder = self.seeder(content)
        own = seeder.peer.swarm.options
        seeder.peer.swarm.options = lambda with_id, window_chunks=None: own(True, window_chunks)
        node = self.watch(self.link_to(seeder))
        self.assertComplete(node, content)

    def test_several_chunks_in_a_datagram_are_all_taken(self):
        """8.6: allowed while chunks are of fixed size and none is the short last one."""
        class InPairs(Serve):
            def serve(self, channel, chunk, now):
                if chunk % 2 == 0 and chunk + 1 in self.peer.store.have and len(self.payload(channel, chunk + 1)) == 512:
                    proof = [m for c in (chunk, chunk + 1) for m in self.proof(channel, c)]
                    self.peer.send_split(channel, proof, now)
                    self.peer.send(channel, [Data(Range(c, c), 1, self.payload(channel, c)) for c in (chunk, chunk + 1)], now)
                elif chunk % 2 == 0:
                    super().serve(channel, chunk, now)

        content = self.content(100 * 512)
        peer = roles.seeder(content, chunk_size=512, serve=InPairs())
        seeder = self.host(peer)
        node = self.watch(self.link_to(seeder))
        self.assertComplete(node, content)

    def test_two_seeders_are_used_and_told_of_what_was_fetched(self):
        """3.2: HAVE to those who lack chunks; 4.3.1: not to those who have all."""
        content = self.content()
        whole = self.seeder(content)
        node = self.watch(self.link_to(whole))
        lacking = self.leecher_of(node, whole.peer.swarm)
        self.assertComplete(node, content)
        self.assertFetched(lacking, content, node)
        self.assertGreater(lacking.peer.counts["Have"], 0)
        self.assertEqual(whole.peer.counts["Have"], 0)

    def test_it_asks_for_peers(self):
        seeder = self.seeder(self.content(100_000))
        self.watch(self.link_to(seeder))
        self.assertTrue(seeder.wait_for(lambda: seeder.peer.counts[PexReq.__name__], 10))


if __name__ == "__main__":
    unittest.main()
