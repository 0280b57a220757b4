#!/usr/bin/env python3
"""Draw the pictures of README and book anew, with ringscope itself and a Chromium: scripts/pictures.py

They are what a reader sees who types the same: parts of the page that ``ringscope rehearse --html`` writes.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from browser import Browser  # noqa: E402 - found by the line above

from ringscope.cli import main  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
HEIGHT = 430  # the list of registers goes on below
WORDS = ("rehearse", "--gpu", "mi308x", "--processes", "2", "--streams", "high,normal,normal,low")


CORNER = "(r => [r.x + scrollX, r.y + scrollY, r.width, r.height])(document.querySelector({}).getBoundingClientRect())"


def draw(browser: Browser, page: Path, selector: str, click: str, target: Path) -> None:
    """One element of a page after a click, with a margin around it."""
    browser.open(page, width=1344, height=900)
    browser.mouse(click, click=True)
    box = browser.eval(CORNER.format(json.dumps(selector)))
    clip = {"x": box[0] - 12, "y": box[1] - 6, "width": box[2] + 24, "height": min(box[3] + 12, HEIGHT), "scale": 1}
    shot = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    target.write_bytes(base64.b64decode(shot["data"]))
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size} bytes")


def pictures() -> None:
    """All of them."""
    PICTURES.mkdir(exist_ok=True)
    browser = Browser()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            page = Path(scratch) / "page.html"
            main([*WORDS, "--html", str(page), "--output", str(Path(scratch) / "text")])
            draw(browser, page, ".machine", "tr[data-q='3'] a", PICTURES / "machine.png")
    finally:
        browser.close()


if __name__ == "__main__":
    pictures()
