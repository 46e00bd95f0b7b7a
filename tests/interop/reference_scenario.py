"""What the tests with the reference peer share."""
import hashlib
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from refpeer import addressing, clock, hashes, host, link, records, roles  # noqa: E402
from refpeer.compat import CompatSource, CompatSwarm, paced  # noqa: E402
from refpeer.live import LiveSource, TimedSource  # noqa: E402
from refpeer.swarm import live_swarm  # noqa: E402
from support.scenario import FULL, RUNNEL, Scenario  # noqa: E402

__all__ = ["FULL", "RUNNEL", "STOP_WITHIN_S", "ReferenceScenario"]

MEGABYTE = 1_000_003             # no multiple of any chunk size: the last chunk is short
COMPLETE_WITHIN_S = 15           # most take a tenth of it
LIVE_WITHIN_S = 10
STOP_WITHIN_S = 5
CHUNK_SIZE = {"sha1": 1024}      # of 40-digit ids; others 1080


class ReferenceScenario(Scenario):
    def content(self, size=MEGABYTE):
        return random.Random(self.seed).randbytes(size)

    def host(self, peer, address="127.0.0.1"):
        """The peer on a socket of its own, in a thread, until the test ends."""
        running = host.Host(peer, address).start()
        self.addCleanup(running.stop)
        return running

    def seeder(self, content, hash_name="sha256", addressing_name="chunks32", **others):
        chunk_size = CHUNK_SIZE.get(hash_name, 1080)
        return self.host(roles.seeder(content, hashes.BY_NAME[hash_name].code, addressing.NAMES[addressing_name], chunk_size, **others))

    def live_source(self, key, source_class=TimedSource, record_bytes=25_000, push=None, **metadata):
        """A source that signs twenty records a second, of a kind that readers skip: enough for everything below the player."""
        source = source_class(key) if issubclass(source_class, TimedSource) else source_class(key, first=0)
        peer = roles.live_source(live_swarm(key.swarm_id, version=2 if push else 1, **metadata), key, source=source, push=push)
        source.interval_s = 0.05
        noise = self.random.randbytes(record_bytes)
        source.feed = lambda index: records.Record(records.FILLER, noise, ntp_time=clock.now_ntp()).encode()
        return self.host(peer)

    def compat_source(self, key, stream=b"", bytes_per_s=400_000, source_class=CompatSource, first=0):
        """A source as older peers have it; null packets where there is no transport stream."""
        source = source_class(key, first)
        running = self.host(roles.live_source(CompatSwarm(key.swarm_id), key, source=source))
        source.interval_s = 0.05
        source.feed = paced(stream, bytes_per_s) if stream else lambda index: self.random.randbytes(20_000)
        return running

    def live_client_of(self, node_or_host, swarm, **others):
        client = self.host(roles.live_client(swarm, **others))
        client.connect(node_or_host.address if isinstance(node_or_host, host.Host) else self.address_of(node_or_host))
        return client

    def source_of(self, running):
        return roles.part(running.peer, LiveSource)

    def leecher_of(self, node, swarm, **others):
        leecher = self.host(roles.leecher(swarm, **others))
        leecher.connect(self.address_of(node))
        return leecher

    def address_of(self, node):
        return "127.0.0.1", int(node.ready()["listen"].rpartition(":")[2])

    def link_to(self, *hosts, **words):
        """A link to the first host's swarm, with all of them as first peers; words replace or add parameters."""
        text = link.format_link(hosts[0].peer.swarm, hosts[0].address)
        text += "".join(f"&x.pe=127.0.0.1:{other.address[1]}" for other in hosts[1:])
        return text + "".join(f"&{name}={value}" for name, value in words.items())

    def assertComplete(self, node, content, timeout_s=COMPLETE_WITHIN_S):
        event = node.event("complete", timeout_s)
        self.assertEqual((event["bytes"], event["sha256"]), (len(content), hashlib.sha256(content).hexdigest()))

    def assertFetched(self, leecher, content, node, timeout_s=COMPLETE_WITHIN_S):
        """That the leecher gets all of it from this node, or says what became of the node."""
        leecher.wait_for(lambda: leecher.peer.store.complete or not node.running, timeout_s)
        peer = leecher.peer
        if not peer.store.complete and not node.running:
            self.fail(f"runnel ended with {node.wait_exit(5)} while serving: {node.error_text()}")
        self.assertTrue(peer.store.complete, f"{peer.store.have.count()} chunks came; {dict(peer.counts)} {peer.complaints}")
        self.assertEqual(peer.store.content(), content)
        self.assertEqual(peer.store.rejected, 0)
        self.assertEqual(peer.complaints, [])

    def assertFollows(self, client, chunks, timeout_s=LIVE_WITHIN_S):
        """That a live client verifies so many chunks, and that nothing which came was wrong."""
        store = client.peer.store
        client.wait_for(lambda: store.have.count() >= chunks, timeout_s)
        self.assertGreaterEqual(store.have.count(), chunks, f"{dict(client.peer.counts)} {client.peer.complaints}")
        self.assertEqual((store.rejected, store.bad_signatures, client.peer.complaints), (0, 0, []))

    def assertAcknowledges(self, source, chunks, node, timeout_s=LIVE_WITHIN_S):
        """That the node verified so many chunks of a live source: it acknowledges these alone (3.4)."""
        def count():
            return max((channel.knowledge.has.count() for channel in source.peer.open_channels()), default=0)
        source.wait_for(lambda: count() >= chunks or source.peer.complaints or not node.running, timeout_s)
        self.assertEqual(source.peer.complaints, [])
        self.assertGreaterEqual(count(), chunks, f"{dict(source.peer.counts)} {node.error_text()}")

    def assertStops(self, node):
        """Ends as asked: a node that fell over its own checks ends otherwise, and says so on stderr."""
        self.assertEqual(node.stop(STOP_WITHIN_S), 0, node.error_text())
