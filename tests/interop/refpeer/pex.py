"""Peer exchange (3.10.1, 8.13): plain addresses for benign networks, membership certificates elsewhere."""
import datetime
import ipaddress
import time
import urllib.parse

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from . import messages
from .messages import PexReq, PexRes, PexResCert
from .peer import Part

HEARD_WITHIN_S = 60.0            # 3.10.1
MAX_ANSWERS = 16
MAX_LEARNED = 64


class Pex(Part):
    """Answers with the peers it hears from, and remembers what it is told; connects to them when asked to follow."""

    def __init__(self, follows=False, issuer=None, trusted_keys=(), certificates=()):
        self.follows, self.issuer, self.trusted_keys = follows, issuer, list(trusted_keys)
        self.certificates = list(certificates)   # DER; handed out instead of plain addresses
        self.extra = []                          # addresses that this peer recommends besides
        self.learned, self.refused, self.asked = [], [], 0

    def ask(self, now):
        for channel in self.peer.open_channels():
            self.peer.send(channel, [PexReq()], now)

    def on_message(self, channel, message, now):
        if message.type == messages.PEX_REQ:
            self.asked += 1
            self.answer(channel, now)
        elif message.type in (messages.PEX_RESV4, messages.PEX_RESV6):
            self.learn((message.address, message.port), now)
        elif message.type == messages.PEX_RESCERT:
            self.take_certificate(message.certificate, now)

    def answer(self, channel, now):
        if self.certificates:
            self.peer.send_split(channel, [PexResCert(der) for der in self.certificates], now)
            return
        heard = [c.address for c in self.peer.open_channels() if c is not channel and now - c.last_received < HEARD_WITHIN_S]
        found = [PexRes(host.removeprefix("::ffff:"), port) for host, port in [*self.extra, *heard][:MAX_ANSWERS]
                 if may_tell(host, channel.address[0])]
        if found:
            self.peer.send_split(channel, found, now)

    def take_certificate(self, der, now):
        try:
            address, swarm_id = read_certificate(der, self.trusted_keys, time.time())
        except (ValueError, InvalidSignature) as error:
            self.refused.append(str(error) or type(error).__name__)
            return
        if swarm_id == self.peer.swarm.id:
            self.learn(address, now)

    def learn(self, address, now):
        if address in self.learned or len(self.learned) >= MAX_LEARNED:
            return
        self.learned.append(address)
        if self.follows:
            self.peer.connect(address, now)


def may_tell(host, asker):
    """8.13: addresses of private networks are not for those outside of them."""
    return ipaddress.ip_address(host).is_global or not ipaddress.ip_address(asker).is_global


def make_certificate(issuer_key, address, swarm_id, lifetime_s=3600.0, at_unix_s=None, critical=True):
    """A membership certificate: swarm and address in a critical subjectAltName, the time of contact as its beginning. Ed25519 keys
    have a digest of their own."""
    begin = datetime.datetime.fromtimestamp(at_unix_s or time.time(), datetime.timezone.utc).replace(microsecond=0)
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PPSPP membership")])
    subject_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(subject_key)
                   .serial_number(x509.random_serial_number()).not_valid_before(begin)
                   .not_valid_after(begin + datetime.timedelta(seconds=lifetime_s))
                   .add_extension(x509.SubjectAlternativeName(
                       [x509.UniformResourceIdentifier(f"file://{host}:{address[1]}/{swarm_id.hex()}")]), critical=critical)
                   .sign(issuer_key, None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()))
    return certificate.public_bytes(serialization.Encoding.DER)


def read_certificate(der, trusted_keys, now_unix_s):
    """Address and swarm id of a certificate that one of these keys signed and that is valid now; ValueError otherwise."""
    certificate = x509.load_der_x509_certificate(der)
    if not any(signed_by(certificate, key) for key in trusted_keys):
        raise ValueError("signed by nobody who is trusted")
    now = datetime.datetime.utcfromtimestamp(now_unix_s)     # as Debian 12's library tells the limits: UTC, without saying so
    if not certificate.not_valid_before <= now <= certificate.not_valid_after:
        raise ValueError("not valid at this time")
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    names = extension.value.get_values_for_type(x509.UniformResourceIdentifier)
    if not extension.critical or len(names) != 1:
        raise ValueError("no critical subjectAltName with one URI")
    uri = urllib.parse.urlsplit(names[0])
    if uri.scheme != "file" or not uri.port:
        raise ValueError(f"{names[0]} names no peer")
    return (uri.hostname, uri.port), bytes.fromhex(uri.path.removeprefix("/"))


def signed_by(certificate, key):
    digest = certificate.signature_hash_algorithm
    if isinstance(key, ec.EllipticCurvePublicKey):
        how = [ec.ECDSA(digest)]
    elif isinstance(key, rsa.RSAPublicKey):
        how = [padding.PKCS1v15(), digest]
    else:
        how = []
    try:
        key.verify(certificate.signature, certificate.tbs_certificate_bytes, *how)
    except InvalidSignature:
        return False
    return True
