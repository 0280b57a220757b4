"""Fits named numbers of scenarios to measured rows, and says how sure they are and what the rows leave open.

ROWS (TOML or CSV) name a scenario, a measure of its outcome and the figure that was measured; rows held back are
predicted beside the fit. The fit is a file: simulate --calibration puts its numbers into any scenario, and a scenario
that it was fitted to stays marked so.

  ringscope calibrate rows.toml -o fit.json
  ringscope calibrate rows.csv --fit costs.packet=50ns..5us --fit costs.barrier=50ns..5us -o fit.json
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ringscope.log import Progress
from ringscope.report.files import write_aside
from ringscope.report.terminal import Terminal, columns, wrapped
from ringscope.scenario.fit import Fit, Row
from ringscope.verbs import Result
from ringscope.verbs.simulate import kernel_times, warm_up


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("rows", type=Path, nargs="+", metavar="ROWS", help="measured rows, TOML or CSV")
    parser.add_argument(
        "--fit", action="append", default=[], metavar="KEY=LOW..HIGH", help="a number to fit, and where to look for it"
    )


def run(args: argparse.Namespace) -> Result:
    """Read the rows, fit, write the file."""
    from ringscope.scenario.calibrate import calibrate, read_task  # noqa: PLC0415 - the engine; --help does without

    task = read_task(args.rows, args.fit, kernel_times)
    warm_up()
    with Progress() as progress:
        fit = calibrate(task, lambda runs: progress.show(f"rows played {runs} times …"))
    # The fit is what goes to --output; what is said of it goes to the terminal.
    target, args.output = args.output, None
    if target:
        write_aside(target, fit.dumps())
    return Result(fit.body, lambda terminal: text(fit, target, terminal))


def text(fit: Fit, path: Path | None, terminal: Terminal) -> str:
    """The numbers first, then how well they do, fitted rows and predicted ones apart."""
    rows = [
        (
            parameter.key,
            parameter.spoken(parameter.value),
            f"{parameter.spoken(parameter.low95)} to {parameter.spoken(parameter.high95)}",
            f"{parameter.spoken(parameter.low)} to {parameter.spoken(parameter.high)}",
        )
        for parameter in fit.parameters
    ]
    lines = [terminal.bold(fit.name), "", *columns(rows, ("parameter", "fit", "95 % interval", "looked for in"))]
    ends = [parameter.key for parameter in fit.parameters if parameter.at_end]
    if ends:
        said = f"at the end of where it was looked for: {', '.join(ends)}; the true value may lie beyond"
        lines += ["", *(terminal.bad(line) for line in wrapped("  ", said, terminal.width))]
    strong = [
        f"{a.key} and {b.key}: {fit.correlation[i][j]:+.2f}"
        for i, a in enumerate(fit.parameters)
        for j, b in enumerate(fit.parameters[:i])
        if abs(fit.correlation[i][j]) > 0.9
    ]
    if strong:
        lines += ["", *wrapped("  ", "strongly correlated: " + ", ".join(strong), terminal.width)]
    for title, mine in (
        (
            "Fitted: these rows made the fit, and nothing said of them is a prediction",
            [r for r in fit.rows if r.fitted],
        ),
        ("Predicted: held back", [row for row in fit.rows if not row.fitted]),
    ):
        if mine:
            lines += ["", f"  {title}", *_table(mine)]
    lines += ["", *wrapped("  ", f"{fit.method}; engine {fit.engine}", terminal.width)]
    said = f"written to {path}; try: ringscope simulate FILE --calibration {path}" if path else "not kept: give -o FIT"
    return "\n".join([*lines, "", f"  {said}"])


def _table(rows: Sequence[Row]) -> list[str]:
    cells = [
        (row.id, row.measure, row.spoken(row.measured), row.spoken(row.model), f"{row.error:+.1%}")
        for row in sorted(rows, key=lambda row: -abs(row.error))
    ]
    return columns(cells, ("row", "measure", "measured", "model", "error"), indent=4)
