"""Coverage-guided fuzzing: every door through which a stranger's bytes come in, one module a door.

A target module has ``seeds()``, inputs of our own making, and ``one(data)``, which reads one input and raises when a
promise is broken: whatever comes in, a reader answers or raises one
:class:`~ringscope.errors.RingscopeError` of one printable line. ``python -m fuzz`` plays the targets one after the
other (``--seconds`` in all, ``--hours`` before a release), starting from the seeds, from ``corpus/`` and, when they lie
beside the project, from the real captures. What it learns stays in ``.fuzz/``, as does an input that broke a promise;
``--keep`` puts the best of what was learned without real captures (``--own``) into ``corpus/``.

A finding is mended, and its input becomes a regression test beside the reader's others.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ringscope.errors import RingscopeError

TARGETS = (
    *("dumps", "sysfs", "kernel_text", "amd_log", "profiles", "databases", "recorded", "bundle", "capture"),
    *("scenario", "calibration", "words", "ioctls"),
)
"""Modules here, in the order in which they run."""

CORPUS = Path(__file__).parent / "corpus"
LEARNED = Path(__file__).parents[1] / ".fuzz"
SHARED = Path(__file__).parents[2] / "shared" / "data"

_LINE_CHARS = 1000


class BrokenError(AssertionError):
    """A promise that an input broke."""


def held(read: Callable[[], object]) -> object:
    """What ``read`` gives, None when it refuses in one line; any other exception is a finding."""
    try:
        return read()
    except RingscopeError as error:
        line = str(error)
        if not line.isprintable() or not 0 < len(line) < _LINE_CHARS:
            raise BrokenError(f"not one line: {line[:200]!r}") from error
        return None


def parts_of(data: bytes) -> list[tuple[str, bytes]]:
    """Several files in one input: each begins with a line ``%%% NAME``."""
    found = []
    for part in (b"\n" + data).split(b"\n%%% ")[1:]:
        name, _, content = part.partition(b"\n")
        found.append((name.decode("utf-8", "replace").replace("\0", ""), content))
    return found


def joined(files: dict[str, bytes]) -> bytes:
    """The input that :func:`parts_of` takes apart."""
    return b"\n".join(b"%%% " + name.encode() + b"\n" + content for name, content in files.items())
