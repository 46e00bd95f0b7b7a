"""Asks for chunks, verifies and acknowledges them, and tells others (3.2, 3.4, 3.7)."""
from . import bins, messages
from .bins import Range
from .clock import now_us
from .messages import Ack, Request
from .peer import Part, haves
from .rangeset import RangeSet
from .tree import BAD, MISSING

WINDOW_CHUNKS = 96               # asked of one peer at a time
ASK_AGAIN_S = 0.7
MISSING_AGAIN_S = 0.1            # its hashes were lost, or came later
MAX_BAD = 2


class FetchState:
    def __init__(self):
        self.has = RangeSet()
        self.asked = 0
        self.window = None                   # chunks that may be asked for at a time: fewer of who does not deliver (12.6.2)
        self.bad = 0
        self.acks = {}                       # interval -> delay sample
        self.news = {}                       # intervals to announce, as ordered set


class Fetch(Part):
    """Everything that peers have, from the lowest index on; a live client begins at its tune-in point."""
    new_state = staticmethod(FetchState)

    def __init__(self, live=False, window_chunks=WINDOW_CHUNKS):
        self.live, self.window_chunks = live, window_chunks
        self.first = None if live else 0     # the lowest chunk still wanted
        self.asked = {}                      # chunk -> (channel, when to ask again)
        self.failed = {}                     # chunk -> the channel that did not deliver it last
        self.verified = self.received = self.duplicates = self.unrequested = self.missing = 0

    # ---- in --------------------------------------------------------------------------------------------------------
    def on_message(self, channel, message, now):
        store = self.peer.store
        if message.type == messages.HAVE:
            channel.of(self).has.add(*message.chunks)
        elif message.type == messages.INTEGRITY:
            store.offer_integrity(message.chunks, message.hash)
        elif message.type == messages.SIGNED_INTEGRITY:
            if store.offer_signature(message.chunks, message.ntp_time, message.signature):
                self.tune_in(message.chunks.first)
        elif message.type == messages.DATA:
            self.take_chunk(channel, message, now)
        elif message.type == messages.CHOKE:         # 3.9: what was asked is void
            for chunk in [c for c, (asked_of, _) in self.asked.items() if asked_of is channel]:
                self.drop(chunk)

    def tune_in(self, index):
        if self.first is None:
            self.first = index

    def take_chunk(self, channel, message, now):
        index, store, state = message.chunks.first, self.peer.store, channel.of(self)
        self.received += 1
        if message.chunks.width != 1:
            state.bad += 1
            return
        if index in store.have:
            self.duplicates += 1
            self.acknowledge(channel, index, message.time_us)     # the first may have been lost
            return
        self.unrequested += index not in self.asked
        result = store.offer_data(index, message.payload)
        if result == MISSING:
            self.missing += 1
            if index in self.asked:
                self.asked[index] = (self.asked[index][0], now + MISSING_AGAIN_S)
            return
        self.drop(index)
        if result == BAD:
            state.bad += 1
            if state.bad >= MAX_BAD:                              # 12.6.5
                self.peer.close(channel, now)
            return
        self.verified += 1
        state.window = min(self.window_chunks, self.window_of(state) + 1)
        self.acknowledge(channel, index, message.time_us)
        for other in self.peer.open_channels():
            if other is not channel and not other.told_by_map and not self.has_everything(other):
                other.of(self).news[self.interval(index)] = None
        if not channel.told_by_map and not self.has_everything(channel):
            state.news[self.interval(index)] = None

    def acknowledge(self, channel, index, time_us):
        channel.of(self).acks[self.interval(index)] = now_us() - time_us

    def interval(self, index):
        """The biggest complete interval over this chunk that the swarm's addressing can name (4.3)."""
        around = self.peer.store.have.around(index)
        if not self.peer.codec.addressing.is_bins:
            return around
        return next(part for part in bins.split(around) if part.first <= index <= part.last)

    def has_everything(self, channel):
        """4.3.1: those who have all need no HAVE. Nobody has all of a live stream."""
        whole = None if self.live else self.peer.store.everything() if hasattr(self.peer.store, "everything") else None
        around = channel.of(self).has.around(0) if whole else None
        return around is not None and around.last >= whole.last

    # ---- out -------------------------------------------------------------------------------------------------------
    def on_close(self, channel):
        for chunk in [c for c, (asked_of, _) in self.asked.items() if asked_of is channel]:
            self.drop(chunk)

    def drop(self, chunk):
        channel, _ = self.asked.pop(chunk, (None, None))
        if channel is not None:
            channel.of(self).asked -= 1

    def flush(self, now):
        for chunk, (channel, again) in list(self.asked.items()):
            if now >= again:
                self.drop(chunk)
                self.failed[chunk] = channel
                channel.of(self).window = max(1, self.window_of(channel.of(self)) // 2)
        for channel in self.peer.open_channels():
            state = channel.of(self)
            items = [Ack(chunks, delay) for chunks, delay in state.acks.items()] + haves(self.peer, state.news)
            state.acks, state.news = {}, {}
            if not channel.choked and state.asked <= self.window_of(state) // 2:
                items += [Request(piece) for chunks in self.pick(channel, now) for piece in self.peer.codec.addressing.pieces(chunks)]
            self.peer.send_split(channel, items, now)

    def window_of(self, state):
        return self.window_chunks if state.window is None else state.window

    def pick(self, channel, now):
        """Intervals to ask of this peer, in order."""
        if self.first is None:
            return []
        state, picked = channel.of(self), []
        held = self.peer.store.have.around(self.first)
        self.first = held.last + 1 if held and not self.live else self.first
        for chunks in state.has.from_index(max(self.first, self.oldest_kept(channel))):
            for index in range(chunks.first, chunks.last + 1):
                if state.asked >= self.window_of(state):
                    break
                if index in self.asked or index in self.peer.store.have:
                    continue
                if self.failed.get(index) is channel and self.others_have(channel, index):
                    continue
                self.asked[index] = (channel, now + ASK_AGAIN_S)
                state.asked += 1
                if picked and picked[-1].last == index - 1:
                    picked[-1] = Range(picked[-1].first, index)
                else:
                    picked.append(Range(index, index))
            if state.asked >= self.window_of(state):
                break
        return picked

    def others_have(self, channel, index):
        return any(c is not channel and not c.choked and index in c.of(self).has for c in self.peer.open_channels())

    def oldest_kept(self, channel):
        """6.2: of a live peer's chunks, what its discard window still holds."""
        window, newest = channel.options.discard_window if channel.options else None, channel.of(self).has.newest()
        if window is None or newest is None:
            return 0
        if self.peer.codec.addressing.method == 1:
            window //= self.peer.codec.addressing.chunk_bytes or 1
        return max(0, newest - window + 1)
