"""The reference peer by hand: python3 -m refpeer seed|leech|live-source|live-client. One JSON object per line on stdout."""
import argparse
import dataclasses
import hashlib
import json
import os
import pathlib
import sys
import time

from . import clock, hashes, records, roles, signatures
from .addressing import BYTES64, CHUNKS32, NAMES
from .compat import CompatSource, CompatSwarm, paced
from .host import Host
from .live import LiveSource, TimedSource
from .link import format_link, parse_link, split_address
from .misbehave import MISBEHAVIOURS, ONLY_PUSH, misbehaving
from .options import VARIABLE_CHUNK_SIZE
from .push import PushParent
from .serve import Serve
from .swarm import UNIFIED, live_swarm


def say(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)


def host_of(peer, options):
    address, port = split_address(options.listen)
    host = Host(peer, address, port)
    say("ready", id=peer.swarm.id.hex(), link=format_link(peer.swarm, host.address), listen="%s:%d" % host.address)
    return host


def serve_class(options, base):
    return misbehaving(options.misbehave, base) if options.misbehave and options.misbehave not in ONLY_PUSH else base


def push_class(options):
    return misbehaving(options.misbehave, PushParent) if options.misbehave in ONLY_PUSH else PushParent


def seed(options):
    peer = roles.seeder(pathlib.Path(options.file).read_bytes(), hashes.BY_NAME[options.hash].code, NAMES[options.addressing],
                        options.chunk_size, serve=serve_class(options, Serve)())
    host = host_of(peer, options)
    while True:
        host.turn()


def leech(options):
    swarm, peers = parse_link(options.link)
    peer = roles.leecher(swarm, serve=serve_class(options, Serve)())
    host = host_of(peer, options)
    connect(host, peers, options)
    while not peer.store.complete:
        host.turn()
    content = peer.store.content()
    if options.out:
        pathlib.Path(options.out).write_bytes(content)
    say("complete", bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), rejected=peer.store.rejected)
    host.stop()


def live_source(options):
    if options.compat:
        return compat_source(options)
    if options.key:
        key = signatures.PrivateKey.load(pathlib.Path(options.key).read_bytes())
    else:
        key = signatures.PrivateKey.generate(signatures.NAMES[options.signature])
    addressing = NAMES[options.addressing]
    swarm = live_swarm(key.swarm_id, addressing=addressing, hash_function=hashes.BY_NAME[options.hash].code, integrity=options.integrity,
                       chunk_size=1080 if addressing == BYTES64 else VARIABLE_CHUNK_SIZE)
    # 32-bit indices can not tell the time: they begin at 0.
    timed = addressing not in (CHUNKS32, NAMES["bin32"], BYTES64)
    source = serve_class(options, TimedSource)(key) if timed else serve_class(options, LiveSource)(key, first=0)
    peer = roles.live_source(swarm, key, source=source)
    host = host_of(peer, options)
    source.feed = lambda index: records.Record(records.FILLER, os.urandom(options.rate // 10), ntp_time=clock.now_ntp()).encode()
    while True:
        host.turn()


def compat_source(options):
    key = signatures.PrivateKey.load(pathlib.Path(options.key).read_bytes()) if options.key else signatures.PrivateKey.generate(
        signatures.ECDSA_P256)
    source = serve_class(options, CompatSource)(key)
    host = host_of(roles.live_source(CompatSwarm(key.swarm_id), key, source=source), options)
    source.feed = paced(pathlib.Path(options.ts).read_bytes() if options.ts else b"", options.rate)
    while True:
        host.turn()


def live_client(options):
    swarm, peers = parse_link(options.link)
    serve, push = serve_class(options, Serve)(), None
    if options.push:
        swarm, push = dataclasses.replace(swarm, version=2), push_class(options)()
    peer = roles.live_client(swarm, serve=serve, push=push)
    host = host_of(peer, options)
    connect(host, peers, options)
    found = {}                       # each is read once: checksums take their time here
    ends_at, next_at = time.monotonic() + options.seconds, time.monotonic() + 1
    while time.monotonic() < ends_at:
        host.turn()
        if time.monotonic() >= next_at:
            next_at += 1
            has_records = peer.store.width and not isinstance(swarm, CompatSwarm)
            found.update(records.read_all(peer.store.chunks, peer.store.width, found) if has_records else [])
            say("stats", chunks=len(peer.store.chunks), munros=len(peer.store.munros), rejected=peer.store.rejected,
                bad_signatures=peer.store.bad_signatures, records=len(found), **given(serve, push))
    host.stop()
    if options.out:
        pathlib.Path(options.out).write_bytes(longest_run(peer.store.chunks))


def given(serve, push):
    """What others got, asked for or not: chunks, and bundles."""
    if push is None:
        return {"served": serve.served}
    return {"served": serve.served + push.pushed + push.bundles, "pushed": push.pushed, "bundles": push.bundles,
            "subscribes": push.subscribes}


def longest_run(chunks):
    """The bytes of the longest run of neighbouring chunks."""
    runs, before = [], None
    for index in sorted(chunks):
        if index - 1 != before:
            runs.append([])
        runs[-1].append(chunks[index])
        before = index
    return b"".join(max(runs, key=len, default=[]))


def connect(host, peers, options):
    for address in [split_address(text) for text in options.peer] or peers:
        host.connect(address)


def parse():
    top = argparse.ArgumentParser(prog="python3 -m refpeer", description=__doc__)
    verbs = top.add_subparsers(dest="verb", required=True)
    for name, run, summary in (("seed", seed, "serve a file"), ("leech", leech, "fetch a file and end"),
                               ("live-source", live_source, "sign and serve records of noise"),
                               ("live-client", live_client, "follow a live swarm")):
        verb = verbs.add_parser(name, help=summary)
        verb.set_defaults(run=run)
        verb.add_argument("--listen", default="127.0.0.1:0", metavar="ADDR:PORT")
        verb.add_argument("--misbehave", choices=MISBEHAVIOURS, help="break a rule on purpose")
        if name in ("leech", "live-client"):
            verb.add_argument("link")
            verb.add_argument("--peer", action="append", default=[], metavar="HOST:PORT", help="instead of the link's own")
        else:
            verb.add_argument("--hash", choices=hashes.BY_NAME, default="sha256")
            verb.add_argument("--addressing", choices=NAMES, default="chunks32" if name == "seed" else "chunks64")
    verbs.choices["seed"].add_argument("file")
    verbs.choices["seed"].add_argument("--chunk-size", type=int, default=1080)
    verbs.choices["leech"].add_argument("--out")
    source = verbs.choices["live-source"]
    source.add_argument("--signature", choices=signatures.NAMES, default="p256")
    source.add_argument("--key", help="a PEM file instead of a new key")
    source.add_argument("--integrity", type=int, default=UNIFIED, choices=(0, 2, 3), help="0 none, 2 sign all, 3 unified Merkle tree")
    source.add_argument("--rate", type=int, default=250_000, help="bytes a second")
    source.add_argument("--compat", action="store_true", help="as older peers: SHA-1, 1024-byte chunks without records (P9)")
    source.add_argument("--ts", metavar="FILE", help="with --compat: the transport stream to send, at --rate")
    verbs.choices["live-client"].add_argument("--out", help="the longest run of bytes that came, written at the end")
    verbs.choices["live-client"].add_argument("--seconds", type=float, default=10)
    verbs.choices["live-client"].add_argument("--push", action="store_true", help="be a parent of push (version 2)")
    options = top.parse_args()
    if options.misbehave in ONLY_PUSH and not getattr(options, "push", False):
        top.error(f"{options.misbehave} is for live-client with --push")
    return options


def main():
    options = parse()
    try:
        options.run(options)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    sys.exit(main())
