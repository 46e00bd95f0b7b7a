#!/usr/bin/env python3
"""Runs one scenario of the simulator (tests/sim) under many seeds and shows where it went worst. Started by ./run sim after the build.

The seeds are shared out among as many processes as there are processors. What each seed came to is a line of build/sim/NAME.jsonl. The
end is a table: for every invariant that was broken, and for every measure that tells how the viewers fared, the five worst seeds. Each
can be run again by its seed alone, datagram for datagram; the worst are, at once, to see that it is so. Status 1: something was broken.
"""
import argparse
import collections
import concurrent.futures
import heapq
import json
import math
import os
import pathlib
import re
import resource
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build" / "release" / "runnel-sim"
SCENARIOS = ROOT / "tests" / "sim" / "scenarios"
RESULTS = ROOT / "build" / "sim"
SLICE = 10                       # seeds a process runs before it is asked for more
WORST = 5
PROGRESS_S = 10
# Measures that tell how the viewers fared, and whether the least or the greatest is the worst; those that a scenario lacks are left out.
MEASURES = {"not_playing_at_end": max, "in_time_2s": min, "worst_viewer_in_time_2s": min, "stalest_max_s": max, "never": max, "stalled_s": max,
            "recovery_max_s": max, "tune_in_max_s": max, "unfinished": max, "source_copies": max, "wasted_share": max}


class Findings:
    """What the seeds came to, as far as the table needs it. Any thread may add to it."""
    def __init__(self):
        self.lock = threading.Lock()
        self.seeds = 0
        self.traces = {}                                    # of the worst, by seed
        self.broken = collections.defaultdict(dict)         # invariant -> seed -> (how often, the first in words)
        self.values = collections.defaultdict(list)         # measure -> the worst few, as a heap whose head is the least bad of them

    def add(self, report):
        with self.lock:
            self.seeds += 1
            self.traces[report["seed"]] = report["trace"]
            for text in report["broken"]:
                how_often, first = self.broken[invariant(text)].get(report["seed"], (0, text))
                self.broken[invariant(text)][report["seed"]] = (how_often + 1, first)
            for name, worse in MEASURES.items():
                value = report["measures"].get(name)
                if value is None or math.isnan(value):
                    continue
                heap = self.values[name]
                heapq.heappush(heap, ((value if worse is max else -value), report["seed"], value))
                if len(heap) > WORST:
                    heapq.heappop(heap)

    def died(self, seed, last_words):
        with self.lock:
            self.seeds += 1
            self.broken["the engine ended by a check"][seed] = (1, last_words)

    def worst_of(self, name):
        return [(seed, value) for _, seed, value in sorted(self.values[name], reverse=True)]

    def print(self):
        for name, of_seed in sorted(self.broken.items()):
            worst = sorted(of_seed.items(), key=lambda item: (-item[1][0], item[0]))[:WORST]
            print(f"BROKEN {name}: {len(of_seed)} seeds; the worst: " + ", ".join(f"{s} ({n})" for s, (n, _) in worst))
            for seed, (_, first) in worst:
                print(f"    seed {seed}: {first}")
        print(f"{'worst by':<26}" + "".join(f"{'seed':>10}{'value':>10}" for _ in range(WORST)))
        for name in (n for n in MEASURES if n in self.values):
            print(f"{name:<26}" + "".join(f"{seed:>10}{value:>10.4g}" for seed, value in self.worst_of(name)))


def invariant(text):
    """The name of what was broken: an invariant of the audit, or a bound that the scenario sets."""
    return re.sub(r" (at [0-9.e+-]+ s, host .*|[<>]=.*)$", "", text)


def command(options, seeds):
    return [str(PROGRAM), str(scenario(options.scenario)), "--seeds", seeds, "--json", *(w for s in options.set for w in ("--set", s))]


def scenario(name):
    return pathlib.Path(name) if name.endswith(".toml") else SCENARIOS / f"{name}.toml"


def run_slice(options, first, last, findings, log):
    """These seeds, in a process; one that a check ends is noted, and another goes on behind it."""
    while first <= last:
        process = subprocess.run(command(options, f"{first}..{last}"), capture_output=True, text=True)
        for line in process.stdout.splitlines():
            report = json.loads(line)
            findings.add(report)
            with findings.lock:
                log.write(line + "\n")
            first = report["seed"] + 1
        if process.returncode in (0, 1) or first > last:
            return
        if process.returncode == 2:
            sys.exit(process.stderr)
        findings.died(first, process.stderr.strip().replace("\n", "; ")[-200:])
        first += 1


def run_seeds(options, findings, log):
    started = told = time.monotonic()
    slices = [(a, min(a + SLICE, options.first + options.seeds) - 1) for a in range(options.first, options.first + options.seeds, SLICE)]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = {pool.submit(run_slice, options, a, b, findings, log) for a, b in slices}
        while running:
            done, running = concurrent.futures.wait(running, timeout=1, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                future.result()
            now = time.monotonic()
            if now - told >= PROGRESS_S and findings.seeds:
                told = now
                left_s = (now - started) / findings.seeds * (options.seeds - findings.seeds)
                bad = len({seed for of_seed in findings.broken.values() for seed in of_seed})
                print(f"{findings.seeds} of {options.seeds} seeds, {bad} with something broken, {left_s:.0f} s to go", flush=True)
    return time.monotonic() - started


def trace_of(options, seed):
    """One run of a seed: its trace hash and what was broken in it."""
    process = subprocess.run(command(options, str(seed)), capture_output=True, text=True)
    report = json.loads(process.stdout) if process.stdout else {"trace": "died", "broken": [process.stderr.strip()]}
    return report["trace"], report["broken"]


def replay_worst(options, findings):
    """Whether the worst seed by each measure, and by each invariant, gives the same trace again."""
    seeds = {findings.worst_of(name)[0][0] for name in MEASURES if findings.values[name]}
    seeds |= {max(of_seed, key=lambda s: of_seed[s][0]) for of_seed in findings.broken.values()}
    differ = sorted(s for s in seeds if trace_of(options, s)[0] != findings.traces.get(s, "died"))
    print(f"{len(seeds)} of the worst were run again: " + (f"OTHER TRACES of {differ}" if differ else "the same traces"))
    return not differ


def parse():
    arguments = argparse.ArgumentParser(prog="./run sim", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("scenario", nargs="?", default="seeds", metavar="SCENARIO", help="of tests/sim/scenarios, or a file (seeds)")
    arguments.add_argument("--seeds", type=int, default=500, metavar="N", help="so many (500)")
    arguments.add_argument("--first", type=int, default=1, metavar="SEED", help="from this one on (1)")
    arguments.add_argument("--replay", type=int, metavar="SEED", help="runs this one, prints all its measures and compares its trace")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="at a time (one a processor)")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over what the scenario says; may be repeated")
    options = arguments.parse_args()
    if options.seeds < 1 or options.first < 0 or options.jobs < 1:
        arguments.error("--seeds and --jobs want 1 or more, --first 0 or more")
    if not scenario(options.scenario).exists():
        arguments.error(f"there is no {scenario(options.scenario)}")
    return options


def replay(options, log):
    """As a person wants to see it; the trace must be that of the log, where the seed is in it, and that of a second run."""
    shown = [word for word in command(options, str(options.replay)) if word != "--json"]
    status = subprocess.run(shown).returncode
    traces = {trace_of(options, options.replay)[0]}
    if log.exists():
        traces |= {r["trace"] for r in map(json.loads, log.read_text(encoding="utf-8").splitlines()) if r["seed"] == options.replay}
    print(f"trace {' differs from '.join(sorted(traces))}")
    return status or (1 if len(traces) > 1 else 0)


def main():
    options = parse()
    RESULTS.mkdir(parents=True, exist_ok=True)
    log_path = RESULTS / f"{scenario(options.scenario).stem}.jsonl"
    if options.replay is not None:
        return replay(options, log_path)
    findings = Findings()
    built_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime   # ./run is the same process, and its build was a child of it
    with open(log_path, "w", encoding="utf-8", buffering=1) as log:
        seconds = run_seeds(options, findings, log)
    cpu_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - built_s
    findings.print()
    same = replay_worst(options, findings)
    print(f"{findings.seeds} seeds in {seconds:.0f} s, {cpu_s / findings.seeds:.2f} s of a processor each; all in {log_path.relative_to(ROOT)}")
    print("any of them again: ./run sim " + ("" if options.scenario == "seeds" else options.scenario + " ") + "--replay SEED")
    return 1 if findings.broken or not same else 0


if __name__ == "__main__":
    sys.exit(main())
