"""The whole ledger of claims, checked from nothing, with and without the real captures."""

from __future__ import annotations

import time
from pathlib import Path

from bench import Row
from ringscope.claims.claim import Verdict
from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS

CAPTURES = Path(__file__).parents[2] / "shared" / "data" / "mi308x"


def _row(what: str, captures: Path | None) -> Row:
    begin = time.perf_counter()
    lab = Lab(captures)
    took = {}
    for name in CLAIMS:
        start = time.perf_counter()
        lab.finding(name)
        took[name] = time.perf_counter() - start
    total = time.perf_counter() - begin
    decided = sum(lab.finding(name).verdict is not Verdict.UNDECIDED for name in CLAIMS)
    slowest = max(took, key=lambda name: took[name])
    return Row(
        what,
        f"{decided} of {len(CLAIMS)} decided in {total:.2f} s",
        f"slowest: {slowest}, {took[slowest]:.2f} s",
        goal="60 of 84 in under 30 s",
    )


def run() -> list[Row]:
    """Both ways of checking."""
    rows = [_row("by the stack alone", None)]
    return [*rows, _row("with real captures", CAPTURES)] if CAPTURES.is_dir() else rows
