#!/usr/bin/env python3
"""Holds docs/CONFORMANCE.md to what it says: every row of RFC 7574 once, every named file there, every named test run.

    check_conformance.py               rows and files
    check_conformance.py --ran FILE    and tests: FILE is what a whole `./run test` wrote, build/test-log/last/cases.json

A row: | id | what is asked | kept | by what | shown by |. `kept` is "yes", "in part" or "no"; files and tests stand in back quotes.
A test's name may end in * where its parameters vary.
"""
import argparse
import fnmatch
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "CONFORMANCE.md"
# The rows of each part: as many as there are rules to keep in the RFC's sections and among what peers in the field ask for.
PARTS = {"A": 17, "B": 23, "C": 19, "D": 10, "E": 12, "F": 16, "G": 5, "H": 9, "I": 5, "J": 5, "K": 4, "L": 10, "M": 5, "P": 11}
ROW = re.compile(r"^\| ([A-Z]\d+) \|(.*)\|$")
QUOTED = re.compile(r"`([^`]+)`")
FOLDERS = ("src/", "tests/", "tools/", "docs/")
GROUPS = ("layers.", "unit.", "sim.", "interop.", "netlab.", "e2e.")


def expected_rows():
    return [f"{part}{number}" for part, count in PARTS.items() for number in range(1, count + 1)]


def read_rows(text):
    """(id, [asked, kept, by, shown]) of each row, in order."""
    rows = []
    for line in text.splitlines():
        if match := ROW.match(line):
            rows.append((match.group(1), [cell.strip() for cell in match.group(2).split(" | ")]))
    return rows


def files_of(cells):
    return [name for name in QUOTED.findall(" ".join(cells[2:])) if name.startswith(FOLDERS)]


def tests_of(cells):
    return [name for name in QUOTED.findall(cells[3]) if name.startswith(GROUPS)]


def check_rows(rows):
    names = [name for name, _ in rows]
    wrong = [f"{name} is missing" for name in expected_rows() if name not in names]
    wrong += [f"{name} is no rule" for name in names if name not in expected_rows()]
    wrong += [f"{name} is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    for name, cells in rows:
        if len(cells) != 4:
            wrong.append(f"{name} has {len(cells) + 1} cells, not 5")
            continue
        _, kept, by, _ = cells
        if kept not in ("yes", "in part", "no"):
            wrong.append(f"{name} is kept \"{kept}\"")
        elif kept != "no" and not (files_of(cells) and tests_of(cells)):
            wrong.append(f"{name} names no {'test' if files_of(cells) else 'file'}")
        # Beside the names of files there must be words.
        if kept != "yes" and len(QUOTED.sub("", by).strip(" ,;.")) < 20:
            wrong.append(f"{name} does not say why")
    return wrong


def check_files(rows, root):
    return [f"{name} names {file}, which is not there" for name, cells in rows if len(cells) == 4
            for file in files_of(cells) if not (root / file).exists()]


def check_tests(rows, cases):
    """`cases`: status by name of every test that was run."""
    wrong = []
    for name, cells in rows:
        for test in tests_of(cells):
            found = {status for case, status in cases.items() if fnmatch.fnmatchcase(case, test)} if "*" in test else {cases.get(test)}
            if not found or None in found:
                wrong.append(f"{name} names {test}, which did not run")
            elif "passed" not in found or "failed" in found:
                wrong.append(f"{name} names {test}, which {' and '.join(sorted(found))}")
    return wrong


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--ran", type=pathlib.Path, metavar="FILE", help="what the last whole run of the tests wrote")
    options = arguments.parse_args()
    rows = [row for row in read_rows(DOCUMENT.read_text(encoding="utf-8"))]
    wrong = check_rows(rows)
    if not wrong:
        wrong = check_files(rows, ROOT)
        if options.ran:
            wrong += check_tests(rows, json.loads(options.ran.read_text(encoding="utf-8")))
    for line in wrong:
        print(line)
    kept = [cells[1] for _, cells in rows if len(cells) == 4]
    print(f"{len(rows)} rules: {kept.count('yes')} kept, {kept.count('in part')} in part, {kept.count('no')} not")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
