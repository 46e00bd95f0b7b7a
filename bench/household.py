#!/usr/bin/env python3
"""What others in a household notice of a viewer that serves a live stream over their uplink, and what comes of it beside their TCP upload.

    bench/household.py [--peers N] [--seconds N] [--no-history]

In the network lab (tests/netlab), so it needs root: live_household, one of whose viewers is behind a line of 4.2 Mb/s with a queue of 128 KB,
where something also pings the outside ten times a second, first before the viewer runs, then beside it, then while a file is uploaded by TCP Cubic as
well. "Added" is beyond the median before the viewer ran. A fair share is half of what the line carries. Exit status 1 when a goal is missed.
"""
import pathlib
import socket
import statistics
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import history
import live
from support.netlab import Netlab

PING_EACH_S = 0.1
LOST_AFTER_S = 2
HOME_MBPS = 4.2
UNTIL_SHARED_S = 18       # it gives way for some fourteen before it takes its share
TCP_BLOCK = 1 << 14
TCP_HEADERS = 1.04        # 1500 bytes carry 1448


class Traffic:
    """Threads that run as long as the block does, and the sockets that end with it."""

    def __init__(self, targets, sockets):
        self.threads, self.sockets, self.done = [threading.Thread(target=target) for target in targets], sockets, threading.Event()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()
        for one in self.sockets:
            one.close()


class Pings(Traffic):
    """Round trips of datagrams between two hosts while the block runs."""

    def __init__(self, lab, host, outside):
        self.echo, self.socket = lab.socket(outside), lab.socket(host)
        self.socket.settimeout(PING_EACH_S / 2)
        self.echo.settimeout(PING_EACH_S)
        self.sent, self.trips = {}, {}
        super().__init__([self.send, self.hear, self.answer], [self.echo, self.socket])

    def send(self):
        number = 0
        while not self.done.wait(PING_EACH_S):
            number += 1
            self.sent[number] = time.monotonic()
            self.socket.sendto(number.to_bytes(8, "big"), self.echo.getsockname())

    def hear(self):
        while not self.done.is_set():
            try:
                number = int.from_bytes(self.socket.recv(64), "big")
            except TimeoutError:
                continue
            self.trips[number] = time.monotonic() - self.sent[number]

    def answer(self):
        while not self.done.is_set():
            try:
                said, whom = self.echo.recvfrom(64)
            except TimeoutError:
                continue
            self.echo.sendto(said, whom)

    def quantile_s(self, share):
        """What was lost took long."""
        late = [LOST_AFTER_S for number, at in list(self.sent.items()) if number not in self.trips and time.monotonic() - at > LOST_AFTER_S]
        trips = sorted([*self.trips.values(), *late])
        return trips[int(share * (len(trips) - 1))]


class Upload(Traffic):
    """One TCP connection that sends as much as it can while the block runs; `received` counts payload."""

    def __init__(self, lab, host, outside):
        server = lab.socket(outside, kind=socket.SOCK_STREAM)
        self.sender = lab.socket(host, kind=socket.SOCK_STREAM)
        self.sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        server.listen(1)
        self.sender.connect(server.getsockname())
        self.receiver, _ = server.accept()
        self.received = 0
        super().__init__([self.send, self.receive], [self.sender, self.receiver, server])

    def send(self):
        block = bytes(TCP_BLOCK)
        while not self.done.is_set():
            self.sender.sendall(block)
        self.sender.shutdown(socket.SHUT_WR)

    def receive(self):
        while block := self.receiver.recv(TCP_BLOCK):
            self.received += len(block)


class Household(live.Live):
    def lab_description(self):
        return super().lab_description() + "\n[host.outside]\n"

    def sent_by_home(self):
        return self.lab.stats()["hosts"][self.home]["up"]["bytes"]

    def start_all(self):
        """Everybody but the viewer at home, which comes last."""
        self.lab = Netlab(self.lab_description(), self.log, seed=self.seed)
        self.addCleanup(self.lab.close)
        self.home = next(host for host in self.hosts if self.uplinks[host] == HOME_MBPS)
        self.caster = self.run_in("source", "cast", "--live", "--loop", live.film(self.plan["live"]["kbps"]))
        for host in self.hosts:
            if host != self.home:
                self.run_in(host, "watch", self.caster.link, "--player", "none")

    def runTest(self):
        self.start_all()
        with Pings(self.lab, self.home, "outside") as before:
            self.caster.wait_for_end(self.options.seconds / 4)
        usual_s = before.quantile_s(0.5)
        viewer = self.run_in(self.home, "watch", self.caster.link, "--player", "none")
        self.caster.wait_for_end(self.plan["live"]["measure_from_s"])
        began, sent = time.monotonic(), self.sent_by_home()
        with Pings(self.lab, self.home, "outside") as alone:
            self.caster.wait_for_end(self.options.seconds)
        alone_mbps = (self.sent_by_home() - sent) * 8e-6 / (time.monotonic() - began)
        with Upload(self.lab, self.home, "outside") as upload, Pings(self.lab, self.home, "outside") as beside:
            self.caster.wait_for_end(UNTIL_SHARED_S)
            began, sent, received = time.monotonic(), self.sent_by_home(), upload.received
            self.caster.wait_for_end(self.options.seconds)
            seconds, sent, received = time.monotonic() - began, self.sent_by_home() - sent, upload.received - received
        tcp_mbps = received * TCP_HEADERS * 8e-6 / seconds
        ours_mbps = sent * 8e-6 / seconds - tcp_mbps
        self.assertTrue(viewer.running, viewer.last_lines())
        fair = (tcp_mbps + ours_mbps) / 2
        rows = [("usual round trip: s", usual_s, "", None), ("Runnel alone: Mb/s", alone_mbps, f"of {HOME_MBPS}", None),
                ("added round trip beside Runnel, p50: s", alone.quantile_s(0.5) - usual_s, "", None),
                ("added round trip beside Runnel, p95: s", alone.quantile_s(0.95) - usual_s, "", "<= 0.03"),
                ("Runnel beside TCP Cubic, over its fair share", ours_mbps / fair, "", ">= 0.8"),
                ("TCP Cubic beside Runnel, over its fair share", tcp_mbps / fair, "", None),
                ("added round trip beside both, p50: s", statistics.median(beside.trips.values()) - usual_s, "", None)]
        self.assertTrue(history.report("household", rows, self.options.history), "a goal is missed")


if __name__ == "__main__":
    sys.exit(history.main(Household, __doc__, [("--scenario", str, "live_household", "of tests/sim/scenarios"), ("--peers", int, 8, "viewers"),
                                               ("--seconds", int, 20, "that are measured, each time")]))
