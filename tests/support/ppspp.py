"""A small PPSPP peer of our own, written from RFC 7574 alone: version 1, static swarms, Merkle trees over SHA-256, 32-bit chunk ranges.

It seeds a file to whoever asks, honestly or with every chunk spoilt, and it can fetch one chunk. It shares nothing with src/core, so that
a mistake made there is not made here as well.
"""
import hashlib
import os
import socket
import struct
import threading
import time

HANDSHAKE, DATA, ACK, HAVE, INTEGRITY, PEX_RESV4, PEX_REQ, SIGNED, REQUEST, CANCEL, CHOKE, UNCHOKE, PEX_RESV6, PEX_CERT = range(14)
HASH_BYTES = 32
ZERO = bytes(HASH_BYTES)
# Bytes of the values of the options that have a fixed length (7.2 to 7.11).
OPTION_BYTES = {0: 1, 1: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 4, 9: 4}
# Bytes of the messages that have a fixed length, 32-bit chunk ranges (8.2 to 8.13).
MESSAGE_BYTES = {ACK: 16, HAVE: 8, INTEGRITY: 8 + HASH_BYTES, PEX_RESV4: 6, PEX_REQ: 0, REQUEST: 8, CANCEL: 8, CHOKE: 0, UNCHOKE: 0,
                 PEX_RESV6: 18}


class Tree:
    """All hashes of a file. A node is (height, index): its leaves are index << height and the 2^height - 1 after it."""

    def __init__(self, data, chunk_size):
        self.chunks = [data[i:i + chunk_size] for i in range(0, len(data), chunk_size)]
        self.levels = [[hashlib.sha256(c).digest() for c in self.chunks]]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            self.levels.append([self._join(below[i], below[i + 1] if i + 1 < len(below) else ZERO) for i in range(0, len(below), 2)])

    @staticmethod
    def _join(left, right):
        return ZERO if left == right == ZERO else hashlib.sha256(left + right).digest()

    @property
    def root(self):
        return self.levels[-1][0]

    def hash(self, height, index):
        level = self.levels[height]
        return level[index] if index < len(level) else ZERO

    def peaks(self):
        """One node per 1-bit of the number of chunks, widest first (5.6.1)."""
        nodes, first = [], 0
        for height in reversed(range(len(self.chunks).bit_length())):
            if len(self.chunks) >> height & 1:
                nodes.append((height, first >> height))
                first += 1 << height
        return nodes

    def uncles(self, chunk):
        """What proves a chunk against its peak, highest first (5.4)."""
        peak = next(h for h, i in self.peaks() if chunk >> h == i)
        return [(h, chunk >> h ^ 1) for h in reversed(range(peak))]


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("cut short")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    @property
    def left(self):
        return len(self.data) - self.at


def read_handshake(reader):
    """(source channel, options by code)"""
    channel, options = reader.number(4), {}
    while (code := reader.number(1)) != 0xFF:
        if code in (2, 8):
            length = reader.number(2 if code == 2 else 1)
            options[code] = reader.take(length)
        else:
            options[code] = reader.take(OPTION_BYTES[code])
    return channel, options


def messages(data):
    """(type, value) of each message after the channel; what cannot be parsed ends the datagram. Ranges are (first, last)."""
    reader = Reader(data)
    try:
        while reader.left:
            kind = reader.number(1)
            if kind == HANDSHAKE:
                yield kind, read_handshake(reader)
            elif kind == DATA:
                chunk_range = struct.unpack(">II", reader.take(8))
                sent_us = reader.number(8)
                yield kind, (chunk_range, sent_us, reader.take(reader.left))
            elif kind in (ACK, HAVE, REQUEST, CANCEL, INTEGRITY):
                body = reader.take(MESSAGE_BYTES[kind])
                yield kind, (struct.unpack(">II", body[:8]), body[8:])
            elif kind in MESSAGE_BYTES:
                yield kind, reader.take(MESSAGE_BYTES[kind])
            else:
                return
    except (ValueError, KeyError):
        return


def handshake(channel, chunk_size, swarm_id=None, minimum=None):
    text = struct.pack(">BI", HANDSHAKE, channel) + bytes([0, 1])
    if minimum is not None:
        text += bytes([1, minimum])
    if swarm_id is not None:
        text += struct.pack(">BH", 2, len(swarm_id)) + swarm_id
    # Merkle tree, SHA-256, 32-bit chunk ranges, all fourteen messages
    return text + bytes([3, 1, 4, 2, 6, 2, 8, 2, 0xFF, 0xFC]) + struct.pack(">BI", 9, chunk_size) + b"\xff"


class Seeder:
    """Serves a file on a UDP port of its own until closed. With `spoil`, each chunk has one bit turned, its proof being right."""

    def __init__(self, data, chunk_size, spoil=False):
        self.tree, self.chunk_size, self.spoil = Tree(data, chunk_size), chunk_size, spoil
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.peers = {}            # our channel -> (address, their channel)
        self.handshakes = self.requested = self.sent = self.acked = 0
        self.last_request_at = None
        self.closing = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self):
        self.closing = True
        self.thread.join()
        self.socket.close()

    def _run(self):
        while not self.closing:
            try:
                data, address = self.socket.recvfrom(65536)
            except (TimeoutError, ConnectionError):
                continue
            if len(data) >= 4:
                self._datagram(int.from_bytes(data[:4], "big"), data[4:], address)

    def _datagram(self, channel, data, address):
        for kind, value in messages(data):
            if kind == HANDSHAKE and channel == 0:
                self._greet(value, address)
            elif channel in self.peers:
                if kind == REQUEST:
                    self._serve(channel, *value[0])
                elif kind == ACK:
                    self.acked += 1

    def _greet(self, value, address):
        theirs, options = value
        if theirs == 0 or options.get(2) != self.tree.root:
            return
        ours = next((c for c, peer in self.peers.items() if peer == (address, theirs)), None)
        if ours is None:
            ours = int.from_bytes(os.urandom(4), "big") or 1
            self.peers[ours] = (address, theirs)
            self.handshakes += 1
        have = struct.pack(">BII", HAVE, 0, len(self.tree.chunks) - 1)
        self.socket.sendto(struct.pack(">I", theirs) + handshake(ours, self.chunk_size) + have, address)

    def _serve(self, channel, first, last):
        address, theirs = self.peers[channel]
        self.last_request_at = time.monotonic()
        for chunk in range(first, min(last + 1, len(self.tree.chunks))):
            self.requested += 1
            proof = b"".join(struct.pack(">BII", INTEGRITY, i << h, ((i + 1) << h) - 1) + self.tree.hash(h, i)
                             for h, i in [*self.tree.peaks(), *self.tree.uncles(chunk)])
            body = bytearray(self.tree.chunks[chunk])
            if self.spoil:
                body[len(body) // 2] ^= 0x10
            message = struct.pack(">BIIQ", DATA, chunk, chunk, time.time_ns() // 1000) + bytes(body)
            start = struct.pack(">I", theirs)
            if len(proof) + len(message) > 1400:   # hashes go first when they do not fit beside the chunk (5.4)
                self.socket.sendto(start + proof, address)
                proof = b""
            self.socket.sendto(start + proof + message, address)
            self.sent += 1


def fetch_chunk(address, root, chunk_size, chunk, timeout_s=10):
    """(chunk, hashes by range) that a peer answers a request with: first datagram to last, as one who only knows the RFC."""
    host, port = address.rsplit(":", 1)
    ours, theirs, hashes = int.from_bytes(os.urandom(4), "big") or 1, None, {}
    first = struct.pack(">I", 0) + handshake(ours, chunk_size, root, minimum=1)
    deadline = time.monotonic() + timeout_s
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((host, int(port)))
        sock.settimeout(1)
        sock.send(first)
        while time.monotonic() < deadline:
            try:
                data = sock.recv(65536)
            except TimeoutError:
                sock.send(first if theirs is None else struct.pack(">IBII", theirs, REQUEST, chunk, chunk))
                continue
            if int.from_bytes(data[:4], "big") != ours:
                continue
            for kind, value in messages(data[4:]):
                if kind == HANDSHAKE and value[0] != 0 and theirs is None:
                    theirs = value[0]
                    sock.send(struct.pack(">IBII", theirs, REQUEST, chunk, chunk))
                elif kind == INTEGRITY:
                    hashes[value[0]] = value[1]
                elif kind == DATA and value[0] == (chunk, chunk):
                    sock.send(struct.pack(">IBIIQ", theirs, ACK, chunk, chunk, 0) + struct.pack(">BIBB", HANDSHAKE, 0, 0, 1) + b"\xff")
                    return value[2], hashes
    raise AssertionError(f"no chunk {chunk} from {address} within {timeout_s} s")
