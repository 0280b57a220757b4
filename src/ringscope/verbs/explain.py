"""Reads a capture of a real machine and says what its queues do.

PATH is a file, a folder or a tarball with debugfs (mqds, hqds, rls), sysfs, logs or traces; several snapshots are put
in order and compared. Files are known by what they hold, not by their names.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from ringscope.errors import EXIT_CLEAN, EXIT_FINDINGS, EXIT_INSUFFICIENT
from ringscope.evidence import drift
from ringscope.evidence.collect import Capture, collect
from ringscope.join import case_of
from ringscope.parts.catalogue import generation_of_gfx
from ringscope.parts.layout import Generation
from ringscope.report import explain
from ringscope.report.page import page
from ringscope.report.perfetto import trace
from ringscope.report.terminal import Terminal, wrapped
from ringscope.verbs import Result, picture_options
from ringscope.verdicts import answers
from ringscope.verdicts.answer import Verdict


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="capture: file, folder or tarball; - is standard input"
    )
    parser.add_argument(
        "--gfx", metavar="TARGET", help="what the device is, when the capture cannot tell (90a, 1100 …)"
    )
    parser.add_argument("--verbose", "-v", action="store_true", help="show all evidence, file:line by file:line")
    picture_options(parser, "html", "perfetto")


def run(args: argparse.Namespace) -> Result:
    """Collect, join, answer."""
    return explained(args.paths, generation_of_gfx(args.gfx) if args.gfx else None, args.verbose)


def explained(
    paths: Sequence[Path],
    generation: Generation | None,
    verbose: bool,
    fidelity: Sequence[Mapping[str, str]] = (),
) -> Result:
    """What the files at ``paths`` show; ``fidelity`` says what a model rests on, when one wrote them."""
    return told(collect(paths, generation), verbose, fidelity)


def told(capture: Capture, verbose: bool = False, fidelity: Sequence[Mapping[str, str]] = ()) -> Result:
    """What a capture shows."""
    case = case_of(capture.snapshots, capture.recordings)
    found = answers(case)
    unread = [(str(path), why) for path, why in capture.unread]
    if any(answer.finding for answer in found):
        code = EXIT_FINDINGS
    elif all(answer.verdict is Verdict.UNDECIDED or answer.quiet for answer in found):
        code = EXIT_INSUFFICIENT
    else:
        code = EXIT_CLEAN
    data = explain.data(case, found, unread) | ({"fidelity": list(fidelity)} if fidelity else {})
    data["unknown"] = [
        {"what": row.what, "text": row.text, "at": str(row.source), "count": row.count} for row in capture.unknown
    ]
    drifted = drift.told(capture.unknown)
    data["notes"] += [drifted] if drifted else []

    def text(terminal: Terminal) -> str:
        note = wrapped("  Note: ", drifted, terminal.width) if drifted else []
        return "\n".join((explain.text(case, found, unread, terminal, verbose), *(terminal.dim(line) for line in note)))

    return Result(
        data,
        text,
        code,
        {"html": lambda: page(data), "perfetto": lambda: trace(case.recordings)},
    )
