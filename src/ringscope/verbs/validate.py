"""Holds the model against published measurements, and says which of its misses nobody can explain.

Rows that something was fitted to stand apart from rows that are predicted, worst first. Near is within a fifth, for the
over-subscription runs within a quarter where the queues fit and within a factor of two where they do not.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from ringscope.errors import EXIT_CLEAN, EXIT_FINDINGS
from ringscope.log import Progress
from ringscope.report.terminal import Terminal, columns, wrapped
from ringscope.scenario.fit import load
from ringscope.scenario.studies.study import Desk
from ringscope.scenario.validate import Checked, Sense, Tally
from ringscope.verbs import Result
from ringscope.verbs.study import policies

SCHEMA = "ringscope.validate/1"
DATA = Path("../shared/data/oversubscription")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help=f"AMD's over-subscription runs (default: {DATA} when it is there)"
    )
    parser.add_argument(
        "--calibration",
        action="append",
        type=Path,
        default=[],
        metavar="FIT",
        help="a fit's rows, too, with their marks",
    )
    parser.add_argument(
        "--policy", action="append", default=[], metavar="RULE=CHOICE", help="read one firmware-private rule otherwise"
    )


def run(args: argparse.Namespace) -> Result:
    """Compute every row."""
    desk = Desk(policies=policies(args.policy))
    folder: Path | None = args.data or (DATA if DATA.is_dir() else None)
    fits = [load(path) for path in args.calibration]
    from ringscope.scenario import validate_fits, validate_oversubscription  # noqa: PLC0415 - the engine
    from ringscope.scenario.validate import check  # noqa: PLC0415
    from ringscope.scenario.validate_rows import ROWS  # noqa: PLC0415
    from ringscope.verbs.simulate import warm_up  # noqa: PLC0415

    more = validate_oversubscription.rows(validate_oversubscription.read(folder)) if folder else ()
    warm_up()
    with Progress() as progress:
        rows = (*ROWS, *more, *(row for fit in fits for row in validate_fits.rows(fit)))
        found = check(rows, desk, lambda row: progress.show(f"{row} …"))
    code = EXIT_FINDINGS if _unexplained(found) else EXIT_CLEAN
    return Result(data(found, folder), lambda terminal: text(found, folder, terminal), code)


def _unexplained(found: Sequence[Checked]) -> list[str]:
    return [one.row.id for one in found if one.unexplained]


def _families(found: Sequence[Checked]) -> dict[str, list[Checked]]:
    names = dict.fromkeys(sorted(one.row.family for one in found))
    return {name: [one for one in found if one.row.family == name] for name in names}


def _groups(found: Sequence[Checked]) -> tuple[list[Checked], list[Checked], list[Checked]]:
    """Predicted, fitted, and without a model; each worst first."""
    predicted = [one for one in found if one.modelled and not one.row.fitted]
    fitted = [one for one in found if one.modelled and one.row.fitted]
    return predicted, fitted, [one for one in found if not one.modelled]


def data(found: Sequence[Checked], folder: Path | None) -> dict[str, object]:
    """What ``--json`` prints."""
    predicted, fitted, without = _groups(found)
    return {
        "schema": SCHEMA,
        "data": str(folder) if folder else None,
        "predicted": _tally(Tally.of(predicted)),
        "fitted": _tally(Tally.of(fitted)),
        "not_modelled": len(without),
        "families": {name: _tally(Tally.of(rows)) for name, rows in _families(found).items()},
        "unexplained": _unexplained(found),
        "rows": [
            {
                "id": one.row.id,
                "what": one.row.what,
                "unit": one.row.unit,
                "measured": one.row.measured,
                "sense": one.row.sense.value,
                "predicted": round(one.predicted, 6) if one.modelled else None,
                "error": round(one.error, 4) if one.modelled else None,
                "near": one.near,
                "fitted": one.row.fitted or None,
                "why": (one.row.why or None) if not one.near else None,
                "source": one.row.source,
            }
            for one in found
        ],
    }


def _tally(tally: Tally) -> dict[str, object]:
    mean = None if math.isnan(tally.mean) else round(tally.mean, 4)
    return {"rows": tally.rows, "near": tally.near, "mean_error": mean}


def text(found: Sequence[Checked], folder: Path | None, terminal: Terminal) -> str:
    """The sums first, then every row, worst first."""
    predicted, fitted, without = _groups(found)
    unexplained = _unexplained(found)
    lines = [f"{terminal.bold('predicted')}: {_sum(predicted)}", f"fitted: {_sum(fitted)}"]
    lines.append(f"not modelled: {len(without)} rows")
    for name, rows in _families(found).items():
        lines.append(f"  {name}, all of them: {_sum(rows)}")
    said = "missed and unexplained: " + ", ".join(unexplained) if unexplained else "every miss is a known gap"
    lines += wrapped("", terminal.bad(said) if unexplained else terminal.good(said), terminal.width)
    if folder is None:
        lines.append("the over-subscription runs are absent: give --data DIR")
    lines += ["", "  Predicted, worst first", *_table(predicted)]
    lines += ["", "  Fitted: these rows, or others of their kind, went into the model", *_table(fitted)]
    if without:
        lines += ["", "  Not modelled"]
        for one in without:
            lines += wrapped(f"    {one.row.id:<8} ", f"{one.row.what}: {one.row.why}", terminal.width)
    grounds = dict.fromkeys(one.row.why for one in (*predicted, *fitted) if not one.near and one.row.why)
    if grounds:
        lines += ["", "  Known gaps"]
        for ground in grounds:
            ids = ", ".join(one.row.id for one in (*predicted, *fitted) if not one.near and one.row.why == ground)
            lines += wrapped("    ", f"{ids}: {ground}", terminal.width)
    return "\n".join(lines)


def _sum(found: Sequence[Checked]) -> str:
    tally = Tally.of(found)
    mean = "" if math.isnan(tally.mean) else f", off by {tally.mean:.0%} in the mean"
    return f"{tally.near} of {tally.rows} rows near{mean}"


def _table(found: Sequence[Checked]) -> list[str]:
    signs = {Sense.EQUAL: "", Sense.AT_MOST: "at most ", Sense.AT_LEAST: "at least "}
    rows = [
        (
            one.row.id,
            one.row.what,
            f"{signs[one.row.sense]}{one.row.measured:.4g} {one.row.unit}",
            f"{one.predicted:.4g}",
            f"{one.error:+.0%}",
            "" if one.near else "known gap" if one.row.why else "MISSED",
        )
        for one in found
    ]
    return columns(rows, ("row", "what", "measured", "model", "error", ""), indent=4)
