#!/usr/bin/env python3
"""How much the network lab carries, and what it costs: 60 hosts at 3 Mb/s, one pair at 1 Gb/s, and both at once. Needs root.

    bench/netlab_capacity.py [--seconds N]

Each row: what was offered and what came, the lab's share of one processor, and how late it handed packets over. The traffic is
made on the same machine and has to share its processors with the lab.
"""
import argparse
import json
import os
import pathlib
import socket
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
from support.netlab import NETLAB, Netlab

TRAFFIC = NETLAB.with_name("netlab-traffic")
LAB = """
[host.small]
count = 60
up = { rate_mbps = 10, delay_ms = 5 }
down = { rate_mbps = 50, delay_ms = 5 }
[host.big]
count = 2
up = { rate_mbps = 1000, queue_ms = 50 }
down = { rate_mbps = 1000, queue_ms = 50 }
[path]
delay_ms = 10
"""
SMALL_MBPS = 3
BIG_MBPS = 960                     # of payload; 1200 bytes and 28 of headers make 982 on the line
SEGMENTS = 40                      # datagrams per call, about what Runnel's socket gives the kernel at once
START_DELAY_S = 2                  # until all hosts' programs listen


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Measurement:
    """The lab's processor time and counters between two moments: its making and stop()."""

    def __init__(self, lab):
        self.lab, self.pid = lab, lab.process.pid
        self.first, self.last = self.look(), None

    def look(self):
        stats = self.lab.stats()
        late, hosts = stats["lateness"], stats["hosts"].values()
        return {"s": time.monotonic(), "cpu_s": cpu_s(self.pid), "packets": late["packets"], "late_us": late["mean_us"] * late["packets"],
                "over_1_ms": late["over_1_ms"], "own_drops": sum(host["kernel_drops"] + host["over_memory"] for host in hosts)}

    def stop(self):
        self.last = self.look()

    def report(self, name, offered, came):
        change = {key: self.last[key] - self.first[key] for key in self.first}
        packets = max(change["packets"], 1)
        print(f"{name:<31} offered {offered:6.1f} Mb/s, came {came:6.1f}; {packets / change['s']:6.0f} packets/s; "
              f"lab {change['cpu_s'] / change['s']:4.0%} of a processor, {change['cpu_s'] / packets * 1e6:4.1f} us a packet; "
              f"late {change['late_us'] / packets:6.0f} us in the mean, {change['over_1_ms'] / packets:4.0%} over 1 ms; "
              f"{change['own_drops']} dropped by the lab itself", flush=True)


def flows(lab, plan, seconds):
    """Starts a sender or receiver per host of `plan` (host, arguments), waits for all: (measurement, bytes sent, bytes received)."""
    start_at = time.monotonic() + START_DELAY_S
    running = [lab.start(host, [TRAFFIC, "--start-at", start_at, "--seconds", seconds, *arguments], "traffic") for host, arguments in plan]
    clock = threading.Event()
    clock.wait(start_at - time.monotonic())
    measurement = Measurement(lab)
    clock.wait(start_at + seconds - time.monotonic())
    measurement.stop()
    for process in running:
        process.wait_exit(30)
    totals = [json.loads(process.out[0][1]) for process in running]
    return measurement, sum(t["sent_bytes"] for t in totals), sum(t["received_bytes"] for t in totals)


def small_plan(lab):
    return [(f"small-{i + 1}", ["--to", lab.address(f"small-{(i + 1) % 60 + 1}"), "--mbps", SMALL_MBPS]) for i in range(60)]


def big_plan(lab, segments):
    return [("big-1", ["--to", lab.address("big-2"), "--mbps", BIG_MBPS, "--segments", segments]), ("big-2", [])]


def datagrams(lab, name, plan, seconds):
    measurement, sent, received = flows(lab, plan, seconds)
    measurement.report(name, sent * 8 / seconds / 1e6, received * 8 / seconds / 1e6)


def stream(lab, name, seconds):
    listener = lab.socket("big-2", socket.AF_INET, socket.SOCK_STREAM)
    listener.listen()
    came = [0]

    def receive():
        connection, _ = listener.accept()
        buffer = bytearray(1 << 20)
        with connection:
            while size := connection.recv_into(buffer):
                came[0] += size

    receiver = threading.Thread(target=receive, daemon=True)
    receiver.start()
    measurement, data = Measurement(lab), bytes(1 << 20)
    with lab.call("big-1", socket.create_connection, listener.getsockname()) as connection:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            connection.sendall(data)
        measurement.stop()
        mbps = came[0] * 8 / seconds / 1e6
    receiver.join()
    measurement.report(name, mbps, mbps)
    listener.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=5)
    options = arguments.parse_args()
    try:
        with tempfile.TemporaryDirectory() as log, Netlab(LAB, log, seed=1) as lab:
            datagrams(lab, "60 hosts, 3 Mb/s each", small_plan(lab), options.seconds)
            datagrams(lab, "1 Gb/s, datagrams 40 a call", big_plan(lab, SEGMENTS), options.seconds)
            datagrams(lab, "1 Gb/s, datagrams one a call", big_plan(lab, 1), options.seconds)
            stream(lab, "1 Gb/s, TCP", options.seconds)
            datagrams(lab, "60 hosts and 1 Gb/s, 40 a call", small_plan(lab) + big_plan(lab, SEGMENTS), options.seconds)
    except unittest.SkipTest as reason:
        print(f"skipped: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
