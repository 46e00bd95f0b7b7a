"""A test with real processes: a temporary folder, a seed that is printed, and nodes that end with it.

    class FileSwarm(Scenario):
        def test_three_watchers_get_the_same_file(self): ...

Environment: RUNNEL_BUILD (folder of the binaries; build/release), RUNNEL_TEST_LOG (where logs go), RUNNEL_SEED (to repeat a run),
RUNNEL_FULL=1 (full lengths instead of those that a test run can afford), RUNNEL_SANITIZER (what the binaries were built with).
"""
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from support.processes import Missed, Node, Process

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("RUNNEL_BUILD", ROOT / "build" / "release"))
RUNNEL = BUILD / "runnel"
LOG = pathlib.Path(os.environ.get("RUNNEL_TEST_LOG", ROOT / "build" / "test-log" / "alone"))
FULL = os.environ.get("RUNNEL_FULL") == "1"
SANITIZED = "RUNNEL_SANITIZER" in os.environ   # whose programs take many times the memory
NOBODY = 65534
KEEP_WORDS = re.compile(r"[^A-Za-z0-9_.-]+")


def stop_as_by_hand(*_):
    """A test that is told to stop cleans up like one that was interrupted."""
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, stop_as_by_hand)


class Scenario(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        if not RUNNEL.exists():
            raise unittest.SkipTest(f"{RUNNEL} is not built")

    def setUp(self):
        self.seed = int(os.environ.get("RUNNEL_SEED", random.SystemRandom().randrange(2**32)))
        print(f"{self.id().split('.', 1)[-1]}: RUNNEL_SEED={self.seed}", flush=True)
        self.random = random.Random(self.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="runnel-test-"))
        self.folder.chmod(0o755)   # players run as another user
        self.log = LOG / KEEP_WORDS.sub("_", self.id())
        shutil.rmtree(self.log, ignore_errors=True)
        self.log.mkdir(parents=True)
        self.processes = []
        self.addCleanup(self._clean)

    def _clean(self):
        for process in reversed(self.processes):
            process.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, result=None):
        """Logs are kept only of tests that failed."""
        result = result if result is not None else self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) == before and hasattr(self, "log"):
            shutil.rmtree(self.log, ignore_errors=True)
        return result

    # ---- programs ----------------------------------------------------------------------------------------------------
    def start(self, command, name, kind=Process, **options):
        """A process that ends with the test at the latest."""
        number = len(self.processes)
        options.setdefault("environment", self.environment(f"{number:02}-{name}"))
        process = kind(command, self.log / f"{number:02}-{name}", **options)
        self.processes.append(process)
        return process

    def environment(self, name, user=None):
        """Each process has a home of its own, so that keys and caches of one are not another's."""
        home = self.folder / "homes" / name
        home.mkdir(parents=True, exist_ok=True)
        if user is not None:
            os.chown(home, user, user)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "RUNNEL_")) and k != "DISPLAY"}
        return dict(kept, HOME=str(home), XDG_RUNTIME_DIR=str(home), LC_ALL="C.UTF-8")

    def runnel(self, *arguments, name, **options):
        return self.start([RUNNEL, *arguments], name, Node, **options)

    def cast(self, source, *arguments, name="caster", address="127.0.0.1", **options):
        return self.runnel("cast", source, *arguments, "--json", "--listen", f"{address}:0", "--http", "127.0.0.1:0", name=name, **options)

    def watch(self, link, *arguments, name="watcher", address="127.0.0.1", **options):
        return self.runnel("watch", link, *arguments, "--json", "--player", "none", "--listen", f"{address}:0", "--http", "127.0.0.1:0",
                           name=name, **options)

    def tracker(self, *arguments, name="tracker", **options):
        return self.runnel("tracker", "--http", "127.0.0.1:0", "--udp", "127.0.0.1:0", *arguments, "--json", name=name, **options)

    def ingest_url(self, caster):
        """Where a publisher goes, without the stream key: what a cast of rtmp:// or srt:// tells as soon as it listens."""
        find = re.compile(r"waiting for a publisher at (\S+)")
        return caster.wait_for(lambda: next((m.group(1).rstrip("/") for _, line in caster.err if (m := find.search(line))), None), 15,
                               "place for a publisher")

    @staticmethod
    def only_by(link, address):
        """The link with no way to the swarm but this one."""
        identity, _, parameters = link.partition("?")
        kept = [p for p in parameters.split("&") if not p.startswith(("tr=", "x.pe="))]
        return f"{identity}?{'&'.join([*kept, 'x.pe=' + address])}"

    def run_to_end(self, command, timeout_s=60, **options):
        """(exit status, stdout, stderr) of a program that ends by itself."""
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL,
                              env=self.environment("run"), start_new_session=True, **options)
        return done.returncode, done.stdout, done.stderr

    # ---- waiting -----------------------------------------------------------------------------------------------------
    def eventually(self, predicate, timeout_s, what, interval_s=0.05):
        """The first true value of predicate(). For states that announce themselves by nothing but their being asked."""
        deadline = time.monotonic() + timeout_s
        pause = threading.Event()
        while True:
            value = predicate()
            if value:
                return value
            if time.monotonic() > deadline:
                raise Missed(f"no {what} within {timeout_s} s")
            pause.wait(interval_s)

    def keeps(self, predicate, duration_s, what, interval_s=0.25):
        """Fails as soon as predicate() is false during that time."""
        deadline = time.monotonic() + duration_s
        pause = threading.Event()
        while time.monotonic() < deadline:
            self.assertTrue(predicate(), what)
            pause.wait(interval_s)

    def unprivileged(self):
        """The user that players run as: VLC refuses to be root. None when this test is not root itself."""
        return NOBODY if os.geteuid() == 0 else None

    def assert_only_events(self, *nodes):
        """stdout with --json is one JSON object per line and nothing else."""
        for node in nodes:
            self.assertEqual(node.garbage, [], node.name)

    # ---- HTTP --------------------------------------------------------------------------------------------------------
    def http_get(self, url, headers=None, timeout_s=20):
        """(status, headers, body)"""
        request = urllib.request.Request(url, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()
