#!/usr/bin/env python3
"""Format, clang-tidy, layers, the page's types and the scripts, each as one line. Started by ./run lint.

clang-tidy is slow (seconds a file), so it reads the files changed since the branch left main, or all with --all.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CPP = ("*.cpp", "*.hpp", "*.h")


def run(command):
    """(exit status, everything it printed)"""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def git_files(*patterns):
    _, listing = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns])
    return [f for f in listing.splitlines() if (ROOT / f).is_file()]


def changed_files():
    """What differs from main, or on main itself from the commit before."""
    _, branch = run(["git", "branch", "--show-current"])
    status, base = run(["git", "merge-base", "HEAD", "HEAD~1" if branch.strip() == "main" else "main"])
    if status != 0:
        return set(git_files(*CPP))
    _, changed = run(["git", "diff", "--name-only", base.strip()])
    _, new = run(["git", "ls-files", "--others", "--exclude-standard"])
    return set(changed.splitlines()) | set(new.splitlines())


def check_format(options):
    files = git_files(*CPP)
    if options.fix:
        run(["clang-format-19", "-i", *files])
    _, output = run(["clang-format-19", "--dry-run", *files])
    wrong = sorted({line.split(":")[0] for line in output.splitlines() if "[-Wclang-format" in line})
    hint = "\n".join(wrong) + "\n./run lint --fix mends this" if wrong else ""
    return len(wrong), hint, f"{len(files)} files"


def check_tidy(options):
    database = ROOT / "build" / "release" / "compile_commands.json"
    known = {str(pathlib.Path(row["file"]).resolve().relative_to(ROOT)) for row in json.loads(database.read_text(encoding="utf-8"))}
    files = sorted(known if options.all else known & changed_files())
    status, output = 0, ""
    command = ["clang-tidy-19", "-p", str(database.parent), "--quiet", "--extra-arg=-Wno-unknown-warning-option"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for one_status, one_output in pool.map(lambda f: run(command + [f]), files):
            if one_status != 0:
                noise = ("warnings generated.", "Suppressed ", "Use -header-filter")
                status, output = one_status, output + "".join(
                    line + "\n" for line in one_output.splitlines() if not line.strip().endswith(noise) and not line.startswith(noise))
    return status, output, f"{len(files)} files"


def check_layers(_options):
    status, output = run([sys.executable, "tools/check_layers.py"])
    return status, output, ""


def check_page(_options):
    if not (ROOT / "web" / "tsconfig.json").exists():
        return 0, "", "no page yet"
    status, output = run(["web/node_modules/.bin/tsc", "--noEmit", "-p", "web"])
    return status, output, ""


def check_scripts(_options):
    scripts = [f for f in git_files() if (ROOT / f).suffix == ".sh" or is_bash(ROOT / f)]
    status, output = run(["shellcheck", *scripts])
    python = git_files("*.py")
    for file in python:
        try:
            compile((ROOT / file).read_text(encoding="utf-8"), file, "exec")
        except SyntaxError as error:
            status, output = 1, output + f"{file}:{error.lineno}: {error.msg}\n"
    return status, output, f"{len(scripts) + len(python)} files"


def is_bash(path):
    with open(path, "rb") as file:
        return file.read(20).startswith((b"#!/usr/bin/env bash", b"#!/bin/bash", b"#!/bin/sh"))


def main():
    arguments = argparse.ArgumentParser(prog="./run lint", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--fix", action="store_true", help="formats the C++ files in place")
    arguments.add_argument("--all", action="store_true", help="clang-tidy on every file")
    options = arguments.parse_args()
    failed = 0
    for name, check in (("layers", check_layers), ("format", check_format), ("scripts", check_scripts), ("page", check_page),
                        ("tidy", check_tidy)):
        started = time.monotonic()
        status, output, what = check(options)
        print(f"{name:<10} {'ok' if status == 0 else 'FAILED':<7} {time.monotonic() - started:6.1f} s  {what}", flush=True)
        if status != 0:
            failed += 1
            print(output, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
