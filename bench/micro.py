#!/usr/bin/env python3
"""What the small steps of a chunk's way cost, each alone, in nanoseconds of processor time: medians of several runs.

    bench/micro.py [--rounds N] [--no-history]
"""
import argparse
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import history

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "build" / "release" / "bench_micro"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7, help="medians are taken over")
    arguments.add_argument("--no-history", dest="history", action="store_false", help="appends nothing to bench/history.ndjson")
    options = arguments.parse_args()
    done = subprocess.run([PROGRAM, f"--benchmark_repetitions={options.rounds}", "--benchmark_min_time=0.1", "--benchmark_format=json",
                           "--benchmark_report_aggregates_only=true"], capture_output=True, text=True, check=True)
    medians = [b for b in json.loads(done.stdout)["benchmarks"] if b["aggregate_name"] == "median"]
    failed = [b["run_name"] for b in medians if b.get("error_occurred")]
    rows = [(b["run_name"], b["cpu_time"], b["time_unit"], None) for b in medians]
    history.report("micro", rows, options.history)
    if failed:
        print(f"failed: {' '.join(failed)}")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
