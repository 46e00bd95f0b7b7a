"""The check of docs/CONFORMANCE.md finds what is planted, and nothing else."""
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check_conformance as check  # noqa: E402

GOOD = {name: ["asked", "yes", "`src/base/time.hpp`", "`unit.base.Ring.holds`"] for name in check.expected_rows()}


def text_of(rows):
    return "\n".join(f"| {name} | {' | '.join(cells)} |" for name, cells in rows)


def rows_with(**changes):
    return [(name, changes.get(name, cells)) for name, cells in GOOD.items()]


class CheckConformance(unittest.TestCase):
    def test_the_document_names_each_rule_once_and_files_that_are_there(self):
        rows = check.read_rows(check.DOCUMENT.read_text(encoding="utf-8"))
        self.assertEqual(check.check_rows(rows), [])
        self.assertEqual(check.check_files(rows, ROOT), [])

    def test_accepts_what_is_complete(self):
        rows = check.read_rows(text_of(rows_with()))
        self.assertEqual(len(rows), 151)
        self.assertEqual(check.check_rows(rows) + check.check_files(rows, ROOT), [])
        self.assertEqual(check.check_tests(rows, {"unit.base.Ring.holds": "passed"}), [])

    def test_finds_rules_that_are_missing_doubled_or_made_up(self):
        for rows, word in (([r for r in rows_with() if r[0] != "F12"], "F12 is missing"), ([*rows_with(), ("A1", GOOD["A1"])], "A1 is there twice"),
                           ([*rows_with(), ("A18", GOOD["A1"])], "A18 is no rule")):
            self.assertIn(word, check.check_rows(check.read_rows(text_of(rows))))

    def test_finds_rules_without_a_file_a_test_or_a_reason(self):
        for cells, word in ((["asked", "yes", "words", "`unit.base.Ring.holds`"], "B4 names no file"),
                            (["asked", "in part", "`src/base/time.hpp`: but not so much of it", "-"], "B4 names no test"),
                            (["asked", "no", "`src/base/time.hpp`", "-"], "B4 does not say why"),
                            (["asked", "nearly", "`src/base/time.hpp`, as far as anybody has looked", "-"], 'B4 is kept "nearly"'),
                            (["asked", "yes", "`src/base/time.hpp`"], "B4 has 4 cells, not 5")):
            self.assertEqual(check.check_rows(rows_with(B4=cells)), [word])

    def test_finds_files_that_are_not_there(self):
        rows = rows_with(C1=["asked", "yes", "`src/base/clock.hpp`", "`unit.base.Ring.holds`"])
        self.assertEqual(check.check_files(rows, ROOT), ["C1 names src/base/clock.hpp, which is not there"])

    def test_finds_tests_that_did_not_run_or_did_not_pass(self):
        rows = [("C1", ["asked", "yes", "`src/base/time.hpp`", "`unit.base.Ring.holds`, `unit.net.Pair.a/*`"])]
        passed = {"unit.base.Ring.holds": "passed", "unit.net.Pair.a/0": "passed", "unit.net.Pair.a/1": "passed"}
        self.assertEqual(check.check_tests(rows, passed), [])
        self.assertEqual(check.check_tests(rows, {**passed, "unit.net.Pair.a/1": "failed"}), ["C1 names unit.net.Pair.a/*, which failed and passed"])
        self.assertEqual(check.check_tests(rows, {**passed, "unit.base.Ring.holds": "skipped"}), ["C1 names unit.base.Ring.holds, which skipped"])
        self.assertEqual(check.check_tests(rows, {"unit.base.Ring.holds": "passed"}), ["C1 names unit.net.Pair.a/*, which did not run"])
        self.assertEqual(check.check_tests(rows, {n: s for n, s in passed.items() if "Ring" not in n}),
                         ["C1 names unit.base.Ring.holds, which did not run"])


if __name__ == "__main__":
    unittest.main()
