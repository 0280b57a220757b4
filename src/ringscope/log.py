"""What is told beside the result: lines on stderr by level, and one line that counts up on a terminal.

Not :mod:`logging`: its import alone takes a tenth of what ``--help`` and a short ``exec`` may take in all, and there is
one place only that lines go to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

LEVELS = ("error", "warning", "info", "debug")
"""From few words to many: what stops a verb; what was left out or went wrong; what a run came to, and progress; what
was read, and as what."""

DEFAULT = "info"

_level = LEVELS.index(DEFAULT)


def set_level(name: str) -> None:
    """Tell what is of this level of :data:`LEVELS` and what weighs more."""
    global _level  # noqa: PLW0603 - one process, one standard error
    _level = LEVELS.index(name)


def shown(name: str) -> bool:
    """Whether lines of a level are told."""
    return LEVELS.index(name) <= _level


def _tell(name: str, text: str) -> None:
    if shown(name):
        print(f"ringscope: {text}", file=sys.stderr, flush=True)


def warning(text: str) -> None:
    """Something was left out, or went wrong without stopping anything."""
    _tell("warning", text)


def info(text: str) -> None:
    """What a user wants to know of a run beside its result."""
    _tell("info", text)


def debug(text: Callable[[], str]) -> None:
    """What was done on the way; ``text`` makes the line, and is called only when it is told."""
    if shown("debug"):
        _tell("debug", text())


class Progress:
    """A line that is written over as a long step goes on; gone when it ends. Without a terminal it is not shown."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty() and shown("info")
        self._drawn = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, text: str) -> None:
        """Write the line over."""
        if self.live:
            self._drawn = True
            print(f"\r\x1b[Kringscope: {text}", end="", file=sys.stderr, flush=True)
