"""Live swarms' keys and signatures (6.1, 7.7, 8.9): the swarm id is the public key in DNSKEY form, an algorithm byte before it."""
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

RSA_SHA1, RSA_SHA256, ECDSA_P256, ECDSA_P384, ED25519 = 5, 8, 13, 14, 15     # DNSSEC's numbers
NAMES = {"rsa-sha1": RSA_SHA1, "rsa-sha256": RSA_SHA256, "p256": ECDSA_P256, "p384": ECDSA_P384, "ed25519": ED25519}
CURVES = {ECDSA_P256: (ec.SECP256R1, hashes.SHA256, 32), ECDSA_P384: (ec.SECP384R1, hashes.SHA384, 48)}
RSA_HASHES = {RSA_SHA1: hashes.SHA1, RSA_SHA256: hashes.SHA256}


class PublicKey:
    """The key that a swarm id holds."""

    def __init__(self, swarm_id):
        self.swarm_id, self.algorithm = swarm_id, swarm_id[0]
        body = swarm_id[1:]
        if self.algorithm in CURVES:
            curve, self.digest, size = CURVES[self.algorithm]
            if len(body) != 2 * size:
                raise ValueError(f"a key of {len(body)} bytes for algorithm {self.algorithm}")
            x, y = int.from_bytes(body[:size], "big"), int.from_bytes(body[size:], "big")
            self.key = ec.EllipticCurvePublicNumbers(x, y, curve()).public_key()
            self.signature_bytes = 2 * size
        elif self.algorithm in RSA_HASHES:
            self.digest = RSA_HASHES[self.algorithm]
            exponent, modulus = split_rsa(body)
            self.key = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")).public_key()
            self.signature_bytes = len(modulus)
        elif self.algorithm == ED25519:
            self.key = ed25519.Ed25519PublicKey.from_public_bytes(body)
            self.signature_bytes = 64
        else:
            raise ValueError(f"signature algorithm {self.algorithm} is not known")

    def verify(self, signature, message):
        try:
            if self.algorithm in CURVES:
                half = len(signature) // 2
                r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
                self.key.verify(encode_dss_signature(r, s), message, ec.ECDSA(self.digest()))
            elif self.algorithm in RSA_HASHES:
                self.key.verify(signature, message, padding.PKCS1v15(), self.digest())
            else:
                self.key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    def __init__(self, algorithm, key):
        self.algorithm, self.key = algorithm, key
        self.public = PublicKey(bytes([algorithm]) + public_bytes(algorithm, key.public_key()))

    @classmethod
    def generate(cls, algorithm, rsa_bits=2048):
        if algorithm in CURVES:
            return cls(algorithm, ec.generate_private_key(CURVES[algorithm][0]()))
        if algorithm in RSA_HASHES:
            return cls(algorithm, rsa.generate_private_key(65537, rsa_bits))
        return cls(algorithm, ed25519.Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, pem, algorithm=None):
        """A PEM file's key. An RSA key fits two algorithms: SHA-256 unless said otherwise."""
        key = serialization.load_pem_private_key(pem, None)
        if isinstance(key, rsa.RSAPrivateKey):
            return cls(algorithm or RSA_SHA256, key)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return cls(ECDSA_P256 if key.curve.name == "secp256r1" else ECDSA_P384, key)
        return cls(ED25519, key)

    @property
    def swarm_id(self):
        return self.public.swarm_id

    def sign(self, message):
        if self.algorithm in CURVES:
            _, digest, size = CURVES[self.algorithm]
            r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(digest())))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if self.algorithm in RSA_HASHES:
            return self.key.sign(message, padding.PKCS1v15(), RSA_HASHES[self.algorithm]())
        return self.key.sign(message)


def public_bytes(algorithm, key):
    if algorithm in CURVES:
        size, point = CURVES[algorithm][2], key.public_numbers()
        return point.x.to_bytes(size, "big") + point.y.to_bytes(size, "big")
    if algorithm in RSA_HASHES:
        numbers = key.public_numbers()
        exponent = numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big")
        length = bytes([len(exponent)]) if len(exponent) < 256 else b"\0" + len(exponent).to_bytes(2, "big")
        return length + exponent + numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def split_rsa(body):
    """Exponent and modulus of RFC 3110, section 2: a length of one byte, or of three when the first is zero."""
    length, at = body[0], 1
    if not length:
        length, at = int.from_bytes(body[1:3], "big"), 3
    return body[at:at + length], body[at + length:]


def signed_text(spec, ntp_time, subject):
    """What a signature covers (6.1.2.2): the chunk specification as on the wire, the time stamp, and the munro's hash; for
    sign-all (6.1.1) the chunk stands in the hash's place."""
    return spec + ntp_time.to_bytes(8, "big") + subject
