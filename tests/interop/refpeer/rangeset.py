"""A set of chunk indices kept as sorted intervals that do not touch."""
import bisect

from .bins import Range


class RangeSet:
    def __init__(self):
        self.firsts, self.lasts = [], []

    def add(self, first, last):
        if last < first:
            return
        # Neighbours that touch the new interval are swallowed by it.
        low = bisect.bisect_left(self.lasts, first - 1)
        high = bisect.bisect_right(self.firsts, last + 1)
        if low < high:
            first, last = min(first, self.firsts[low]), max(last, self.lasts[high - 1])
        self.firsts[low:high], self.lasts[low:high] = [first], [last]

    def __contains__(self, index):
        return self.around(index) is not None

    def __iter__(self):
        return (Range(*pair) for pair in zip(self.firsts, self.lasts))

    def __bool__(self):
        return bool(self.firsts)

    def around(self, index):
        """The whole interval that holds this index, or None."""
        at = bisect.bisect_right(self.firsts, index) - 1
        return Range(self.firsts[at], self.lasts[at]) if at >= 0 and self.lasts[at] >= index else None

    def from_index(self, index):
        """The intervals, cut, at and after this index."""
        at = bisect.bisect_left(self.lasts, index)
        for first, last in zip(self.firsts[at:], self.lasts[at:]):
            yield Range(max(first, index), last)

    def newest(self):
        return self.lasts[-1] if self.lasts else None

    def count(self):
        return sum(last - first + 1 for first, last in zip(self.firsts, self.lasts))
