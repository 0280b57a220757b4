"""Says how far each modelled behaviour can be believed: what it rests on, what it holds for, the test that holds it.

ringscope fidelity                     every behaviour, worst known first within its area
ringscope fidelity firmware policy     those whose name holds one of the words, in full
ringscope fidelity --standing unknown  those of one standing
"""

from __future__ import annotations

import argparse
from collections import Counter

from ringscope.errors import InputError
from ringscope.fidelity import table
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.report.terminal import Terminal, columns, wrapped
from ringscope.verbs import Result

SCHEMA = "ringscope.fidelity/1"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which rows."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="rows whose name holds a WORD, in full")
    parser.add_argument("--standing", choices=[standing.value for standing in Standing], help="rows of one standing")


def run(args: argparse.Namespace) -> Result:
    """Choose the rows; InputError when there is none."""
    rows = [
        row
        for row in table()
        if (not args.words or any(word.lower() in row.name.lower() for word in args.words))
        and args.standing in (None, row.standing.value)
    ]
    if not rows:
        raise InputError("no modelled behaviour is called so", todo="ringscope fidelity lists them all")
    full = bool(args.words)
    data = {
        "schema": SCHEMA,
        "standings": {standing.value: standing.meaning for standing in Standing},
        "behaviours": [row._asdict() | {"standing": row.standing.value} for row in rows],
    }
    return Result(data, lambda terminal: "\n".join(_full(rows, terminal) if full else _list(rows, terminal)))


def _name(row: Behaviour) -> str:
    return f"{row.name} = {row.setting}" if row.setting else row.name


def _list(rows: list[Behaviour], terminal: Terminal) -> list[str]:
    counts = Counter(row.standing for row in rows)
    lines = [terminal.bold(f"{len(rows)} modelled behaviours")]
    lines += columns([(s.value, str(counts[s]), s.meaning) for s in Standing if counts[s]])
    worst_first = list(reversed(Standing))
    areas: dict[str, list[Behaviour]] = {row.name.partition(".")[0]: [] for row in rows}
    for row in sorted(rows, key=lambda row: worst_first.index(row.standing)):
        areas[row.name.partition(".")[0]].append(row)
    for area, members in areas.items():
        lines += ["", terminal.bold(area)]
        lines += columns((row.standing.value, _name(row)) for row in members)
    return [*lines, "", "ringscope fidelity WORD says more: what it does, sources, versions, tests"]


def _full(rows: list[Behaviour], terminal: Terminal) -> list[str]:
    lines: list[str] = []
    for row in rows:
        lines += [f"{terminal.bold(_name(row))}  {row.standing.value}: {row.standing.meaning}"]
        for lead, text in (
            ("does", row.says),
            ("holds for", row.holds_for),
            ("source", row.source),
            ("test", row.test),
        ):
            lines += wrapped(f"  {lead:<9}  ", text, terminal.width)
        lines.append("")
    return lines[:-1]
