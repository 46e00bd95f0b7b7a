"""Captures that a test makes of datagrams it has, and what tshark reads in them with tools/wireshark/ppspp.lua."""
import dataclasses
import ipaddress
import os
import pathlib
import shutil
import struct
import subprocess
from typing import NamedTuple
import xml.etree.ElementTree

DISSECTOR = pathlib.Path(__file__).resolve().parents[2] / "tools" / "wireshark" / "ppspp.lua"
TSHARK = shutil.which("tshark")
RAW_IP = 101                     # link type: packets begin with the IP header
UDP = 17
# Datagrams are at most this long here: longer ones would have to be fragmented.
MAX_DATAGRAM_BYTES = 65535 - 20 - 8


def ip_packet(source, target, payload):
    """An IP packet with one UDP datagram; addresses are (text, port). No checksum of UDP: none is asked for over IPv4."""
    udp = struct.pack(">HHHH", source[1], target[1], 8 + len(payload), 0) + payload
    one, other = (ipaddress.ip_address(address[0]).packed for address in (source, target))
    if len(one) == 4:
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, UDP, 0) + one + other + udp
    return struct.pack(">IHBB", 6 << 28, len(udp), UDP, 64) + one + other + udp


def write_pcap(path, datagrams):
    """Datagrams: (source, target, payload), each a millisecond after the one before."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, RAW_IP))
        for number, (source, target, payload) in enumerate(datagrams):
            packet = ip_packet(source, target, payload)
            file.write(struct.pack("<IIII", number // 1000, number % 1000 * 1000, len(packet), len(packet)) + packet)


class Field(NamedTuple):
    name: str
    position: int                # in the datagram
    bytes: int                   # 0: made up by the dissector
    shown: str
    raw: str                     # hex


@dataclasses.dataclass
class Dissected:
    """One datagram as tshark reads it."""
    protocols: list
    fields: list                 # Field, in the order of the tree
    faults: list                 # what tshark or the dissector found wrong, or could not read
    covered: set                 # positions in the datagram that a field without fields of its own stands for

    def values(self, name):
        return [field.shown for field in self.fields if field.name == name]


# Fields of ours, and of tshark, that say so when something is wrong or left over.
FAULTS = ("_ws.malformed", "_ws.short", "_ws.lua.text", "_ws.expert", "ppspp.undecoded")
LUA_IN_PDML = ("fake-field-wrapper", "_ws.lua.fake")         # stand around every dissector in Lua


def run_tshark(*arguments, folder, timeout_s=60):
    """What it prints on stdout. The user's own settings and plugins are left out; it must have nothing to complain about."""
    home = folder / "tshark-home"
    home.mkdir(exist_ok=True)
    environment = dict(os.environ, HOME=str(home), XDG_CONFIG_HOME=str(home / "config"))
    done = subprocess.run([TSHARK, "-X", f"lua_script:{DISSECTOR}", *map(str, arguments)], env=environment, capture_output=True, timeout=timeout_s)
    complaints = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if not line.startswith("Running as user")]
    if complaints or done.returncode:
        raise AssertionError(f"tshark ended with {done.returncode}: " + "\n".join(complaints))
    return done.stdout.decode("utf-8")


def as_ppspp(port):
    """Options by which tshark takes everything at this port for PPSPP, also where it saw no handshake."""
    return "-d", f"udp.port=={port},ppspp"


def dissect(path, folder, *options):
    """The datagrams of a capture."""
    text = run_tshark("-r", path, "-T", "pdml", *options, folder=folder)
    return [read_packet(packet) for packet in xml.etree.ElementTree.fromstring(text).iter("packet")]


def read_packet(packet):
    protocols = packet.findall("proto")
    udp = next(at for at, proto in enumerate(protocols) if proto.get("name") == "udp")
    start = int(protocols[udp].get("pos")) + int(protocols[udp].get("size"))
    found = Dissected([proto.get("name") for proto in protocols], [], [], set())
    for proto in protocols[udp + 1:]:
        walk(proto, start, found)
    return found


def walk(element, start, found):
    name, position, size = element.get("name"), int(element.get("pos", 0)) - start, int(element.get("size", 0))
    if name not in LUA_IN_PDML:
        if element.tag == "field":
            found.fields.append(Field(name, position, size, element.get("show", ""), element.get("value", "")))
        if name in FAULTS:
            found.faults.append(element.get("showname") or element.get("show") or name)
        # Other dissectors' fields inside of ours (certificates) need not account for every byte.
        if name.startswith("ppspp") and not any(child.get("name").startswith("ppspp") and int(child.get("size", 0)) for child in element):
            found.covered.update(range(position, position + size))
    for child in element:
        walk(child, start, found)
