"""Peers that break the rules on purpose, by name: for tests of what Runnel does about them (section 12.6)."""
import dataclasses
import os

from .bins import Range
from .clock import now_us
from .messages import Ack, Data, Handshake, Have, Integrity, PexReq, PexRes, PexResCert, Request
from .peer import Channel
from .push_values import SUBSTREAMS


def flipped(data):
    return bytes([data[0] ^ 1]) + data[1:]


class BadData:
    """Chunks with a wrong byte, under right hashes."""

    def payload(self, channel, chunk):
        return flipped(super().payload(channel, chunk))


class BadHash:
    """Wrong hashes before right chunks."""

    def proof(self, channel, chunk):
        return [dataclasses.replace(m, hash=flipped(m.hash)) if isinstance(m, Integrity) else m for m in super().proof(channel, chunk)]


class WrongSignature:
    """Live: munros whose signatures do not fit."""

    def sign_munro(self, first, payloads, ntp_time):
        super().sign_munro(first, payloads, ntp_time)
        chunks, _, signature = self.peer.store.munros[first]
        self.peer.store.munros[first] = (chunks, ntp_time, flipped(signature))


class HaveLies:
    """Announces everything, delivers nothing of it."""

    def greeting(self, channel):
        return [Have(piece) for piece in self.peer.codec.addressing.pieces(self.peer.store.everything() or Range(0, 1023))]

    def serve(self, channel, chunk, now):
        pass


class OldMunro:
    """Live: shows its first munro again and again in place of the newest."""

    def announce(self, channel, chunks, now):
        messages = self.peer.store.munro_messages(min(self.peer.store.munros))
        self.peer.send(channel, messages, now)
        self.peer.send_split(channel, [Have(piece) for piece in self.peer.codec.addressing.pieces(chunks)], now)


class Oversize:
    """Chunks longer than the chunk size, certificates and datagrams as long as UDP carries."""

    def payload(self, channel, chunk):
        return super().payload(channel, chunk) + bytes(2000)

    def serve(self, channel, chunk, now):
        super().serve(channel, chunk, now)
        if not chunk % 16:
            self.peer.send(channel, [PexResCert(os.urandom(60000))], now)
            self.peer.send(channel, [Have(Range(0, 0))] * (60000 // (1 + self.peer.codec.addressing.length)), now)


class UnknownMessages:
    """Message types that nobody defined, alone and before chunks."""

    def serve(self, channel, chunk, now):
        self.peer.send_raw(channel, bytes([99]) + os.urandom(40), now)
        self.peer.send_raw(channel, bytes([255]), now)
        super().serve(channel, chunk, now)


class Flood:
    """HAVEs, REQUESTs, ACKs, PEX and handshakes without end, besides honest service."""
    PER_FLUSH = 40

    def flush(self, now):
        super().flush(now)
        for channel in self.peer.open_channels():
            for number in range(self.PER_FLUSH):
                chunk = Range(number * 7 % 900, number * 7 % 900)
                self.peer.send(channel, [Have(chunk), Request(chunk), Ack(chunk, now_us()), PexReq(),
                                         PexRes(f"127.0.{number}.1", 9), PexRes("127.0.0.1", 1000 + number)], now)
            for _ in range(4):       # channels of their own, never completed
                half_open = Channel(channel.address, True, now)
                self.peer.send(half_open, [Handshake(half_open.id, self.peer.swarm.options(with_id=True))], now)


class NeverAnswers:
    """Shakes hands, says what it has, and never a word more."""

    def on_message(self, channel, message, now):
        pass

    def flush(self, now):
        pass


class WrongChunk:
    """Answers each request with its bytes under the number of the chunk beside it, and never with a hash."""

    def serve(self, channel, chunk, now):
        self.peer.send(channel, [Data(Range(chunk ^ 1, chunk ^ 1), now_us(), self.peer.store.payload(chunk))], now)


class BadPush:
    """A parent of push: every chunk that it pushes has a wrong byte, under right bundles."""

    def pushed_payload(self, index):
        return flipped(super().pushed_payload(index))


class BadBundle:
    """A parent of push, of bundles alone: with a wrong leaf hash, or with a wrong signature, by turns."""

    def takes_children(self, tree):
        return tree >= SUBSTREAMS

    def pushed_bundle(self, bundle):
        if self.bundles % 2:
            return dataclasses.replace(bundle, leaves=(flipped(bundle.leaves[0]), *bundle.leaves[1:]))
        return dataclasses.replace(bundle, signature=flipped(bundle.signature))


class Garbage:
    """Random bytes on the channel."""

    def flush(self, now):
        super().flush(now)
        for channel in self.peer.open_channels():
            self.peer.send_raw(channel, os.urandom(200), now)


MISBEHAVIOURS = {"bad-data": BadData, "bad-hash": BadHash, "wrong-signature": WrongSignature, "have-lies": HaveLies,
                 "old-munro": OldMunro, "oversize": Oversize, "unknown-messages": UnknownMessages, "flood": Flood,
                 "never-answers": NeverAnswers, "wrong-chunk": WrongChunk, "garbage": Garbage, "bad-push": BadPush,
                 "bad-bundle": BadBundle}
ONLY_PUSH = {"bad-push", "bad-bundle"}           # of a PushParent
ONLY_LIVE = {"wrong-signature", "old-munro"} | ONLY_PUSH


def misbehaving(name, base):
    """The class that behaves like `base` but for this."""
    return type(MISBEHAVIOURS[name].__name__ + base.__name__, (MISBEHAVIOURS[name], base), {})
