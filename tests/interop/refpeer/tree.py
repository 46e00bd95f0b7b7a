"""A Merkle tree of which nodes become known one after the other (section 5), and its building from whole content.

Nodes are named by bins. A node is *trusted* once it was compared, through its ancestors, with a hash that was trusted
before; until then what a peer said of it is *claimed*.
"""
from . import bins

OK, MISSING, BAD = "ok", "missing", "bad"
MAX_LAYER = 63                   # zeros beyond a known count could be climbed for ever


class Tree:
    """trusted begins with the root of a static swarm, or with signed munros."""

    def __init__(self, function):
        self.function = function
        self.trusted, self.claimed = {}, {}
        self.count = None              # chunks in the content, once known: what lies beyond are zeros
        # Whether two claimed children stand for their parent. Section 5.4 says that a chunk's uncles are sent themselves.
        self.derives = True

    def hash_at(self, bin_):
        """What is known or said of a node, else None."""
        if (value := self.trusted.get(bin_)) is not None:
            return value
        if self.count is not None and bins.range_of(bin_).first >= self.count:
            return self.function.zero
        return self.claimed.get(bin_)

    def claim(self, bin_, value):
        if bin_ in self.trusted:
            return
        while True:
            self.claimed[bin_] = value
            if not self.derives:
                return
            beside = self.claimed.get(bins.sibling(bin_)) or self.trusted.get(bins.sibling(bin_))
            above = bins.parent(bin_)
            if beside is None or above in self.trusted or above in self.claimed:
                return
            left, right = (value, beside) if bins.is_left(bin_) else (beside, value)
            bin_, value = above, self.function.of_children(left, right)

    def check(self, bin_, value):
        """Compares a hash that was computed from content with what is trusted; on the way every node used becomes trusted."""
        path = []
        while (known := self.trusted.get(bin_)) is None:
            if bins.layer(bin_) > MAX_LAYER:
                return MISSING
            beside = self.hash_at(bins.sibling(bin_))
            if beside is None:
                return MISSING
            path += [(bin_, value), (bins.sibling(bin_), beside)]
            left, right = (value, beside) if bins.is_left(bin_) else (beside, value)
            bin_, value = bins.parent(bin_), self.function.of_children(left, right)
        if known != value:
            # Which of the claims was wrong can not be told: all of the path go.
            for node, _ in path:
                self.claimed.pop(node, None)
            return BAD
        for node, right_value in path:
            self.trusted[node] = right_value
            self.claimed.pop(node, None)
        return OK


def root_from_peaks(function, peaks):
    """The root over peaks given as [(bin, hash)] from left to right (5.6.2): a peak with nothing to its right is joined to zeros."""
    bin_, value = peaks[-1]
    left = list(peaks[:-1])
    while left or bins.range_of(bin_).first:
        if bins.is_left(bin_):
            bin_, value = bins.parent(bin_), function.of_children(value, function.zero)
        else:
            beside, beside_value = left.pop()
            if beside != bins.sibling(bin_):
                raise ValueError("these are no peaks of one tree")
            bin_, value = bins.parent(bin_), function.of_children(beside_value, value)
    return bin_, value


def build(function, leaves):
    """All nodes over these leaf hashes, padded to a power of two with zeros; nodes of padding alone are not kept."""
    nodes, row, layer = {}, list(leaves), 0
    while True:
        nodes.update((bins.node(layer, at), value) for at, value in enumerate(row))
        if len(row) == 1:
            return nodes
        if len(row) % 2:
            row.append(function.zero)
            nodes[bins.node(layer, len(row) - 1)] = function.zero
        row = [function.of_children(row[at], row[at + 1]) for at in range(0, len(row), 2)]
        layer += 1


def uncles(bin_, top):
    """Sibling of this node and of its ancestors up to the children of top, the highest first (5.4)."""
    found = []
    while bin_ != top:
        found.append(bins.sibling(bin_))
        bin_ = bins.parent(bin_)
    return found[::-1]
