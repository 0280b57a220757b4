"""One module a verb. Each has ``arguments(parser)`` and ``run(args) -> Result``; :mod:`ringscope.cli` does the rest.

A verb module is imported only when its verb is called, so that ``ringscope --help`` stays fast.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ringscope.errors import EXIT_CLEAN
from ringscope.records import dataclass, field

if TYPE_CHECKING:
    from pathlib import Path

    from ringscope.report.terminal import Terminal


@dataclass(frozen=True)
class Result:
    """What a verb found out.

    ``data`` is what ``--json`` prints (JSON types only, with a ``schema`` key); ``text`` draws the same for a
    terminal; ``exit_code`` is 0 clean, 1 findings, 2 usage or input error, 3 evidence insufficient. ``pictures`` makes
    the files of those options that :func:`picture_options` added, by the option's name.
    """

    data: object
    text: Callable[[Terminal], str]
    exit_code: int = EXIT_CLEAN
    pictures: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)


def path(word: str) -> Path:
    """The type of an option that names a file or folder; loads what makes paths when one is given."""
    from pathlib import Path  # noqa: PLC0415

    return Path(word)


PICTURES = {
    "html": "write the result to FILE as a page that opens offline",
    "perfetto": "write what has a time to FILE as a trace for ui.perfetto.dev",
}


def picture_options(parser: argparse.ArgumentParser, *names: str) -> None:
    """Declare options that also write the result to a file, for a verb whose Result has those ``pictures``."""
    for name in names:
        parser.add_argument(f"--{name}", type=path, metavar="FILE", help=PICTURES[name])
