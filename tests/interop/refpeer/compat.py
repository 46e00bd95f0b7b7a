"""Live swarms as older peers have them, from rows P1 to P9 of the notes on implementations in the field.

The signature covers the munro's hash alone; the time stamp is Unix time in microseconds; handshakes have no options 4, 8 and 9, and one
that has any of them gets silence; 32 chunks of 1024 bytes to a munro, numbered by 32 bits from 0; P-256 and SHA-1. What the chunks
carry is a plain MPEG transport stream.
"""
import dataclasses
import time

from .addressing import CHUNKS32
from .live import LiveSource
from .signatures import ECDSA_P256
from .swarm import UNIFIED, Swarm

CHUNK_BYTES = 1024
SHA1 = 0
UNKNOWN = ("hash_function", "supported", "chunk_size")     # options 4, 8 and 9
NULL_PACKET = b"\x47\x1f\xff\x10" + b"\xff" * 184          # ISO 13818-1, 2.4.3.3: PID 1FFF


class CompatSwarm(Swarm):
    def __init__(self, swarm_id):
        super().__init__(swarm_id, live=True, integrity=UNIFIED, hash_function=SHA1, addressing=CHUNKS32, chunk_size=CHUNK_BYTES)

    def options(self, with_id, window_chunks=None):
        return dataclasses.replace(super().options(with_id, window_chunks), **dict.fromkeys(UNKNOWN))

    def understands(self, theirs):
        return all(getattr(theirs, name) is None for name in UNKNOWN)

    def signed_text(self, spec, stamp, subject):
        return subject

    def stamp(self, unix_s):
        return int(unix_s * 1_000_000)

    def unix_s(self, stamp):
        return stamp / 1_000_000


def is_compat(swarm_id, number):
    """Whether a live link's numbers (cs, ca, hf) tell this form."""
    return swarm_id[0] == ECDSA_P256 and (number.get("cs"), number.get("ca"), number.get("hf")) == (CHUNK_BYTES, CHUNKS32, SHA1)


class CompatSource(LiveSource):
    """Bytes without records: munros are full, and what does not fill one waits for more."""

    def __init__(self, key, first=0):
        super().__init__(key, first)
        self.waiting = b""

    def publish(self, payload, now, unix_s=None):
        unix_s = time.time() if unix_s is None else unix_s
        first = self.next
        self.waiting += payload(first) if callable(payload) else payload
        munro = self.leaves * CHUNK_BYTES
        while len(self.waiting) >= munro:
            part, self.waiting = self.waiting[:munro], self.waiting[munro:]
            pieces = [part[at:at + CHUNK_BYTES] for at in range(0, munro, CHUNK_BYTES)]
            self.add_munro(self.next, pieces, self.peer.swarm.stamp(unix_s), now)
            self.next += self.leaves
        return first


def paced(stream, bytes_per_s):
    """A feed of a transport stream's bytes in real time, and null packets when it has ended."""
    started, sent = time.monotonic(), 0

    def feed(_):
        nonlocal sent
        due = int((time.monotonic() - started) * bytes_per_s)
        part, sent = stream[sent:due], due
        return part if part else NULL_PACKET * 18
    return feed
