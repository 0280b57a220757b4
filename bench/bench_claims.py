"""The whole ledger of claims, checked from nothing, with and without the real captures."""

from __future__ import annotations

import time
from pathlib import Path

from bench import Row
from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Verdict

CAPTURES = Path(__file__).parents[2] / "shared" / "data" / "mi308x"


def _row(what: str, captures: Path | None, *, engine: bool) -> Row:
    begin = time.perf_counter()
    lab = Lab(captures, time=engine)
    took = {}
    for name in CLAIMS:
        start = time.perf_counter()
        CLAIMS[name].examine(lab)
        took[name] = time.perf_counter() - start
    total = time.perf_counter() - begin
    decided = sum(CLAIMS[name].examine(lab).verdict is not Verdict.UNDECIDED for name in CLAIMS)
    slowest = max(took, key=lambda name: took[name])
    return Row(
        what,
        f"{decided} of {len(CLAIMS)} decided in {total:.2f} s",
        f"slowest: {slowest}, {took[slowest]:.2f} s",
        goal="60 of 84 in under 30 s",
    )


def run() -> list[Row]:
    """Every way of checking."""
    rows = [_row("by the stack alone", None, engine=False)]
    if CAPTURES.is_dir():
        rows.append(_row("and real captures", CAPTURES, engine=False))
    return [*rows, _row("and played in time", CAPTURES if CAPTURES.is_dir() else None, engine=True)]
