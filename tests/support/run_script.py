#!/usr/bin/env python3
"""Runs one unittest script and writes what each test came to as JSON lines: how tools/run_tests.py looks into Python tests.

    run_script.py SCRIPT REPORT [--filter REGEX] [--name PREFIX]
"""
import argparse
import importlib.util
import json
import pathlib
import re
import sys
import time
import unittest


class ReportingResult(unittest.TextTestResult):
    """Prints a line per test as it ends, and appends one to the report."""
    report = None  # an open file

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()
        self.subtests_failed = False

    def write(self, test, status, text=""):
        row = {"name": short_name(test), "status": status, "reason": text, "seconds": round(time.monotonic() - self.started, 2)}
        self.report.write(json.dumps(row) + "\n")
        self.report.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        if not self.subtests_failed:
            self.write(test, "passed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.write(test, "failed", self._exc_info_to_string(err, test))

    def addError(self, test, err):
        super().addError(test, err)
        if not hasattr(self, "started"):  # a setUpClass or setUpModule that failed belongs to no test
            self.started = time.monotonic()
        self.write(test, "failed", self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if not hasattr(self, "started"):
            self.started = time.monotonic()
        self.write(test, "skipped", reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            if not self.subtests_failed:
                self.write(test, "failed", str(subtest) + "\n" + self._exc_info_to_string(err, test))
            self.subtests_failed = True


def short_name(test):
    """Class.test; of a whole class or module that was skipped or failed to begin, its name."""
    return test.id().rstrip(")").split(".", 1)[-1]


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def load(path):
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("script", type=pathlib.Path)
    arguments.add_argument("report", type=pathlib.Path)
    arguments.add_argument("--filter", default="")
    arguments.add_argument("--name", default="", help="put before each test's name when it is matched")
    options = arguments.parse_args()
    chosen = unittest.TestSuite(t for t in flatten(load(options.script.resolve()))
                                if re.search(options.filter, options.name + "." + short_name(t)))
    with open(options.report, "w", encoding="utf-8") as report:
        ReportingResult.report = report
        result = unittest.TextTestRunner(sys.stdout, resultclass=ReportingResult, verbosity=2).run(chosen)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
