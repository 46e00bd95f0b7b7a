"""What the suites share: their command line, the table that they print, and one line in bench/history.ndjson, compared with the last one of
the same suite and kind of machine."""
import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess

FILE = pathlib.Path(__file__).resolve().parent / "history.ndjson"


def machine():
    """Enough to tell whether two entries may be compared."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "?")
    return f"{model}, {os.cpu_count()} processors, Linux {platform.release()}"


def commit():
    def git(*words):
        done = subprocess.run(["git", "-C", str(FILE.parent), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()
    return (git("rev-parse", "--short", "HEAD") or "?") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


def last(suite):
    """The newest entry of that suite on such a machine, or None."""
    if not FILE.exists():
        return None
    entries = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines() if line.strip()]
    return next((e for e in reversed(entries) if e["suite"] == suite and e["machine"] == machine()), None)


def report(suite, rows, keep=True):
    """Prints `rows`, each (name, value, unit, goal or None), beside the last entry's values, and appends them. A goal is ">= x" or
    "<= x". True if all goals are met."""
    before = (last(suite) or {"figures": {}})["figures"]
    met = True
    print(f"{'':44} {'now':>10} {'before':>10}  goal")
    for name, value, unit, goal in rows:
        old = before.get(name)
        verdict = ""
        if goal:
            relation, limit = goal.split()
            good = value >= float(limit) if relation == ">=" else value <= float(limit)
            met = met and good
            verdict = f"{goal} {'' if good else ' MISSED'}"
        print(f"{name:44} {value:10.4g} {'' if old is None else format(old, '.4g'):>10}  {verdict}   {unit}", flush=True)
    if keep:
        entry = {"suite": suite, "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "commit": commit(),
                 "machine": machine(), "figures": {name: round(value, 5) for name, value, _, _ in rows}}
        with open(FILE, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
    return met


def main(suite, description, options):
    """Runs a Scenario as a benchmark. `options`: (flag, type, default, help) for its `options`, which get `history` as well. The exit
    status: 0 if all goals are met."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, kind, default, text in options:
        arguments.add_argument(flag, type=kind, default=default, help=text)
    arguments.add_argument("--no-history", dest="history", action="store_false", help="appends nothing to bench/history.ndjson")
    suite.options = arguments.parse_args()
    result = suite().defaultTestResult()
    suite().run(result)
    for _, text in result.failures + result.errors + result.skipped:
        print(text)
    return 0 if result.wasSuccessful() and not result.skipped else 1
