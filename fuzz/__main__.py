"""``python -m fuzz [--seconds 60 | --hours 1] [TARGET ...]``: every target for its share of the time, one at a time."""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fuzz import CORPUS, LEARNED, SHARED, TARGETS

MEMORY_MB = 2048
UNIT_S = 20
"""Longest that one input may take."""
MOST_SHARED_BYTES = 1 << 20
KEPT_BYTES = 12 << 10
"""Most bytes of a target's kept corpus."""


@dataclass(frozen=True)
class Outcome:
    """What fuzzing one target came to."""

    target: str
    runs: int
    edges: int
    findings: tuple[Path, ...]
    seconds: float

    def __str__(self) -> str:
        found = f"{len(self.findings)} FINDINGS" if self.findings else "no finding"
        return f"{self.target:<12} {self.runs:>9} inputs {self.edges:>6} edges {self.seconds:>6.0f} s  {found}"


def _given(target: str, shared: bool) -> Iterator[bytes]:
    module = importlib.import_module(f"fuzz.{target}")
    yield from module.seeds()
    yield from _kept(target)
    for pattern in getattr(module, "SHARED", ()) if shared else ():
        for path in islice((path for path in sorted(SHARED.glob(pattern)) if path.is_file()), 20):
            yield path.read_bytes()[:MOST_SHARED_BYTES]


def _learned(target: str, shared: bool) -> Path:
    """What was learned from real captures stays apart: it may not become part of the project."""
    return LEARNED / ("with-captures" if shared else "own") / target


def keep(target: str) -> int:
    """Put the smallest inputs that reached anything new, learned from our own seeds, into the project; how many."""
    learned = sorted((_learned(target, shared=False) / "learned").glob("*"), key=lambda path: path.stat().st_size)
    kept = set(_kept(target))
    left = KEPT_BYTES - sum(map(len, kept))
    for path in learned:
        left -= path.stat().st_size
        if left < 0:
            break
        kept.add(path.read_bytes())
    CORPUS.mkdir(exist_ok=True)
    lines = sorted(base64.b64encode(data).decode() + "\n" for data in kept)
    (CORPUS / f"{target}.txt").write_text("".join(lines))
    return len(kept)


def _kept(target: str) -> list[bytes]:
    """The kept corpus: an input a line, in base 64."""
    file = CORPUS / f"{target}.txt"
    return [base64.b64decode(line) for line in file.read_text().splitlines()] if file.exists() else []


def fuzz(target: str, seconds: float, seed: int, shared: bool) -> Outcome:
    """Fuzz one target for so long; what it learns is kept for the next time."""
    folder = _learned(target, shared)
    for name in ("seeds", "learned", "findings"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for data in _given(target, shared):
        (folder / "seeds" / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    before = set((folder / "findings").iterdir())
    command = [
        *(sys.executable, "-m", "fuzz.drive", target, f"-max_total_time={max(1, round(seconds))}", f"-seed={seed}"),
        *(f"-artifact_prefix={folder / 'findings'}/", f"-timeout={UNIT_S}", f"-rss_limit_mb={MEMORY_MB}"),
        *("-print_final_stats=1", "-verbosity=1", str(folder / "learned"), str(folder / "seeds")),
    ]
    begun = time.monotonic()
    with (folder / "log").open("wb") as log:
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False, cwd=CORPUS.parents[1])
    said = (folder / "log").read_text(errors="replace")
    runs = re.findall(r"(?:^#|number_of_executed_units: )(\d+)", said, re.MULTILINE)
    edges = re.findall(r" cov: (\d+)", said)
    if not runs:
        raise SystemExit(f"{target} did not run: see {folder / 'log'}")
    findings = tuple(sorted(set((folder / "findings").iterdir()) - before))
    return Outcome(target, int(runs[-1]), int(edges[-1]) if edges else 0, findings, time.monotonic() - begun)


def main(words: list[str]) -> int:
    """Fuzz; 1 when anything was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=float, default=60, help="in all (default: %(default)s)")
    parser.add_argument("--hours", type=float, help="in all, in place of --seconds")
    parser.add_argument("--seed", type=int, default=1, help="of all draws (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="fuzz nothing: keep what was learned with --own")
    parser.add_argument("--own", action="store_true", help="leave the real captures beside the project out")
    args = parser.parse_args(words)
    if unknown := set(args.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}")
    chosen = args.targets or TARGETS
    if args.keep:
        for target in chosen:
            print(f"{target:<12} {keep(target)} inputs kept", flush=True)
        return 0
    share = (args.hours * 3600 if args.hours else args.seconds) / len(chosen)
    outcomes = []
    for target in chosen:
        outcomes.append(fuzz(target, share, args.seed, not args.own))
        print(outcomes[-1], flush=True)
        for path in outcomes[-1].findings:
            print(f"  {path}", flush=True)
    print(f"{sum(outcome.runs for outcome in outcomes)} inputs in {sum(outcome.seconds for outcome in outcomes):.0f} s")
    return int(any(outcome.findings for outcome in outcomes))


raise SystemExit(main(sys.argv[1:]))
