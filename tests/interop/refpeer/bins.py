"""Bin numbers (section 4.2) and the intervals of chunks that they name.

A bin is a node of the binary tree over all chunks: leaf i is bin 2i, a parent is the mean of its children. The layer of a
node is the count of ones at the end of its number; a node of layer k covers 2**k chunks.
"""
import functools
from typing import NamedTuple


class Range(NamedTuple):
    """Chunks from first to last, both included."""
    first: int
    last: int

    @property
    def width(self):
        return self.last - self.first + 1


EMPTY = Range(0, -1)       # what the all-ones bin means


def layer(bin_):
    return (~bin_ & (bin_ + 1)).bit_length() - 1


def node(layer_, offset):
    return ((2 * offset + 1) << layer_) - 1


def parent(bin_):
    k = layer(bin_)
    return node(k + 1, bin_ >> (k + 2))


def sibling(bin_):
    return bin_ ^ (2 << layer(bin_))


def is_left(bin_):
    return not bin_ >> (layer(bin_) + 1) & 1


def children(bin_):
    half = 1 << (layer(bin_) - 1)
    return bin_ - half, bin_ + half


def range_of(bin_):
    k = layer(bin_)
    first = (bin_ >> (k + 1)) << k
    return Range(first, first + (1 << k) - 1)


def is_aligned(chunks):
    """Whether this interval is all that lies under one node: as wide as a power of two, and beginning at a multiple of it."""
    width = chunks.width
    return width > 0 and not width & (width - 1) and not chunks.first % width


def bin_of(chunks):
    if not is_aligned(chunks):
        raise ValueError(f"{chunks} is no node of the tree")
    k = chunks.width.bit_length() - 1
    return node(k, chunks.first >> k)


def split(chunks):
    """The fewest aligned intervals that make up this one, from left to right."""
    first = chunks.first
    while first <= chunks.last:
        width = first & -first or 1 << chunks.width.bit_length()
        while first + width - 1 > chunks.last:
            width >>= 1
        yield Range(first, first + width - 1)
        first += width


@functools.lru_cache
def peaks(count):
    """The peaks of a tree over so many chunks, from left to right, which is the widest first (5.6.1)."""
    return tuple(bin_of(part) for part in split(Range(0, count - 1)))


def root(count):
    """The node that covers so many chunks."""
    return node((count - 1).bit_length(), 0)
