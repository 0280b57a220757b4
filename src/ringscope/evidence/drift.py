"""What a file says that its reader does not know: formats grow, and a reader of today meets the files of tomorrow.

A field or line that no table knows is kept as it stands and told with its place, counted by its shape, never dropped.
Each reader says beside its tables what they were held against (:class:`Held`); :func:`formats` lists that.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping, Sequence

from ringscope.errors import printable
from ringscope.recording import Source
from ringscope.records import dataclass, replace

SHAPES_LIMIT = 64
"""Most different things told of one capture; further ones are counted together."""

TEXT_CHARS = 200

READERS = (
    *("mqds", "hqds", "rls", "kfd_proc", "topology", "kernel_log", "kfd_trace", "ftrace", "amd_log"),
    *("rocprofv3", "rocpd", "rocprof_v1", "recorded", "bundle"),
)
"""Modules of this room that read a format; each has ``HELD``."""

_VARYING = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]*[0-9][0-9a-f]*\b|\d+")


@dataclass(frozen=True)
class Held:
    """What a reader was held against: the versions that write the format, and how that is known."""

    versions: str
    by: str


@dataclass(frozen=True)
class Unknown:
    """Something that no table knows.

    ``what`` is its kind (``line``, ``property``, ``column``…), ``text`` how the first of its shape stands in the file,
    cut to :data:`TEXT_CHARS`, ``source`` where, ``count`` how many there are.
    """

    what: str
    text: str
    source: Source
    count: int = 1


class Drift:
    """Collects what is unknown, in the order of meeting; alike but for its numbers is counted as one."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Unknown] = {}
        self._further: Unknown | None = None

    def add(self, what: str, text: str, source: Source, count: int = 1) -> None:
        """Tell of one."""
        shown = printable(text.strip()[:TEXT_CHARS])
        shape = (what, _VARYING.sub("0", shown), source.file)
        if known := self._found.get(shape):
            self._found[shape] = replace(known, count=known.count + count)
        elif len(self._found) < SHAPES_LIMIT:
            self._found[shape] = Unknown(what, shown, source, count)
        elif self._further:
            self._further = replace(self._further, count=self._further.count + count)
        else:
            self._further = Unknown("thing", shown, source, count)

    def names(self, what: str, found: Iterable[str], known: Iterable[str], source: Source) -> tuple[str, ...]:
        """Those of some names that are not known; each is told."""
        strange = tuple(name for name in dict.fromkeys(found) if name not in known)
        for name in strange:
            self.add(what, name, source)
        return strange

    def found(self) -> tuple[Unknown, ...]:
        """Everything told."""
        return (*self._found.values(), *([self._further] if self._further else []))


def told(unknown: Sequence[Unknown]) -> str | None:
    """One sentence about everything unknown; None when there is nothing."""
    if not unknown:
        return None
    counts: dict[str, int] = {}
    for row in unknown:
        counts[row.what] = counts.get(row.what, 0) + row.count
    what = ", ".join(f"{number} {name}{'s' * (number != 1)}" for name, number in counts.items())
    first = unknown[0]
    return (
        f"newer than this version, kept as they stand: {what} (first {first.source}: {first.text[:80]!r}); "
        "--json lists them, ringscope doctor --formats says what is known"
    )


def formats() -> Mapping[str, Held]:
    """What every reader was held against, by the reader's name."""
    return {name: importlib.import_module(f"ringscope.evidence.{name}").HELD for name in READERS}
