"""Says what changed between two captures, or two simulations: queues, slots, priorities, limits, answers.

A and B are each a file, a folder, a tarball or a bundle. Of several snapshots the last one with the most queues is
compared.
Two runs differ in pids and addresses, which are then left out; exit code 1: something else differs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ringscope.errors import EXIT_CLEAN, EXIT_FINDINGS
from ringscope.evidence.collect import collect
from ringscope.join import case_of
from ringscope.join.diff import diff
from ringscope.parts.catalogue import generation_of_gfx
from ringscope.parts.layout import Generation
from ringscope.report import diff as report
from ringscope.report.diff import Side
from ringscope.verbs import Result
from ringscope.verdicts import answers


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("before", type=Path, metavar="A", help="capture: file, folder or tarball")
    parser.add_argument("after", type=Path, metavar="B", help="what to compare it with")
    parser.add_argument(
        "--gfx", metavar="TARGET", help="what the devices are, when a capture cannot tell (90a, 1100 …)"
    )
    parser.add_argument("--verbose", "-v", action="store_true", help="show answers that only read otherwise, too")


def run(args: argparse.Namespace) -> Result:
    """Read both, compare."""
    generation = generation_of_gfx(args.gfx) if args.gfx else None
    before, after = _side(args.before, generation), _side(args.after, generation)
    found = diff(before.case.main, after.case.main) if before.case.main and after.case.main else None
    same = report.is_same(before, after, found)
    return Result(
        report.data(before, after, found),
        lambda terminal: report.text(before, after, found, terminal, args.verbose),
        EXIT_CLEAN if same else EXIT_FINDINGS,
    )


def _side(path: Path, generation: Generation | None) -> Side:
    capture = collect([path], generation)
    case = case_of(capture.snapshots, capture.recordings)
    return Side(str(path), case, answers(case))
