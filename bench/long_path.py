#!/usr/bin/env python3
"""One file along a path of 50 ms there and back, 100 Mb/s, that loses 1 % of the packets: how full Runnel keeps it, and TCP beside it.

    bench/long_path.py [--megabytes N] [--seconds N] [--no-history]

In the network lab (tests/netlab), so it needs root. "Full" is what was carried of the path's 100 Mb/s, headers included; for TCP, payload
and 4 % for headers. Exit status 1 when a goal is missed.
"""
import pathlib
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
import history
from support import media
from support.netlab import Netlab
from support.processes import Node
from support.scenario import RUNNEL, Scenario

RATE_MBPS = 100
LAB = f"""
[every.up]
rate_mbps = {RATE_MBPS}
[every.down]
rate_mbps = {RATE_MBPS}
[host.alice]
[host.bob]
[path]
delay_ms = 25
loss = 0.01
"""
TCP_HEADERS = 1.04        # 1500 bytes carry 1448
TCP_BLOCK = 1 << 16


class LongPath(Scenario):
    def lab(self):
        lab = Netlab(LAB, self.log, seed=self.seed)
        self.addCleanup(lab.close)
        return lab

    def run_in(self, lab, host, verb, *arguments):
        command = [RUNNEL, verb, *arguments, "--json", "--listen", f"{lab.address(host)}:0", "--http", "127.0.0.1:0"]
        return self.start(lab.command(host, command), host, Node)

    def runnel(self):
        """(share of the path in use, MB/s of the file)"""
        lab = self.lab()
        source = self.folder / "source.bin"
        digest = media.random_file(source, self.options.megabytes * 1_000_000, self.seed)
        caster = self.run_in(lab, "alice", "cast", source)
        link = caster.link
        before = lab.stats()["hosts"]["alice"]["up"]["bytes"]
        watcher = self.run_in(lab, "bob", "watch", link, "--player", "none", "--out", self.folder / "copy.bin", "--until-complete")
        complete = watcher.event("complete", 300)
        self.assertEqual(complete["sha256"], digest)
        carried = lab.stats()["hosts"]["alice"]["up"]["bytes"] - before
        lab.close()
        return carried * 8 / complete["transfer_s"] / RATE_MBPS / 1e6, self.options.megabytes / complete["transfer_s"]

    def tcp(self, control):
        """The share of the path that a TCP connection with this congestion control uses."""
        lab = self.lab()
        server = lab.socket("bob", kind=socket.SOCK_STREAM)
        server.listen(1)
        sender = lab.socket("alice", kind=socket.SOCK_STREAM)
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())
        sender.connect(server.getsockname())
        receiver, _ = server.accept()
        deadline = time.monotonic() + self.options.seconds

        def send():
            block = bytes(TCP_BLOCK)
            while time.monotonic() < deadline:
                sender.sendall(block)
            sender.shutdown(socket.SHUT_WR)
        thread = threading.Thread(target=send)
        thread.start()
        received, began = 0, time.monotonic()
        while time.monotonic() < deadline and (block := receiver.recv(TCP_BLOCK)):
            received += len(block)
        seconds = time.monotonic() - began
        while receiver.recv(TCP_BLOCK):   # what was on its way, so that the sender ends
            pass
        thread.join()
        for one in (sender, receiver, server):
            one.close()
        lab.close()
        return received * TCP_HEADERS * 8 / seconds / RATE_MBPS / 1e6

    def runTest(self):
        share, mb_per_s = self.runnel()
        rows = [("Runnel, sealed: share of the path", share, "", ">= 0.90"), ("Runnel, sealed: MB/s of the file", mb_per_s, "", None),
                ("TCP Cubic: share of the path", self.tcp("cubic"), "", None), ("TCP BBR: share of the path", self.tcp("bbr"), "", None)]
        self.assertTrue(history.report("long_path", rows, self.options.history), "a goal is missed")


if __name__ == "__main__":
    sys.exit(history.main(LongPath, __doc__, [("--megabytes", int, 150, "size of the file"), ("--seconds", int, 12, "for each TCP connection")]))
