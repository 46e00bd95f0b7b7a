#!/usr/bin/env python3
"""Makes seal.txt, from docs/EXTENSIONS.md alone: it shares nothing with the program that it checks.

    make.py > seal.txt        needs python3-cryptography
"""
import hmac
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_SIZES = {"aes-128-gcm": 16, "chacha20-poly1305": 32}
CIPHERS = {"aes-128-gcm": AESGCM, "chacha20-poly1305": ChaCha20Poly1305}


def hkdf(secret, info, size, salt=None):
    return HKDF(SHA256(), size, salt, info).derive(secret)


def psk(swarm_id, secret):
    shared = hkdf(secret, b"runnel private swarm", 32, swarm_id) if secret else hkdf(swarm_id, b"runnel swarm", 32)
    return shared, hmac.digest(shared, b"id", "sha256")[:16].hex()


def sealed(algorithm, exported, channel, source, counter, plain):
    secret = hkdf(exported, b"runnel channel" + struct.pack(">II", channel, source), 32)
    for _ in range(counter >> 20):
        secret = hkdf(secret, b"runnel next", 32)
    key = hkdf(secret, b"runnel key", KEY_SIZES[algorithm])
    mask = hkdf(secret, b"runnel nonce", 12)
    nonce = bytes(a ^ b for a, b in zip(mask, bytes(4) + struct.pack(">Q", counter)))
    header = struct.pack(">IQ", channel, counter)
    return header + CIPHERS[algorithm](key).encrypt(nonce, plain, header)


def main():
    print("# Made by make.py.\n# psk SWARM-ID SECRET(-: none) => SHARED IDENTITY")
    for swarm_id, secret in ((bytes(range(32)), b""), (bytes(range(32)), bytes(range(100, 124))), (b"\x0d" + bytes(range(64)), b"0123456789abcdef")):
        shared, identity = psk(swarm_id, secret)
        print("psk", swarm_id.hex(), secret.hex() or "-", "=>", shared.hex(), identity)
    print("\n# seal ALGORITHM EXPORTED CHANNEL SENDERS-CHANNEL COUNTER MESSAGES(-: none) => DATAGRAM")
    exported = bytes(range(0x40, 0x60))
    for algorithm in CIPHERS:
        for channel, counter, plain in ((0xC0000001, 0, b""), (0xC0000001, 0, bytes(range(20))), (0xC0000001, 1, bytes(range(20))),
                                        (0xFFFFFFFE, 0xFFFFF, b"\x05" * 33), (0xFFFFFFFE, 0x100000, b"\x05" * 33), (0xDEADBEEF, 0x100007, b"\x0e")):
            print("seal", algorithm, exported.hex(), f"{channel:08x}", "c0ffee00", counter, plain.hex() or "-", "=>",
                  sealed(algorithm, exported, channel, 0xC0FFEE00, counter, plain).hex())


if __name__ == "__main__":
    main()
