"""Compiles the simulation engine now, so that the first simulation starts at once.

The result is kept in the user's cache folder, or in NUMBA_CACHE_DIR; a new release or another CPU compiles again.
"""

from __future__ import annotations

import argparse
import time

from ringscope.report.terminal import Terminal
from ringscope.verbs import Result
from ringscope.verbs.simulate import warm_up


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb has no options of its own."""


def run(args: argparse.Namespace) -> Result:
    """Compile, or find it compiled."""
    begun = time.perf_counter()
    warm_up()
    seconds = time.perf_counter() - begun

    def show(terminal: Terminal) -> str:
        return f"engine ready {terminal.dim(f'({seconds:.1f} s)')}"

    return Result({"schema": "ringscope.warmup/1", "seconds": round(seconds, 3)}, show)
