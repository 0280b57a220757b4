"""A program in a pseudo-terminal, and what its screen shows; it knows the control sequences that such programs use."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence

PATIENCE_S = 60.0
_CONTROL = re.compile(
    r"\x1b\[([?<>=]?)([\d;:]*)[ $]?([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP.*?\x1b\\|\x1b[^\[\]P]"
)
_WHOLE = re.compile(r"\x1b(?:\[[?<>=]?[\d;:]*[ $]?|\][^\x07\x1b]*\x1b?|P[^\x1b]*\x1b?)?$")
# login_tty makes the terminal the program's own, so that a new size reaches it as a signal.
_LOGIN = "import os, sys; os.login_tty(0); os.execvp(sys.argv[1], sys.argv[1:])"


class Terminal:
    """A running program and its screen; text without attributes, ``alternate`` while it has the screen to itself."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], rows: int = 24, columns: int = 80
    ) -> None:
        self._ours, theirs = pty.openpty()
        self.alternate = False
        self.rows, self.columns = rows, columns
        self._cells: list[list[str]] = []
        self._at = [0, 0]
        self._rest = ""
        self.said = ""
        self._sized()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LOGIN, *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            # Whoever runs the tests may say how wide *their* terminal is.
            env={k: v for k, v in environment.items() if k not in {"COLUMNS", "LINES"}} | {"TERM": "xterm-256color"},
        )
        os.close(theirs)

    def close(self) -> None:
        """End the program, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)

    def resize(self, rows: int, columns: int) -> None:
        """A window of another size."""
        self.rows, self.columns = rows, columns
        self._sized()

    def _sized(self) -> None:
        self._cells = [[" "] * self.columns for _ in range(self.rows)]
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    @property
    def lines(self) -> list[str]:
        """The screen, blanks at the end of lines left out."""
        return ["".join(row).rstrip() for row in self._cells]

    @property
    def screen(self) -> str:
        """The screen as one text."""
        return "\n".join(self.lines)

    def until(self, condition: Callable[[Terminal], bool]) -> None:
        """Read until the screen is so."""
        until = time.monotonic() + PATIENCE_S
        while not condition(self):
            if time.monotonic() > until or not self._read(until):
                raise TimeoutError(f"never so; the screen is\n{self.screen}")

    def shows(self, text: str) -> None:
        """Read until the screen holds the text."""
        self.until(lambda terminal: text in terminal.screen)

    def ended(self) -> int:
        """Read until the program has gone; its exit code."""
        until = time.monotonic() + PATIENCE_S
        while self._read(until):
            pass
        return self.process.wait(PATIENCE_S)

    def _read(self, until: float) -> bool:
        """Some more of what it writes; False when it has gone."""
        ready, _, _ = select.select([self._ours], [], [], max(until - time.monotonic(), 0))
        if not ready:
            raise TimeoutError(f"it says nothing; the screen is\n{self.screen}")
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError:  # the other end is closed
            return False
        self._feed(data.decode("utf-8", "replace"))
        return bool(data)

    def _feed(self, text: str) -> None:
        self.said += text
        text = self._rest + text
        half = _WHOLE.search(text)
        self._rest = text[half.start() :] if half else ""
        text = text[: half.start()] if half else text
        at = 0
        for found in _CONTROL.finditer(text):
            self._put(text[at : found.start()])
            at = found.end()
            if found[3]:
                self._control(found[1], [int(part or 0) for part in re.split("[;:]", found[2])], found[3])
        self._put(text[at:])

    def _put(self, text: str) -> None:
        for letter in text:
            if letter == "\r":
                self._at[1] = 0
            elif letter == "\n":
                self._at[0] += 1
            elif letter == "\b":
                self._at[1] -= 1
            elif letter >= " ":
                if 0 <= self._at[0] < self.rows and 0 <= self._at[1] < self.columns:
                    self._cells[self._at[0]][self._at[1]] = letter
                self._at[1] += 1

    def _control(self, private: str, numbers: list[int], what: str) -> None:
        first = numbers[0]
        if what in "Hf":
            self._at = [max(first, 1) - 1, max(numbers[1] if len(numbers) > 1 else 1, 1) - 1]
        elif what in "ABCD":
            self._at["AB".find(what) < 0] += max(first, 1) * (-1 if what in "AD" else 1)
        elif what == "J":
            self._cells = [[" "] * self.columns for _ in range(self.rows)]
        elif what == "K" and 0 <= self._at[0] < self.rows:
            self._cells[self._at[0]][self._at[1] :] = " " * (self.columns - self._at[1])
        elif what in "hl" and private == "?" and 1049 in numbers:
            self.alternate = what == "h"
