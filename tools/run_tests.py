#!/usr/bin/env python3
"""Runs everything that must hold and says what came of it. Started by ./run test after the build.

Groups: layers (the include arrows), unit and sim (C++ programs that ctest knows, by label), interop (other people's programs
against ours), netlab (hosts as network namespaces; skipped without root), e2e (real processes, players and a browser). Most tests
wait more than they work, so several jobs run at once; those that measure time as users feel it run after them, alone. Each test's
output is in build/test-log/, and what each came to in cases.json there. After a run of everything, docs/CONFORMANCE.md is held to it.
"""
import argparse
import collections
import concurrent.futures
import dataclasses
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOG = ROOT / "build" / "test-log"
SCRIPT_RUNNER = ROOT / "tests" / "support" / "run_script.py"
PYTHON = "/usr/bin/python3"
GROUPS = ("layers", "unit", "sim", "interop", "netlab", "e2e")
LANES = 2 * (os.cpu_count() or 1)
ALONE = {"netlab.links", "netlab.swarm", "e2e.file_swarm", "e2e.live_watchers", "e2e.players"}   # these measure
PROGRAM_LIMIT_S = 300
SCRIPT_LIMIT_S = 900
OF_FFMPEG = {"unit.media_helper"}   # whose threads are FFmpeg's, and FFmpeg is not built with the thread sanitizer
TSAN_SUPPRESSIONS = ROOT / "tests" / "support" / "tsan.supp"
SLOWER = {"asan": 3, "tsan": 6}    # programs built with a sanitizer have so many times their limit
RUNNING = set()                    # processes under way, each with a process group of its own; ended when this script is


@dataclasses.dataclass
class Job:
    """One program or script; it holds many tests."""
    group: str
    name: str
    command: list
    limit_s: float = PROGRAM_LIMIT_S
    is_script: bool = False
    directory: str = str(ROOT)


@dataclasses.dataclass
class Case:
    name: str
    status: str                    # "passed", "failed" or "skipped"
    reason: str = ""


# ---- what there is to run ------------------------------------------------------------------------------------------
def ctest_jobs(options, build_dir):
    listing = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build_dir, capture_output=True, text=True, check=True)
    jobs = []
    for test in json.loads(listing.stdout)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        labels = properties.get("LABELS", [])
        group = next((g for g in GROUPS if g in labels), "unit")
        if group not in options.groups or (options.core and "core" not in labels):
            continue
        if options.tsan and test["name"] in OF_FFMPEG:
            continue
        if "command" not in test:
            sys.exit(f"{test['name']} was not built")
        limit_s = float(properties.get("TIMEOUT", PROGRAM_LIMIT_S)) * SLOWER.get(options.preset, 1)
        jobs.append(Job(group, test["name"], test["command"], limit_s,
                        directory=properties.get("WORKING_DIRECTORY", str(build_dir))))
    return jobs


def script_jobs():
    jobs = []
    for group, folder in (("layers", "tools"), ("interop", "interop"), ("netlab", "netlab"), ("e2e", "e2e")):
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py")):
            name = f"{group}.{path.stem.removeprefix('test_')}"
            jobs.append(Job(group, name, [PYTHON, str(SCRIPT_RUNNER), str(path)], SCRIPT_LIMIT_S, is_script=True))
    if (ROOT / "web" / "package.json").exists():
        jobs.append(Job("unit", "unit.page", ["npm", "--prefix", "web", "test"]))
    return jobs


# ---- one job -------------------------------------------------------------------------------------------------------
def narrowed(job, pattern):
    """The job with only the tests that match, or None when none does."""
    if not pattern:
        return job
    if job.is_script:
        return dataclasses.replace(job, command=job.command + ["--filter", pattern, "--name", job.name])
    if re.search(pattern, job.name):
        return job
    if pathlib.Path(job.command[0]).parent != pathlib.Path(job.directory):
        return None                # not one of our test programs: it cannot list what it holds
    listing = subprocess.run(job.command + ["--gtest_list_tests"], cwd=job.directory, capture_output=True, text=True)
    suite, names = "", []
    for line in listing.stdout.splitlines():
        text = line.split("#")[0].rstrip()
        if text and not line.startswith(" "):
            suite = text
        elif text:
            names.append(suite + text.strip())
    names = [n for n in names if re.search(pattern, f"{job.name}.{n}")]
    return dataclasses.replace(job, command=job.command + ["--gtest_filter=" + ":".join(names)]) if names else None


def gtest_cases(job, report):
    for suite in xml.etree.ElementTree.parse(report).getroot().iter("testsuite"):
        for case in suite.iter("testcase"):
            name = f"{job.name}.{suite.get('name')}.{case.get('name')}"
            skipped = case.find("skipped")
            if case.find("failure") is not None:
                yield Case(name, "failed", case.find("failure").get("message", ""))
            elif case.get("status") == "notrun":
                yield Case(name, "skipped", "switched off in its source")
            elif skipped is not None:
                yield Case(name, "skipped", skipped.get("message", "no reason given").strip())
            else:
                yield Case(name, "passed")


def script_cases(job, report):
    for line in report.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield Case(f"{job.name}.{row['name']}", row["status"], row["reason"])


def run_job(job, log_dir, environment):
    """The cases of one job, and its seconds. A program that ends otherwise than its report says has failed."""
    log = log_dir / f"{job.name}.log"
    report = log_dir / f"{job.name}.report"
    report.unlink(missing_ok=True)
    command = list(job.command)
    environment = dict(environment, GTEST_COLOR="no")
    if job.is_script:
        command.insert(3, str(report))
    else:
        environment["GTEST_OUTPUT"] = f"xml:{report}"
    started = time.monotonic()
    with open(log, "wb") as output:
        process = subprocess.Popen(command, cwd=job.directory, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        RUNNING.add(process)
        try:
            status = process.wait(job.limit_s)
        except subprocess.TimeoutExpired:
            status = f"longer than {job.limit_s:.0f} s"
        end_group(process)
        RUNNING.discard(process)
    cases = []
    if report.exists():
        try:
            cases = list((script_cases if job.is_script else gtest_cases)(job, report))
        except (xml.etree.ElementTree.ParseError, ValueError):
            cases = []
        report.unlink()
    if status != 0 and not any(c.status == "failed" for c in cases):
        cases.append(Case(job.name, "failed", f"ended with {status}"))
    if status == 0 and not cases and not job.is_script:
        cases.append(Case(job.name, "passed"))
    return cases, time.monotonic() - started


def end_group(process):
    """Ends what the job may have left behind; every job has a process group of its own, and a moment to clean up."""
    for number, patience_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience_s)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            pass


# ---- a run ---------------------------------------------------------------------------------------------------------
class Run:
    """What the jobs of one run came to."""

    def __init__(self, log_dir, environment):
        self.log_dir, self.environment = log_dir, environment
        self.by_group = collections.defaultdict(collections.Counter)
        self.cases = []

    def do(self, jobs, lanes):
        """As many at once as there are lanes; each is told of when it has ended."""
        with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
            under_way = {pool.submit(run_job, job, self.log_dir, self.environment): job for job in jobs}
            for done in concurrent.futures.as_completed(under_way):
                self.took(under_way[done], *done.result())

    def took(self, job, cases, seconds):
        counts = collections.Counter(c.status for c in cases)
        self.by_group[job.group] += counts
        self.cases += cases
        if cases:
            print(f"  {job.name:<28} {outcome(counts)}  {seconds:.1f} s", flush=True)
        for case in cases:
            if case.status == "skipped":
                print(f"    skipped {case.name}: {case.reason}", flush=True)
            elif case.status == "failed":
                print(f"    FAILED  {case.name}", flush=True)
        if counts["failed"]:
            print_tail(self.log_dir / f"{job.name}.log")

    def totals(self):
        return sum(self.by_group.values(), collections.Counter())


def outcome(counts):
    words = [f"{counts['passed']:>4} passed"]
    words += [f"{counts[s]} {s}" for s in ("failed", "skipped") if counts[s]]
    return ", ".join(words)


def print_tail(log, lines=60):
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()
    if len(text) > lines:
        print(f"    ... ({log})")
    for line in text[-lines:]:
        print(f"    | {line}")


def run_once(options, log_dir):
    build_dir = ROOT / "build" / options.preset
    shutil.rmtree(log_dir, ignore_errors=True)
    log_dir.mkdir(parents=True)
    environment = dict(os.environ, RUNNEL_BUILD=str(build_dir), RUNNEL_TEST_LOG=str(log_dir),
                       TSAN_OPTIONS=f"suppressions={TSAN_SUPPRESSIONS}")
    if options.preset in SLOWER:
        environment["RUNNEL_SANITIZER"] = options.preset
    if options.full:
        environment["RUNNEL_FULL"] = "1"
    found = ctest_jobs(options, build_dir) + ([] if options.core else script_jobs())
    jobs = [narrowed(j, options.filter) for j in found if j.group in options.groups]
    jobs = [j for j in jobs if j is not None]
    run = Run(log_dir, environment)
    # The longest are end to end; what is short fills the gaps at the end.
    run.do(sorted((j for j in jobs if j.name not in ALONE), key=lambda j: -GROUPS.index(j.group)), LANES)
    run.do([j for j in jobs if j.name in ALONE], 1)
    results = log_dir / "cases.json"
    results.write_text(json.dumps({c.name: c.status for c in run.cases}, indent=0), encoding="utf-8")
    if options.groups == GROUPS and not options.filter:
        # Last, since it asks whether the others ran.
        check = [PYTHON, str(ROOT / "tools" / "check_conformance.py"), "--ran", str(results)]
        run.do([Job("conformance", "conformance", check)], 1)
    for group, counts in run.by_group.items():
        if counts:
            print(f"{group:<30} {outcome(counts)}", flush=True)
    return run.totals(), [c.name for c in run.cases if c.status == "failed"]


def commit():
    head = subprocess.run(["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=ROOT, capture_output=True, text=True)
    return head.stdout.strip() or "no commit"


def repeat(options):
    """--repeat N: goes on after a failure; a line a run in repeat.log, the logs of runs that failed kept."""
    LOG.mkdir(parents=True, exist_ok=True)
    totals, failed_runs = collections.Counter(), 0
    for number in range(1, options.repeat + 1):
        started, when = time.monotonic(), datetime.datetime.now().isoformat(timespec="seconds")
        print(f"run {number} of {options.repeat}", flush=True)
        log_dir = LOG / f"run-{number:03}"
        counts, failures = run_once(options, log_dir)
        totals += counts
        line = f"{when} {commit()} run {number}/{options.repeat} {time.monotonic() - started:.0f} s: {closing(counts)}"
        with open(LOG / "repeat.log", "a", encoding="utf-8") as log:
            log.write(line + "".join(f"\n    FAILED {name}" for name in failures) + "\n")
        if failures:
            failed_runs += 1
        else:
            shutil.rmtree(log_dir)
    print(f"{options.repeat - failed_runs} of {options.repeat} runs passed; the log is build/test-log/repeat.log")
    return totals


def closing(counts):
    return f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"


def parse():
    arguments = argparse.ArgumentParser(prog="./run test", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--preset", default="release", help=argparse.SUPPRESS)
    arguments.add_argument("--unit", action="store_true", help="only layers, unit and sim")
    arguments.add_argument("--e2e", action="store_true", help="only interop, netlab and e2e")
    arguments.add_argument("--core", action="store_true", help="only unit tests of base, crypto and core, and sim")
    arguments.add_argument("--filter", default="", metavar="REGEX", help="only tests whose name matches, such as e2e.file_swarm")
    arguments.add_argument("--repeat", type=int, default=0, metavar="N", help="N runs, going on after failures")
    arguments.add_argument("--full", action="store_true", help="the end-to-end tests at their full length")
    arguments.add_argument("--asan", action="store_true", help="with the address and undefined behaviour sanitizers: unit and sim, or --e2e")
    arguments.add_argument("--tsan", action="store_true", help="with the thread sanitizer, likewise")
    options = arguments.parse_args()
    if options.e2e:
        options.groups = ("interop", "netlab", "e2e")
    elif options.core or options.unit or options.asan or options.tsan:
        options.groups = ("layers", "unit", "sim")
    else:
        options.groups = GROUPS
    return options


def interrupted(number, _frame):
    for process in list(RUNNING):
        end_group(process)
    os._exit(128 + number)


def main():
    options = parse()
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    started = time.monotonic()
    totals = repeat(options) if options.repeat else run_once(options, LOG / "last")[0]
    if not totals:
        print("no test matches")
    print(f"{time.monotonic() - started:.0f} s in all; what each test printed is in {LOG.relative_to(ROOT)}/")
    print(closing(totals), flush=True)
    return 1 if totals["failed"] or not totals else 0


if __name__ == "__main__":
    sys.exit(main())
