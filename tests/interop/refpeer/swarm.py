"""What must be known of a swarm before any peer is met (3.1, 11.1.1): its metadata."""
import dataclasses

from . import clock, hashes, messages
from .addressing import CHUNKS32, CHUNKS64, Addressing
from .options import ALL_MESSAGES, VARIABLE_CHUNK_SIZE, Options, window_bytes
from .signatures import PublicKey, signed_text

NONE, MERKLE, SIGN_ALL, UNIFIED = range(4)


@dataclasses.dataclass
class Swarm:
    id: bytes
    live: bool = False
    integrity: int = MERKLE
    hash_function: int = 2
    addressing: int = CHUNKS32
    chunk_size: int = 1080           # VARIABLE_CHUNK_SIZE: told by each chunk
    content_bytes: int = None        # of a static swarm, where known
    lists_messages: bool = True      # option 8; who supports all messages may leave it out (7.10)
    version: int = 1                 # 2: with Runnel's extensions, for push.py

    def __post_init__(self):
        self.hash = hashes.BY_CODE[self.hash_function]
        self.public_key = PublicKey(self.id) if self.live and self.integrity != NONE else None

    @property
    def chunk_bytes(self):
        return None if self.chunk_size == VARIABLE_CHUNK_SIZE else self.chunk_size

    @property
    def is_signed(self):
        return self.integrity in (SIGN_ALL, UNIFIED)

    def codec(self):
        addressing = Addressing(self.addressing, self.chunk_bytes or 0, self.content_bytes)
        codec = messages.Codec(addressing, self.hash.length, self.public_key.signature_bytes if self.is_signed else 0, self.chunk_bytes)
        codec.extensions = self.version >= 2
        return codec

    def options(self, with_id, window_chunks=None):
        """What our handshake says (section 7). The responder need not repeat the swarm id."""
        every = (1 << 8 * window_bytes(self.addressing)) - 1
        return Options(version=self.version, min_version=1, swarm_id=self.id if with_id else None, integrity=self.integrity,
                       hash_function=self.hash_function if self.integrity in (MERKLE, UNIFIED) else None,
                       signature_algorithm=self.public_key.algorithm if self.is_signed else None, addressing=self.addressing,
                       discard_window=(window_chunks or every) if self.live else None,
                       supported=self.supported(),
                       chunk_size=self.chunk_size)

    def supported(self):
        if self.version >= 2:
            return ALL_MESSAGES | {messages.EXTENSION}
        return ALL_MESSAGES if self.lists_messages else None

    # ---- what older peers do otherwise in live swarms (compat.py) -----------------------------------------------------
    def understands(self, theirs):
        """Whether a handshake with these options is answered at all."""
        return True

    def signed_text(self, spec, stamp, subject):
        return signed_text(spec, stamp, subject)

    def stamp(self, unix_s):
        return clock.to_ntp(unix_s)

    def unix_s(self, stamp):
        return clock.from_ntp(stamp)

    def objection(self, theirs):
        """Why a peer with these options can not be in this swarm, or None. Options left out are as the metadata say."""
        ours = self.options(with_id=True)
        if theirs.version is None or theirs.version < 1 or (theirs.min_version or 1) > self.version:
            return f"version {theirs.version}, at least {theirs.min_version}"
        for name in ("swarm_id", "integrity", "hash_function", "signature_algorithm", "addressing", "chunk_size"):
            said, known = getattr(theirs, name), getattr(ours, name)
            if said is not None and known is not None and said != known:
                return f"{name} {said!r}, not {known!r}"
        return None


def static_swarm(root, content_bytes=None, **others):
    return Swarm(root, content_bytes=content_bytes, **others)


def live_swarm(swarm_id, integrity=UNIFIED, addressing=CHUNKS64, chunk_size=VARIABLE_CHUNK_SIZE, **others):
    return Swarm(swarm_id, live=True, integrity=integrity, addressing=addressing, chunk_size=chunk_size, **others)
