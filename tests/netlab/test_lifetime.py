#!/usr/bin/env python3
"""A lab leaves nothing behind, however it ends, and says so where it can not be."""
import os
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.netlab import NETLAB, NOT_POSSIBLE, Netlab
from support.scenario import NOBODY, Scenario

LAB = "[host.a]\n[host.b]\n"
# Away from its parent and its session, as a daemon is; it tells its process id.
DAEMON = "setsid sh -c 'echo $$; exec sleep 1000' & wait"


def names_of(namespace):
    """The ids of the processes in that namespace, 'net:[4026532000]', and of those that hold it open."""
    inside, holding = [], []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "ns" / "net") == namespace:
                inside.append(int(process.name))
            if any(os.readlink(fd) == namespace for fd in (process / "fd").iterdir()):
                holding.append(int(process.name))
        except OSError:
            continue                   # it ended while we looked
    return inside, holding


class Lifetime(Scenario):
    def setUp(self):
        super().setUp()
        self.lab = Netlab(LAB, self.log, seed=self.seed)
        self.addCleanup(self.lab.close)
        self.namespaces = [os.readlink(host["namespace"]) for host in self.lab.hosts.values()]

    def daemon(self):
        shell = self.lab.start("a", ["sh", "-c", DAEMON], "daemon")
        pid = int(shell.wait_for(lambda: shell.out and shell.out[0][1], 5, "process id"))
        self.assertIn(pid, names_of(self.namespaces[0])[0])

    def assert_nothing_is_left(self):
        for namespace in self.namespaces:
            self.eventually(lambda: names_of(namespace) == ([], []), 5, f"end of {namespace}: {names_of(namespace)}")
        self.eventually(lambda: not self.lab.control.exists(), 5, "end of the control socket")

    def test_a_killed_lab_leaves_no_process_and_no_namespace(self):
        self.daemon()
        self.lab.process.kill9()
        self.assert_nothing_is_left()

    def test_a_lab_that_is_ended_leaves_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                self.daemon()
                self.assertEqual(self.lab.process.stop(number=number), 0)
                self.assert_nothing_is_left()
                self.lab.close()
                self.lab = Netlab(LAB, self.log, seed=self.seed)
                self.addCleanup(self.lab.close)
                self.namespaces = [os.readlink(host["namespace"]) for host in self.lab.hosts.values()]

    def test_a_lab_can_be_told_to_stop(self):
        self.assertEqual(self.run_to_end([NETLAB, "stop", str(self.lab.control)])[0], 0)
        self.assertEqual(self.lab.process.wait_exit(5), 0)
        self.assert_nothing_is_left()

    def test_a_lab_for_one_command_ends_with_it(self):
        description = self.folder / "lab.toml"
        description.write_text(LAB, encoding="utf-8")
        run = [NETLAB, "run", description, "--seed", "7", "--in", "a", "--"]
        status, text, errors = self.run_to_end([*run, "sh", "-c", "sleep 1000 & readlink /proc/self/ns/net; exit 5"])
        self.assertEqual((status, errors), (5, "netlab: seed 7\n"))
        self.assertEqual(names_of(text.strip()), ([], []))
        self.assertEqual(self.run_to_end([*run, "/nowhere"])[0], 127)

    def test_without_rights_it_says_what_it_needs(self):
        description = self.folder / "lab.toml"
        description.write_text(LAB, encoding="utf-8")
        # A copy: this user may not be let into the folder where the program was built.
        program = self.folder / "netlab"
        program.write_bytes(NETLAB.read_bytes())
        program.chmod(0o755)
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
        status, _, errors = self.run_to_end([*user, program, "run", description])
        self.assertEqual(status, NOT_POSSIBLE)
        self.assertIn("needs root", errors)


if __name__ == "__main__":
    unittest.main()
