"""One module a verb. Each has ``arguments(parser)`` and ``run(args) -> Result``; :mod:`ringscope.cli` does the rest.

A verb module is imported only when its verb is called, so that ``ringscope --help`` stays fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ringscope.errors import EXIT_CLEAN
from ringscope.report.terminal import Terminal


@dataclass(frozen=True)
class Result:
    """What a verb found out.

    ``data`` is what ``--json`` prints (JSON types only, with a ``schema`` key); ``text`` draws the same for a
    terminal; ``exit_code`` is 0 clean, 1 findings, 2 usage or input error, 3 evidence insufficient.
    """

    data: object
    text: Callable[[Terminal], str]
    exit_code: int = EXIT_CLEAN
