"""What a peer is believed to have and to know, so that it is sent every hash it lacks and few that it does not (5.3)."""
from . import bins
from .rangeset import RangeSet


class Knowledge:
    def __init__(self):
        self.has = RangeSet()            # chunks that it acknowledged or announced
        self.nodes = set()               # bins of hashes that follow from those
        self.sent_nodes = set()          # hashes in datagrams not acknowledged yet (5.3 lets us count on them)
        self.sent_chunks = set()

    def gained(self, chunks, tree_top):
        """It verified these chunks: so it holds every hash on their way up, and those beside it."""
        before = self.has.around(chunks.first)
        if before:                       # intervals grow: what was known before needs no second look
            chunks = bins.Range(before.last + 1, chunks.last)
        self.has.add(*chunks)
        for part in bins.split(chunks):
            bin_ = bins.bin_of(part)
            top = tree_top(part.first)
            while bin_ < top and bins.range_of(bin_).width < bins.range_of(top).width and bin_ not in self.nodes:
                self.nodes.update((bin_, bins.sibling(bin_)))
                bin_ = bins.parent(bin_)
            self.nodes.add(bin_)

    def lacks(self, chunk, top):
        """The bins that must be sent for it to verify this chunk, the highest first."""
        trusts_sent = chunk not in self.sent_chunks      # asked for twice: something was lost, so nothing is counted on
        found, bin_ = [], bins.node(0, chunk)
        while bin_ != top and bin_ not in self.nodes:
            beside = bins.sibling(bin_)
            if beside not in self.nodes and not (trusts_sent and beside in self.sent_nodes):
                found.append(beside)
            bin_ = bins.parent(bin_)
        return found[::-1]
