"""Runnel's records inside a live swarm (docs/STREAM.md): enough to make them and to read them back."""
import dataclasses
import struct

MAGIC = b"RNL1"
INIT, MEDIA, CATALOG, END = 1, 2, 3, 4
FILLER = 200                     # a kind that readers do not know and skip
HEADER = struct.Struct(">4sIBBHIQIIQQII")
NO_INDEX = (1 << 64) - 1
MAX_BYTES = 4_194_304


def crc32c(data):
    """Castagnoli's CRC, RFC 3720 appendix B.4."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def crc_of_byte(value):
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


CRC_TABLE = [crc_of_byte(byte) for byte in range(256)]


@dataclasses.dataclass
class Record:
    kind: int
    payload: bytes
    independent: bool = False
    epoch: int = 0
    media_time_us: int = 0
    duration_us: int = 0
    init: bytes = b""
    ntp_time: int = 0
    newest_independent: int = NO_INDEX

    def encode(self):
        length = HEADER.size + len(self.init) + len(self.payload)

        def head(crc):
            return HEADER.pack(MAGIC, length, self.kind, int(self.independent), HEADER.size, self.epoch, self.media_time_us,
                               self.duration_us, len(self.init), self.ntp_time, self.newest_independent, len(self.payload), crc)
        body = self.init + self.payload
        return head(crc32c(head(0) + body)) + body


def decode(data):
    """The record that these bytes are; ValueError when they are none."""
    if len(data) < HEADER.size:
        raise ValueError("shorter than a header")
    (magic, length, kind, flags, header_bytes, epoch, media_time, duration, init_bytes, ntp_time, newest, payload_bytes,
     crc) = HEADER.unpack_from(data)
    if magic != MAGIC or length != len(data) or not HEADER.size <= header_bytes <= 4096:
        raise ValueError("no header of a record")
    if header_bytes + init_bytes + payload_bytes != length:
        raise ValueError("its lengths do not add up")
    if crc32c(data[:52] + bytes(4) + data[56:]) != crc:
        raise ValueError("wrong CRC")
    payload_at = header_bytes + init_bytes
    return Record(kind, data[payload_at:], bool(flags & 1), epoch, media_time, duration, data[header_bytes:payload_at], ntp_time, newest)


def length_of(data):
    """The length that a record's first bytes tell, or None where no record begins."""
    if len(data) < 8 or data[:4] != MAGIC:
        return None
    length = int.from_bytes(data[4:8], "big")
    return length if HEADER.size <= length <= MAX_BYTES else None


def read_all(chunks, width, known=()):
    """The whole records among these chunks (index -> bytes): [(index, Record)]. A record begins only where a munro does;
    none is looked at that begins at an index which is known."""
    found = []
    for first in sorted(index for index in chunks if index % width == 0 and index not in known):
        length = length_of(chunks[first])
        data, at = b"", first
        while length is not None and len(data) < length and at in chunks:
            data += chunks[at]
            at += 1
        if length is not None and len(data) == length:
            found.append((first, decode(data)))
    return found
