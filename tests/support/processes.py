"""Processes under test: each in a process group of its own, its lines read as they come, ended with the test.

Nothing here sleeps: a wait is for a line, an event or an end, with a deadline. Times are time.monotonic() seconds.
"""
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import urllib.request


class Missed(AssertionError):
    """What was waited for did not come before its deadline."""


def guard(user=None):
    """What to put before a command so that it does not outlive the test, should that be killed, and runs as this user (None: as the same)."""
    other = [] if user is None else [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return ["setpriv", "--pdeathsig", "KILL", *other, "--"]


class Process:
    """One running program. `out` and `err` hold (time, line) as they came; both are also in files beside the test's log."""

    def __init__(self, command, log, environment=None, user=None, stdin=subprocess.DEVNULL, directory=None, pass_fds=()):
        self.command = [str(c) for c in command]
        self.name = pathlib.Path(log).name
        self.changed = threading.Condition()
        self.out, self.err = [], []
        self.status = None         # exit status once it ended; negative for a signal
        self.ended_at = None
        self.started_at = time.monotonic()
        self.popen = subprocess.Popen([*guard(user), *self.command], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                                      cwd=directory, start_new_session=True, pass_fds=pass_fds)
        self.pid = self.popen.pid
        self.readers = [threading.Thread(target=self._read, args=(stream, lines, f"{log}.{ending}"), daemon=True)
                        for stream, lines, ending in ((self.popen.stdout, self.out, "out"), (self.popen.stderr, self.err, "err"))]
        self.waiter = threading.Thread(target=self._wait, daemon=True)
        for thread in [*self.readers, self.waiter]:
            thread.start()

    def _read(self, stream, lines, log):
        with stream, open(log, "wb") as file:
            for raw in stream:
                file.write(raw)
                file.flush()
                now, text = time.monotonic(), raw.decode("utf-8", "replace").rstrip("\r\n")
                with self.changed:
                    lines.append((now, text))
                    self.on_line(lines is self.out, now, text)
                    self.changed.notify_all()

    def _wait(self):
        status = self.popen.wait()
        now = time.monotonic()
        for reader in self.readers:
            reader.join(5)         # a child that outlives it may hold the pipes open
        with self.changed:
            self.status, self.ended_at = status, now
            self.changed.notify_all()

    def on_line(self, is_stdout, now, text):
        """Called under the lock for each line; for subclasses."""

    @property
    def running(self):
        return self.popen.poll() is None

    def wait_for(self, predicate, timeout_s, what):
        """The first true value of predicate(), asked again whenever something came; fails when the process ends before that."""
        deadline = time.monotonic() + timeout_s
        with self.changed:
            while True:
                value = predicate()
                if value:
                    return value
                if self.status is not None:
                    raise Missed(f"{self.name} ended with status {self.status} before {what}\n{self.last_lines()}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Missed(f"{self.name}: no {what} within {timeout_s} s\n{self.last_lines()}")
                self.changed.wait(left)

    def wait_exit(self, timeout_s):
        """Its exit status, or fails."""
        self.wait_for_end(timeout_s)
        if self.status is None:
            raise Missed(f"{self.name} still runs after {timeout_s} s\n{self.last_lines()}")
        return self.status

    def wait_for_end(self, timeout_s):
        """Whether it ended within that time."""
        deadline = time.monotonic() + timeout_s
        with self.changed:
            while self.status is None:
                left = deadline - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    break
            return self.status is not None

    def error_text(self):
        with self.changed:
            return "\n".join(line for _, line in self.err)

    def last_lines(self, count=12):
        lines = sorted(self.out[-count:] + self.err[-count:])
        return "\n".join(f"    {line}" for _, line in lines[-count:])

    def send_signal(self, number):
        if self.running:
            self.popen.send_signal(number)

    def stop(self, timeout_s=10, number=signal.SIGINT):
        """Ends it as a user would; its exit status."""
        self.send_signal(number)
        return self.wait_exit(timeout_s)

    def kill9(self):
        """Takes the process itself away at once, as `kill -9 PID` does; its children are left to notice."""
        self.send_signal(signal.SIGKILL)
        self.wait_exit(10)

    def end(self):
        """Ends whatever is left of it and its children. For clean-up."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.wait_for_end(10)

    def pss_bytes(self):
        """Proportional memory of this process alone, or 0 when it has just ended."""
        try:
            with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as file:
                return next((int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:")), 0)
        except (OSError, ValueError):
            return 0


class FirstLine(Process):
    """A program of which only the first line of stdout is wanted: it is ended there, so that it takes no more time from others."""

    def on_line(self, is_stdout, now, text):
        if is_stdout:
            self.popen.kill()


class Node(Process):
    """A runnel with --json: its events as they come."""

    def __init__(self, *args, **kwargs):
        self.events = []           # (time, object)
        self.garbage = []          # lines of stdout that are no event: the contract forbids them
        super().__init__(*args, **kwargs)

    def on_line(self, is_stdout, now, text):
        if not is_stdout:
            return
        try:
            event = json.loads(text)
            event["event"]
        except (ValueError, TypeError, KeyError):
            self.garbage.append(text)
            return
        self.events.append((now, event))

    def event(self, kind, timeout_s, where=lambda event: True, after=0.0):
        """The first event of this kind that fits, come after that time."""
        return self.timed_event(kind, timeout_s, where, after)[1]

    def timed_event(self, kind, timeout_s, where=lambda event: True, after=0.0):
        def look():
            return next(((t, e) for t, e in self.events if e["event"] == kind and t > after and where(e)), None)
        return self.wait_for(look, timeout_s, f"'{kind}' event")

    def all_events(self, kind):
        with self.changed:
            return [event for _, event in self.events if event["event"] == kind]

    def ready(self, timeout_s=15):
        return self.event("ready", timeout_s)

    @property
    def link(self):
        return self.ready()["link"]

    @property
    def id(self):
        return self.ready()["id"]

    def url(self, path):
        return self.ready()["http"].rstrip("/") + path

    def stream_url(self, name):
        return self.url(f"/streams/{self.id}/{name}")

    def next_stats(self, timeout_s=5):
        """The counts as they are from now on (they are printed each second)."""
        return self.event("stats", timeout_s, after=time.monotonic())

    def last_stats(self):
        stats = self.all_events("stats")
        return stats[-1] if stats else {}

    def api_status(self, timeout_s=5):
        with urllib.request.urlopen(self.url("/api/status"), timeout=timeout_s) as answer:
            return json.load(answer)


class MemoryWatch:
    """Follows the memory of processes, a few looks a second, until closed; `peak_bytes` by process."""
    INTERVAL_S = 0.1

    def __init__(self, processes):
        self.peak_bytes = {process: 0 for process in processes}
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.closing.wait(self.INTERVAL_S):
            for process in self.peak_bytes:
                self.peak_bytes[process] = max(self.peak_bytes[process], process.pss_bytes())

    def close(self):
        self.closing.set()
        self.thread.join()
