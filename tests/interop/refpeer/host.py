"""A UDP socket and the time for one peer: in a thread of its own, or in the caller's."""
import selectors
import socket
import threading
import time

TICK_S = 0.02
BATCH = 64                       # datagrams taken before the peer answers
BUFFER_BYTES = 1 << 20


class Host:
    def __init__(self, peer, address="127.0.0.1", port=0):
        self.peer = peer
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.socket.bind((address, port))
        self.socket.setblocking(False)
        self.address = self.socket.getsockname()[:2]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ)
        self.changed = threading.Condition()
        self.stopping = False
        self.error = None
        self.thread = None

    # ---- one turn --------------------------------------------------------------------------------------------------
    def turn(self, wait_s=TICK_S):
        self.selector.select(wait_s)
        with self.changed:
            now = time.monotonic()
            for _ in range(BATCH):
                try:
                    data, address = self.socket.recvfrom(65535)
                except BlockingIOError:
                    break
                except ConnectionError:      # an ICMP answer to something sent before
                    continue
                self.peer.receive(data, address[:2], now)
            self.peer.flush(now)
            self.send_all()
            self.changed.notify_all()

    def send_all(self):
        while self.peer.outbox:
            data, address = self.peer.outbox.popleft()
            try:
                self.socket.sendto(data, address)
            except OSError:                  # full buffers and closed ports are losses like others
                pass

    # ---- a thread --------------------------------------------------------------------------------------------------
    def start(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def run(self):
        try:
            while not self.stopping:
                self.turn()
        except Exception as error:           # shown to whoever waits
            with self.changed:
                self.error = error
                self.changed.notify_all()
            raise

    def call(self, action):
        """Runs action(now) between two turns and sends what came of it."""
        with self.changed:
            result = action(time.monotonic())
            self.send_all()
            return result

    def connect(self, address):
        self.call(lambda now: self.peer.connect(address, now))

    def wait_for(self, predicate, timeout_s):
        """The first true value of predicate(), or whatever it says at the deadline."""
        with self.changed:
            self.changed.wait_for(lambda: self.error or predicate(), timeout_s)
            if self.error:
                raise RuntimeError("the reference peer failed") from self.error
            return predicate()

    def stop(self):
        """Closes every channel (8.4) and the socket."""
        if self.thread:
            self.stopping = True
            self.thread.join()
            self.thread = None
        for channel in list(self.peer.channels.values()):
            self.peer.close(channel, time.monotonic())
        self.send_all()
        self.selector.close()
        self.socket.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
