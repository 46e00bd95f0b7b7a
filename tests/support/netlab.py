"""Drives tests/netlab/netlab from a test: a lab with hosts, programs and sockets in them, changes and counters.

    with Netlab(LAB_TOML_OR_PATH, log_folder) as lab:
        server = lab.start("alice", ["some", "program"], "server")          # a support.processes.Process inside alice
        sock = lab.socket("bob", socket.AF_INET, socket.SOCK_DGRAM)         # of this process, but inside bob
        page = lab.call("alice", read_page, "http://127.0.0.1:8080/")       # a function in a thread inside alice
        lab.set("host.alice.up.rate_mbps = 1")
        lab.stats()["hosts"]["alice"]["up"]["queue_full"]

Without root or TUN, making one raises unittest.SkipTest with the reason. Everything in the hosts ends with the lab.
"""
import ctypes
import json
import os
import pathlib
import signal
import socket
import tempfile
import threading
import unittest

from support.processes import Missed, Process

ROOT = pathlib.Path(__file__).resolve().parents[2]
NETLAB = pathlib.Path(os.environ.get("RUNNEL_BUILD", ROOT / "build" / "release")) / "netlab"
NOT_POSSIBLE = 77                  # netlab's exit status without root or TUN
CLONE_NEWNET = 0x40000000          # sched.h
LIBC = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The lab refused a request; the text says why."""


class Netlab:
    """A lab that runs. `description` is a path, or the TOML itself. `hosts` tells each host's address, address6 and namespace."""

    def __init__(self, description, log_folder=None, seed=None, settings=(), timeout_s=30):
        if not NETLAB.exists():
            raise unittest.SkipTest(f"{NETLAB} is not built")
        self._folder = tempfile.TemporaryDirectory(prefix="netlab-")
        folder = pathlib.Path(self._folder.name)
        if isinstance(description, str):
            (folder / "lab.toml").write_text(description, encoding="utf-8")
            description = folder / "lab.toml"
        self.log = pathlib.Path(log_folder or folder)
        self.control = folder / "control"
        self.processes = []
        command = [NETLAB, "run", description, "--control", self.control]
        command += [] if seed is None else ["--seed", seed]
        for setting in settings:
            command += ["--set", setting]
        self.process = Process(command, self.log / "netlab")
        try:
            ready = json.loads(self.process.wait_for(lambda: self.process.out and self.process.out[0][1], timeout_s, "ready line"))
        except Missed:
            status, reason = self.process.status, self.process.error_text()
            self.close()
            if status == NOT_POSSIBLE:
                raise unittest.SkipTest(reason.splitlines()[-1]) from None
            raise LabError(reason) from None
        self.hosts, self.seed = ready["hosts"], ready["seed"]
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        self._socket.connect(str(self.control))
        self._answers = self._socket.makefile("r", encoding="utf-8")
        self._lock = threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the lab and with it all that runs in its hosts."""
        if self.process.running:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait_for_end(10)
        self.process.end()
        for process in self.processes:
            process.end()
        if hasattr(self, "_socket"):
            self._answers.close()
            self._socket.close()
        self._folder.cleanup()

    # ---- in hosts ----------------------------------------------------------------------------------------------------
    def address(self, host, version=4):
        return self.hosts[host]["address" if version == 4 else "address6"]

    def command(self, host, command):
        """What to start, as root, for the command to run in that host. Who wants another user has the command change it (setpriv)."""
        return [str(NETLAB), "exec", str(self.control), host, "--", *[str(word) for word in command]]

    def start(self, host, command, name, kind=Process, **options):
        """A process in that host that ends with the lab at the latest."""
        process = kind(self.command(host, command), self.log / f"{len(self.processes):02}-{host}-{name}", **options)
        self.processes.append(process)
        return process

    def call(self, host, function, *arguments):
        """The function's value. It runs in a thread of this process inside that host; sockets it makes stay there."""
        outcome = {}

        def run():
            try:
                place = os.open(self.hosts[host]["namespace"], os.O_RDONLY | os.O_CLOEXEC)
                try:
                    if LIBC.setns(place, CLONE_NEWNET) != 0:   # of this thread alone, which ends here
                        raise OSError(ctypes.get_errno(), f"{host} can not be entered")
                finally:
                    os.close(place)
                outcome["value"] = function(*arguments)
            except BaseException as error:
                outcome["error"] = error

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]

    def socket(self, host, family=socket.AF_INET, kind=socket.SOCK_DGRAM):
        """A socket inside that host, bound to its address and a free port."""
        made = self.call(host, socket.socket, family, kind)
        made.bind((self.address(host, 4 if family == socket.AF_INET else 6), 0))
        return made

    # ---- the network -------------------------------------------------------------------------------------------------
    def ask(self, request):
        with self._lock:
            self._socket.sendall((json.dumps(request) + "\n").encode())
            line = self._answers.readline()
        if not line:
            raise LabError(f"the lab ended\n{self.process.last_lines()}")
        answer = json.loads(line)
        if "error" in answer:
            raise LabError(answer["error"])
        return answer

    def set(self, toml):
        """Changes the lab in the words of its description; the change holds for packets sent from now on."""
        self.ask({"do": "set", "toml": toml})

    def partition(self, *groups):
        """Only hosts of one group reach each other; those in no group make one more. Without groups: all reach all."""
        self.set(f"partition = {json.dumps([list(group) for group in groups])}")

    def connect(self, host, connected=True):
        """Takes the cable out of a host (or every host of a group), or puts it back in."""
        self.set(f"host.{json.dumps(host)}.connected = {json.dumps(connected)}")

    def stats(self):
        return self.ask({"do": "stats"})
