#!/usr/bin/env python3
"""What the unit tests of src/core and the simulator reach of it. Started by ./run coverage after a build with the preset coverage.

Lines count for all of src/core, branches for src/core/wire and the handshake, where strangers' bytes are read. Apart from both: lines
with a base::check(), which no test can fail on purpose, and branches that only an exception takes. Status 1: below the goals.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "coverage"
CORE = ROOT / "src" / "core"
LINE_GOAL, BRANCH_GOAL = 95.0, 100.0
TESTS = ["test_tree", "test_wire", "test_discovery", "test_swarm"]
SCENARIOS = {"live_small": "1", "live_push_small": "1", "live_churn": "1", "mixed_live": "1..2", "mixed_file": "1..2", "caster_restart": "1",
             "liar_live": "1", "flooder_live": "1", "flooders_file": "1", "polluters_file": "1", "polluters_live": "1", "store_errors": "1"}
SHORT = {"live_churn": 20, "liar_live": 12, "flooder_live": 12, "live_small": 15}


def run_everything():
    """Runs all of it anew. What fails here fails in ./run test as well, and is only named."""
    for old in BUILD.rglob("*.gcda"):
        old.unlink()
    commands = [[str(BUILD / test), "--gtest_brief=1"] for test in TESTS]
    for name, seeds in SCENARIOS.items():
        short = ["--set", f"duration_s={SHORT[name]}"] if name in SHORT else []
        commands.append([str(BUILD / "runnel-sim"), str(ROOT / "tests" / "sim" / "scenarios" / f"{name}.toml"), "--seeds", seeds, *short])

    def run(command):
        status = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=BUILD).returncode
        if status != 0:
            print(f"ended with {status}: {' '.join(command)}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(run, commands))


def read_counts():
    """file -> line -> (times reached, branch lists of every instance of it)"""
    counts = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, []]))
    def read(data):
        return subprocess.run(["gcov-12", "--json-format", "--stdout", "--branch-probabilities", str(data)], cwd=BUILD,
                              capture_output=True, text=True).stdout
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        outputs = list(pool.map(read, sorted(BUILD.rglob("*.gcda"))))
    for output in outputs:
        for text in output.splitlines():
            report = json.loads(text)
            for file in report["files"]:
                path = (pathlib.Path(report["current_working_directory"]) / file["file"]).resolve()
                if not path.is_relative_to(CORE):
                    continue
                for line in file["lines"]:
                    entry = counts[path][line["line_number"]]
                    entry[0] += line["count"]
                    entry[1].append([b["count"] for b in line["branches"] if not b["throw"]])
    return counts


def branches_of(instances):
    """Taken or not: instances of a template or an inline function that branch alike are one."""
    by_number = {}
    for branches in instances:
        known = by_number.setdefault(len(branches), [0] * len(branches))
        for i, count in enumerate(branches):
            known[i] += count
    return [count > 0 for branches in by_number.values() for count in branches]


def is_apart(text):
    return "base::check(" in text


def summed(counts):
    """file -> (lines not reached, lines, lines with branches not taken, branches taken, branches)"""
    result = {}
    for path, lines in sorted(counts.items()):
        source = path.read_text(encoding="utf-8").splitlines()
        missed, total, partly, taken, branches = [], 0, [], 0, 0
        for number, (count, instances) in sorted(lines.items()):
            if is_apart(source[number - 1]):
                continue
            total += 1
            if count == 0:
                missed.append(number)
            of_line = branches_of(instances)
            taken += sum(of_line)
            branches += len(of_line)
            if not all(of_line):
                partly.append(number)
        result[path] = (missed, total, partly, taken, branches)
    return result


def is_for_strangers(path):
    return path.parent == CORE / "wire" or path.stem == "handshake"


def percent(part, whole):
    return 100.0 if whole == 0 else 100.0 * part / whole


def row(name, files):
    lines, reached = sum(f[1] for f in files), sum(f[1] - len(f[0]) for f in files)
    taken, branches = sum(f[3] for f in files), sum(f[4] for f in files)
    print(f"{name:<34}{reached:>7} of {lines:<6}{percent(reached, lines):>6.1f} %{taken:>8} of {branches:<6}{percent(taken, branches):>6.1f} %")
    return percent(reached, lines), percent(taken, branches)


def print_missing(files):
    for path, (missed, _, partly, _, _) in files.items():
        if missed:
            print(f"{path.relative_to(ROOT)}: lines {' '.join(map(str, missed))}")
        if is_for_strangers(path) and partly:
            print(f"{path.relative_to(ROOT)}: branches of {' '.join(map(str, partly))}")


def main():
    arguments = argparse.ArgumentParser(prog="./run coverage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--missing", action="store_true", help="names what is not reached")
    arguments.add_argument("--files", action="store_true", help="a row for each file")
    options = arguments.parse_args()
    run_everything()
    files = summed(read_counts())
    if not files:
        sys.exit("nothing was measured: was it built with the preset coverage?")
    print(f"{'':<34}{'lines reached':>22}{'branches taken':>25}")
    for folder in sorted({path.parent for path in files}):
        if options.files:
            for path in (p for p in files if p.parent == folder):
                row("  " + path.name, [files[path]])
        row(str(folder.relative_to(ROOT)), [f for path, f in files.items() if path.parent == folder])
    _, branches = row("wire and handshake", [f for path, f in files.items() if is_for_strangers(path)])
    lines, _ = row("src/core", list(files.values()))
    if options.missing:
        print_missing(files)
    print(f"goals: {LINE_GOAL:.0f} % of the lines of src/core, {BRANCH_GOAL:.0f} % of the branches of wire and handshake")
    return 0 if lines >= LINE_GOAL and branches >= BRANCH_GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
