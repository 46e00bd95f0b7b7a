#!/usr/bin/env python3
"""Runs the fuzz targets of tests/fuzz for a while and keeps what they found. Started by ./run fuzz after the build.

Each target starts from its corpus in the tree (tests/fuzz/corpus) and from what earlier runs on this machine found (build/fuzz/found).
What adds a branch is put into the corpus, the smallest first. Executions are added to tests/fuzz/ledger.json. The canary, which has a
planted bug, must be found in under a minute. A crash ends the run with status 1, and its reproducer is named.
"""
import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = ROOT / "tests" / "fuzz"
CORPUS = TARGETS / "corpus"
LEDGER = TARGETS / "ledger.json"
BUILD = ROOT / "build" / "fuzz"
CANARY, CANARY_LIMIT_S = "canary", 60
MAX_INPUT_BYTES = 4096
LARGER_INPUTS = {"film": 1 << 20, "ts": 1 << 16}     # bytes: containers are no smaller
# Entries of one target in the tree besides its seeds, and bytes of one: what is beyond stays on the machine that found it.
MAX_ENTRIES, MAX_ENTRY_BYTES = 100, 4096
INPUT_LIMIT_S = 25               # one input that takes longer is a fault
MEMORY_LIMIT_MB = 2048


def names():
    return sorted(path.name.removesuffix("_fuzz.cpp") for path in TARGETS.glob("*_fuzz.cpp"))


def program(name):
    return BUILD / f"{name}_fuzz"


def run_fuzzer(name, arguments, limit_s):
    """(exit status, everything it printed). Interrupted, it ends with us."""
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=1", UBSAN_OPTIONS="print_stacktrace=1")
    process = subprocess.Popen([program(name), *map(str, arguments)], cwd=BUILD, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=limit_s)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    return process.returncode, output.decode("utf-8", "replace")


def statistics(output):
    found = dict(re.findall(r"stat::(\w+):\s+(\d+)", output))
    features = re.findall(r" ft: (\d+)", output)
    return int(found.get("number_of_executed_units", 0)), int(found.get("peak_rss_mb", 0)), int(features[-1]) if features else 0


def fuzz(name, seconds):
    """(executions, seconds it took, peak memory in MB, features, reproducer or None, output)"""
    found, crashes = BUILD / "found" / name, BUILD / "crashes" / name
    found.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(parents=True, exist_ok=True)
    seeds = CORPUS / name
    seeds.mkdir(parents=True, exist_ok=True)
    before = set(crashes.iterdir())
    started = time.monotonic()
    status, output = run_fuzzer(name, [f"-max_total_time={seconds}", f"-max_len={LARGER_INPUTS.get(name, MAX_INPUT_BYTES)}",
                                       f"-timeout={INPUT_LIMIT_S}", f"-rss_limit_mb={MEMORY_LIMIT_MB}", f"-artifact_prefix={crashes}/",
                                       "-print_final_stats=1", "-use_value_profile=1", found, seeds], seconds + 120)
    executions, memory_mb, features = statistics(output)
    new = sorted(set(crashes.iterdir()) - before)
    reproducer = new[-1] if new else None
    if status != 0 and reproducer is None:
        reproducer = crashes / "no-reproducer"      # it fell over before it ran an input: the output tells
        reproducer.write_text(output, encoding="utf-8")
    return executions, time.monotonic() - started, memory_mb, features, reproducer, output


def keep(name):
    """Puts what adds a branch to the tree's corpus into it; how many entries came."""
    seeds, found = CORPUS / name, BUILD / "found" / name
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        chosen = pathlib.Path(folder) / "chosen"
        chosen.mkdir()
        for path in seeds.iterdir():
            shutil.copy(path, chosen / path.name)
        # Branches alone, without how often they were taken: a corpus to start from, not a record of everything.
        run_fuzzer(name, ["-merge=1", "-use_counters=0", f"-timeout={INPUT_LIMIT_S}", chosen, found], 600)
        known = {path.name for path in seeds.iterdir()}
        kept = [name for name in known if not name.startswith("seed-")]
        news = sorted((path for path in chosen.iterdir() if path.name not in known), key=lambda path: path.stat().st_size)
        room = max(0, MAX_ENTRIES - len(kept))
        news = [path for path in news if path.stat().st_size <= MAX_ENTRY_BYTES][:room]
        for path in news:
            data = path.read_bytes()
            (seeds / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)
    return len(news)


def add_to_ledger(name, executions, seconds):
    ledger = json.loads(LEDGER.read_text(encoding="utf-8")) if LEDGER.exists() else {"executions": 0, "targets": {}}
    entry = ledger["targets"].setdefault(name, {"executions": 0, "seconds": 0, "runs": 0})
    entry["executions"] += executions
    entry["seconds"] += round(seconds)
    entry["runs"] += 1
    entry["last"] = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    ledger["executions"] = sum(target["executions"] for target in ledger["targets"].values())
    LEDGER.write_text(json.dumps(ledger, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return ledger["executions"]


def find_canary():
    """Whether the planted bug was found in time. It begins from the few seeds in the tree, never from what was found before."""
    found = BUILD / "found" / CANARY
    shutil.rmtree(found, ignore_errors=True)
    executions, seconds, _, _, reproducer, _ = fuzz(CANARY, CANARY_LIMIT_S)
    in_time = reproducer is not None and seconds < CANARY_LIMIT_S
    print(f"canary: the planted bug was {'found' if in_time else 'NOT found'} in {seconds:.1f} s, {executions} executions", flush=True)
    return in_time


def parse():
    arguments = argparse.ArgumentParser(prog="./run fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=int, default=60, metavar="N", help="of each target (60)")
    arguments.add_argument("--list", action="store_true", help="the targets' names")
    arguments.add_argument("targets", nargs="*", metavar="NAME", help="these alone (default: all, the canary first)")
    options = arguments.parse_args()
    unknown = sorted(set(options.targets) - set(names()))
    if unknown:
        arguments.error(f"no target is called {', '.join(unknown)}; there are {', '.join(names())}")
    if options.seconds < 1:
        arguments.error("--seconds wants 1 or more")
    return options


def main():
    options = parse()
    if options.list:
        print("\n".join(names()))
        return 0
    chosen = options.targets or names()
    failed = []
    if CANARY in chosen and not find_canary():
        failed.append(CANARY)
    print(f"{'target':<18}{'executions':>12}{'a second':>10}{'features':>10}{'kept':>6}{'peak MB':>9}", flush=True)
    total = 0
    for name in [n for n in chosen if n != CANARY]:
        executions, seconds, memory_mb, features, reproducer, output = fuzz(name, options.seconds)
        kept = 0 if reproducer else keep(name)
        total = add_to_ledger(name, executions, seconds)
        print(f"{name:<18}{executions:>12}{executions / max(seconds, 0.1):>10.0f}{features:>10}{kept:>6}{memory_mb:>9}", flush=True)
        if reproducer:
            failed.append(name)
            print("\n".join(f"    | {line}" for line in output.splitlines()[-40:] if not line.startswith("stat::")))
            print(f"    CRASH: run again with build/fuzz/{name}_fuzz {reproducer.relative_to(ROOT)}", flush=True)
    if total:
        print(f"{total} executions in all, by {LEDGER.relative_to(ROOT)}")
    print("failed: " + ", ".join(failed) if failed else "no crash")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
