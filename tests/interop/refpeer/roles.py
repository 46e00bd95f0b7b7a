"""The four peers that the command line and the tests put together from parts."""
from . import hashes
from .fetch import Fetch
from .live import LiveSource, TimedSource
from .peer import Peer
from .pex import Pex
from .serve import Serve
from .store_plain import UnprotectedStore, live_store
from .store_static import StaticStore, store_of_content
from .swarm import MERKLE, NONE, Swarm


def seeder(content, hash_function=2, addressing=2, chunk_size=1080, serve=None, pex=None, knows_size=True):
    function = hashes.BY_CODE[hash_function]

    def swarm_of(root):
        return Swarm(root, hash_function=hash_function, addressing=addressing, chunk_size=chunk_size,
                     content_bytes=len(content) if knows_size else None)
    store = store_of_content(swarm_of, content, chunk_size, function)
    return Peer(store.swarm, store, [serve or Serve(), pex or Pex()])


def leecher(swarm, fetch=None, serve=None, pex=None):
    store = UnprotectedStore(swarm) if swarm.integrity == NONE else StaticStore(swarm)
    assert swarm.integrity in (NONE, MERKLE)
    return Peer(swarm, store, [serve or Serve(), fetch or Fetch(), pex or Pex()])


def live_source(swarm, key, timed=True, first=None, source=None, pex=None, push=None):
    source = source or (TimedSource(key) if timed else LiveSource(key, first=first or 0))
    return Peer(swarm, live_store(swarm), [*([push] if push else []), source, pex or Pex()])


def live_client(swarm, fetch=None, serve=None, pex=None, push=None):
    return Peer(swarm, live_store(swarm), [*([push] if push else []), serve or Serve(), fetch or Fetch(live=True), pex or Pex()])


def part(peer, kind):
    return next(p for p in peer.parts if isinstance(p, kind))
