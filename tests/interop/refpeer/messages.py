"""The fourteen messages of section 8 and how they stand in a datagram."""
import dataclasses
import ipaddress

from . import options
from .bins import Range, is_aligned
from .cursor import Cursor, Malformed
from .options import Options

(HANDSHAKE, DATA, ACK, HAVE, INTEGRITY, PEX_RESV4, PEX_REQ, SIGNED_INTEGRITY, REQUEST, CANCEL, CHOKE, UNCHOKE, PEX_RESV6,
 PEX_RESCERT) = range(14)
EXTENSION, PUSHED = 224, 225


@dataclasses.dataclass(frozen=True)
class Handshake:
    channel: int                     # the sender's own; 0 closes
    options: Options
    type = HANDSHAKE


@dataclasses.dataclass(frozen=True)
class Data:
    chunks: Range
    time_us: int                     # the sender's clock
    payload: bytes
    type = DATA


@dataclasses.dataclass(frozen=True)
class Ack:
    chunks: Range
    delay_us: int                    # one-way delay sample, modulo 2**64
    type = ACK


@dataclasses.dataclass(frozen=True)
class Have:
    chunks: Range
    type = HAVE


@dataclasses.dataclass(frozen=True)
class Integrity:
    chunks: Range
    hash: bytes
    type = INTEGRITY


@dataclasses.dataclass(frozen=True)
class SignedIntegrity:
    chunks: Range
    ntp_time: int                    # 64-bit time stamp of RFC 5905
    signature: bytes
    type = SIGNED_INTEGRITY


@dataclasses.dataclass(frozen=True)
class Request:
    chunks: Range
    type = REQUEST


@dataclasses.dataclass(frozen=True)
class Cancel:
    chunks: Range
    type = CANCEL


@dataclasses.dataclass(frozen=True)
class Choke:
    type = CHOKE


@dataclasses.dataclass(frozen=True)
class Unchoke:
    type = UNCHOKE


@dataclasses.dataclass(frozen=True)
class PexReq:
    type = PEX_REQ


@dataclasses.dataclass(frozen=True)
class PexRes:
    """PEX_RESv4 or PEX_RESv6, by the kind of the address."""
    address: str
    port: int

    @property
    def type(self):
        return PEX_RESV4 if ipaddress.ip_address(self.address).version == 4 else PEX_RESV6


@dataclasses.dataclass(frozen=True)
class PexResCert:
    certificate: bytes               # DER
    type = PEX_RESCERT


@dataclasses.dataclass(frozen=True)
class Extension:
    """Runnel's own message between peers of version 2 (docs/EXTENSIONS.md): for push.py, and the vectors."""
    number: int
    value: bytes
    type = EXTENSION


@dataclasses.dataclass(frozen=True)
class Pushed:
    """Likewise: a chunk that was not asked for."""
    chunks: Range                    # one
    time_us: int                     # the sender's clock, modulo 2**32
    payload: bytes
    type = PUSHED


class Codec:
    """Messages of one swarm. chunk_bytes is None where chunks are of variable size; signature_bytes 0 where nothing is signed."""
    extensions = False

    def __init__(self, addressing, hash_bytes, signature_bytes=0, chunk_bytes=None):
        self.addressing, self.hash_bytes = addressing, hash_bytes
        self.signature_bytes, self.chunk_bytes = signature_bytes, chunk_bytes

    def encode(self, message):
        return bytes([message.type]) + self.encode_body(message)

    def encode_body(self, m):
        spec = self.addressing.encode
        match m:
            case Handshake():
                return m.channel.to_bytes(4, "big") + m.options.encode()
            case Data():
                return self.addressing.encode_of(m.chunks, len(m.payload)) + m.time_us.to_bytes(8, "big") + m.payload
            case Ack():
                return spec(m.chunks) + (m.delay_us % 2**64).to_bytes(8, "big")
            case Have() | Request() | Cancel():
                return spec(m.chunks)
            case Integrity():
                return spec(m.chunks) + m.hash
            case SignedIntegrity():
                return spec(m.chunks) + m.ntp_time.to_bytes(8, "big") + m.signature
            case PexRes():
                return ipaddress.ip_address(m.address).packed + m.port.to_bytes(2, "big")
            case PexResCert():
                return len(m.certificate).to_bytes(2, "big") + m.certificate
            case Extension():
                return m.number.to_bytes(2, "big") + len(m.value).to_bytes(2, "big") + m.value
            case Pushed():
                return m.chunks.first.to_bytes(6, "big") + (m.time_us % 2**32).to_bytes(4, "big") + m.payload
            case Choke() | Unchoke() | PexReq():
                return b""
        raise TypeError(m)

    def decode(self, cursor):
        kind = cursor.number(1)
        if kind in SPEC_ONLY:
            return SPEC_ONLY[kind](self.addressing.decode(cursor))
        if kind in EMPTY_BODY:
            return EMPTY_BODY[kind]()
        match kind:
            case 0:
                return checked_close(Handshake(cursor.number(4), options.decode(cursor)))
            case 1:
                return self.decode_data(cursor)
            case 2:
                return Ack(self.addressing.decode(cursor), cursor.number(8))
            case 4:
                if not self.hash_bytes:
                    raise Malformed("a hash where the swarm has none")
                return Integrity(self.subtree(cursor), cursor.bytes(self.hash_bytes))
            case 5 | 12:
                address = ipaddress.ip_address(cursor.bytes(4 if kind == PEX_RESV4 else 16))
                return PexRes(str(address), cursor.number(2))
            case 7:
                if not self.signature_bytes:
                    raise Malformed("a signature where the swarm has none")
                return SignedIntegrity(self.subtree(cursor), cursor.number(8), cursor.bytes(self.signature_bytes))
            case 13:
                return PexResCert(cursor.bytes(cursor.number(2)))
            case 224 if self.extensions:
                return Extension(cursor.number(2), cursor.bytes(cursor.number(2)))
            case 225 if self.extensions:
                chunk = cursor.number(6)
                return Pushed(Range(chunk, chunk), cursor.number(4), self.payload(cursor))
        raise Malformed(f"message type {kind} is not known")

    def subtree(self, cursor):
        chunks = self.addressing.decode(cursor)
        if not is_aligned(chunks):
            raise Malformed(f"{chunks} is no node of the tree (5.4)")
        return chunks

    def decode_data(self, cursor):
        chunks, time_us = self.addressing.decode(cursor), cursor.number(8)
        if chunks.width != 1:
            raise Malformed("DATA for several chunks")
        return Data(chunks, time_us, self.payload(cursor))

    def payload(self, cursor):
        """A chunk reaches to the end of the datagram, unless others of the same fixed size come after it (8.6)."""
        if not cursor.left:
            raise Malformed("no chunk")
        return cursor.bytes(cursor.left if self.chunk_bytes is None else min(cursor.left, self.chunk_bytes))

    def decode_all(self, cursor):
        """The messages up to the first that is none, and what was wrong with that one or None (3: it and the rest are dropped)."""
        found = []
        try:
            while cursor.left:
                message = self.decode(cursor)
                if found and isinstance(message, Handshake):
                    raise Malformed("a handshake that does not come first (3.1)")
                found.append(message)
        except Malformed as error:
            return found, error
        return found, None


def checked_close(handshake):
    if not handshake.channel and dataclasses.replace(handshake.options, version=None) != Options():
        raise Malformed("a closing handshake with more than a version (8.4)")
    return handshake


SPEC_ONLY = {HAVE: Have, REQUEST: Request, CANCEL: Cancel}
EMPTY_BODY = {CHOKE: Choke, UNCHOKE: Unchoke, PEX_REQ: PexReq}


def first_handshake(data):
    """The handshake at the front of a datagram whose swarm is not known yet, and a cursor at what follows it."""
    cursor = Cursor(data, 4)
    if cursor.number(1) != HANDSHAKE:
        raise Malformed("a datagram to channel 0 that does not begin with a handshake")
    return Handshake(cursor.number(4), options.decode(cursor)), cursor
