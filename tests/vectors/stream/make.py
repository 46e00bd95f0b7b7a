#!/usr/bin/env python3
"""Writes the vectors of docs/STREAM.md beside itself. Shares no code with the program, on purpose."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
NTP = (1_700_000_000 + 2_208_988_800) << 32 | 1 << 31  # 1 700 000 000.5 s after 1970


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def text(size: str, value: str | bytes) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack(size, len(raw)) + raw


def record(kind, flags, epoch, media_time, duration, newest, payload, init=b""):
    length = 56 + len(init) + len(payload)

    def head(crc):
        return struct.pack(">4sIBBHIQIIQQII", b"RNL1", length, kind, flags, 56, epoch, media_time, duration, len(init), NTP, newest,
                           len(payload), crc)

    return head(crc32c(head(0) + init + payload)) + init + payload


def track(kind, number, flags, codec, codecs, language, title, width, height, rate, sample_rate, channels, bit_rate):
    names = b"".join(text(">B", t) for t in (codec, codecs, language, title))
    return struct.pack(">BBB", kind, number, flags) + names + struct.pack(">IIIIHQ", width, height, rate, sample_rate, channels, bit_rate)


INIT = (bytes([2]) + track(0, 0, 0, "h264", "avc1.64001f", "", "", 1280, 720, 29970, 0, 0, 2_400_000) +
        track(1, 0, 1, "aac", "mp4a.40.2", "en", "Commentary", 0, 0, 0, 48000, 2, 128_000) + bytes(range(32)))
CATALOG = (text(">H", "Evening news é") + bytes([2]) +
           b"".join(text(">H", bytes([13]) + bytes([fill]) * 64) + struct.pack(">IIQ", w, h, rate) + text(">B", "avc1.64001f,mp4a.40.2")
                    for fill, w, h, rate in ((0x11, 1280, 720, 2_400_000), (0x22, 640, 360, 800_000))))
END = bytes([1]) + struct.pack(">I", 7) + text(">H", bytes([0x33]) * 32) + struct.pack(">Q", 123_456_789) + text(">H", "news-7.mp4")
END_INDEXED = (bytes([2]) + END[1:] + struct.pack(">I", 8) + text(">H", bytes([0x44]) * 32) + struct.pack(">Q", 1_000) +
               text(">H", "news-8.mp4") + text(">H", bytes([0x55]) * 32) + struct.pack(">Q", 4_321) + text(">H", b"") + struct.pack(">Q", 0))

FIRST, SECOND, NONE = 0x0D58000000000020, 0x0D58000000000040, 0xFFFFFFFFFFFFFFFF
VECTORS = {
    "init": record(1, 0, 7, 0, 0, NONE, INIT),
    "media": record(2, 0, 7, 66_667, 66_666, FIRST, b"\xab" * 100),
    "media-independent": record(2, 1, 7, 2_000_000, 33_333, SECOND, b"\xcd" * 50, INIT),
    "catalog": record(3, 0, 7, 0, 0, SECOND, CATALOG),
    "end": record(4, 0, 7, 0, 0, SECOND, END),
    "end-indexed": record(4, 0, 8, 0, 0, SECOND, END_INDEXED),
}

for name, data in VECTORS.items():
    lines = [data[i:i + 32].hex() for i in range(0, len(data), 32)]
    (HERE / f"{name}.hex").write_text("\n".join(lines) + "\n")
