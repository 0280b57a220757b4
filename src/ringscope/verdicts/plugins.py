"""Questions of third parties: the entry point group ``ringscope.verdicts``.

An entry point names a function from a :class:`~ringscope.join.Case` to an
:class:`~ringscope.verdicts.answer.Answer`. It is loaded when questions are asked, and one that fails, in whatever way,
costs a one-line warning and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from ringscope import log
from ringscope.join import Case
from ringscope.verdicts.answer import Answer

GROUP = "ringscope.verdicts"
Ask = Callable[[Case], Answer]


def asked(case: Case, taken: frozenset[str]) -> Iterator[Answer]:
    """What the installed plug-ins answer, in the order of their names; ``taken`` ids are refused."""
    if not _any_installed():
        return
    from importlib.metadata import entry_points  # noqa: PLC0415 - too slow to import for nothing

    seen = set(taken)
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:  # a stranger's code may raise anything
            answer = entry.load()(case)
            if not isinstance(answer, Answer):
                raise TypeError(f"it gave {type(answer).__name__}, no Answer")
            if answer.id in seen:
                raise ValueError(f"the id {answer.id!r} is taken")
        except Exception as error:
            what = f"verdict plug-in {entry.name} left out: {type(error).__name__}: {_line(error)}"
            log.warning(what)
            continue
        seen.add(answer.id)
        yield answer


def _any_installed() -> bool:
    """Whether some installed package has an entry point of the group: a look at the files that would say so."""
    for folder in dict.fromkeys(sys.path):
        try:
            entries = [entry for entry in os.scandir(folder or ".") if entry.name.endswith((".dist-info", ".egg-info"))]
        except OSError:
            continue
        for entry in entries:
            try:
                if GROUP.encode() in (Path(entry.path) / "entry_points.txt").read_bytes():
                    return True
            except OSError:
                continue
    return False


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or "no message"
