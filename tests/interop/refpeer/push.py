"""A parent of push substreams (docs/EXTENSIONS.md, Push): takes children, and gives them chunks and bundles unasked.

Its own chunks come by pull (Fetch), or it is the source. It is a child for bundles alone, the source's if that will have it, so that it
hears early of what there is. It has no pacer, for its line is a loopback.
"""
import secrets

from . import messages
from .bins import Range
from .clock import now_us
from .cursor import Malformed
from .fetch import Fetch
from .messages import Data, Have, Pushed
from .peer import Part
from .push_values import (FULL, NO_CHILDREN, NOT_FED, STARVING, SUBSTREAMS, TREES, WHOLE, WIDTH, Accept, Advert, Bundle, HaveMap, Hello,
                          Nack, Redirect, Refuse, Subscribe, Unsubscribe, decode, ranges_of, to_extension, tree_of)
from .rangeset import RangeSet

PUSHES = 1                       # of the abilities in HELLO
HELLO_AGAIN_S, MAX_HELLOS = 1.0, 4
MAP_EACH_S = 0.2                 # every second one with an ADVERT
NEWCOMER_S = 3.0                 # is told chunk by chunk so long, since it lacks the bundles
CHILD_SILENCE_S = 1.5
FED_WITHIN_S = 1.0
BUNDLE_AGAIN_S = 0.3
SEEK_EACH_S = 0.5
KEY = 254                        # as who could feed many children: the strongest stand at the source
RECENT_MUNROS = 60               # in a HAVE_MAP, so that it fits a datagram beside an ADVERT
NEWS_MUNROS = 384                # numbers that Runnel's sources pass in 1.5 s: older bundles are not asked for
KEPT_MUNROS = 192
HALF_SLOTS = 160                 # what is given to children in all; a parent of one stream's rate has 32
UPLINK = 16 * 256                # advertised, in 1/256 of the stream's rate


class PushState:
    def __init__(self):
        self.hellos, self.said_hello = 0, 0.0
        self.met = None                  # when it said that it pushes
        self.heard = False               # a message of push came
        self.trees = set()               # in which it is a child
        self.has = RangeSet()
        self.whole = set()               # munros that it has all of, before we know how many chunks that is
        self.advert = None               # its newest: (when it was sent, when it came), us
        self.delay = None                # greatest since our last advert
        self.is_source = False           # it says that it is behind nobody
        self.gives = None                # bundle tree in which we are its child
        self.gave_at = 0.0


class Munro:
    def __init__(self):
        self.held = 0                    # bit for each chunk
        self.bundle = None
        self.asked = float("-inf")       # for the bundle


class PushParent(Part):
    new_state = staticmethod(PushState)

    def __init__(self, is_source=False, half_slots=HALF_SLOTS):
        self.is_source, self.half_slots = is_source, half_slots
        self.node_id = secrets.randbits(64)
        tag = self.node_id % 2**32
        self.path = (tag,) if is_source else (tag ^ 1, tag)      # a client's source is made up: it does not know the real one
        self.munros = {}
        self.fresh = []                  # chunks that came since the last flush
        self.fed_at = float("-inf")
        self.next_map, self.maps = 0.0, 0
        self.next_seek, self.seeks = 0.0, 0
        self.subscribes = self.pushed = self.bundles = 0

    # ---- whom we know ----------------------------------------------------------------------------------------------
    def on_open(self, channel, now):
        self.say_hello(channel, now)

    def say_hello(self, channel, now):
        if not speaks_push(channel):
            return
        state = channel.of(self)
        state.hellos += 1
        state.said_hello = now
        self.say(channel, [Hello(self.node_id, len(self.peer.open_channels()) - 1, PUSHES)], now)

    def say(self, channel, values, now):
        self.peer.send(channel, [to_extension(value) for value in values], now)

    def neighbours(self):
        return [c for c in self.peer.open_channels() if c.of(self).met is not None]

    def children(self, tree):
        return [c for c in self.neighbours() if tree in c.of(self).trees]

    def fetch(self):
        return next((part for part in self.peer.parts if isinstance(part, Fetch)), None)

    # ---- in --------------------------------------------------------------------------------------------------------
    def on_message(self, channel, message, now):
        state = channel.of(self)
        if message.type == messages.HAVE:
            state.has.add(*message.chunks)
        elif message.type == messages.DATA:
            state.has.add(*message.chunks)
            state.delay = later(now_us() - message.time_us, state.delay)
        elif message.type == messages.EXTENSION:
            try:
                value = decode(message.number, message.value, self.peer.codec)
            except Malformed:            # of a later version, or not for parents
                value = None
            if isinstance(value, Hello):
                self.take_hello(channel, value, now)
                return
            state.heard = True
            if state.met is not None:
                self.take(channel, value, now)

    def take_hello(self, channel, hello, now):
        state = channel.of(self)
        if state.met is None and hello.abilities & PUSHES:
            state.met = now
            channel.told_by_map = True
            self.say(channel, [HaveMap(self.recent(plain=True))], now)

    def take(self, channel, value, now):
        state = channel.of(self)
        match value:
            case Subscribe():
                self.take_subscribe(channel, value.tree, now)
            case Unsubscribe():
                state.trees.discard(value.tree)
            case Advert():
                state.advert = (value.sent, now_us())
                state.delay = later(now_us() - value.sent, state.delay)
                state.is_source = not value.lag[0]
            case Accept():
                state.gives, state.gave_at = value.tree, now
            case Redirect():
                state.gives = None
            case HaveMap():
                self.take_map(channel, value.entries, now)
            case Nack():
                self.take_nack(channel, value.entries, now)
            case Bundle():
                state.gave_at = now
                self.take_bundle(value)

    def take_subscribe(self, channel, tree, now):
        self.subscribes += 1
        state = channel.of(self)
        if not self.is_fed(now) or not self.takes_children(tree):
            self.say(channel, [Refuse(tree, STARVING, 0)], now)
        elif tree not in state.trees and self.room() < cost(tree):
            self.say(channel, [Refuse(tree, FULL, 0)], now)
        else:                            # again, if the answer was lost or the key is another
            state.trees.add(tree)
            self.say(channel, [Accept(tree, self.path)], now)

    def take_map(self, channel, entries, now):
        """Tells all parts as HAVE would. Of whole munros the bundle tells how many chunks there are."""
        wanted = []
        for number, chunks in entries:
            munro = self.munro(number)
            if chunks != WHOLE:
                for first, last in ranges_of(chunks):
                    self.tell(channel, number, first, last, now)
            elif munro.bundle:
                self.tell(channel, number, 0, len(munro.bundle.leaves) - 1, now)
            else:
                channel.of(self).whole.add(number)
            if not munro.bundle and number > max(self.munros) - NEWS_MUNROS and now - munro.asked > BUNDLE_AGAIN_S and self.fetch():
                munro.asked = now
                wanted.append((number, WHOLE))
        if wanted:
            self.say(channel, [Nack(tuple(wanted))], now)

    def tell(self, channel, munro, first, last, now):
        chunks = Range(munro * WIDTH + first, munro * WIDTH + last)
        if channel.of(self).has.around(chunks.first) != chunks:
            self.peer.take_message(channel, Have(chunks), now)

    def take_nack(self, channel, entries, now):
        """What was lost is sent again; what is not here is passed over."""
        for number, chunks in entries:
            munro = self.munros.get(number)
            if munro is None:
                continue
            if chunks == WHOLE and munro.bundle:
                self.send_bundle(channel, munro.bundle, now)
            for first, last in ranges_of(munro.held & chunks) if chunks != WHOLE else ():
                for leaf in range(first, last + 1):
                    self.push(channel, number * WIDTH + leaf, now)

    def take_bundle(self, bundle):
        first = bundle.munro * WIDTH
        if self.fetch() and self.peer.store.offer_bundle(first, bundle.ntp_time, bundle.signature, list(bundle.leaves)):
            self.fetch().tune_in(first)
            self.munro(bundle.munro)

    # ---- what is here ----------------------------------------------------------------------------------------------
    def munro(self, number):
        if number not in self.munros:
            self.munros[number] = Munro()
            if len(self.munros) > KEPT_MUNROS and (oldest := min(self.munros)) != number:
                del self.munros[oldest]
        return self.munros[number]

    def recent(self, plain):
        """For HAVE_MAP; plain: chunk by chunk, for who lacks the bundles."""
        held = [(number, munro) for number, munro in sorted(self.munros.items()) if munro.held]
        return tuple((number, WHOLE if is_whole(munro) and not plain else munro.held) for number, munro in held[-RECENT_MUNROS:])

    def is_fed(self, now):
        return self.is_source or now - self.fed_at < FED_WITHIN_S

    def room(self):
        return self.half_slots - sum(cost(tree) for c in self.neighbours() for tree in c.of(self).trees)

    # ---- out -------------------------------------------------------------------------------------------------------
    def flush(self, now):
        self.peer.store.on_keep = self.fresh.append
        for channel in self.neighbours():
            if now - channel.last_received > CHILD_SILENCE_S:
                channel.of(self).trees.clear()
        self.pass_on(now)
        self.leave_the_old()
        self.seek_bundles(now)
        for channel in self.peer.open_channels():
            state = channel.of(self)
            if not state.heard and 0 < state.hellos < MAX_HELLOS and now - state.said_hello >= HELLO_AGAIN_S:
                self.say_hello(channel, now)
        if now >= self.next_map:
            self.next_map = now + MAP_EACH_S
            self.maps += 1
            self.tell_neighbours(now)

    def pass_on(self, now):
        fresh, self.fresh[:] = list(self.fresh), []
        for index in fresh:
            self.munro(index // WIDTH).held |= 1 << index % WIDTH
            self.fed_at = now
        for number, munro in list(self.munros.items()):
            if not munro.bundle:
                self.find_bundle(number, munro, now)
        for index in fresh:
            for channel in self.children(tree_of(index)):
                if index not in channel.of(self).has:
                    self.push(channel, index, now)

    def leave_the_old(self):
        """Children have no use for it: whoever fell behind goes on with what is new."""
        fetch = self.fetch()
        if fetch and fetch.first is not None and self.munros:
            fetch.first = max(fetch.first, (max(self.munros) - NEWS_MUNROS) * WIDTH)

    def seek_bundles(self, now):
        """Of both trees by turns, from the source and from the others by turns, until somebody takes us. A parent that gives nothing is left."""
        if self.is_source or now < self.next_seek:
            return
        self.next_seek = now + SEEK_EACH_S
        givers = [c for c in self.neighbours() if c.of(self).gives is not None]
        for giver in givers:
            state = giver.of(self)
            if now - state.gave_at > FED_WITHIN_S:
                self.say(giver, [Unsubscribe(state.gives)], now)
                state.gives = None
        if any(giver.of(self).gives is not None for giver in givers):
            return
        source = [c for c in self.neighbours() if c.of(self).is_source]
        others = [c for c in self.neighbours() if not c.of(self).is_source]
        self.seeks += 1
        wanted = source if source and (self.seeks % 2 or not others) else others
        if wanted:
            self.say(wanted[self.seeks // 2 % len(wanted)], [Subscribe(SUBSTREAMS + self.seeks // 2 % 2, KEY)], now)

    def find_bundle(self, number, munro, now):
        """Sends it to the children of both trees as soon as all of its hashes are known."""
        leaves = self.peer.store.leaf_hashes(number * WIDTH)
        if not leaves:
            return
        _, ntp_time, signature = self.peer.store.munros[number * WIDTH]
        munro.bundle = Bundle(number, ntp_time, signature, tuple(leaves))
        for tree in range(SUBSTREAMS, TREES):
            for channel in self.children(tree):
                self.send_bundle(channel, munro.bundle, now)
        for channel in self.neighbours():
            if number in channel.of(self).whole:
                channel.of(self).whole.discard(number)
                self.tell(channel, number, 0, len(leaves) - 1, now)

    def tell_neighbours(self, now):
        for channel in self.neighbours():
            state = channel.of(self)
            values = [HaveMap(self.recent(plain=now - state.met < NEWCOMER_S))]
            if self.maps % 2:
                values.append(self.advert(state, now))
            self.say(channel, values, now)

    def advert(self, state, now):
        sent, came = state.advert or (0, 0)
        delay, state.delay = state.delay, None
        lag = 0 if self.is_source else 1 if self.is_fed(now) else NOT_FED
        lags = bytes(lag if self.takes_children(tree) else NOT_FED for tree in range(TREES))
        here = now_us()
        return Advert(UPLINK, max(0, min(self.room(), 255)), 0, here % 2**32, sent, here - came if state.advert else 0,
                      (delay or 0) % 2**32, lags, bytes([NO_CHILDREN] * TREES))

    def push(self, channel, index, now):
        self.pushed += 1
        kind = Pushed if messages.PUSHED in channel.options.supported else Data
        self.peer.send(channel, [kind(Range(index, index), now_us(), self.pushed_payload(index))], now)

    def send_bundle(self, channel, bundle, now):
        self.bundles += 1
        self.say(channel, [self.pushed_bundle(bundle)], now)

    # What a misbehaving parent does otherwise:
    def takes_children(self, tree):
        return True

    def pushed_payload(self, index):
        return self.peer.store.payload(index)

    def pushed_bundle(self, bundle):
        return bundle


def speaks_push(channel):
    """Version 2, and the extension message among those that it supports."""
    theirs = channel.options
    return theirs is not None and (theirs.version or 1) >= 2 and messages.EXTENSION in (theirs.supported or ())


def cost(tree):
    """In half slots: a bundle tree takes half of what a tree of chunks does."""
    return 2 if tree < SUBSTREAMS else 1


def is_whole(munro):
    return munro.bundle is not None and munro.held == (1 << len(munro.bundle.leaves)) - 1


def later(delay, known):
    """The greater of two differences of clocks, modulo 2^32."""
    return delay % 2**32 if known is None or (delay - known) % 2**32 < 2**31 else known
