"""Values of the messages of push, as far as a parent says or hears them. Written from the layouts in docs/EXTENSIONS.md."""
import dataclasses
import struct

from .cursor import Cursor, Malformed
from .messages import Extension

SUBSTREAMS, TREES = 16, 18           # the last two carry bundles
WIDTH = 32                           # chunks of a munro
NOT_FED = NO_CHILDREN = 255
FULL, STARVING = 0, 1                # reasons to refuse
WHOLE = -1                           # of a map's entry, in place of the chunks
MAX_ENTRIES, MAX_STEP, MAX_PATH = 128, 127, 32
LAST_MUNRO = 2**57 - 1
ADVERT = struct.Struct(f">HBBIIII{TREES}s{TREES}s")


def mix64(x):
    """SplitMix64's finalizer."""
    x = (x + 0x9e3779b97f4a7c15) % 2**64
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 % 2**64
    x = (x ^ x >> 27) * 0x94d049bb133111eb % 2**64
    return x ^ x >> 31


def tree_of(index):
    munro, leaf = divmod(index, WIDTH)
    return (leaf + mix64(munro)) % SUBSTREAMS


@dataclasses.dataclass(frozen=True)
class Hello:
    node_id: int
    watchers: int
    abilities: int                   # 1: it pushes
    beginning: int | None = None     # first chunk of the newest record that a player may begin with
    number = 1

    def encode(self):
        beginning = b"" if self.beginning is None else struct.pack(">Q", self.beginning)
        return struct.pack(">QHB", self.node_id, self.watchers, self.abilities) + beginning

    @staticmethod
    def decode(cursor, codec):
        """Earlier versions end before the abilities or before the beginning."""
        return Hello(cursor.number(8), cursor.number(2), cursor.number(1) if cursor.left else 0, cursor.number(8) if cursor.left >= 8 else None)


@dataclasses.dataclass(frozen=True)
class Subscribe:
    tree: int
    key: int
    number = 2

    def encode(self):
        return bytes([self.tree, self.key])

    @staticmethod
    def decode(cursor, codec):
        return Subscribe(read_tree(cursor), cursor.number(1))


@dataclasses.dataclass(frozen=True)
class Accept:
    tree: int
    path: tuple                      # tags from the source to the sender
    number = 3

    def encode(self):
        return bytes([self.tree]) + b"".join(tag.to_bytes(4, "big") for tag in self.path)

    @staticmethod
    def decode(cursor, codec):
        tree = read_tree(cursor)
        if cursor.left > 4 * MAX_PATH:
            raise Malformed("a path longer than any")
        path = []
        while cursor.left:
            path.append(cursor.number(4))
        return Accept(tree, tuple(path))


@dataclasses.dataclass(frozen=True)
class Refuse:
    tree: int
    reason: int
    hint: int
    place: int = 0                   # among those who give nothing and wait; 0: it does not wait
    number = 4

    def encode(self):
        return struct.pack(">BBI", self.tree, self.reason, self.hint) + (struct.pack(">H", self.place) if self.place else b"")

    @staticmethod
    def decode(cursor, codec):
        refuse = Refuse(read_tree(cursor), cursor.number(1), cursor.number(4), cursor.number(2) if cursor.left >= 2 else 0)
        if refuse.reason > 2:
            raise Malformed(f"reason {refuse.reason}")
        return refuse


@dataclasses.dataclass(frozen=True)
class Redirect:
    tree: int
    hint: int
    number = 5

    def encode(self):
        return struct.pack(">BI", self.tree, self.hint)

    @staticmethod
    def decode(cursor, codec):
        return Redirect(read_tree(cursor), cursor.number(4))


@dataclasses.dataclass(frozen=True)
class Unsubscribe:
    tree: int
    number = 6

    def encode(self):
        return bytes([self.tree])

    @staticmethod
    def decode(cursor, codec):
        return Unsubscribe(read_tree(cursor))


@dataclasses.dataclass(frozen=True)
class Advert:
    uplink: int                      # 1/256 of the stream's rate
    room: int                        # half slots
    queue: int                       # 4 ms
    sent: int                        # us, of the sender's clock
    echo: int                        # that of the receiver's newest; 0: none came
    held: int                        # us since then
    delay: int                       # us: the greatest since the last; 0: none
    lag: bytes                       # 8 ms, of each tree
    weakest: bytes                   # key, of each tree
    number = 8

    def encode(self):
        return ADVERT.pack(*(getattr(self, field.name) for field in dataclasses.fields(self)))

    @staticmethod
    def decode(cursor, codec):
        return Advert(*ADVERT.unpack(cursor.bytes(ADVERT.size)))


@dataclasses.dataclass(frozen=True)
class HaveMap:
    entries: tuple                   # (munro, bit for each chunk, or WHOLE), munros grow
    number = 9

    def encode(self):
        return encode_map(self.entries)

    @staticmethod
    def decode(cursor, codec):
        return HaveMap(read_map(cursor))


@dataclasses.dataclass(frozen=True)
class Nack:
    entries: tuple                   # WHOLE: the bundle
    number = 10

    def encode(self):
        return encode_map(self.entries)

    @staticmethod
    def decode(cursor, codec):
        return Nack(read_map(cursor))


@dataclasses.dataclass(frozen=True)
class Bundle:
    munro: int
    ntp_time: int
    signature: bytes
    leaves: tuple                    # hashes of those that carry chunks
    number = 12

    def encode(self):
        return self.munro.to_bytes(8, "big") + self.ntp_time.to_bytes(8, "big") + self.signature + b"".join(self.leaves)

    @staticmethod
    def decode(cursor, codec):
        munro, ntp_time, signature = cursor.number(8), cursor.number(8), cursor.bytes(codec.signature_bytes)
        leaves = []
        while cursor.left:
            leaves.append(cursor.bytes(codec.hash_bytes))
        if not 1 <= len(leaves) <= WIDTH or bytes(codec.hash_bytes) in leaves:
            raise Malformed("a bundle without leaves, with too many, or with an empty one")
        return Bundle(munro, ntp_time, signature, tuple(leaves))


KINDS = {kind.number: kind for kind in (Hello, Subscribe, Accept, Refuse, Redirect, Unsubscribe, Advert, HaveMap, Nack, Bundle)}


def to_extension(value):
    return Extension(value.number, value.encode())


def decode(number, value, codec):
    """Values may be longer than known, where their layout has an end: later versions append."""
    if number not in KINDS:
        raise Malformed(f"extension {number} is none that a parent knows")
    return KINDS[number].decode(Cursor(value), codec)


def read_tree(cursor):
    tree = cursor.number(1)
    if tree >= TREES:
        raise Malformed(f"tree {tree}")
    return tree


def encode_map(entries):
    """Munros further apart than a step are bridged by entries of no chunks."""
    at = entries[0][0] if entries else 0
    out = bytearray(at.to_bytes(8, "big"))
    for munro, chunks in entries:
        while munro - at > MAX_STEP:
            out += bytes([MAX_STEP, 0, 0, 0, 0])
            at += MAX_STEP
        out += bytes([0x80 | munro - at]) if chunks == WHOLE else bytes([munro - at]) + chunks.to_bytes(4, "big")
        at = munro
    return bytes(out)


def read_map(cursor):
    at, count, found = cursor.number(8), 0, []
    while cursor.left:
        head = cursor.number(1)
        count += 1
        at += head & MAX_STEP
        if count > MAX_ENTRIES or at > LAST_MUNRO or (count > 1 and not head & MAX_STEP):
            raise Malformed("a map of too many munros, of one twice, or of one past the last")
        chunks = WHOLE if head & 0x80 else cursor.number(4)
        if chunks:
            found.append((at, chunks))
    return tuple(found)


def ranges_of(chunks):
    """The runs of ones among a munro's bits: pairs of first and last leaf."""
    leaf = 0
    while chunks >> leaf:
        if chunks >> leaf & 1:
            first = leaf
            while chunks >> leaf & 1:
                leaf += 1
            yield first, leaf - 1
        leaf += 1
