"""The page of 4096 queues: its size, how long it takes to open and to answer a click, beside a bare table of them."""

from __future__ import annotations

import sys
import tempfile
import time
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from bench import Row
from ringscope.report.page import page

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import browser as chromium
from browser import Browser
from pages import large

TIMES = 3
GOAL_S = 2.0


def table(data: Any) -> bytes:
    """The same queues as one HTML table without a script: a row a queue, a column a field."""
    rows = []
    for process in data["processes"]:
        for queue in process["queues"]:
            cells = (process["pid"], *(value for value in queue.values() if not isinstance(value, list | dict)))
            rows.append(
                "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + f'<td id="q{queue["id"]}">'
            )
    return ("<!doctype html><meta charset=utf-8><table>" + "\n".join(rows) + "</table>").encode()


def _opened(browser: Browser, file: Path, ready: str) -> float:
    """Seconds from the address to a page that has painted, the fastest of some."""
    best = float("inf")
    for _ in range(TIMES):
        browser.call("Page.navigate", url="about:blank")
        begun = time.perf_counter()
        browser.call("Page.navigate", url=file.as_uri())
        browser.wait(ready)
        browser.settle()
        best = min(best, time.perf_counter() - begun)
    return best


def _clicked(browser: Browser, places: list[int]) -> float:
    """Milliseconds from choosing a queue to the frame that shows it, in the median of some."""
    script = (
        "new Promise(done => {{ const from = performance.now(); location.hash = 'q{}';"
        " const end = () => setTimeout(() => done(performance.now() - from));"
        " requestAnimationFrame(() => requestAnimationFrame(end)) }})"
    )
    return median(float(browser.eval(script.format(place))) for place in places)


def run() -> list[Row]:
    """Both pages in one browser."""
    data = large()
    places = [4095, 0, 2048, 1000, 3000]
    chromium.PATIENCE_S = 120.0
    browser = Browser()
    with tempfile.TemporaryDirectory() as folder:
        ours, peer = Path(folder) / "page.html", Path(folder) / "table.html"
        ours.write_bytes(page(data))
        peer.write_bytes(table(data))
        browser.view(1280, 800, "light")
        bare = _opened(
            browser, peer, "document.querySelectorAll('tr').length === 4096 && document.readyState === 'complete'"
        )
        bare_click = _clicked(browser, places)
        opened = _opened(browser, ours, "document.documentElement?.dataset.ready === 'true'")
        click = _clicked(browser, places)
        moved = float(
            browser.eval(
                "new Promise(done => { let worst = 0, last = performance.now(), left = 60;"
                " const step = now => { worst = Math.max(worst, now - last); last = now; scrollBy(0, 120);"
                " left-- ? requestAnimationFrame(step) : done(worst) }; requestAnimationFrame(step) })"
            )
        )
        sizes = ours.stat().st_size, peer.stat().st_size
    browser.close()
    what = "page of 4096 queues"
    return [
        Row(f"{what}: size", f"{sizes[0] / 1e6:.2f} MB", f"{sizes[1] / 1e6:.2f} MB as a table", goal="1.5 MB"),
        Row(f"{what}: opens in", f"{opened:.2f} s", f"{bare:.2f} s", f"{opened / bare:.1f}x", f"{GOAL_S:g} s"),
        Row(f"{what}: follows a queue in", f"{click:.0f} ms", f"{bare_click:.0f} ms to jump to its row"),
        Row(f"{what}: longest frame while scrolling", f"{moved:.0f} ms"),
    ]
