"""A real Chromium for tests, spoken to in its own protocol (CDP) over a pipe: nothing to install but the browser."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 20.0
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions", "--hide-scrollbars"),
    *("--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)
_KEYS = {"Enter": ("\r", 13), "Escape": ("", 27), "ArrowDown": ("", 40), "ArrowUp": ("", 38), "ArrowRight": ("", 39)}
_KEYS |= {"ArrowLeft": ("", 37), "Home": ("", 36), "End": ("", 35), "Tab": ("\t", 9), "/": ("/", 191)}


def chromium() -> str:
    """Where the browser is; absent, the test says so (and fails in CI)."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is absent: apt-get install --no-install-recommends chromium")
        pytest.skip("Chromium is absent: apt-get install --no-install-recommends chromium")
    return found


class Browser:
    """One headless browser; ``problems`` collects what no page may do: console errors, exceptions, requests."""

    def __init__(self) -> None:
        program = chromium()
        self._home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # The protocol's pipe is file descriptors 3 and 4 of the browser; a shell puts them there.
        shell = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        options = ("--remote-debugging-pipe", f"--user-data-dir={self._home.name}", *_FLAGS, "about:blank")
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "chromium", program, *options],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.served = "file:"  # what a page may be loaded from
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        os.close(self._out)
        os.close(self._in)
        self._home.cleanup()

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(until - time.monotonic(), 0))
            more = os.read(self._in, 1 << 16) if ready else b""
            if not more:
                raise TimeoutError(
                    f"the browser said nothing for {PATIENCE_S} s" if not ready else "the browser is gone"
                )
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        method, said = message.get("method", ""), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(str(said["exceptionDetails"].get("exception", said)))
        elif method == "Runtime.consoleAPICalled" and said["type"] in {"error", "warning", "assert"}:
            self.problems.append(f"console: {said['args']}")
        elif method == "Log.entryAdded" and said["entry"]["level"] in {"error", "warning"}:
            self.problems.append(f"log: {said['entry']['text']}")
        elif method == "Network.requestWillBeSent":
            url = said["request"]["url"]
            if not url.startswith((self.served, "blob:", "about:")):
                self.problems.append(f"request: {url}")
        self._events.append(message)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One call of the protocol and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE_S
        while True:
            answer = self._next(until)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def wait(self, condition: str) -> None:
        """Until the JavaScript expression holds."""
        until = time.monotonic() + PATIENCE_S
        while not self.eval(f"Boolean({condition})"):
            if time.monotonic() > until:
                raise TimeoutError(f"never true: {condition}")
            time.sleep(0.01)

    def eval(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise RuntimeError(str(done["exceptionDetails"].get("exception", done)))
        return done["result"].get("value")

    def open(self, file: Path, fragment: str = "", width: int = 1280, height: int = 800, scheme: str = "light") -> None:
        """Open a page of ours and wait until it has drawn itself."""
        self.served = "file:"
        self.visit(file.as_uri() + fragment, width, height, scheme)

    def visit(self, url: str, width: int = 1280, height: int = 800, scheme: str = "light") -> None:
        """Open an address and wait until its page has drawn itself."""
        self.problems.clear()
        self.view(width, height, scheme)
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        self.wait("document.documentElement?.dataset.ready === 'true'")
        self.settle()

    def view(self, width: int, height: int, scheme: str, media: str = "") -> None:
        """How large the window is, and what its user prefers."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        preference = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=preference, media=media)

    def settle(self) -> None:
        """Until what was asked for is on the screen."""
        self.eval("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    def key(self, name: str) -> None:
        """Press a key."""
        text, code = _KEYS.get(name, (name, ord(name[-1].upper())))
        stroke = {"key": name, "code": name, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **stroke)
        self.call("Input.dispatchKeyEvent", type="keyUp", **stroke)
        self.settle()

    def mouse(self, selector: str, click: bool = False) -> None:
        """Point at (or click) the middle of the first element that the selector names."""
        quoted = json.dumps(selector)
        self.eval(f"document.querySelector({quoted}).scrollIntoView({{block: 'center'}})")
        self.settle()
        box = self.eval(
            f"(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector({quoted}).getBoundingClientRect())"
        )
        at = {"x": box[0], "y": box[1]}
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **at)
        if click:
            for kind in ("mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)
        self.settle()

    def screenshot(self, file: Path, full: bool = True) -> None:
        """A picture of the page, all of it or the window's."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=full, **self._clip(full))
        file.write_bytes(base64.b64decode(shot["data"]))

    def _clip(self, full: bool) -> dict[str, Any]:
        if not full:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 12000), "scale": 1}}
