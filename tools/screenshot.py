#!/usr/bin/env python3
"""Takes docs/page.png anew: a viewer's page in Chromium while it plays a live stream, with other viewers beside it.

    tools/screenshot.py [FILE]        after ./run build
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from support.chromium import Chromium
from support.scenario import Scenario


class Screenshot(Scenario):
    target = ROOT / "docs" / "page.png"

    def runTest(self):
        caster = self.cast("test:", "--title", "A live stream")
        caster.event("playable", 20)
        viewers = [self.watch(caster.link, name=f"viewer-{i}") for i in range(4)]
        viewers[0].event("playable", 20)
        page = Chromium(self).open(viewers[0].url("/"))
        self.eventually(lambda: (v := page.video()) and v["ready"] >= 2, 20, "picture")
        page.play()
        self.eventually(lambda: page.video()["time"] > 0 and page.video()["frames"] > 900, 60, "half a minute of playback, which the curves show")
        self.eventually(lambda: len(viewers[0].api_status()["streams"][0]["peers"]) >= len(viewers), 20, "all peers")
        page.screenshot(self.target)


def main():
    if len(sys.argv) > 1:
        Screenshot.target = pathlib.Path(sys.argv[1]).resolve()
    test = Screenshot()
    result = test.run()
    for _, text in result.failures + result.errors + result.skipped:
        print(text)
    if result.wasSuccessful() and not result.skipped:
        print(Screenshot.target)
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
