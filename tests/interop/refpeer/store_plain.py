"""Live swarms without a tree: every chunk signed (6.1.1), and no integrity protection at all (7.5, method 0)."""
from . import bins, clock
from .messages import SignedIntegrity
from .rangeset import RangeSet
from .signatures import signed_text
from .tree import BAD, MISSING, OK


class UnprotectedStore:
    def __init__(self, swarm):
        self.swarm = swarm
        self.have, self.chunks = RangeSet(), {}
        self.width, self.munros = 1, {}
        self.rejected = self.bad_signatures = 0
        self.count = -(-swarm.content_bytes // swarm.chunk_size) if swarm.content_bytes else None

    def keep(self, index, payload):
        self.chunks[index] = payload
        self.have.add(index, index)

    def offer_integrity(self, chunks, value):
        pass

    def offer_signature(self, chunks, ntp_time, signature):
        return False

    def offer_data(self, index, payload):
        self.keep(index, payload)
        return OK

    def append_munro(self, first, width, payloads, key, ntp_time):
        for at, payload in enumerate(payloads):
            self.keep(first + at, payload)

    def top(self, index):
        return bins.node(0, index)

    def proof(self, index, knowledge):
        return []

    def newest_munro(self):
        return None

    def payload(self, index):
        return self.chunks[index]

    @property
    def complete(self):
        return self.count is not None and self.have.count() == self.count

    def content(self):
        return b"".join(self.chunks[at] for at in range(self.count))


class SignAllStore(UnprotectedStore):
    def __init__(self, swarm):
        super().__init__(swarm)
        self.addressing = swarm.codec().addressing
        self.signatures = {}              # chunk -> (NTP time, signature)

    def offer_signature(self, chunks, ntp_time, signature):
        if chunks.width != 1:
            return False
        self.signatures.setdefault(chunks.first, (ntp_time, signature))
        return True

    def text(self, index, ntp_time, payload):
        return signed_text(self.addressing.encode(bins.Range(index, index)), ntp_time, payload)

    def offer_data(self, index, payload):
        if index not in self.signatures:
            return MISSING
        ntp_time, signature = self.signatures[index]
        if not self.swarm.public_key.verify(signature, self.text(index, ntp_time, payload)):
            del self.signatures[index]
            self.rejected += 1
            return BAD
        self.keep(index, payload)
        return OK

    def append_munro(self, first, width, payloads, key, ntp_time=None):
        ntp_time = ntp_time or clock.now_ntp()
        for at, payload in enumerate(payloads):
            self.signatures[first + at] = (ntp_time, key.sign(self.text(first + at, ntp_time, payload)))
            self.keep(first + at, payload)

    def proof(self, index, knowledge):
        ntp_time, signature = self.signatures[index]
        return [SignedIntegrity(bins.Range(index, index), ntp_time, signature)]


def live_store(swarm):
    from .store_live import LiveStore
    return {0: UnprotectedStore, 2: SignAllStore, 3: LiveStore}[swarm.integrity](swarm)
