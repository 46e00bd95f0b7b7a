"""Debian's Chromium, driven over its own debugging pipe: two file descriptors, JSON messages that end in a zero byte.

A pipe needs no port, no WebSocket and no package beside Chromium.
"""
import base64
import json
import os
import pathlib
import threading
import time

from support.processes import Missed, Process, guard

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-default-browser-check",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--disable-dev-shm-usage", "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
         "--disable-backgrounding-occluded-windows", "--autoplay-policy=no-user-gesture-required", "--mute-audio",
         "--metrics-recording-only", "--disable-default-apps", "--password-store=basic", "--remote-debugging-pipe",
         "--window-size=1280,900"]
CHROMIUM = "/usr/bin/chromium"
TO_CHROMIUM, FROM_CHROMIUM = 3, 4   # the descriptors that --remote-debugging-pipe uses


class Chromium:
    """A browser with a profile of its own. Calls come from one thread."""

    def __init__(self, scenario, name="chromium", place=None):
        """`place`: (lab, host), to run in that host of a network lab."""
        user = scenario.unprivileged()
        self.profile = scenario.folder / f"{name}-profile"
        self.profile.mkdir()
        if user is not None:
            os.chown(self.profile, user, user)
        their_in, self.write_end = os.pipe()
        self.read_end, their_out = os.pipe()
        self.changed = threading.Condition()
        self.answers, self.events, self.last_id, self.closed = {}, [], 0, False
        # Python cannot place descriptors at given numbers in a child; bash can (dash takes one digit only).
        command = ["/bin/bash", "-c", f'exec "$@" {TO_CHROMIUM}<&{their_in} {FROM_CHROMIUM}>&{their_out}', "sh", CHROMIUM, *FLAGS,
                   f"--user-data-dir={self.profile}", "about:blank"]
        if place is not None:      # which only root enters: the user changes inside
            command = place[0].command(place[1], [*guard(user), *command])
        self.process = scenario.start(command, name, Process, user=user if place is None else None, environment=scenario.environment(name, user),
                                      pass_fds=(their_in, their_out), directory=self.profile)
        os.close(their_in)
        os.close(their_out)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        scenario.addCleanup(self._close)

    def _read(self):
        rest = b""
        while data := os.read(self.read_end, 1 << 16):
            *messages, rest = (rest + data).split(b"\0")
            with self.changed:
                for message in map(json.loads, messages):
                    if "id" in message:
                        self.answers[message["id"]] = message
                    else:
                        self.events.append(message)
                self.changed.notify_all()
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        os.close(self.read_end)

    def _close(self):
        if self.write_end is not None:
            os.close(self.write_end)
            self.write_end = None
        self.process.end()
        self.reader.join(5)

    def call(self, method, parameters=None, session=None, timeout_s=20):
        """The result of one DevTools method."""
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": parameters or {}}
        if session is not None:
            message["sessionId"] = session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        answer = self._wait(lambda: self.answers.pop(message["id"], None), timeout_s, method)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def _wait(self, look, timeout_s, what):
        deadline = time.monotonic() + timeout_s
        with self.changed:
            while (value := look()) is None:
                left = deadline - time.monotonic()
                if left <= 0 or self.closed:
                    raise Missed(f"chromium: no answer to {what} within {timeout_s} s\n{self.process.last_lines()}")
                self.changed.wait(left)
            return value

    def open(self, url):
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, target, session)
        page.call("Runtime.enable")
        page.call("Page.enable")
        page.call("Page.navigate", {"url": url})
        return page


class Page:
    def __init__(self, browser, target, session):
        self.browser, self.target, self.session = browser, target, session

    def call(self, method, parameters=None, timeout_s=20):
        return self.browser.call(method, parameters, self.session, timeout_s)

    def run(self, script, timeout_s=20):
        """The value of a JavaScript expression; promises are awaited."""
        answer = self.call("Runtime.evaluate", {"expression": script, "awaitPromise": True, "returnByValue": True, "userGesture": True},
                           timeout_s)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise AssertionError(details.get("exception", {}).get("description") or details.get("text"))
        return answer["result"].get("value")

    def complaints(self):
        """Uncaught exceptions and console errors of this page so far."""
        with self.browser.changed:
            mine = [e for e in self.browser.events if e.get("sessionId") == self.session]
        thrown = [e["params"]["exceptionDetails"].get("text", "") + " " + e["params"]["exceptionDetails"].get("exception", {})
                  .get("description", "") for e in mine if e["method"] == "Runtime.exceptionThrown"]
        logged = [" ".join(str(a.get("value", a.get("description", ""))) for a in e["params"]["args"]) for e in mine
                  if e["method"] == "Runtime.consoleAPICalled" and e["params"]["type"] == "error"]
        return thrown + logged

    def video(self):
        """The state of the page's first video, or None while there is none."""
        return self.run("""(() => { const v = document.querySelector('video'); if (!v) return null;
            const q = v.getVideoPlaybackQuality();
            return {time: v.currentTime, duration: Number.isFinite(v.duration) ? v.duration : null, paused: v.paused, ready: v.readyState,
                    frames: q.totalVideoFrames, dropped: q.droppedVideoFrames, width: v.videoWidth, height: v.videoHeight,
                    audio_bytes: v.webkitAudioDecodedByteCount, error: v.error && v.error.message}; })()""")

    def play(self):
        """Presses play, muted, as one who opened the page would."""
        self.run("(() => { const v = document.querySelector('video'); if (v) { v.muted = true; v.play().catch(() => {}); } })()")

    def seek_s(self, fraction, timeout_s=20):
        """Seeks to that fraction of the film; seconds until a frame of that place was shown."""
        return self.run("""new Promise((done, failed) => {
            const v = document.querySelector('video'), to = v.duration * %f, from = performance.now();
            setTimeout(() => failed(new Error('nothing shown at ' + to + ' s; readyState ' + v.readyState)), %d);
            const shown = (_, frame) => Math.abs(frame.mediaTime - to) < 2.5 && !v.seeking
                ? done((performance.now() - from) / 1000) : v.requestVideoFrameCallback(shown);
            v.requestVideoFrameCallback(shown);
            v.currentTime = to; v.muted = true; v.play().catch(() => {});
        })""" % (fraction, timeout_s * 1000), timeout_s + 5)

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", {"format": "png"})["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def close(self):
        self.browser.call("Target.closeTarget", {"targetId": self.target})
