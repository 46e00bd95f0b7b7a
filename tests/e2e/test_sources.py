#!/usr/bin/env python3
"""Every kind of live source that `runnel cast` takes: cast by one process, watched by another, decoded by ffmpeg."""
import http.server
import os
import pathlib
import shutil
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import media
from support.scenario import Scenario

RATE = 30                      # pictures per second of the films
DECODED_S = 3
MAX_BEHIND_S = 2.0


class Sources(Scenario):
    def cast_pipe(self, film, form, *arguments, name):
        """ffmpeg ... | runnel cast -; the caster's `sender` is that ffmpeg, which sends until it is told to stop."""
        reading, writing = os.pipe()
        try:
            caster = self.cast("-", *arguments, name=f"{name}-caster", stdin=reading)
            caster.sender = self.start(media.send_command(film, form, f"pipe:{writing}"), f"{name}-sender", pass_fds=(writing,))
        finally:
            os.close(reading)
            os.close(writing)
        return caster

    def watch_cast(self, caster, *arguments, name="watcher"):
        caster.event("playable", 20)
        watcher = self.watch(caster.link, *arguments, name=name)
        watcher.event("playable", 20)
        return watcher

    def decode(self, watcher, name="live.ts", seconds=DECODED_S):
        decoder = self.start(media.decode_command(watcher.stream_url(name), seconds), f"decode-{name}")
        decoder.seconds = seconds
        return decoder

    def check_decoded(self, decoder, missing_s=0.5):
        """It has shown pictures that move, and sound, of those seconds but for their edges, and had nothing to complain of."""
        self.assertEqual((decoder.wait_exit(decoder.seconds + 20), decoder.error_text()), (0, ""))
        decoded = media.Decoded(line for _, line in decoder.out)
        self.assertGreater(decoded.pictures, (decoder.seconds - missing_s) * RATE)
        self.assertGreater(decoded.different, (DECODED_S - missing_s) * RATE)
        self.assertGreater(decoded.sound_s, decoder.seconds - missing_s)

    def read(self, watcher):
        reader = media.LiveReader(watcher.stream_url("live.ts"))
        self.addCleanup(reader.close)
        return reader

    def check_all_decoded(self, watchers, names=("live.ts", "master.m3u8")):
        for decoder in [self.decode(w, name) for w in watchers for name in names]:
            self.check_decoded(decoder)

    def said(self, node, words, timeout_s=10):
        node.wait_for(lambda: next((True for _, line in node.err if words in line), False), timeout_s, f"word that '{words}'")

    def state(self, node):
        return node.api_status()["streams"][0]["state"]


class StandardInput(Sources):
    def test_transport_stream_and_matroska_are_cast_to_their_end(self):
        film, old = media.live_film(20), self.old_film()
        casters = [self.cast_pipe(*source, name=name) for name, *source in (
            ("mpegts", film, "mpegts"), ("matroska", film, "matroska"), ("mpeg2", old, "mpegts"))]
        watchers = [self.watch_cast(caster, "--out", self.folder / f"{caster.name}.mp4") for caster in casters]
        begun = time.monotonic()
        readers = [self.read(watcher) for watcher in watchers]
        self.check_all_decoded(watchers)
        _, _, master = self.http_get(watchers[2].stream_url("master.m3u8"))
        self.assertRegex(master.decode(), r'CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2"', "browsers play neither MPEG-2 nor MP2")
        watched_s = time.monotonic() - begun
        for caster, watcher, reader in zip(casters, watchers, readers):
            with self.subTest(caster.name):
                self.check_end(caster, watcher, reader, watched_s)

    def old_film(self):
        return media.live_film(20, ("-c:v", "mpeg2video", "-b:v", "1500k"), ("-c:a", "mp2", "-ac", "2"), "mpeg2-mp2.ts")

    def check_end(self, caster, watcher, reader, watched_s):
        """When the source is at its end, both sides say so and stay to serve what there is; what was recorded is whole."""
        self.assertEqual(caster.sender.stop(), media.FFMPEG_STOPPED, caster.sender.last_lines())
        self.said(caster, "the source has ended")
        self.said(watcher, "the stream has ended")
        self.assertEqual([self.state(node) for node in (caster, watcher)], ["ended", "ended"])
        self.assertIsNone(watcher.next_stats()["lag_s"], "nothing is live that one could be behind")
        self.assertIn("#EXT-X-ENDLIST", self.http_get(watcher.stream_url("live.m3u8"))[2].decode())
        self.eventually(lambda: reader.problem, 10, "end of live.ts")
        self.assertIn("live.ts ended", reader.problem)
        self.assert_only_events(caster, watcher)
        for node in (watcher, caster):
            self.assertEqual(node.stop(), 0, node.last_lines())
        recording = self.folder / f"{caster.name}.mp4"
        self.assertEqual(media.decode_errors(recording), "")
        self.assertGreater(media.duration_s(recording), watched_s - MAX_BEHIND_S)

    def test_what_is_no_media_is_refused(self):
        reading, writing = os.pipe()
        with os.fdopen(writing, "wb") as sender:
            caster = self.cast("-", stdin=reading)
            os.close(reading)
            sender.write(b"this is a letter, not a film\n" * 2000)
        self.assertEqual(caster.wait_exit(20), 1, caster.last_lines())
        self.assertIn("media", caster.event("error", 1)["message"])
        self.assert_only_events(caster)


class Broadcast:
    """A small HTTP server of one endless transport stream that goes on whether anybody listens or not."""

    def __init__(self, scenario, film):
        reading, writing = os.pipe()
        scenario.start(media.send_command(film, "mpegts", f"pipe:{writing}"), "broadcast", pass_fds=(writing,))
        os.close(writing)
        self.source = os.fdopen(reading, "rb")
        self.lock = threading.Lock()
        self.listeners = []            # sockets
        self.refusing = 0              # how many more requests are answered by 503
        self.requests = 0
        self.closing = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        for task in (self.server.serve_forever, self._send):
            threading.Thread(target=task, daemon=True).start()
        scenario.addCleanup(self.close)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/stream.ts"

    def _handler(self):
        broadcast = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                with broadcast.lock:
                    broadcast.requests += 1
                    refused = broadcast.refusing > 0
                    broadcast.refusing -= refused
                if refused:
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()
                with broadcast.lock:
                    broadcast.listeners.append(self.connection)
                broadcast.closing.wait()

            def log_message(self, *_):
                pass

        return Handler

    def _send(self):
        while data := self.source.read(188 * 7):
            with self.lock:
                for connection in list(self.listeners):
                    try:
                        connection.sendall(data)
                    except OSError:
                        self.listeners.remove(connection)

    def fall_silent(self):
        """Those who listen now get nothing more, and are not told."""
        with self.lock:
            self.listeners.clear()

    def break_off(self, refusing):
        """In the middle of a packet, as a server that crashed; so many requests after that are refused."""
        with self.lock:
            self.refusing = refusing
            for connection in self.listeners:
                connection.send(b"\x47\x41\x00")
                connection.shutdown(socket.SHUT_RDWR)
            self.listeners.clear()

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


class Pulled(Sources):
    def free_port(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            return sock.getsockname()[1]

    def test_an_http_stream_is_pulled_and_pulled_again_when_it_breaks_off_or_falls_silent(self):
        silent, broadcast = (Broadcast(self, media.live_film(20)) for _ in range(2))
        waiting = self.cast(silent.url, name="waiting")
        waiting.event("playable", 20)
        silent.fall_silent()
        caster = self.cast(broadcast.url)
        recording = self.folder / "recording.mp4"
        watcher = self.watch_cast(caster, "--out", recording)
        reader = self.read(watcher)
        first = self.eventually(reader.newest_s, 10, "video")
        self.eventually(lambda: reader.newest_s() > first + 1, 10, "a second of video")
        broadcast.break_off(refusing=1)
        self.said(caster, "the source broke off")
        self.eventually(lambda: broadcast.requests >= 3, 10, "request after a refused one")
        taken = reader.bytes
        self.eventually(lambda: reader.bytes > taken + 100_000, 10, "bytes of the new epoch in a live.ts that stayed open")
        self.assertIsNone(reader.problem)
        self.said(caster, "the source is back")
        self.check_decoded(self.decode(watcher, "master.m3u8"), missing_s=1)     # what was on its way when it broke off
        self.assertNotIn("ended", caster.error_text() + watcher.error_text())
        self.assertEqual(watcher.stop(), 0)
        for part in (recording, recording.with_stem("recording-2")):
            self.assertEqual(media.decode_errors(part), "", "what was cut off in the middle of a picture ends before it")
        self.said(waiting, "the source broke off (nothing came in time)", 15)
        self.said(waiting, "the source is back")

    def test_a_source_that_is_not_there_is_told(self):
        for scheme in ("http", "rtsp"):
            with self.subTest(scheme):
                caster = self.cast(f"{scheme}://127.0.0.1:{self.free_port()}/stream", name=f"{scheme}-caster")
                self.assertEqual(caster.wait_exit(20), 1, caster.last_lines())
                self.assertIn("refused", caster.event("error", 1)["message"].lower())

    def test_an_rtsp_stream_of_vlc_is_pulled(self):
        film = self.folder / "film.mp4"
        shutil.copy(media.live_film(20), film)       # where VLC's user may read it
        port, user = self.free_port(), self.unprivileged()
        vlc = self.start(["vlc", "--intf", "dummy", "--no-media-library", "--no-lua", "--loop", film, "--rtsp-host", "127.0.0.1", "--sout",
                          f"#rtp{{sdp=rtsp://:{port}/stream}}", "--sout-keep"], "vlc", user=user, environment=self.environment("vlc", user))
        self.eventually(lambda: self.answers(vlc, port), 15, "RTSP server")
        caster = self.cast(f"rtsp://127.0.0.1:{port}/stream")
        self.check_all_decoded([self.watch_cast(caster)])
        self.assertEqual(caster.error_text(), "", "what browsers play is not encoded anew")

    def answers(self, vlc, port):
        self.assertTrue(vlc.running, vlc.last_lines())
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as sock:
                sock.sendall(f"DESCRIBE rtsp://127.0.0.1:{port}/stream RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
                return b" 200 " in sock.recv(1000)
        except OSError:
            return False


class SrtPublisher(Sources):
    def test_the_right_stream_id_is_cast_and_a_wrong_one_refused(self):
        caster = self.cast("srt://127.0.0.1:0?streamid=correct-horse")
        url = self.ingest_url(caster)
        film = media.live_film(20)
        wrong = self.start(media.send_command(film, "mpegts", f"{url}?streamid=battery-staple"), "wrong")
        self.assertNotEqual(wrong.wait_exit(20), 0)
        self.said(caster, "wrong stream id")
        self.assertEqual(caster.all_events("playable"), [])
        right = self.start(media.send_command(film, "mpegts", f"{url}?streamid=correct-horse"), "right")
        watcher = self.watch_cast(caster)
        self.check_all_decoded([watcher])
        self.assertTrue(right.running, right.last_lines())
        for secret in ("correct-horse", "battery-staple"):
            self.assertNotIn(secret, caster.error_text())


class LiveFile(Sources):
    LENGTH_S = 4

    def test_a_film_in_a_loop_goes_on_and_one_without_ends(self):
        film = media.live_film(self.LENGTH_S)
        looped, once = self.cast(film, "--live", "--loop", name="looped"), self.cast(film, "--live", name="once")
        watcher, other = self.watch_cast(looped, name="loop-watcher"), self.watch_cast(once, name="once-watcher")
        reader, decoder = self.read(watcher), self.decode(watcher, seconds=self.LENGTH_S + 2)
        begun = time.monotonic()
        self.said(once, "the source has ended", self.LENGTH_S + 5)
        self.said(other, "the stream has ended", 5)
        late = self.watch_cast(looped, name="late-watcher")
        self.check_all_decoded([late])
        self.check_decoded(decoder)
        self.assertGreater(time.monotonic() - begun, self.LENGTH_S - 1, "a film cast live does not run ahead")
        self.assertLess(reader.look(), MAX_BEHIND_S, "the viewer ran dry where the film began again")
        self.assertIsNone(reader.problem)
        _, _, playlist = self.http_get(watcher.stream_url("live.m3u8"))
        self.assertIn("#EXT-X-DISCONTINUITY\n", playlist.decode())
        self.assertNotIn("#EXT-X-ENDLIST", playlist.decode())
        for node in (watcher, late, other, looped, once):
            self.assertEqual(node.stop(), 0, node.last_lines())


class ForOlderPeers(Sources):
    """--compat: a plain transport stream in between, cut anywhere."""

    def test_a_film_cast_live_plays_and_is_kept_as_a_transport_stream(self):
        caster = self.cast(media.live_film(20), "--live", "--loop", "--compat")
        recording = self.folder / "recording.ts"
        watcher = self.watch_cast(caster, "--out", recording)
        relayed = self.watch(self.only_by(caster.link, watcher.ready()["listen"]), name="relayed")
        relayed.event("playable", 20)
        self.check_all_decoded([watcher, relayed])
        self.assertEqual(self.state(watcher), "playing")
        stats = watcher.event("stats", 5, where=lambda s: s["lag_s"] is not None)
        self.assertLess(stats["lag_s"], 6)
        self.assertEqual((watcher.stop(), relayed.stop()), (0, 0))
        kept = recording.read_bytes()
        self.assertEqual({kept[at] for at in range(0, len(kept), 188)}, {0x47})
        self.assertEqual(media.codecs(recording), {"h264", "aac"})
        self.assertGreater(media.duration_s(recording), DECODED_S)

    def test_viewers_go_on_when_the_caster_starts_again_with_its_key(self):
        arguments = ("--live", "--loop", "--compat", "--key", self.folder / "channel.key")
        caster = self.cast(media.live_film(20), *arguments)
        watcher = self.watch_cast(caster)
        reader = self.read(watcher)
        self.eventually(lambda: reader.newest_s() is not None, 10, "video")
        caster.kill9()
        again = self.cast(media.live_film(20), *arguments, name="caster-again")
        self.assertEqual(again.link, caster.link)
        again.event("playable", 20)
        verified, taken = watcher.next_stats()["verified"], reader.bytes
        watcher.event("stats", 30, where=lambda s: s["verified"] > verified + 500)
        self.eventually(lambda: reader.bytes > taken + 100_000, 15, "bytes of the new run in a live.ts that stayed open")
        self.assertIsNone(reader.problem)


if __name__ == "__main__":
    unittest.main()
