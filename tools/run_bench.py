#!/usr/bin/env python3
"""Runs benchmarks one after the other: programs build/release/bench_NAME and scripts bench/NAME.py. Started by ./run bench."""
import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
HELPERS = {"history"}            # read by the others
NEED_ARGUMENTS = {"bare_loop"}       # started by bulk


def known():
    """Name -> command."""
    found = {p.name.removeprefix("bench_"): [str(p)] for p in sorted(BUILD.glob("bench_*")) if p.is_file()}
    scripts = (p for p in sorted((ROOT / "bench").glob("*.py")) if p.stem not in HELPERS)
    found.update({p.stem: ["/usr/bin/python3", str(p)] for p in scripts})
    for name in NEED_ARGUMENTS:
        found.pop(name, None)
    return found


def main():
    arguments = argparse.ArgumentParser(prog="./run bench", description=__doc__,
                                        epilog="What follows -- goes to the benchmark itself.")
    arguments.add_argument("names", nargs="*", metavar="NAME")
    arguments.add_argument("--list", action="store_true", help="tells the names")
    own = sys.argv[1:sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    passed_on = sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else []
    options = arguments.parse_args(own)
    benchmarks = known()
    if options.list:
        print("\n".join(benchmarks))
        return 0
    unknown = [name for name in options.names if name not in benchmarks]
    if unknown:
        print(f"no benchmark {' '.join(unknown)}; there are: {' '.join(benchmarks)}", file=sys.stderr)
        return 2
    failed = 0
    for name in options.names or benchmarks:
        print(f"== {name}", flush=True)
        failed += subprocess.run(benchmarks[name] + passed_on, cwd=ROOT, check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
