"""One peer in one swarm: channels, handshakes and datagrams (sections 3, 3.11, 8.4). What it does in them is up to its parts.

No socket in here: datagrams go in by receive(), and come out of `outbox` as (bytes, address).
"""
import collections
import secrets

from . import messages
from .cursor import Cursor, Malformed
from .knowledge import Knowledge
from .messages import Handshake, Have
from .options import Options

MAX_DATAGRAM_BYTES = 1472        # UDP payload on Ethernet over IPv4 (8.1)
HANDSHAKE_AGAIN_S = 0.5
KEEPALIVE_S = 5.0
DEAD_S = 180.0                   # Table 8
MAX_CHANNELS = 256


class Channel:
    def __init__(self, address, initiated, now):
        self.address, self.initiated = address, initiated
        self.id = secrets.randbelow(2**32 - 1) + 1
        self.peer_id = 0             # 0: not known yet
        self.options = None          # what the peer's handshake said
        self.open = False            # the peer has shown that it knows our channel id (12.1)
        self.sent = self.received = 0
        self.last_sent = self.last_received = now
        self.choked = False          # by the peer: it serves nothing
        self.told_by_map = False     # what we have: by HAVE_MAP, and no more by HAVE (push.py)
        self.knowledge = Knowledge()
        self.state = {}              # of each part

    def of(self, part):
        """The state that this part keeps for this channel."""
        if part not in self.state:
            self.state[part] = part.new_state()
        return self.state[part]


class Part:
    """Something that a peer does. Every method may be left out."""
    peer = None

    def new_state(self):
        return None

    def greeting(self, channel):
        """Minor payload for the datagram with our handshake (3.1.1)."""
        return []

    def on_open(self, channel, now):
        pass

    def on_message(self, channel, message, now):
        pass

    def on_close(self, channel):
        pass

    def flush(self, now):
        """Called after a batch of datagrams, and now and then."""


class Peer:
    def __init__(self, swarm, store, parts, window_chunks=None):
        self.swarm, self.store, self.parts = swarm, store, parts
        self.codec = swarm.codec()
        self.window_chunks = window_chunks
        self.channels = {}                       # by our id
        self.outbox = collections.deque()
        self.counts = collections.Counter()      # messages by name of type; "malformed", "not understood"; channels "opened"
        self.complaints = []
        for part in parts:
            part.peer = self

    # ---- out -------------------------------------------------------------------------------------------------------
    def connect(self, address, now):
        if any(c.address == address for c in self.channels.values()):
            return
        channel = Channel(address, True, now)
        self.channels[channel.id] = channel
        self.shake(channel, now)

    def shake(self, channel, now):
        greeting = [] if channel.initiated else [m for part in self.parts for m in part.greeting(channel)]
        options = self.swarm.options(with_id=channel.initiated, window_chunks=self.window_chunks)
        self.send(channel, [Handshake(channel.id, options), *greeting], now)

    def send(self, channel, items, now):
        """One datagram; no messages make a keep-alive (3.12)."""
        self.send_raw(channel, b"".join(self.codec.encode(m) for m in items), now)

    def send_raw(self, channel, body, now):
        self.outbox.append((channel.peer_id.to_bytes(4, "big") + body, channel.address))
        channel.sent += 1
        channel.last_sent = now

    def send_split(self, channel, items, now):
        """As few datagrams as hold these messages, in their order. Each item is a message or a list that must not be parted."""
        body = b""
        for item in items:
            encoded = b"".join(self.codec.encode(m) for m in (item if isinstance(item, list) else [item]))
            if body and 4 + len(body) + len(encoded) > MAX_DATAGRAM_BYTES:
                self.send_raw(channel, body, now)
                body = b""
            body += encoded
        if body:
            self.send_raw(channel, body, now)

    def close(self, channel, now):
        """Says so, if the peer's channel is known (8.4), and forgets it."""
        if channel.peer_id:
            self.send(channel, [Handshake(0, Options())], now)
        self.forget(channel)

    def forget(self, channel):
        if self.channels.pop(channel.id, None):
            for part in self.parts:
                part.on_close(channel)

    # ---- in --------------------------------------------------------------------------------------------------------
    def receive(self, data, address, now):
        if len(data) < 4:
            return
        number = int.from_bytes(data[:4], "big")
        if not number:
            self.receive_first(data, address, now)
        elif (channel := self.channels.get(number)) and channel.address == address:
            self.receive_in(channel, data, now)

    def receive_first(self, data, address, now):
        """A datagram to channel 0: another peer begins (3.1.1). No answer where anything is wrong."""
        try:
            handshake, cursor = messages.first_handshake(data)
        except Malformed as error:
            self.note(f"first datagram: {error}")
            return
        if not handshake.channel or handshake.options.swarm_id != self.swarm.id:
            return
        if not self.swarm.understands(handshake.options):
            self.counts["not understood"] += 1
            return
        if objection := self.swarm.objection(handshake.options):
            self.note(objection)
            return
        known = next((c for c in self.channels.values() if c.address == address and c.peer_id == handshake.channel), None)
        if known is None and len(self.channels) >= MAX_CHANNELS:
            return
        channel = known or Channel(address, False, now)
        channel.peer_id, channel.options = handshake.channel, handshake.options
        self.channels[channel.id] = channel
        self.count(handshake)
        self.take(channel, cursor, now)
        self.shake(channel, now)

    def receive_in(self, channel, data, now):
        channel.received += 1
        channel.last_received = now
        if not channel.initiated:
            self.opened(channel, now)            # it echoed the id that we chose
        self.take(channel, Cursor(data, 4), now)

    def take(self, channel, cursor, now):
        found, error = self.codec.decode_all(cursor)
        for message in found:
            self.count(message)
            if isinstance(message, Handshake):
                if not self.take_handshake(channel, message, now):
                    return
            else:
                self.take_message(channel, message, now)
        if error:
            self.counts["malformed"] += 1
            self.note(str(error))

    def take_handshake(self, channel, handshake, now):
        if not handshake.channel:
            self.forget(channel)
            return False
        if not self.swarm.understands(handshake.options):
            self.counts["not understood"] += 1
            return False
        if objection := self.swarm.objection(handshake.options):
            self.note(objection)
            self.forget(channel)
            return False
        if channel.initiated and channel.peer_id in (0, handshake.channel):
            channel.peer_id, channel.options = handshake.channel, handshake.options
            if not channel.open:
                self.send(channel, [], now)      # the third datagram of the handshake (12.1.2)
            self.opened(channel, now)
        return True

    def take_message(self, channel, message, now):
        if message.type == messages.CHOKE:
            channel.choked = True
        elif message.type == messages.UNCHOKE:
            channel.choked = False
        for part in self.parts:
            part.on_message(channel, message, now)

    def opened(self, channel, now):
        if not channel.open:
            channel.open = True
            self.counts["opened"] += 1
            for part in self.parts:
                part.on_open(channel, now)

    # ---- time ------------------------------------------------------------------------------------------------------
    def flush(self, now):
        for part in self.parts:
            part.flush(now)
        for channel in list(self.channels.values()):
            if channel.initiated and not channel.peer_id and now - channel.last_sent >= HANDSHAKE_AGAIN_S:
                self.shake(channel, now)
            elif channel.open and now - channel.last_sent >= KEEPALIVE_S:
                self.send(channel, [], now)
            if now - channel.last_received > DEAD_S:
                self.forget(channel)

    # ---- for those who watch ---------------------------------------------------------------------------------------
    def count(self, message):
        self.counts[type(message).__name__] += 1

    def note(self, text):
        if len(self.complaints) < 100:
            self.complaints.append(text)

    def open_channels(self):
        return [c for c in self.channels.values() if c.open]


def haves(peer, ranges):
    """HAVE messages for these intervals, as this swarm can name them."""
    return [Have(piece) for chunks in ranges for piece in peer.codec.addressing.pieces(chunks)]
