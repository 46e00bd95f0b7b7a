"""The five ways of naming chunks on the wire (section 4, codes of 7.8).

Inside the program a chunk specification is always a Range of chunk indices.
"""
from .bins import EMPTY, Range, bin_of, is_aligned, range_of, split
from .cursor import Malformed

BIN32, BYTES64, CHUNKS32, BIN64, CHUNKS64 = range(5)
NAMES = {"bin32": BIN32, "bytes64": BYTES64, "chunks32": CHUNKS32, "bin64": BIN64, "chunks64": CHUNKS64}


class Addressing:
    """chunk_bytes is needed for byte ranges alone. With content_bytes, an interval that ends with the short last chunk ends with
    the content's last byte. One that reaches further, as nodes of the tree over padding do, is as wide as its leaves: else the
    nodes 12 and 13 of the seven-chunk tree (5.2) would go by the same name."""

    def __init__(self, method, chunk_bytes=0, content_bytes=None):
        if method == BYTES64 and not chunk_bytes:
            raise ValueError("byte ranges need chunks of a fixed size")
        self.method, self.chunk_bytes, self.content_bytes = method, chunk_bytes, content_bytes
        self.number_bytes = 4 if method in (BIN32, CHUNKS32) else 8
        self.is_bins = method in (BIN32, BIN64)
        self.length = self.number_bytes * (1 if self.is_bins else 2)

    def window_bytes(self):
        """Size of the live discard window in a handshake (7.9)."""
        return self.number_bytes

    def pieces(self, chunks):
        """The intervals by which this one can be named: bins name aligned ones only."""
        return list(split(chunks)) if self.is_bins else [chunks]

    def can_name(self, chunks):
        return not self.is_bins or is_aligned(chunks)

    def encode(self, chunks):
        if self.is_bins:
            value = (1 << 8 * self.number_bytes) - 1 if chunks == EMPTY else bin_of(chunks)
            return value.to_bytes(self.number_bytes, "big")
        first, last = chunks
        if self.method == BYTES64:
            first, last = first * self.chunk_bytes, (last + 1) * self.chunk_bytes - 1
            if self.content_bytes is not None and chunks.last == (self.content_bytes - 1) // self.chunk_bytes:
                last = self.content_bytes - 1
        return first.to_bytes(self.number_bytes, "big") + last.to_bytes(self.number_bytes, "big")

    def encode_of(self, chunks, payload_bytes):
        """For DATA: a byte range is that of the bytes which follow, so a short chunk's is short."""
        if self.method != BYTES64:
            return self.encode(chunks)
        first = chunks.first * self.chunk_bytes
        return first.to_bytes(8, "big") + (first + payload_bytes - 1).to_bytes(8, "big")

    def decode(self, cursor):
        if self.is_bins:
            value = cursor.number(self.number_bytes)
            return EMPTY if value == (1 << 8 * self.number_bytes) - 1 else range_of(value)
        first, last = cursor.number(self.number_bytes), cursor.number(self.number_bytes)
        if last < first:
            raise Malformed(f"an interval from {first} to {last}")
        if self.method == BYTES64:
            if first % self.chunk_bytes:
                raise Malformed(f"byte {first} begins no chunk")
            if self.content_bytes is not None and (last + 1) % self.chunk_bytes and last + 1 != self.content_bytes:
                raise Malformed(f"byte {last} ends no chunk")
            return Range(first // self.chunk_bytes, last // self.chunk_bytes)
        return Range(first, last)
