#!/usr/bin/env python3
"""How fast one file moves: the bare loop, Runnel in the clear and sealed, libtorrent over TCP and over uTP, side by side in one run.

    bench/bulk.py [--megabytes N] [--rounds N] [--paced MB/S] [--no-history]

Each round takes all of them in turn, so that other load on the machine meets all. Times run from the first chunk to the last (libtorrent:
from when the receiver knows its peer to when it has the last piece). Medians over the rounds; exit status 1 when a goal is missed.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
import history
import libtorrent
from support import media
from support.scenario import BUILD, Scenario

TICKS = os.sysconf("SC_CLK_TCK")
UTP_SHARE = 10            # uTP is slow here: it gets a file so many times shorter


def engine_cpu_s(pid):
    """Processor seconds of the thread that moves chunks."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text(encoding="ascii").strip() == "engine":
            fields = (task / "stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / TICKS
    return 0.0


def session():
    return libtorrent.session({
        "listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_incoming_utp": False, "enable_outgoing_utp": False, "allow_multiple_connections_per_ip": True,
        "alert_mask": libtorrent.alert.category_t.status_notification | libtorrent.alert.category_t.error_notification})


def wait_for(one, kind, timeout_s):
    """Until that session raises an alert of this kind."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        one.wait_for_alert(500)
        for alert in one.pop_alerts():
            if isinstance(alert, libtorrent.torrent_error_alert):
                raise AssertionError(alert.message())
            if isinstance(alert, kind):
                return
    raise AssertionError(f"libtorrent: no {kind.__name__} within {timeout_s} s")


class Bulk(Scenario):

    def bare(self, *words):
        copy = self.folder / "bare.bin"
        done = subprocess.run([BUILD / "bench_bare_loop", self.source, copy, *words], capture_output=True, text=True, check=True)
        copy.unlink(missing_ok=True)
        return json.loads(done.stdout)

    def move(self, watchers, *words, chain=False, rate=None):
        """{"mb_per_s": sum over the watchers, "files": what the caster sent, "cpu_s_per_gb": both ends}"""
        limits = ["--max-download", str(int(rate * 1e6))] if rate else []
        caster = self.cast(self.source, *words)
        link, copies, nodes = caster.link, [], []
        before = engine_cpu_s(caster.pid)
        for number in range(watchers):
            copies.append(self.folder / f"copy-{number}.bin")
            to = link
            if chain and nodes:   # knows nobody but the one before it
                to = "?".join([link.split("?")[0], f"xl={self.source.stat().st_size}&x.pe={nodes[-1].ready()['listen']}"])
            nodes.append(self.watch(to, "--out", copies[-1], *words, *limits, name=f"watcher-{number}"))
        rates = []
        cpu = 0.0
        for node in nodes:
            complete = node.event("complete", 600)
            self.assertEqual(complete["sha256"], self.digest)
            rates.append(self.options.megabytes / complete["transfer_s"])
            cpu += engine_cpu_s(node.pid)
        sent = caster.next_stats()["up_bytes"] / self.source.stat().st_size
        cpu += engine_cpu_s(caster.pid) - before
        for node in [*nodes, caster]:
            node.stop()
        for copy in copies:
            copy.unlink()
        return {"mb_per_s": sum(rates), "slowest": min(rates), "files": sent, "cpu_s_per_gb": cpu / self.options.megabytes * 1000 / watchers}

    def torrent(self, source, utp):
        storage = libtorrent.file_storage()
        libtorrent.add_files(storage, str(source))
        made = libtorrent.create_torrent(storage, flags=libtorrent.create_torrent.v1_only)
        libtorrent.set_piece_hashes(made, str(source.parent))
        info = libtorrent.torrent_info(libtorrent.bencode(made.generate()))
        seed, leech = session(), session()
        for one in (seed, leech):
            one.apply_settings({f"enable_{way}_{kind}": (kind == "utp") == utp for way in ("incoming", "outgoing") for kind in ("utp", "tcp")})
        target = self.folder / "torrent"
        target.mkdir(exist_ok=True)
        seed.add_torrent({"ti": info, "save_path": str(source.parent), "flags": libtorrent.torrent_flags.seed_mode})
        handle = leech.add_torrent({"ti": info, "save_path": str(target)})
        wait_for(leech, libtorrent.torrent_checked_alert, 60)
        started = time.monotonic()
        handle.connect_peer(("127.0.0.1", seed.listen_port()))
        wait_for(leech, libtorrent.torrent_finished_alert, 600)
        seconds = time.monotonic() - started
        (target / source.name).unlink(missing_ok=True)
        return source.stat().st_size / 1e6 / seconds

    def one_round(self, figures):
        def add(name, value):
            figures.setdefault(name, []).append(value)
        bare = {"plain": self.bare(), "sealed": self.bare("--seal")}
        plain, sealed = self.move(1, "--plain"), self.move(1)
        tcp, utp = self.torrent(self.source, False), self.torrent(self.short, True)
        three, chain = self.move(3), self.move(3, chain=True)
        paced_bare = self.bare("--seal", "--rate", str(self.options.paced))
        paced = self.move(1, rate=self.options.paced)
        add("bare loop, plain: MB/s", bare["plain"]["mb_per_s"])
        add("bare loop, sealed: MB/s", bare["sealed"]["mb_per_s"])
        add("runnel 1 to 1, plain: MB/s", plain["mb_per_s"])
        add("runnel 1 to 1, sealed: MB/s", sealed["mb_per_s"])
        add("libtorrent over TCP: MB/s", tcp)
        add("libtorrent over uTP: MB/s", utp)
        add("runnel 1 to 3: MB/s together", three["mb_per_s"])
        add("runnel chain of 4: MB/s of its end", chain["slowest"])
        add("plain / bare loop", plain["mb_per_s"] / bare["plain"]["mb_per_s"])
        add("sealed / bare loop", sealed["mb_per_s"] / bare["sealed"]["mb_per_s"])
        add("sealed / libtorrent TCP", sealed["mb_per_s"] / tcp)
        add("sealed / libtorrent uTP", sealed["mb_per_s"] / utp)
        add("1 to 3 together / 1 to 1", three["mb_per_s"] / sealed["mb_per_s"])
        add("1 to 3: files that the caster sends", three["files"])
        add("CPU s/GB, sealed", sealed["cpu_s_per_gb"])
        add("CPU s/GB paced, runnel / bare loop", paced["cpu_s_per_gb"] / paced_bare["cpu_s_per_gb"])

    def runTest(self):
        self.source, self.short = self.folder / "source.bin", self.folder / "short.bin"
        self.digest = media.random_file(self.source, self.options.megabytes * 1_000_000, self.seed)
        media.random_file(self.short, self.options.megabytes * 1_000_000 // UTP_SHARE, self.seed)
        figures = {}
        for number in range(self.options.rounds):
            self.one_round(figures)
            print(f"round {number + 1} of {self.options.rounds}: " + ", ".join(f"{n} {v[-1]:.3g}" for n, v in figures.items() if "/ " in n), flush=True)
        goals = {"plain / bare loop": ">= 0.80", "sealed / bare loop": ">= 0.80", "sealed / libtorrent TCP": ">= 1.3",
                 "sealed / libtorrent uTP": ">= 20", "1 to 3 together / 1 to 1": ">= 0.9", "1 to 3: files that the caster sends": "<= 1.15",
                 "CPU s/GB paced, runnel / bare loop": "<= 1.3"}
        rows = [(name, statistics.median(values), "", goals.get(name)) for name, values in figures.items()]
        self.assertTrue(history.report("bulk", rows, self.options.history), "a goal is missed")


if __name__ == "__main__":
    sys.exit(history.main(Bulk, __doc__, [("--megabytes", int, 1000, "size of the file"), ("--rounds", int, 7, "medians are taken over"),
                                       ("--paced", float, 100, "MB/s at which processor time is compared")]))
