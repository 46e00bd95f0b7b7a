"""Reads tests/vectors: wire.txt and trees.txt, as their README tells."""
import pathlib
import re
from typing import NamedTuple

from . import messages, options
from .addressing import BYTES64, Addressing
from .bins import Range
from .messages import Codec
from .options import Options

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "vectors"
RUN = re.compile(r"(\d+)\*([0-9a-f]{2})")
OPTION_WORDS = {"version": "version", "minimum": "min_version", "integrity": "integrity", "hash": "hash_function",
                "signature": "signature_algorithm", "addressing": "addressing"}


class Entry(NamedTuple):
    line: int
    kind: str                # accept, tolerate or reject
    codec: Codec
    data: bytes
    text: str
    format: str


def lines(name):
    for number, line in enumerate((FOLDER / name).read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def words(text):
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def to_bytes(text):
    """Hex, or runs `N*hh` one after the other; `-` is nothing."""
    if text == "-":
        return b""
    if "*" not in text:
        return bytes.fromhex(text)
    return b"".join(bytes.fromhex(value) * int(count) for count, value in RUN.findall(text))


def to_range(text):
    first, _, last = text.partition("..")
    return Range(int(first), int(last or first))


def codec_of(format_words):
    sizes = {name: None if value in ("variable", "unknown") else int(value) for name, value in format_words.items()}
    method, chunk, content = sizes["addressing"], sizes["chunk"], sizes["content"]
    addressing = None if method == BYTES64 and not chunk else Addressing(method, chunk or 0, content)
    return Codec(addressing, sizes["hash"], sizes["signature"], chunk)


def wire_entries(name="wire.txt"):
    codec = form = None
    for number, line in lines(name):
        kind, _, rest = line.partition(" ")
        if kind == "format":
            codec, form = codec_of(words(rest)), rest
            codec.extensions = True
            continue
        data, _, text = line.removeprefix(kind).partition("=>")
        yield Entry(number, kind, codec, bytes.fromhex(data), text.strip(), form)


def to_messages(text):
    """The messages written on the right, and whether an invalid one comes after them."""
    parts = [part.strip() for part in text.split(";")] if text != "-" else []
    invalid = bool(parts) and parts[-1].startswith("!")
    return [to_message(part) for part in parts[:len(parts) - invalid]], invalid


def to_message(text):
    name, *rest = text.split()
    said = words(text)
    match name:
        case "HANDSHAKE":
            return messages.Handshake(int(rest[0], 16), to_options(said))
        case "DATA":
            return messages.Data(to_range(rest[0]), int(said["t"]), to_bytes(rest[2]))
        case "ACK":
            return messages.Ack(to_range(rest[0]), int(said["delay"]))
        case "HAVE" | "REQUEST" | "CANCEL":
            return {"HAVE": messages.Have, "REQUEST": messages.Request, "CANCEL": messages.Cancel}[name](to_range(rest[0]))
        case "INTEGRITY":
            return messages.Integrity(to_range(rest[0]), to_bytes(rest[1]))
        case "SIGNED_INTEGRITY":
            return messages.SignedIntegrity(to_range(rest[0]), int(said["ntp"]), to_bytes(rest[2]))
        case "PEX_RESv4" | "PEX_RESv6":
            address, _, port = rest[0].rpartition(":")
            return messages.PexRes(address.strip("[]"), int(port))
        case "PEX_REScert":
            return messages.PexResCert(to_bytes(rest[0]))
        case "PUSHED":
            return messages.Pushed(Range(int(rest[0]), int(rest[0])), int(said["t"]), to_bytes(rest[2]))
        case "EXTENSION":
            return messages.Extension(int(rest[0]), to_bytes(rest[1]))
    return {"CHOKE": messages.Choke, "UNCHOKE": messages.Unchoke, "PEX_REQ": messages.PexReq}[name]()


def to_options(said):
    found = Options(**{field: int(said[word]) for word, field in OPTION_WORDS.items() if word in said})
    if "swarm" in said:
        found.swarm_id = to_bytes(said["swarm"])
    if "window" in said:
        every = (1 << 8 * options.window_bytes(found.addressing)) - 1
        found.discard_window = every if said["window"] == "all" else int(said["window"])
    if "messages" in said:
        found.supported = options.decode_bitmap(bytes.fromhex(said["messages"]))
    if "chunk" in said:
        found.chunk_size = options.VARIABLE_CHUNK_SIZE if said["chunk"] == "variable" else int(said["chunk"])
    return found


def record_bytes(name):
    return bytes.fromhex((FOLDER / "stream" / f"{name}.hex").read_text(encoding="ascii"))


class Statement(NamedTuple):
    """A line of trees.txt: its first word, what stands before the arrow, what stands behind it."""
    line: int
    kind: str
    said: str
    result: str


def tree_groups(name="trees.txt"):
    """Each static tree, munro or chunk with the statements that follow it. What belongs to none comes first, in a group of its own."""
    loose, groups = [], []
    for number, line in lines(name):
        said, _, result = line.partition("=>")
        kind, _, said = said.strip().partition(" ")
        statement = Statement(number, kind, said.strip(), result.strip())
        if kind in ("static", "munro", "chunk"):
            groups.append([statement])
        elif kind in ("split", "bin"):
            loose.append(statement)
        else:
            groups[-1].append(statement)
    return [loose, *groups]
