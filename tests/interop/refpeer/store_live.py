"""A live swarm's chunks under signed munros (section 6.1.2), at the source and at a client."""
import time

from . import bins, tree
from .bins import Range
from .messages import Integrity, SignedIntegrity
from .rangeset import RangeSet
from .tree import BAD, OK, Tree

MAX_AGE_S = 60.0           # section 6.1.2.4 leaves open what "too old" is: this much behind the newest munro taken


class LiveStore:
    def __init__(self, swarm):
        self.swarm = swarm
        self.addressing = swarm.codec().addressing
        self.tree = Tree(swarm.hash)
        self.have = RangeSet()
        self.chunks = {}
        self.munros = {}                  # first chunk -> (chunks, time stamp, signature)
        self.width = None                 # NCHUNKS_PER_SIG; not negotiated, told by the first signed munro (6.1.2.1)
        self.rejected = self.bad_signatures = self.stale = 0
        self.clock = time.time
        self.on_keep = lambda index: None

    # ---- taking in -------------------------------------------------------------------------------------------------
    def offer_integrity(self, chunks, value):
        if bins.is_aligned(chunks):
            self.tree.claim(bins.bin_of(chunks), value)

    def offer_signature(self, chunks, ntp_time, signature):
        """Takes a munro when its hash was claimed, its signature is right and its time not too old."""
        if not bins.is_aligned(chunks) or chunks.width < 2 or self.width not in (None, chunks.width):
            return False
        bin_ = bins.bin_of(chunks)
        if bin_ in self.tree.trusted:
            return True
        value = self.tree.claimed.get(bin_)
        if value is None:
            return False
        newest = max((m[1] for m in self.munros.values()), default=0)
        if self.swarm.unix_s(ntp_time) < self.swarm.unix_s(newest) - MAX_AGE_S:
            self.stale += 1
            return False
        if not self.swarm.public_key.verify(signature, self.swarm.signed_text(self.addressing.encode(chunks), ntp_time, value)):
            self.bad_signatures += 1
            del self.tree.claimed[bin_]
            return False
        self.width = chunks.width
        self.munros[chunks.first] = (chunks, ntp_time, signature)
        self.tree.trusted[bin_] = self.tree.claimed.pop(bin_)
        return True

    def offer_data(self, index, payload):
        result = self.tree.check(bins.node(0, index), self.swarm.hash.of(payload)) if payload else BAD
        if result == OK:
            self.keep(index, payload)
        self.rejected += result == BAD
        return result

    def keep(self, index, payload):
        self.chunks[index] = payload
        self.have.add(index, index)
        self.on_keep(index)

    def offer_bundle(self, first, ntp_time, signature, leaves):
        """Takes all leaf hashes of a munro with its signature (docs/EXTENSIONS.md); whether they are right."""
        nodes = self.munro_nodes(first, 32, leaves)
        chunks = Range(first, first + 31)
        top = bins.bin_of(chunks)
        self.offer_integrity(chunks, nodes[top])
        if not self.offer_signature(chunks, ntp_time, signature) or self.tree.trusted[top] != nodes[top]:
            return False
        self.tree.trusted.update(nodes)
        return True

    def munro_nodes(self, first, width, leaves):
        """The tree over these leaves and zeros for the others, by the bins where the munro stands."""
        base = bins.node(0, first)
        built = tree.build(self.swarm.hash, leaves + [self.swarm.hash.zero] * (width - len(leaves)))
        return {shift(bin_, base): value for bin_, value in built.items()}

    # ---- at the source ---------------------------------------------------------------------------------------------
    def append_munro(self, first, width, payloads, key, ntp_time):
        """Signs a munro. Leaves that no payload fills are zeros; nothing of it was announced before (6.1.2.3)."""
        self.width = width
        self.tree.trusted.update(self.munro_nodes(first, width, [self.swarm.hash.of(p) for p in payloads]))
        chunks = Range(first, first + width - 1)
        subject = self.tree.trusted[bins.bin_of(chunks)]
        signature = key.sign(self.swarm.signed_text(self.addressing.encode(chunks), ntp_time, subject))
        self.munros[first] = (chunks, ntp_time, signature)
        for at, payload in enumerate(payloads):
            self.keep(first + at, payload)
        return chunks

    # ---- giving out ------------------------------------------------------------------------------------------------
    def top(self, index):
        first = index - index % self.width if self.width else index
        return bins.bin_of(Range(first, first + (self.width or 1) - 1))

    def proof(self, index, knowledge):
        """Munro and signature unless the peer has a chunk of it, then the uncles below the munro (6.1.2.3)."""
        chunks = bins.range_of(self.top(index))
        found = []
        if not any(part.first <= chunks.last for part in knowledge.has.from_index(chunks.first)):
            found = self.munro_messages(chunks.first)
        found += [Integrity(bins.range_of(b), self.tree.trusted[b]) for b in knowledge.lacks(index, bins.bin_of(chunks))]
        return found

    def munro_messages(self, first):
        chunks, ntp_time, signature = self.munros[first]
        return [Integrity(chunks, self.tree.trusted[bins.bin_of(chunks)]), SignedIntegrity(chunks, ntp_time, signature)]

    def leaf_hashes(self, first):
        """Of the munro's leaves that carry chunks; None as long as some are not known."""
        if first not in self.munros:
            return None
        found = []
        for index in range(first, first + self.width):
            value = self.trusted_leaf(index)
            if value == self.swarm.hash.zero:
                break
            if value is None:
                return None
            found.append(value)
        return found

    def trusted_leaf(self, index):
        """Zeros below a node of zeros."""
        bin_, top = bins.node(0, index), self.top(index)
        if bin_ in self.tree.trusted:
            return self.tree.trusted[bin_]
        while bin_ != top:
            bin_ = bins.parent(bin_)
            if self.tree.trusted.get(bin_) == self.swarm.hash.zero:
                return self.swarm.hash.zero
        return None

    def newest_munro(self):
        return max(self.munros, default=None)

    def payload(self, index):
        return self.chunks[index]

    complete = False


def shift(bin_, base):
    """The bin at the same place in a tree whose leftmost leaf is `base`. Leaf 2i lies i chunks on: bins shift as leaves do."""
    return bin_ + base
