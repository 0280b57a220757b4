"""Plain terminal text: aligned tables and a little emphasis, nothing that a pipe or a log would choke on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TextIO

from ringscope.records import dataclass


@dataclass(frozen=True)
class Terminal:
    """Where text goes: whether colour helps there, and how wide it is (in columns)."""

    colour: bool = False
    width: int = 100

    @classmethod
    def of(cls, stream: TextIO) -> Terminal:
        """The terminal behind ``stream``; no colour in a pipe, under NO_COLOR or on a dumb terminal."""
        tty = stream.isatty()
        colour = tty and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        return cls(colour, os.get_terminal_size(stream.fileno()).columns or 100 if tty else 100)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text

    def bold(self, text: str) -> str:
        """Text that carries the answer."""
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        """Text that supports it."""
        return self._paint("2", text)

    def good(self, text: str) -> str:
        """A clean answer."""
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        """A finding."""
        return self._paint("31;1", text)

    def unsure(self, text: str) -> str:
        """An answer that the evidence cannot give."""
        return self._paint("33", text)


def columns(rows: Iterable[Sequence[str]], head: Sequence[str] = (), indent: int = 2, gap: int = 2) -> list[str]:
    """Rows as left-aligned columns; numbers (and ``-``) are aligned to the right.

    Returns lines without newlines. The last column is never padded.
    """
    body = [list(row) for row in rows]
    table = [list(head), *body] if head else body
    if not table:
        return []
    count = max(len(row) for row in table)
    widths = [max((len(row[i]) for row in table if i < len(row)), default=0) for i in range(count)]
    right = [bool(body) and all(_numeric(row[i]) for row in body if i < len(row) and row[i]) for i in range(count)]
    lines = []
    for row in table:
        cells = [
            cell.rjust(widths[i]) if right[i] else cell.ljust(widths[i] if i < len(row) - 1 else 0)
            for i, cell in enumerate(row)
        ]
        lines.append((" " * indent + (" " * gap).join(cells)).rstrip())
    return lines


def _numeric(cell: str) -> bool:
    return cell == "-" or cell.replace(".", "", 1).replace(",", "").removeprefix("-").isdigit()


def wrapped(lead: str, text: str, width: int, lead_width: int | None = None) -> list[str]:
    """``text`` after ``lead``, its further lines indented to where it began.

    ``lead_width`` is the columns that ``lead`` takes, when escape codes make it look longer. Text is never squeezed
    into fewer than 30 columns; long words (paths, commands) stay whole.
    """
    import textwrap  # noqa: PLC0415 - four regular expressions, which a short command does without

    indent = len(lead) if lead_width is None else lead_width
    room = max(width - indent, 30)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    return [lead + lines[0], *(" " * indent + line for line in lines[1:])]
