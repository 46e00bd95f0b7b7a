"""The content of a static swarm under a Merkle tree: whole from the start, or growing chunk by chunk (section 5)."""
from . import bins, tree
from .bins import Range
from .messages import Integrity
from .rangeset import RangeSet
from .tree import BAD, MISSING, OK, Tree


class StaticStore:
    def __init__(self, swarm):
        self.swarm = swarm
        self.tree = Tree(swarm.hash)
        self.have = RangeSet()
        self.chunks = {}
        self.rejected = 0
        self.peaks_known = False
        if swarm.content_bytes is not None:
            self.set_count(-(-swarm.content_bytes // swarm.chunk_size))

    def set_count(self, count):
        self.tree.count = count
        self.tree.trusted[bins.root(count)] = self.swarm.id
        self.try_known_peaks()

    def try_known_peaks(self):
        """Trusts the peaks once all of them were claimed and give the root (5.6.2)."""
        peaks = [(b, self.tree.hash_at(b)) for b in bins.peaks(self.tree.count)]
        if all(value is not None for _, value in peaks) and tree.root_from_peaks(self.swarm.hash, peaks)[1] == self.swarm.id:
            self.tree.trusted.update(peaks)

    # ---- taking in -------------------------------------------------------------------------------------------------
    def offer_integrity(self, chunks, value):
        if not bins.is_aligned(chunks):
            return
        bin_ = bins.bin_of(chunks)
        self.tree.claim(bin_, value)
        if self.tree.count is not None and bin_ not in self.tree.trusted and bin_ in bins.peaks(self.tree.count):
            self.try_known_peaks()

    def offer_signature(self, chunks, ntp_time, signature):
        return False

    def offer_data(self, index, payload):
        if self.tree.count is None:
            self.find_size(index, payload)
        count = self.tree.count
        if count is None:
            return MISSING
        whole = len(payload) == self.swarm.chunk_size
        if index >= count or not payload or not (whole or index == count - 1 and len(payload) < self.swarm.chunk_size):
            result = BAD
        else:
            result = self.tree.check(bins.node(0, index), self.swarm.hash.of(payload))
        if result == OK:
            self.chunks[index] = payload
            self.have.add(index, index)
        self.rejected += result == BAD
        return result

    def find_size(self, index, payload):
        """Automatic size detection: peaks that lie side by side from chunk 0 on, and together give the root (5.6)."""
        if index == 0 and self.swarm.hash.of(payload) == self.swarm.id:
            self.set_count(1)
            return
        self.try_peaks([], 0, None)

    def try_peaks(self, found, first, width):
        for bin_, value in list(self.tree.claimed.items()):
            chunks = bins.range_of(bin_)
            if chunks.first != first or width is not None and chunks.width >= width:
                continue
            peaks = [*found, (bin_, value)]
            if tree.root_from_peaks(self.swarm.hash, peaks)[1] == self.swarm.id:
                self.set_count(chunks.last + 1)
                return True
            if self.try_peaks(peaks, chunks.last + 1, chunks.width):
                return True
        return False

    # ---- giving out ------------------------------------------------------------------------------------------------
    def top(self, index):
        """The peak over this chunk, or the root where peaks are not known."""
        if self.knows_peaks():
            return next(b for b in bins.peaks(self.tree.count) if index <= bins.range_of(b).last)
        return bins.root(self.tree.count)

    def knows_peaks(self):
        if not self.peaks_known:
            self.peaks_known = all(b in self.tree.trusted for b in bins.peaks(self.tree.count))
        return self.peaks_known

    def proof(self, index, knowledge):
        """The messages that must come before this chunk: peaks, then uncles (5.4, 5.6.2)."""
        wanted = []
        if self.tree.count > 1 and not knowledge.has and self.knows_peaks():
            wanted = [b for b in bins.peaks(self.tree.count) if index in knowledge.sent_chunks or b not in knowledge.sent_nodes]
        wanted += [b for b in knowledge.lacks(index, self.top(index)) if b not in wanted and bins.range_of(b).first < self.tree.count]
        return [Integrity(bins.range_of(b), self.tree.trusted[b]) for b in wanted if b in self.tree.trusted]

    def payload(self, index):
        return self.chunks[index]

    @property
    def complete(self):
        return self.tree.count is not None and self.have.count() == self.tree.count

    def everything(self):
        return None if self.tree.count is None else Range(0, self.tree.count - 1)

    def content(self):
        return b"".join(self.chunks[at] for at in range(self.tree.count))


def cut(content, chunk_size):
    return [content[at:at + chunk_size] for at in range(0, len(content), chunk_size)]


def store_of_content(swarm_of_root, content, chunk_size, function):
    """A whole store; swarm_of_root makes the swarm of the root hash that comes out."""
    chunks = cut(content, chunk_size)
    nodes = tree.build(function, [function.of(chunk) for chunk in chunks])
    store = StaticStore(swarm_of_root(nodes[bins.root(len(chunks))]))
    store.set_count(len(chunks))
    store.tree.trusted.update(nodes)
    store.chunks = dict(enumerate(chunks))
    store.have.add(0, len(chunks) - 1)
    return store
