"""Somebody on the way: passes datagrams on between a node and whoever calls it, and may keep, change, repeat or drop them."""
import random
import select
import socket
import threading


class Relay:
    """Listens at `address` and speaks to `target` ("host:port"), from one socket for each caller. Ends with close().

    `rule(datagram, to_target)` gives the datagrams that are passed on instead of each; it is called on the relay's own thread.
    """
    KEPT_BYTES = 64_000_000

    def __init__(self, target, rule=None):
        host, port = target.rsplit(":", 1)
        self.target = (host.strip("[]"), int(port))
        self.rule = rule or (lambda datagram, to_target: [datagram])
        self.front = self._bound()
        self.address = "127.0.0.1:%d" % self.front.getsockname()[1]
        self.backs = {}            # caller -> socket
        self.seen = []             # (datagram, to_target), as they came
        self.seen_bytes = 0
        self.closing = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @staticmethod
    def _bound():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        return sock

    def close(self):
        self.closing = True
        self.thread.join()
        for sock in [self.front, *self.backs.values()]:
            sock.close()

    def _run(self):
        while not self.closing:
            readable, _, _ = select.select([self.front, *self.backs.values()], [], [], 0.1)
            for sock in readable:
                self._drain(sock)

    def _drain(self, sock):
        caller = next((c for c, back in self.backs.items() if back is sock), None)
        while True:
            try:
                datagram, address = sock.recvfrom(65536)
            except (BlockingIOError, ConnectionError):
                return
            to_target = caller is None
            if to_target and address not in self.backs:
                self.backs[address] = self._bound()
            if self.seen_bytes < self.KEPT_BYTES:
                self.seen.append((datagram, to_target))
                self.seen_bytes += len(datagram)
            for passed in self.rule(datagram, to_target):
                try:
                    if to_target:
                        self.backs[address].sendto(passed, self.target)
                    else:
                        self.front.sendto(passed, caller)
                except (BlockingIOError, ConnectionError):
                    pass


def is_dtls(datagram):
    return len(datagram) > 0 and 20 <= datagram[0] <= 63


class Meddler:
    """A rule: turns a bit in some datagrams, repeats some, drops some."""

    def __init__(self, seed, share=0.02):
        self.random, self.share, self.changed, self.repeated, self.dropped = random.Random(seed), share, 0, 0, 0

    def __call__(self, datagram, to_target):
        roll = self.random.random() / self.share
        if roll >= 3:
            return [datagram]
        if roll < 1:
            self.changed += 1
            spoilt = bytearray(datagram)
            spoilt[self.random.randrange(len(spoilt))] ^= 1 << self.random.randrange(8)
            return [bytes(spoilt)]
        if roll < 2:
            self.repeated += 1
            return [datagram, datagram]
        self.dropped += 1
        return []
