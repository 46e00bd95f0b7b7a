#!/usr/bin/python3
"""An unmodified BitTorrent client (python3-libtorrent) announces to our tracker and finds another peer there.

usage: tracker_libtorrent.py COMMAND...   COMMAND runs the tracker and prints its "ready" event as one line of JSON
"""
import json
import subprocess
import sys
import time

try:
    import libtorrent as lt
except ImportError:
    sys.exit("FAILED: python3-libtorrent is missing (apt-get install python3-libtorrent)")

LIMIT_S = 60


def make_session():
    return lt.session({
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "alert_mask": lt.alert.category_t.tracker_notification | lt.alert.category_t.error_notification,
        "allow_multiple_connections_per_ip": True,
        # Its guard against links that aim at web pages on a private network lets /announce through there, but no /scrape.
        "ssrf_mitigation": False,
    })


def add(session, info_hash, tracker, folder):
    params = lt.parse_magnet_uri("magnet:?xt=urn:btih:" + info_hash)
    params.trackers = [tracker]
    params.save_path = folder
    return session.add_torrent(params)


def wait_for(session, what, holds):
    """Looks again whenever that session raises an alert, and a few times a second for what raises none."""
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: {what} did not happen within {LIMIT_S} s")
        session.wait_for_alert(200)


def replies(session, seen):
    for alert in session.pop_alerts():
        if isinstance(alert, lt.tracker_error_alert):
            sys.exit(f"FAILED: libtorrent says {alert.message()}")
        if isinstance(alert, lt.tracker_reply_alert):
            seen.append(alert.num_peers)
    return seen


def check(tracker, info_hash):
    first, second = make_session(), make_session()
    first_handle = add(first, info_hash, tracker, "/tmp")
    seen_by_first, seen_by_second = [], []
    wait_for(first, f"an answer from {tracker}", lambda: replies(first, seen_by_first))
    second_handle = add(second, info_hash, tracker, "/tmp")
    wait_for(second, f"an answer from {tracker}", lambda: replies(second, seen_by_second))
    if seen_by_first[0] != 0:
        sys.exit(f"FAILED: the first peer was told of {seen_by_first[0]} peers: itself?")
    if seen_by_second[0] != 1:
        sys.exit(f"FAILED: the second peer was told of {seen_by_second[0]} peers, not of the first alone")

    def connected():
        second.pop_alerts()
        return first_handle.status().num_peers > 0 and second_handle.status().num_peers > 0

    wait_for(second, "a connection between the two peers", connected)
    second_handle.scrape_tracker()
    scraped = []

    def scrape_came():
        for alert in second.pop_alerts():
            if isinstance(alert, (lt.scrape_failed_alert, lt.tracker_error_alert)):
                sys.exit(f"FAILED: libtorrent says {alert.message()}")
            if isinstance(alert, lt.scrape_reply_alert):
                scraped.append((alert.complete, alert.incomplete))
        return scraped

    wait_for(second, "an answer to a scrape", scrape_came)
    if scraped[0] != (0, 2):
        sys.exit(f"FAILED: the scrape says {scraped[0]} instead of 0 seeds and 2 others")
    print(f"ok: {tracker}: two libtorrent peers met, scrape {scraped[0]}")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    server = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
    try:
        ready = json.loads(server.stdout.readline())
        check(ready["http"], "11" * 20)
        check(ready["udp"], "22" * 20)
    finally:
        server.terminate()
        server.wait()


main()
