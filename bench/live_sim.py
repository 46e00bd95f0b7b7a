#!/usr/bin/env python3
"""Low-delay live by the simulator: every scenario that has goals, several seeds of each, and what came of them beside the goals.

    bench/live_sim.py [--only NAME,...] [--seeds N] [--large] [--no-history]

A figure is the median over the seeds; `worst` is that of the worst of them. Scenarios of a thousand viewers and more take minutes a seed, and run
only with --large or by their names. Exit status 1 when a goal is missed.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tomllib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import history

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build" / "release" / "runnel-sim"
SCENARIOS = ROOT / "tests" / "sim" / "scenarios"
LARGE = 1000
# Two runs, of which one figure over the other is the goal.
RATIOS = [
    ("contributors beside as many who give nothing, over without them: chunk delay p99", ("live_takers", [], "givers_chunk_delay_p99_s"),
     ("live_givers", [], "chunk_delay_p99_s"), "<= 1.1"),
    ("a third claim twice what they have, over all honest: chunk delay p99", ("live_push_60", ["faults.boasters=0.33"], "chunk_delay_p99_s"),
     ("live_push_60", [], "chunk_delay_p99_s"), "<= 1.3"),
]
# The lines of all viewers and of the source, in bytes on the wire, shared out among the viewers: faster nobody can be served.
FLUID_KBPS = 3600 + 9600 / 60
CAPACITY_KBPS = (2400, 2600, 2800, 2900, 3000)
CAPACITY_IN_TIME = 0.999


def scenarios():
    """Name -> (viewers, goals), of those that have goals."""
    found = {}
    for path in sorted(SCENARIOS.glob("*.toml")):
        plan = tomllib.loads(path.read_text(encoding="utf-8"))
        base = tomllib.loads((SCENARIOS / f"{plan['base']}.toml").read_text(encoding="utf-8")) if "base" in plan else {}
        if goals := plan.get("goals"):
            viewers = plan.get("peers", base.get("peers", 10)) + plan.get("wave", {}).get("peers", 0)
            found[path.stem] = (viewers, goals)
    return found


class Runs:
    """What each scenario came to, run once however many rows look at it, as many at a time as there are processors."""

    def __init__(self, seeds):
        self.seeds = seeds
        self.pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1)
        self.started = {}

    def start(self, name, settings=()):
        key = (name, tuple(settings))
        if key not in self.started:
            self.started[key] = [self.pool.submit(self.one, name, settings, seed) for seed in range(1, self.seeds + 1)]
        return self.started[key]

    @staticmethod
    def one(name, settings, seed):
        command = [PROGRAM, SCENARIOS / f"{name}.toml", "--seed", str(seed), "--json", *(w for s in settings for w in ("--set", s))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            sys.exit(f"{name}, seed {seed}: {done.stderr.strip()}")
        report = json.loads(done.stdout)
        print(f"  {name} {' '.join(settings)} seed {seed}: {report['wall_s']:.0f} s" + "".join(f"; {b}" for b in report["broken"]), flush=True)
        return report["measures"]

    def values(self, name, settings, measure):
        return [future.result()[measure] for future in self.start(name, settings)]


def words(goal):
    return f">= {goal['min']}" if "min" in goal else f"<= {goal['max']}"


def rows_of(runs, chosen):
    for name, (_, goals) in chosen.items():
        for measure, goal in goals.items():
            values = runs.values(name, [], measure)
            worst = min(values) if "min" in goal else max(values)
            yield f"{name}: {measure}", statistics.median(values), f"worst of {runs.seeds}: {worst:.4g}", words(goal)


def ratio_rows(runs):
    for text, upper, lower, goal in RATIOS:
        over = [a / b for a, b in zip(runs.values(*upper), runs.values(*lower))]
        yield text, statistics.median(over), f"worst of {runs.seeds}: {max(over):.4g}", goal


def capacity_row(runs):
    """The highest of some rates at which all is in time, counted in bytes on the wire, over what the lines together would carry."""
    best = 0.0
    for kbps in CAPACITY_KBPS:
        settings = [f"live.kbps={kbps}"]
        if statistics.median(runs.values("live_push_60", settings, "chunk_in_time_1500ms")) >= CAPACITY_IN_TIME:
            best = kbps * statistics.median(runs.values("live_push_60", settings, "settled_wire_per_useful")) / FLUID_KBPS
    yield "highest rate with 99.9 % in time at 1.5 s, on the wire, over the fluid bound", best, f"of {CAPACITY_KBPS} kb/s", ">= 0.9"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", default="", metavar="NAME,...", help="these scenarios, and no ratios")
    arguments.add_argument("--seeds", type=int, default=3, metavar="N", help="of each (3)")
    arguments.add_argument("--large", action="store_true", help="those of a thousand viewers and more as well")
    arguments.add_argument("--no-history", dest="history", action="store_false", help="appends nothing to bench/history.ndjson")
    options = arguments.parse_args()
    known = scenarios()
    only = [name for name in options.only.split(",") if name]
    if unknown := [name for name in only if name not in known]:
        arguments.error(f"no goals in {' '.join(unknown)}; there are {' '.join(known)}")
    chosen = {n: s for n, s in known.items() if (n in only if only else options.large or s[0] < LARGE)}
    runs = Runs(options.seeds)
    for name in chosen:
        runs.start(name)
    if not only:
        for _, upper, lower, _ in RATIOS:
            runs.start(*upper[:2])
            runs.start(*lower[:2])
        for kbps in CAPACITY_KBPS:
            runs.start("live_push_60", [f"live.kbps={kbps}"])
    rows = [*rows_of(runs, chosen)]
    if not only:
        rows += [*ratio_rows(runs), *capacity_row(runs)]
    return 0 if history.report("live_sim", [(name, value, unit, goal) for name, value, unit, goal in rows], keep=options.history) else 1


if __name__ == "__main__":
    sys.exit(main())
