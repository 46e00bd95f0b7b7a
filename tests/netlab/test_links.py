#!/usr/bin/env python3
"""What is between hosts is what the description says: delay, loss, rate, cuts, and nobody's bytes are changed."""
import hashlib
import json
import pathlib
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.netlab import NETLAB, LabError, Netlab
from support.scenario import Scenario

UDP_SEGMENT = 103                  # linux/udp.h
SO_TIMESTAMPNS = 35                # asm-generic/socket.h
HEADERS_BYTES = 28                 # of IPv4 and UDP
LATE_MS = 4                        # what a busy machine may add even to the fastest of 30 round trips


class Links(Scenario):
    def lab(self, description, **options):
        lab = Netlab(description, self.log, seed=self.seed, **options)
        self.addCleanup(lab.close)
        return lab

    def pair(self, lab, family=socket.AF_INET):
        """A datagram socket in a and one in b."""
        sockets = [lab.socket(host, family) for host in ("a", "b")]
        for one in sockets:
            one.settimeout(5)
            self.addCleanup(one.close)
        return sockets

    def round_trip_ms(self, near, far, count=30):
        """The fastest and the median of as many round trips, each echoed as soon as it comes."""
        times = []
        for number in range(count):
            started = time.monotonic()
            near.sendto(b"%d" % number, far.getsockname())
            data, back = far.recvfrom(2000)
            far.sendto(data, back)
            near.recvfrom(2000)
            times.append((time.monotonic() - started) * 1e3)
        return min(times), statistics.median(times)

    def passes(self, near, far, timeout_s):
        """Whether a datagram comes through within that time."""
        far.settimeout(timeout_s)
        near.sendto(b"?", far.getsockname())
        try:
            return far.recv(10) == b"?"
        except TimeoutError:
            return False

    def test_round_trip_is_the_delays_there_and_back(self):
        lab = self.lab("[host.a.up]\ndelay_ms = 5\n[host.b]\n[path]\ndelay_ms = 20\n")
        for family in (socket.AF_INET, socket.AF_INET6):
            near, far = self.pair(lab, family)
            fastest, median = self.round_trip_ms(near, far)
            print(f"round trip {fastest:.2f} ms at least, {median:.2f} in the median; asked for 45")
            self.assertGreaterEqual(fastest, 45)
            self.assertLess(fastest, 45 + LATE_MS)
        print(lab.stats()["lateness"])

    def test_loss_is_near_what_was_asked_for_and_counted(self):
        lab = self.lab("[host.a]\n[host.b]\n[path]\nloss = 0.1\n")
        near, far = self.pair(lab)
        sent, batch, came = 3000, 50, 0
        for first in range(0, sent, batch):
            for number in range(first, first + batch):
                near.sendto(b"%d" % number, far.getsockname())
            path = self.eventually(lambda: (p := lab.stats()["paths"]) and p[0]["packets"] + p[0]["lost"] == first + batch and p[0], 5,
                                   "whole batch", 0.002)
            while came < path["packets"]:
                far.recv(100)
                came += 1
        self.assertEqual(came + path["lost"], sent)
        self.assertGreater(path["lost"], 200)      # 300 give or take 6 deviations of 16
        self.assertLess(path["lost"], 400)

    def spread_ms(self, near, far, count, size):
        """The time from the first to the last of a burst, as the receiver's kernel saw them (this process may be late itself), and how
        long it took to send it."""
        far.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        started = time.monotonic()
        for _ in range(count):
            near.sendto(bytes(size), far.getsockname())
        sending_ms = (time.monotonic() - started) * 1e3
        arrivals = []
        for _ in range(count):
            _, extra, _, _ = far.recvmsg(2000, 64)
            seconds, nanoseconds = struct.unpack("qq", extra[0][2])
            arrivals.append(seconds * 1e3 + nanoseconds / 1e6)
        return arrivals[-1] - arrivals[0], sending_ms

    def test_rate_holds_and_shrinks_while_the_lab_runs(self):
        lab = self.lab("[host.a.up]\nrate_mbps = 4\nqueue_bytes = 100000\n[host.b]\n")
        near, far = self.pair(lab)
        for mbps in (4, 2):
            lab.set(f"host.a.up.rate_mbps = {mbps}")
            expected = 59 * (1200 + HEADERS_BYTES) * 8 / mbps / 1e3
            measured, sending_ms = self.spread_ms(near, far, 60, 1200)
            late_ms = lab.stats()["lateness"]["max_us"] / 1e3
            print(f"{mbps} Mb/s: 60 datagrams took {measured:.1f} ms; {expected:.1f} expected; the lab was {late_ms:.1f} ms late at most")
            self.assertGreater(measured, expected * 0.97 - late_ms)
            self.assertLess(measured, expected * 1.03 + 2 + late_ms + sending_ms)

    def test_queue_drops_at_its_tail(self):
        fits, sent = 10, 40
        lab = self.lab(f"[host.a.up]\nrate_mbps = 1\nqueue_bytes = {fits * (1200 + HEADERS_BYTES)}\n[host.b]\n")
        near, far = self.pair(lab)
        before = time.monotonic()
        for number in range(sent):
            near.sendto(bytes([number]) * 1200, far.getsockname())
        up = self.eventually(lambda: (u := lab.stats()["hosts"]["a"]["up"])["packets"] + u["queue_full"] >= sent and u, 5, "fate of all")
        left_meanwhile = (time.monotonic() - before) / ((1200 + HEADERS_BYTES) * 8 / 1e6)
        came = [far.recv(2000)[0] for _ in range(up["packets"])]
        self.assertEqual(came[:fits], list(range(fits)))
        self.assertLessEqual(up["packets"], fits + 1 + left_meanwhile)

    def tcp_flow(self, lab, near, far, data, family=socket.AF_INET):
        """Starts it; gives the thread, and a dict with the receiver's digest and times when it is done."""
        listener = lab.socket(far, family, socket.SOCK_STREAM)
        listener.listen()
        listener.settimeout(20)
        outcome = {}

        def receive():
            connection, _ = listener.accept()
            digest, size, started = hashlib.sha256(), 0, time.monotonic()
            with connection, listener:
                while piece := connection.recv(1 << 18):
                    digest.update(piece)
                    size += len(piece)
            outcome.update(digest=digest.hexdigest(), size=size, seconds=time.monotonic() - started)

        def send():
            with lab.call(near, socket.create_connection, listener.getsockname()[:2]) as connection:
                connection.sendall(data)

        threads = [threading.Thread(target=target, daemon=True) for target in (receive, send)]
        for thread in threads:
            thread.start()
        return threads[0], outcome

    def test_two_tcp_flows_share_an_uplink(self):
        lab = self.lab("[host.a.up]\nrate_mbps = 24\n[host.b]\n[host.c]\n[path]\ndelay_ms = 5\n")
        data = self.random.randbytes(3_000_000)
        flows = [self.tcp_flow(lab, "a", far, data) for far in ("b", "c")]
        for thread, _ in flows:
            thread.join(14)
            self.assertFalse(thread.is_alive(), "a flow hangs")
        seconds = max(outcome["seconds"] for _, outcome in flows)
        mbps = 2 * len(data) * 8 / seconds / 1e6
        print(f"two flows together {mbps:.1f} Mb/s of payload over 24 Mb/s in {seconds:.2f} s; {lab.stats()['lateness']}")
        self.assertLess(mbps, 24)
        self.assertGreater(mbps, 24 * 0.3)         # TCP gives way when this machine is slow, as it would to a network

    def test_bytes_are_the_same_through_loss_reordering_and_duplicates(self):
        lab = self.lab("[host.a]\n[host.b]\n[path]\ndelay_ms = 2\njitter_ms = 1\nloss = 0.005\nreorder = 0.01\nreorder_ms = 3\n"
                       "duplicate = 0.01\n")
        data = self.random.randbytes(3_000_000)
        for family in (socket.AF_INET, socket.AF_INET6):
            thread, outcome = self.tcp_flow(lab, "a", "b", data, family)
            thread.join(14)
            self.assertEqual(outcome.get("digest"), hashlib.sha256(data).hexdigest())
        path = lab.stats()["paths"][0]
        self.assertTrue(path["lost"] and path["reordered"] and path["duplicated"])

    def test_segmented_datagrams_come_as_the_datagrams_they_are(self):
        lab = self.lab("[host.a]\n[host.b]\n[path]\ndelay_ms = 2\n")
        near, far = self.pair(lab)
        near.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        data = self.random.randbytes(20_500)
        near.sendto(data, far.getsockname())
        self.assertEqual([far.recv(2000) for _ in range(21)], [data[i:i + 1000] for i in range(0, len(data), 1000)])

    def test_partition_cuts_and_heals(self):
        lab = self.lab("[host.a]\n[host.b]\n[host.c]\n")
        near, far = self.pair(lab)
        self.assertTrue(self.passes(near, far, 5))
        lab.partition(["a", "c"], ["b"])
        self.assertFalse(self.passes(near, far, 0.3))
        self.assertEqual(lab.stats()["hosts"]["a"]["cut"], 1)
        lab.partition()
        self.assertTrue(self.passes(near, far, 5))

    def test_hosts_of_a_group_vanish_and_return_one_by_one(self):
        lab = self.lab("[host.a]\n[host.b]\n[host.v]\ncount = 3\n")
        near = lab.socket("a")
        far = [lab.socket(f"v-{i}") for i in (1, 2, 3)]
        for one in (near, *far):
            self.addCleanup(one.close)
        lab.connect("v", False)
        lab.connect("v-2")
        self.assertTrue(self.passes(near, far[1], 5))
        self.assertEqual([self.passes(near, one, 0.3) for one in (far[0], far[2])], [False, False])

    def test_unknown_keys_are_refused_by_name(self):
        with self.assertRaisesRegex(LabError, r"line 2: host\.a\.up\.rate_kbps: no such key"):
            self.lab("[host.a.up]\nrate_kbps = 5\n")
        lab = self.lab("[host.a]\n")
        with self.assertRaisesRegex(LabError, r"path\.los: no such key"):
            lab.set("path.los = 0.1")
        with self.assertRaisesRegex(LabError, "set, stats, hosts or stop"):
            lab.ask({"do": "dance"})

    def test_control_socket_lets_go_of_too_many_clients_and_of_endless_requests(self):
        lab = self.lab("[host.a]\n")                     # the lab's own connection is one of the 16
        clients = [socket.socket(socket.AF_UNIX) for _ in range(16)]
        for client in clients:
            self.addCleanup(client.close)
            client.settimeout(10)
            client.connect(str(lab.control))
        self.assertEqual(clients[15].recv(1), b"")
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            while True:
                clients[0].sendall(bytes(1 << 16))
        clients[1].sendall(b'{"do": "stats"}\n')
        self.assertIn(b'"stats"', clients[1].recv(1000))

    def test_words_at_the_command_line_do_what_the_socket_does(self):
        lab = self.lab("[host.a]\n[host.b]\n")
        control = str(lab.control)
        self.assertEqual(self.run_to_end([NETLAB, "set", control, "path.delay_ms = 30"]), (0, "", ""))
        self.assertGreaterEqual(self.round_trip_ms(*self.pair(lab), count=3)[0], 60)
        status, text, _ = self.run_to_end([NETLAB, "stats", control])
        self.assertEqual((status, json.loads(text)["hosts"]["a"]["kernel_drops"]), (0, 0))
        status, text, _ = self.run_to_end(lab.command("b", ["cat", "/proc/net/fib_trie"]))
        self.assertIn(lab.address("b"), text)
        self.assertEqual(subprocess.run(lab.command("nobody", ["true"]), capture_output=True, check=False).returncode, 1)


if __name__ == "__main__":
    unittest.main()
