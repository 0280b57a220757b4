"""Benchmarks: each ``bench_*.py`` measures one capability beside a peer, in the same run.

A module has ``run() -> list[Row]``. Nothing here is asserted: a figure belongs to a machine and a day.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measured figure: what, how much, and beside what peer measured in the same run."""

    what: str
    figure: str
    peer: str = ""
    ratio: str = ""
    goal: str = ""
