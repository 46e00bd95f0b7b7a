"""Protocol options of a handshake (section 7)."""
import dataclasses

from .addressing import BYTES64, BIN64, CHUNKS64
from .cursor import Malformed

END = 0xFF
VARIABLE_CHUNK_SIZE = 0xFFFFFFFF
ALL_MESSAGES = frozenset(range(14))
MAX_BITMAP_BYTES = 32


@dataclasses.dataclass
class Options:
    """None: the option is not there. Fields stand in the order of their codes, which is the order on the wire."""
    version: int = None
    min_version: int = None
    swarm_id: bytes = None
    integrity: int = None            # 0 none, 1 Merkle tree, 2 sign all, 3 unified Merkle tree
    hash_function: int = None
    signature_algorithm: int = None
    addressing: int = None
    discard_window: int = None       # chunks (bytes where bytes are addressed); all ones: nothing is discarded
    supported: frozenset = None      # message types
    chunk_size: int = None

    def encode(self):
        out = bytearray()
        for code, size in ((0, 1), (1, 1), (2, None), (3, 1), (4, 1), (5, 1), (6, 1), (7, None), (8, None), (9, 4)):
            value = getattr(self, FIELDS[code])
            if value is None:
                continue
            out.append(code)
            if code == 2:
                out += len(value).to_bytes(2, "big") + value
            elif code == 7:
                out += value.to_bytes(window_bytes(self.addressing), "big")
            elif code == 8:
                bitmap = encode_bitmap(value)
                out += bytes([len(bitmap)]) + bitmap
            else:
                out += value.to_bytes(size, "big")
        out.append(END)
        return bytes(out)


FIELDS = [field.name for field in dataclasses.fields(Options)]


def window_bytes(addressing):
    if addressing is None:
        raise Malformed("a discard window without the chunk addressing method before it (7.9)")
    return 8 if addressing in (BYTES64, BIN64, CHUNKS64) else 4


def encode_bitmap(types):
    """Bit X from the left, counted over all bytes, is message type X; bytes of zeros at the end are left off (7.10)."""
    bitmap = bytearray(max(types, default=-1) // 8 + 1)
    for kind in types:
        bitmap[kind // 8] |= 0x80 >> kind % 8
    return bytes(bitmap)


def decode_bitmap(bitmap):
    return frozenset(8 * at + bit for at, byte in enumerate(bitmap) for bit in range(8) if byte & 0x80 >> bit)


def decode(cursor):
    """The options up to and with the end option. An option that is not known has no known length: nothing can follow it."""
    options, before = Options(), -1
    while (code := cursor.number(1)) != END:
        if code >= len(FIELDS):
            raise Malformed(f"option {code} is not known")
        if code <= before:
            raise Malformed(f"option {code} after option {before}: they are to be sorted (7)")
        before = code
        if code == 2:
            value = cursor.bytes(cursor.number(2))
        elif code == 7:
            value = cursor.number(window_bytes(options.addressing))
        elif code == 8:
            length = cursor.number(1)
            if length > MAX_BITMAP_BYTES:
                raise Malformed(f"a bitmap of {length} bytes (7.10)")
            value = decode_bitmap(cursor.bytes(length))
        else:
            value = cursor.number(4 if code == 9 else 1)
        if not has_meaning(code, value):
            raise Malformed(f"option {code} with a value that nothing stands for: {value!r}")
        setattr(options, FIELDS[code], value)
    return options


def has_meaning(code, value):
    """Numbers that 7.2 to 7.11 assign."""
    known = {0: range(1, 256), 1: range(1, 256), 3: range(4), 4: range(5), 5: range(1, 256), 6: range(5)}
    return value in known[code] if code in known else code in (7, 8) or bool(value)
