"""Checks what the research notes on AMD compute queues claim, each claim computed when asked.

ID is a claim (A27), a note (A or B) or a pattern ('B1*'); none means all. One claim is shown with all its reasons,
several as a table.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from ringscope.claims.claim import Claim, Finding
from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Bearing, Method, Reason, Verdict
from ringscope.errors import EXIT_CLEAN, EXIT_INSUFFICIENT, InputError
from ringscope.report.terminal import Terminal, wrapped
from ringscope.verbs import Result

SCHEMA = "ringscope.claims/1"
CAPTURES = Path("../shared/data/mi308x")
_SOURCES_SHOWN = 2
_BEARINGS = {
    Bearing.FOR: "for",
    Bearing.AGAINST: "against",
    Bearing.CLASH: "clashes",
    Bearing.BESIDE: "beside",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="claims to check (default: all)")
    parser.add_argument(
        "--captures",
        type=Path,
        metavar="DIR",
        help=f"real captures of an MI308X, a subfolder each (default: {CAPTURES} when it is there)",
    )
    parser.add_argument("--verbose", "-v", action="store_true", help="show the reasons of every claim")


def run(args: argparse.Namespace) -> Result:
    """Check the claims asked for."""
    chosen = select(args.ids)
    captures: Path | None = args.captures or (CAPTURES if CAPTURES.is_dir() else None)
    lab = Lab(captures, time=True, ready=_compile)
    found = [claim.examine(lab) for claim in chosen]
    whole = args.verbose or len(found) == 1
    undecided = all(finding.verdict is Verdict.UNDECIDED for finding in found)
    return Result(
        data(found, captures),
        lambda terminal: (details if whole else table)(found, captures, terminal),
        EXIT_INSUFFICIENT if undecided else EXIT_CLEAN,
    )


def _compile() -> None:
    from ringscope.verbs.simulate import warm_up  # noqa: PLC0415 - loads the compiler; most claims do without

    warm_up()


def select(patterns: Sequence[str]) -> list[Claim]:
    """Claims by id, note or pattern, in the order of the ledger; InputError for what matches none."""
    wanted: set[str] = set()
    for pattern in patterns or ["*"]:
        upper = pattern.upper()
        hits = {name for name in CLAIMS if fnmatchcase(name, f"{upper}*" if upper in ("A", "B") else upper)}
        if not hits:
            raise InputError(f"no claim {pattern!r}", todo="they are A01 to A55 and B01 to B29")
        wanted |= hits
    return [claim for name, claim in CLAIMS.items() if name in wanted]


def data(found: Sequence[Finding], captures: Path | None) -> dict[str, object]:
    """What ``--json`` prints."""
    return {
        "schema": SCHEMA,
        "captures": str(captures) if captures else None,
        "verdicts": {verdict.value: count for verdict, count in _counts(found).items()},
        "claims": [_row(finding) for finding in found],
    }


def _counts(found: Sequence[Finding]) -> dict[Verdict, int]:
    counts = Counter(finding.verdict for finding in found)
    return {verdict: counts[verdict] for verdict in Verdict}


def _row(finding: Finding) -> dict[str, object]:
    claim = finding.claim
    return {
        "id": claim.id,
        "claim": claim.text,
        "document": str(claim.said_at),
        "verdict": finding.verdict.value,
        "checked_by": [method.value for method in finding.methods],
        "how": claim.how,
        "figures": finding.figures,
        "reasons": [
            {
                "bearing": reason.bearing.value,
                "method": reason.method.value,
                "text": reason.text,
                "at": [str(source) for source in reason.at],
            }
            for reason in finding.reasons
        ],
        "overturned_by": claim.overturned_by,
        "decided_by": claim.decided_by,
    }


def table(found: Sequence[Finding], captures: Path | None, terminal: Terminal) -> str:
    """All claims asked for, two lines or more each."""
    width = max(len(verdict.value) for verdict in Verdict)
    lines: list[str] = []
    for finding in found:
        claim, verdict = finding.claim, finding.verdict
        head = f"{claim.id}  {_painted(verdict, terminal, width)}  "
        indent = len(claim.id) + width + 4
        lines += wrapped(head, claim.text, terminal.width, indent)
        lead = " " * indent
        lines += [terminal.dim(line) for line in wrapped(lead, f"{_how(finding)}: {_line(finding)}", terminal.width)]
    counts = ", ".join(f"{count} {verdict.value}" for verdict, count in _counts(found).items() if count)
    one = found[0].claim.id
    return "\n".join(
        [
            *lines,
            "",
            *wrapped("", f"{len(found)} claims: {counts}. {_captures(captures)}", terminal.width),
            f"Reasons of one: ringscope claims {one}",
        ]
    )


def _how(finding: Finding) -> str:
    if finding.verdict is Verdict.UNDECIDED:
        return "needs hardware"
    return " + ".join(method.value for method in finding.claim.by if method in finding.methods)


def _line(finding: Finding) -> str:
    return finding.figures or "no evidence exists"


def _captures(captures: Path | None) -> str:
    return f"Real captures: {captures}." if captures else "Real captures are absent: give --captures DIR."


def details(found: Sequence[Finding], captures: Path | None, terminal: Terminal) -> str:
    """Each claim with all its reasons."""
    return "\n\n".join("\n".join(_detail(finding, captures, terminal)) for finding in found)


def _detail(finding: Finding, captures: Path | None, terminal: Terminal) -> list[str]:
    claim, verdict = finding.claim, finding.verdict
    lines = wrapped(f"{claim.id}  {_painted(verdict, terminal)}  ", claim.text, terminal.width, 7 + len(verdict.value))
    lines += [terminal.dim(f"     said in {claim.said_at}"), ""]
    lines += wrapped("     computed now: ", claim.how, terminal.width)
    for reason in finding.reasons:
        lines += _reason(reason, terminal)
    if Method.CAPTURE in claim.by and captures is None:
        lines += wrapped("       ", "the real captures are absent: give --captures DIR", terminal.width)
    if Method.SIMULATION in claim.by and Method.SIMULATION not in finding.methods:
        lines += wrapped("       ", "the engine is absent: pip install 'ringscope[sim]'", terminal.width)
    overturn = "would refute it" if verdict is Verdict.UNDECIDED else "would overturn it"
    lines += ["", *wrapped(f"     {overturn}: ", claim.overturned_by, terminal.width)]
    if claim.decided_by:
        lines += ["     would decide it, on hardware:", *(f"       {line}" for line in claim.decided_by.splitlines())]
    return lines


def _reason(reason: Reason, terminal: Terminal) -> list[str]:
    lead = f"       {_BEARINGS[reason.bearing]:<7}  {reason.method.value:<12}  "
    lines = wrapped(lead, reason.text, terminal.width)
    if reason.at:
        shown = ", ".join(map(str, reason.at[:_SOURCES_SHOWN]))
        more = f" and {len(reason.at) - _SOURCES_SHOWN} more" if len(reason.at) > _SOURCES_SHOWN else ""
        lines += [terminal.dim(line) for line in wrapped(" " * len(lead), shown + more, terminal.width)]
    return lines if reason.bearing is not Bearing.BESIDE else [terminal.dim(line) for line in lines]


def _painted(verdict: Verdict, terminal: Terminal, width: int = 0) -> str:
    paint = {
        Verdict.CONFIRMED: terminal.good,
        Verdict.REFUTED: terminal.bad,
        Verdict.UNDECIDED: terminal.unsure,
    }.get(verdict, terminal.bold)
    return paint(verdict.value) + " " * (width - len(verdict.value))
