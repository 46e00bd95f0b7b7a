#!/usr/bin/env python3
"""Writes the entries that the corpora begin with, corpus/NAME/seed-*: from tests/vectors and from what is written here. What the fuzzer
keeps besides has other names.

    make_seeds.py
"""
import datetime
import pathlib
import struct
import subprocess
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors"
HASHES, SIGNATURES = [0, 20, 32, 64], [0, 64, 96, 256]      # as wire_fuzz.cpp chooses formats
CHUNKS, CONTENTS = ["variable", 1, 16, 1024], ["unknown", 1, 1000, 1_000_000]


class Corpus:
    def __init__(self, name):
        self.folder = HERE / "corpus" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob("seed-*"):
            old.unlink()
        self.seen = set()

    def add(self, data):
        data = data.encode("utf-8") if isinstance(data, str) else data
        if data not in self.seen:
            self.seen.add(data)
            (self.folder / f"seed-{len(self.seen):03}").write_bytes(data)


def nearest(choices, value):
    return choices.index(value) if value in choices else 1


def wire_vectors():
    """(format words, bytes behind the channel)"""
    form = {}
    for line in (VECTORS / "wire.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("format "):
            form = dict(word.split("=") for word in line.split()[1:])
        elif line.startswith(("accept", "tolerate", "reject")):
            yield form, bytes.fromhex(line.split("=>")[0].split(" ", 1)[1])


def wire():
    corpus, canary, handshake = Corpus("wire"), Corpus("canary"), Corpus("handshake")
    for form, data in wire_vectors():
        number = lambda name: int(form[name]) if form[name].isdigit() else form[name]  # noqa: E731
        choice = bytes([number("addressing"), nearest(HASHES, number("hash")), nearest(SIGNATURES, number("signature")),
                        nearest(CHUNKS, number("chunk")) | nearest(CONTENTS, number("content")) << 2])
        corpus.add(choice + bytes(4) + data)
        if data[:1] == b"\0":
            handshake.add(data[5:])
    for data in ("080000000a00000014", "0a", "090000000a0000000b", "0a0b06"):
        canary.add(bytes.fromhex(data))
    # What ./run fuzz must find by itself; here for the test that the bug is there.
    found = Corpus("canary-found")
    found.add(bytes.fromhex("080000000a00000014" "0a" "090000000a00000014"))


def text():
    links = Corpus("link")
    root, key = "0123456789abcdef" * 4, "0d02" + "30af58b087f0183425203c072b3a70e871e3b99be1f43c6fc5418842810c4001"
    links.add(f"runnel:{root}?xl=1000000&dn=A%20film&tr=http%3A%2F%2Ftracker.example%3A6969%2Fannounce&x.pe=192.0.2.1:7000&x.pe=[2001:db8::1]:7000")
    links.add(f"runnel:{key}?x.pe=host.example:7000&k=000102030405060708090a0b0c0d0e0f&ca=4&cs=1080&hf=2")
    links.add(f"runnel:{root}?xl=5&ws=https://origin.example/film.mp4&x.ix={root}:500#part")
    links.add("0123456789abcdef0123456789abcdef01234567")
    links.add(f"runnel:{key}?x.pe=127.0.0.1:7000&im=2")
    for function, digits in ((1, 56), (3, 96), (4, 128)):
        links.add(f"{(root * 2)[:digits]}?xl=1000&hf={function}&x.ix={(root * 2)[:digits]}:9")
    urls = Corpus("ingest_url")
    for key_, stream_id, url in (("KEY", "KEY", "rtmp://0.0.0.0:1935/live/KEY"), ("KEY", "publish:KEY", "srt://0.0.0.0:9000?streamid=KEY&latency=200"),
                                 ("KEY", "#!::r=KEY,m=publish,u=me", "rtmp://[::1]/a/b/c/KEY"), ("", "#!::m=request", "srt://:9000?passphrase=longenough1")):
        urls.add(f"{key_}\n{stream_id}\n{url}\n")
    requests = Corpus("http_request")
    for lines in (["/", "", "", "", "", "", "localhost"], ["/streams/f/media", "", "bytes=10-99", "", "", "", "127.0.0.1:8080"],
                  ["/streams/f/media", "", "bytes=-5", '"x"', '"y"', "VLC", "tv.example"], ["/streams/l/master.m3u8"], ["/streams/l/live.m3u8", "_HLS_msn=1&_HLS_part=2"],
                  ["/streams/l/init-1.mp4"], ["/streams/l/part-3.m4s"], ["/streams/l/live.ts"], ["/api/status"], ["/metrics"], ["/streams/l/qr.svg"],
                  ["/streams/f/master.m3u8"], ["/streams/f/v0/seg-1.m4s"]):
        requests.add(b"\x02" + "\n".join(lines + [""] * (7 - len(lines))).encode() + b"\n")


def trackers():
    bencode, answers = Corpus("bencode"), Corpus("tracker_answer")
    compact = b"d8:completei1e10:incompletei2e8:intervali120e12:min intervali30e5:peers12:" + bytes([11, 0, 0, 1, 27, 88] * 2) + b"6:peers618:" + bytes([32] * 18) + b"e"
    long_form = b"d8:intervali60e5:peersld2:ip9:192.0.2.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti7000eeee"
    refusal, scrape = b"d14:failure reason9:not here!e", b"d5:filesd20:" + bytes(range(20)) + b"d8:completei1e10:downloadedi2e10:incompletei3eeee"
    for data in (compact, long_form, refusal, scrape, b"i-42e", b"0:", b"l3:abci0ee", b"de"):
        bencode.add(data)
    for kind, data in ((0, compact), (0, long_form), (0, refusal), (1, scrape), (2, b"http://tracker.example:6969/announce?a=b"), (2, b"udp://[2001:db8::1]:80")):
        answers.add(bytes([kind]) + data)
    udp = Corpus("tracker_udp")
    peers = bytes([11, 0, 0, 1, 27, 88])
    connect = struct.pack(">QII", 0x41727101980, 0, 7)
    announce = struct.pack(">QII20s20sQQQIIIiH", 5, 1, 7, bytes(range(20)), bytes(20), 1, 2, 3, 2, 0, 9, -1, 7000)
    for choice, data in ((0, struct.pack(">IIQ", 0, 7, 5)), (2, struct.pack(">IIIII", 1, 7, 120, 1, 2) + peers * 2), (0, struct.pack(">IIIII", 1, 7, 120, 1, 2) + bytes([32] * 18)),
                         (0, struct.pack(">IIIII", 2, 7, 1, 2, 3)), (0, struct.pack(">II", 3, 7) + b"no"), (1, connect), (1, announce),
                         (1, announce + b"\x02\x09/announce\x00"), (1, struct.pack(">QII", 5, 2, 7) + bytes(range(20)) * 2)):
        udp.add(bytes([choice]) + data)
    datagrams = Corpus("tracker_datagram")
    for number in range(2):
        datagrams.add(bytes([number, len(connect)]) + connect + bytes([number | 1, len(announce)]) + announce)
    requests = Corpus("tracker_request")
    query = "info_hash=%00%01%02%03%04%05%06%07%08%09%0a%0b%0c%0d%0e%0f%10%11%12%13&peer_id=-RN0001-aaaaaaaaaaaa&port=7000&uploaded=0&downloaded=0&left=1"
    requests.add(f"\x01/announce?{query}&event=started\n\x02/announce?{query}&compact=1&numwant=5\n\x01/scrape?{query[:66]}\n\x04/stats\n\x04/\n")
    requests.add(f"\x01/announce?{query}&event=completed\n\x01/announce?{query}&event=stopped&ip=10.0.0.1\n")


def media():
    record = Corpus("record")
    for path in sorted((VECTORS / "stream").glob("*.hex")):
        record.add(b"\x00" + bytes.fromhex(path.read_text(encoding="ascii")))
        record.add(b"\x07" + bytes.fromhex(path.read_text(encoding="ascii")))
    index = Corpus("scanned_index")
    for text_ in ("524e4c580180f3aa0180dac409000300e80880897af89e1280897acf0f5fa05ac6", "524e4c5801000000001e868cc5"):
        index.add(b"\0" + bytes.fromhex(text_))
        index.add(b"\1" + bytes.fromhex(text_))
    amf0 = Corpus("amf0")
    amf0.add(bytes.fromhex("020007636f6e6e656374003ff0000000000000030003617070020004 6c697665000009".replace(" ", "")))
    amf0.add(bytes.fromhex("0101050608000000010001610200016200000900000000" "0a00000002" "0500" "3ff0000000000000" "0b42700000000000000000"))
    rtmp = Corpus("rtmp")
    rtmp.add(b"\x00\x03" + bytes(3072))
    rtmp.add(bytes.fromhex("fb" "03000000" "00001914" "00000000" "0200077075626c697368" "004008000000000000" "05" "0200034b4559" "0200046c697665"))
    rtmp.add(bytes.fromhex("ff" "04000000" "00000708" "01000000" "af0012108c8c8c"))
    messages = Corpus("helper_messages")
    for kind in range(32):
        messages.add(bytes([kind]) + bytes(24))
    film_and_ts()


def film_and_ts():
    """Small films in each container, by ffmpeg: a few frames of a small picture and a tone."""
    films, ts = Corpus("film"), Corpus("ts")
    with tempfile.TemporaryDirectory() as folder:
        made = {}
        source = ["-f", "lavfi", "-i", "testsrc=size=32x32:rate=5:duration=0.6", "-f", "lavfi", "-i", "sine=duration=0.6:sample_rate=8000"]
        for ending, options in (("mp4", ["-c:v", "libx264", "-c:a", "aac", "-b:a", "8k"]), ("mkv", ["-c:v", "libx264", "-c:a", "aac", "-b:a", "8k"]),
                                ("ts", ["-c:v", "libx264", "-c:a", "aac", "-b:a", "8k"]), ("webm", ["-c:v", "libvpx", "-c:a", "libopus", "-b:v", "20k", "-ar", "8000"]),
                                ("cmaf.mp4", ["-c:v", "libx264", "-c:a", "aac", "-b:a", "8k", "-movflags", "+frag_keyframe+empty_moov+default_base_moof"])):
            path = pathlib.Path(folder) / f"film.{ending}"
            subprocess.run(["ffmpeg", "-v", "error", *source, "-fflags", "+bitexact", "-flags", "+bitexact", "-threads", "1", *options, path],
                           check=True, stdin=subprocess.DEVNULL)
            made[ending] = path.read_bytes()
        for data in made.values():
            films.add(b"\0" + data)
        cmaf = made["cmaf.mp4"]
        split = cmaf.index(b"moof") - 4
        init, chunk = cmaf[:split], cmaf[split:]
        ts.add(b"\x00" + struct.pack(">H", len(init)) + init + b"\x01" + struct.pack(">H", len(chunk)) + chunk)


def keys():
    corpus = Corpus("public_key")
    seen = set()
    for line in (VECTORS / "trees.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("signature swarm=") and (word := line.split()[1].removeprefix("swarm=")) not in seen:
            seen.add(word)
            corpus.add(bytes.fromhex(word))
    corpus.add(bytes.fromhex("0d0230af58b087f0183425203c072b3a70e871e3b99be1f43c6fc5418842810c4001"))
    corpus.add("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n")


def certificates():
    """By the key of certificate_fuzz.cpp; and the names alone."""
    corpus = Corpus("certificate")
    issuer = serialization.load_pem_private_key(b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                                                b"-----END PRIVATE KEY-----\n", None)
    begin = datetime.datetime.fromtimestamp(1_700_000_000, datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PPSPP")])
    uris = ("file://203.0.113.7:6778/0f0a", "file://[2001:db8::7]:1/0f0a")
    for names, critical in ((uris[:1], True), (uris[1:], True), (uris, True), (uris[:1], False)):
        san = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in names])
        made = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(name).public_key(issuer.public_key()).serial_number(7)
                .not_valid_before(begin).not_valid_after(begin + datetime.timedelta(minutes=10)).add_extension(san, critical=critical)
                .sign(issuer, None))
        corpus.add(made.public_bytes(serialization.Encoding.DER))
    for uri in (*uris, "file://203.0.113.7:0/0f0a", "file:///0f0a"):
        corpus.add(uri)
    corpus.add(bytes([0, 100, 1, 0, 20, 2]))


def operations():
    sealed = Corpus("sealed")
    for line in (VECTORS / "seal" / "seal.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("seal ") and len(line.split()[-1]) < 200:
            data = bytes.fromhex(line.split()[-1])
            sealed.add(b"\0\0" + bytes([3, len(data)]) + data)
    sealed.add(bytes([0, 0, 0, 3, 1, 2, 3, 1, 0, 1, 0, 2, 0, 0, 9, 6, 0, 0, 4]))
    sealed.add(bytes([1, 0] + [0, 1, 65] * 4 + [1, 3, 1, 1, 1, 2, 1, 0]))
    socket = Corpus("socket")
    socket.add(bytes([0, 3, 3, 0x81, 3, 2, 3, 0x82, 3]))                 # a handshake that comes through, then both seal
    socket.add(bytes([0, 0x80, 3, 3, 3, 7, 200, 3]))                     # both call at once
    socket.add(bytes([0, 4, 0, 0, 40, 3, 0x74, 0, 0, 13, 3]))            # with parts changed
    socket.add(bytes([6, 30]) + bytes([22, 254, 253]) + bytes(27) + bytes([6, 4, 192, 0, 0, 1, 6, 8]) + bytes(8))
    tree, index = Corpus("store_tree"), Corpus("store_index")
    tree.add(bytes([0, 0, 1, 6, 0, 2, 2, 0, 0, 3, 0, 1, 1, 1, 0, 3, 0, 1]))
    tree.add(bytes([0, 0, 1, 2, 0, 0, 4, 0, 3, 3, 0, 1, 5, 0, 1]))
    index.add(bytes([0]) + bytes(40))
    index.add(bytes([1, 0, 100, 7, 16, 5, 255]))
    index.add(bytes([1, 0, 20, 3]))
    engine = Corpus("engine")
    for live in (0, 1):
        engine.add(bytes([live, 4, 20, 7, 9, 4, 30]))
        # Calls both, comes in by a keep-alive, asks, lies, waits.
        engine.add(bytes([live, 0, 0, 0x80, 0, 1, 0, 0x81, 0, 2, 1, 0, 5, 0x82, 0, 0, 31, 4, 50, 0x82, 5, 3, 0, 0, 9, 4, 100]))
        engine.add(bytes([live, 0x80, 3, 0x81, 0, 0x82, 6, 1, 0, 0x82, 7, 2, 0, 0x82, 11, 0, 0, 10, 5, 4, 200, 6, 1, 3, 4, 9]))
    # The enemy as a pusher: HELLO first. As a child it subscribes to trees and asks again and again for what it lacks.
    meets = [1, 7, 9, 4, 20, 0, 0, 1, 0, 10, 0, 200, 0x80, 0, 0x81, 0, 0x8A, 0, 200]
    trees = [n for tree in range(0, 18, 2) for n in (10, 1, tree, 200)]
    asks = [n for _ in range(4) for n in (10, 8, 0, 0, 2, 2, 1, 255, 255, 0, 0)]
    engine.add(bytes([*meets, *trees, 7, 40, 4, 30, *asks, 10, 5, 2, 4, 30]))
    # As a parent: it seems the quickest, accepts, gives what is not true, and sends its children away.
    advert = [0x8A, 10, 0, 4, 0, 255, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 255]
    accepts = [n for tree in range(0, 18, 3) for n in (0x8A, 2, tree, 1, 0)]
    lies = [0x8A, 7, 0, 0, 0, 1, 0, 0x82, 4, 0, 0, 0, 0, 0x8A, 11, 1, 0, 0, 30, 1, 0x8A, 11, 0, 1, 5, 0x8A, 9, 1, 0, 0, 0, 1, 1, 255, 255]
    engine.add(bytes([*meets, *advert, 4, 60, *accepts, *lies, 7, 20, 4, 40, 0x8A, 4, 0, 1, 0x8A, 3, 3, 2, 1, 0x8A, 6, 6, 2, 0, 1, 4, 90]))


def main():
    wire()
    text()
    trackers()
    media()
    keys()
    certificates()
    operations()
    return 0


if __name__ == "__main__":
    sys.exit(main())
