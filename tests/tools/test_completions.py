"""The shell completions are what their table gives, and bash can read its own."""
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Completions(unittest.TestCase):
    def test_files_are_what_the_table_gives(self):
        done = subprocess.run([sys.executable, ROOT / "packaging" / "make_completions.py", "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)

    def complete_in_bash(self, *words):
        script = f"source {ROOT}/packaging/completions/runnel.bash; COMP_WORDS=(runnel \"$@\"); COMP_CWORD=$#; _runnel; " \
                 "printf '%s\\n' \"${COMPREPLY[@]}\""
        return subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, check=True).stdout.split()

    def test_bash_offers_verbs_options_and_values(self):
        self.assertEqual(self.complete_in_bash("wa"), ["watch"])
        self.assertEqual(self.complete_in_bash("watch", "link", "--until"), ["--until-complete"])
        self.assertEqual(self.complete_in_bash("watch", "--player", "v"), ["vlc"])


if __name__ == "__main__":
    unittest.main()
