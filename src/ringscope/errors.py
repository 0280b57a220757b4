"""What went wrong, in one line that says what, where and what to do next.

Every room raises these for bad input; only :mod:`ringscope.cli` turns them into an exit code, so that no reader and
no model ever prints or exits. Exit codes follow the field: 0 clean, 1 findings, 2 usage or input error, 3 evidence
insufficient.
"""

from __future__ import annotations

EXIT_CLEAN = 0
EXIT_FINDINGS = 1
EXIT_INPUT = 2
EXIT_INSUFFICIENT = 3

LINE_CHARS = 900
"""Longest line of an error."""


def printable(text: str) -> str:
    """The text on one line that a terminal may show, whatever it holds."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class RingscopeError(Exception):
    """Base of every error that a user may cause and can mend; ``str()`` of it is one clear line.

    An error quotes input: what a terminal would not print as it stands is written as an escape, and a long quotation is
    cut in its middle.
    """

    exit_code = EXIT_INPUT

    def __init__(self, line: str) -> None:
        shown = printable(line)
        super().__init__(shown if len(shown) <= LINE_CHARS else f"{shown[: LINE_CHARS - 200]} … {shown[-190:]}")


class InputError(RingscopeError):
    """A file, key or argument cannot be used.

    Args:
        what: what is wrong, without a full stop.
        where: ``file``, ``file:line`` or ``file: key`` at which it is wrong; empty when it has no place.
        todo: what the user can do next; empty when nothing helps.
    """

    def __init__(self, what: str, where: str = "", todo: str = "") -> None:
        line = f"{where}: {what}" if where else what
        super().__init__(f"{line}; {todo}" if todo else line)
        self.what = what
        self.where = where
        self.todo = todo


class InsufficientError(RingscopeError):
    """The input is sound but does not hold what the question needs."""

    exit_code = EXIT_INSUFFICIENT
