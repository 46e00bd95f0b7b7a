"""A live source, and the source's habit of showing its newest munro that relays share (6.1.2)."""
import time

from .bins import Range
from .messages import Have
from .peer import Part
from .serve import Serve, signature_kept_with_hash

LEAVES = 32                      # NCHUNKS_PER_SIG
INDICES_PER_S = 8192             # Runnel's live indices tell the time


class ShowMunro(Part):
    """Sends the rightmost signed munro until the peer shows that it has it or a newer one (6.1.2.4)."""

    def new_state(self):
        return {"shown": None}

    def on_open(self, channel, now):
        # Ours was datagram 1 or 2 until now, where munros must not be.
        self.show(channel, now)

    def show(self, channel, now):
        store = self.peer.store
        first = store.newest_munro()
        if first is None or (channel.knowledge.has.newest() or -1) >= first:
            return
        channel.of(self)["shown"] = first
        self.peer.send_split(channel, signature_kept_with_hash(store.munro_messages(first)), now)


class LiveSource(Serve):
    """Serves what publish() adds."""

    def __init__(self, key, first=None, leaves=LEAVES):
        super().__init__()
        self.key, self.leaves = key, leaves
        self.next = first            # where the next munro begins
        self.shows = ShowMunro()
        self.published = 0
        self.feed = None             # index -> the bytes of the record that will stand there, called each interval
        self.interval_s, self.due = 0.1, 0.0

    def flush(self, now):
        if self.feed is not None and now >= self.due:
            self.due = max(self.due + self.interval_s, now)
            self.publish(self.feed, now)
        super().flush(now)

    def publish(self, payload_of_record, now, unix_s=None):
        """Cuts one record into chunks and signs its munros; it ends the munro in which it ends. Returns its first index."""
        unix_s = time.time() if unix_s is None else unix_s
        first = self.first_index(unix_s)
        payload = payload_of_record(first) if callable(payload_of_record) else payload_of_record
        size = self.chunk_bytes()
        pieces = [payload[at:at + size] for at in range(0, len(payload), size)]
        for at in range(0, len(pieces), self.leaves):
            part = pieces[at:at + self.leaves]
            self.add_munro(first + at, part, self.peer.swarm.stamp(unix_s), now)
            self.next = first + at + self.leaves
        return first

    def first_index(self, unix_s):
        return self.next if self.next is not None else int(unix_s * INDICES_PER_S) // self.leaves * self.leaves

    def chunk_bytes(self):
        return self.peer.swarm.chunk_bytes or 1080

    def sign_munro(self, first, payloads, ntp_time):
        self.peer.store.append_munro(first, self.leaves, payloads, self.key, ntp_time)

    def add_munro(self, first, payloads, ntp_time, now):
        self.sign_munro(first, payloads, ntp_time)
        self.published += len(payloads)
        for channel in self.peer.open_channels():
            self.announce(channel, Range(first, first + len(payloads) - 1), now)

    def announce(self, channel, chunks, now):
        """6.1.2.3: only once the munro is signed; it comes along."""
        if channel.told_by_map:
            return
        if self.peer.swarm.integrity == 3:
            self.shows.peer = self.peer
            self.shows.show(channel, now)
        self.peer.send_split(channel, [Have(piece) for piece in self.peer.codec.addressing.pieces(chunks)], now)

    def on_open(self, channel, now):
        super().on_open(channel, now)
        if self.peer.swarm.integrity == 3:
            self.shows.peer = self.peer
            self.shows.on_open(channel, now)


class TimedSource(LiveSource):
    """Indices that follow the clock as Runnel's do: a record begins at the time, or at the next free munro if that is later."""

    def first_index(self, unix_s):
        by_time = int(unix_s * INDICES_PER_S) // self.leaves * self.leaves
        return by_time if self.next is None else max(self.next, by_time)
