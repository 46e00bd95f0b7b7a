#!/usr/bin/env python3
"""One watcher alone against libtorrent over TCP: the same file, the same machine, the same run.

    bench/bulk_vs_libtorrent.py [--megabytes N] [--rounds N]

The programs take turns, so that other load on the machine meets both. Times run from when the receiver knows its peer to
when it has verified the last byte. Prints the megabytes a second of each round and the ratio of the medians; exit status 1
below the goal.
"""
import argparse
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
import libtorrent
from support import media
from support.scenario import Scenario

GOAL = 0.5


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


class BulkVsLibtorrent(Scenario):
    options = argparse.Namespace(megabytes=200, rounds=3)

    def libtorrent_s(self, source, number):
        storage = libtorrent.file_storage()
        libtorrent.add_files(storage, str(source))
        made = libtorrent.create_torrent(storage, flags=libtorrent.create_torrent.v1_only)
        libtorrent.set_piece_hashes(made, str(source.parent))
        info = libtorrent.torrent_info(libtorrent.bencode(made.generate()))
        seed, leech = session(), session()
        target = self.folder / f"torrent-{number}"
        target.mkdir()
        seed.add_torrent({"ti": info, "save_path": str(source.parent), "flags": libtorrent.torrent_flags.seed_mode})
        handle = leech.add_torrent({"ti": info, "save_path": str(target)})
        wait_for(leech, libtorrent.torrent_checked_alert, 30)
        started = time.monotonic()
        handle.connect_peer(("127.0.0.1", seed.listen_port()))
        wait_for(leech, libtorrent.torrent_finished_alert, 300)
        seconds = time.monotonic() - started
        (target / source.name).unlink(missing_ok=True)
        return seconds

    def runnel_s(self, source, digest, number):
        caster = self.cast(source, name=f"caster-{number}")
        link = caster.link
        target = self.folder / f"copy-{number}.bin"
        watcher = self.watch(link, "--out", target, "--until-complete", name=f"watcher-{number}")
        ready_at, _ = watcher.timed_event("ready", 15)
        complete_at, complete = watcher.timed_event("complete", 300)
        self.assertEqual(complete["sha256"], digest)
        watcher.wait_exit(15)
        caster.stop()
        target.unlink()
        return complete_at - ready_at

    def runTest(self):
        size = self.options.megabytes * 1_000_000
        source = self.folder / "source.bin"
        digest = media.random_file(source, size, self.seed)
        ours, theirs = [], []
        for number in range(self.options.rounds):
            theirs.append(self.options.megabytes / self.libtorrent_s(source, number))
            ours.append(self.options.megabytes / self.runnel_s(source, digest, number))
            print(f"round {number + 1}: runnel {ours[-1]:.0f} MB/s, libtorrent {theirs[-1]:.0f} MB/s", flush=True)
        ratio = statistics.median(ours) / statistics.median(theirs)
        print(f"runnel {statistics.median(ours):.0f} MB/s, libtorrent over TCP {statistics.median(theirs):.0f} MB/s, ratio {ratio:.2f} "
              f"(goal {GOAL})", flush=True)
        self.assertGreaterEqual(ratio, GOAL)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--megabytes", type=int, default=200)
    arguments.add_argument("--rounds", type=int, default=3)
    BulkVsLibtorrent.options = arguments.parse_args()
    result = BulkVsLibtorrent().defaultTestResult()
    BulkVsLibtorrent().run(result)
    for _, text in result.failures + result.errors + result.skipped:
        print(text)
    return 0 if result.wasSuccessful() and not result.skipped else 1


if __name__ == "__main__":
    sys.exit(main())
