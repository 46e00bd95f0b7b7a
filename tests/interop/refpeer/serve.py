"""Answers REQUESTs: proof, then chunk (5.4), no more at a time than the peer acknowledges."""
import collections

from . import messages
from .bins import Range, bin_of
from .clock import now_us
from .messages import Choke, Data, Integrity, SignedIntegrity
from .peer import MAX_DATAGRAM_BYTES, Part, haves

WINDOW_CHUNKS = 40               # fits the socket buffer of a receiver that is not looking
LOST_AFTER_S = 0.3
MAX_QUEUED_RANGES = 4096         # a peer's requests that wait


class ServeState:
    def __init__(self):
        self.queue = collections.deque()     # ranges asked for
        self.in_flight = {}                  # chunk -> when it was sent
        self.choked = False                  # by us


class Serve(Part):
    new_state = staticmethod(ServeState)

    def __init__(self):
        self.served = 0                      # chunks, repeats included

    def greeting(self, channel):
        """HAVE is light enough for the first datagrams; a live source's munros are not (3.1.1, 6.1.2.4)."""
        return haves(self.peer, self.peer.store.have)[:20]

    def on_open(self, channel, now):
        if channel.initiated:
            self.peer.send_split(channel, haves(self.peer, self.peer.store.have), now)

    def on_message(self, channel, message, now):
        state = channel.of(self)
        if message.type == messages.REQUEST:
            if state.choked:
                self.peer.send(channel, [Choke()], now)
            elif channel.open and len(state.queue) < MAX_QUEUED_RANGES:
                state.queue.append(message.chunks)
        elif message.type in (messages.ACK, messages.HAVE):
            self.gained(channel, message.chunks)
        elif message.type == messages.CANCEL:
            self.cancel(state, message.chunks)

    def gained(self, channel, chunks):
        store, state = self.peer.store, channel.of(self)
        for held in list(store.have.from_index(chunks.first)):
            if held.first > chunks.last:
                break
            channel.knowledge.gained(Range(held.first, min(held.last, chunks.last)), store.top)
        for chunk in [c for c in state.in_flight if chunks.first <= c <= chunks.last]:
            del state.in_flight[chunk]
        self.cancel(state, chunks)           # 3.8: a HAVE withdraws the requests for what it names

    def cancel(self, state, chunks):
        left = []
        for asked in state.queue:
            if chunks.last < asked.first or asked.last < chunks.first:
                left.append(asked)
                continue
            left += [part for part in (Range(asked.first, chunks.first - 1), Range(chunks.last + 1, asked.last)) if part.width > 0]
        state.queue = collections.deque(left)

    def flush(self, now):
        for channel in self.peer.open_channels():
            state = channel.of(self)
            for chunk in [c for c, sent in state.in_flight.items() if now - sent > LOST_AFTER_S]:
                del state.in_flight[chunk]
            while state.queue and len(state.in_flight) < WINDOW_CHUNKS:
                chunk = self.next_chunk(state)
                if chunk is not None:
                    self.serve(channel, chunk, now)

    def next_chunk(self, state):
        """Takes the next chunk that we have off the queue. Chunks that we do not have are passed over (3.7: serving is optional)."""
        asked = state.queue.popleft()
        part = next(self.peer.store.have.from_index(asked.first), None)
        if part is None or part.first > asked.last:
            return None
        if part.first < asked.last:
            state.queue.appendleft(Range(part.first + 1, asked.last))
        return part.first

    def serve(self, channel, chunk, now):
        knowledge = channel.knowledge
        proof = self.proof(channel, chunk)
        data = Data(Range(chunk, chunk), now_us(), self.payload(channel, chunk))
        size = 4 + sum(len(self.peer.codec.encode(m)) for m in [*proof, data])
        if size <= MAX_DATAGRAM_BYTES:
            self.peer.send(channel, [*proof, data], now)
        else:                                # 5.4: then the hashes go ahead of it
            self.peer.send_split(channel, signature_kept_with_hash(proof), now)
            self.peer.send(channel, [data], now)
        knowledge.sent_chunks.add(chunk)
        knowledge.sent_nodes.update(bin_of(m.chunks) for m in proof)
        channel.of(self).in_flight[chunk] = now
        self.served += 1

    # What a misbehaving peer does otherwise:
    def proof(self, channel, chunk):
        return self.peer.store.proof(chunk, channel.knowledge)

    def payload(self, channel, chunk):
        return self.peer.store.payload(chunk)


def signature_kept_with_hash(proof):
    """A munro's hash and signature belong in one datagram (6.1.2.3)."""
    items = []
    for message in proof:
        if isinstance(message, SignedIntegrity) and items and isinstance(items[-1], Integrity):
            items[-1] = [items[-1], message]
        else:
            items.append(message)
    return items
