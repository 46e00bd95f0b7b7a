"""Runnel's links, as far as a peer needs them: id, size, chunk size, addressing, hash function and first peers."""
import urllib.parse

from cryptography.hazmat.primitives.asymmetric import ec

from . import hashes
from .addressing import CHUNKS32, CHUNKS64
from .compat import CompatSwarm, is_compat
from .options import VARIABLE_CHUNK_SIZE
from .signatures import ECDSA_P256, NAMES, public_bytes
from .swarm import UNIFIED, Swarm, live_swarm

COMPRESSED_P256_BYTES = 34
HASH_OF_LENGTH = {h.length: h.code for h in hashes.BY_CODE.values()}
DEFAULT_CHUNK_SIZE = {0: 1024}   # a 40-digit id is a swarm of older peers, of 1024-byte chunks
CHUNK_SIZE = 1080


def format_link(swarm, address):
    words = {"xl": swarm.content_bytes, "x.pe": f"{address[0]}:{address[1]}"}
    words |= {"ca": swarm.addressing, "hf": swarm.hash_function}
    if swarm.chunk_bytes:
        words["cs"] = swarm.chunk_size
    if swarm.live and swarm.integrity != UNIFIED:
        words["im"] = swarm.integrity
    query = "&".join(f"{name}={value}" for name, value in words.items() if value is not None)
    return f"runnel:{swarm.id.hex()}?{query}"


def parse_link(link):
    """The swarm and the addresses of its first peers."""
    body, _, query = link.removeprefix("runnel:").partition("?")
    words = urllib.parse.parse_qs(query)
    number = {name: int(words[name][0]) for name in ("xl", "cs", "ca", "hf", "im") if name in words}
    swarm_id = bytes.fromhex(body)
    peers = [split_address(text) for text in words.get("x.pe", [])]
    if is_live(swarm_id) and is_compat(swarm_id, number):
        return CompatSwarm(uncompressed(swarm_id)), peers
    if is_live(swarm_id):
        return live_swarm(uncompressed(swarm_id), addressing=number.get("ca", CHUNKS64), hash_function=number.get("hf", 2),
                          chunk_size=number.get("cs", VARIABLE_CHUNK_SIZE), integrity=number.get("im", UNIFIED)), peers
    function = number.get("hf", HASH_OF_LENGTH[len(swarm_id)])
    return Swarm(swarm_id, hash_function=function, addressing=number.get("ca", CHUNKS32), content_bytes=number.get("xl"),
                 chunk_size=number.get("cs", DEFAULT_CHUNK_SIZE.get(function, CHUNK_SIZE))), peers


def is_live(swarm_id):
    """Keys are longer than hashes by the algorithm's byte at least, so their lengths tell them apart."""
    return len(swarm_id) not in HASH_OF_LENGTH and swarm_id[0] in NAMES.values()


def uncompressed(swarm_id):
    """A P-256 id is printed compressed; on the wire both coordinates stand (RFC 6605)."""
    if swarm_id[0] != ECDSA_P256 or len(swarm_id) != COMPRESSED_P256_BYTES:
        return swarm_id
    return swarm_id[:1] + public_bytes(ECDSA_P256, ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), swarm_id[1:]))


def split_address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
