"""Peers joined without sockets: datagrams in lists, time counted by hand. For tests of the peer against itself."""


class Network:
    STEP_S = 0.01

    def __init__(self):
        self.peers, self.now = {}, 1000.0
        self.lose = lambda data: False       # whether this datagram is lost

    def add(self, peer):
        address = ("127.0.0.1", 10000 + len(self.peers))
        self.peers[address] = peer
        return address

    def run_until(self, predicate, seconds=60):
        """Moves datagrams and time on until it holds; whether it did before that much of its own time had passed."""
        end = self.now + seconds
        while not predicate():
            if self.now > end:
                return False
            self.step()
        return True

    def step(self):
        self.now += self.STEP_S
        for address, peer in self.peers.items():
            peer.flush(self.now)
            for _ in range(len(peer.outbox)):
                data, to = peer.outbox.popleft()
                if to in self.peers and not self.lose(data):
                    self.peers[to].receive(data, address, self.now)
