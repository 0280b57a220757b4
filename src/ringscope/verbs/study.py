"""Plays an experiment of the research notes in simulated time and says what follows from the figures.

Rules that only the firmware knows can be read otherwise with --policy: the conclusion is computed from what comes out.

  ringscope study --list
  ringscope study multi-process
  ringscope study priority --policy priority=full
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ringscope.engine.policies import POLICIES, Policies
from ringscope.errors import InputError
from ringscope.recording import Recording
from ringscope.records import replace
from ringscope.report.page import page
from ringscope.report.perfetto import trace
from ringscope.report.terminal import Terminal, columns, wrapped
from ringscope.scenario import rules, studies
from ringscope.scenario.studies.study import Cell, Chart, Desk, Findings, Study, Table
from ringscope.verbs import Result, picture_options

if TYPE_CHECKING:
    from ringscope.scenario.build import Built

SCHEMA = "ringscope.study/1"
_BAR = 40
MOST_RUNS, MOST_TRACED = 12, 10_000
"""What of a study a trace shows: so many runs, and some more packets than that of each."""
_STEPS = 100


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("study", nargs="?", metavar="NAME", help="the study to play")
    parser.add_argument("--list", action="store_true", help="list the studies")
    parser.add_argument("--seed", type=int, default=Desk.seed, metavar="N", help="of all draws (default: %(default)s)")
    parser.add_argument(
        "--policy", action="append", default=[], metavar="RULE=CHOICE", help="read one firmware-private rule otherwise"
    )
    picture_options(parser, "html", "perfetto")


def run(args: argparse.Namespace) -> Result:
    """Play one study, or list them."""
    if args.list:
        return _list()
    if args.study is None:
        raise InputError("no study was named", todo="ringscope study NAME; ringscope study --list")
    if not 0 <= args.seed < 1 << 32:
        raise InputError(f"--seed is {args.seed}", todo="give 0 to 4294967295")
    study = studies.find(args.study)
    runs: list[Built] = []
    desk = Desk(policies=policies(args.policy), seed=args.seed, watch=runs.append if args.perfetto else None)
    from ringscope.verbs.simulate import warm_up  # noqa: PLC0415 - the engine; --list does without

    warm_up()
    findings = study.run(desk)
    result = data(study, desk, findings)
    return Result(
        result,
        lambda terminal: text(study, desk, findings, terminal),
        pictures={"html": lambda: page(result), "perfetto": lambda: trace(_recordings(runs))},
    )


def _recordings(runs: Sequence[Built]) -> list[Recording]:
    """The first of a study's runs, played once more and traced, each as far as a viewer can hold."""
    from ringscope.engine.run import Engine  # noqa: PLC0415 - the engine; --list does without
    from ringscope.scenario.record import Names, recording  # noqa: PLC0415

    found = []
    for number, built in enumerate(runs[:MOST_RUNS], 1):
        engine = Engine(built.spec, trace=True)
        for step in range(1, _STEPS + 1):
            if len(engine.trace) < MOST_TRACED:
                engine.run(built.scenario.horizon_ns * step // _STEPS)
        found.append(recording(replace(Names.of(built), origin=f"run {number} of {len(runs)}"), engine))
    return found


def policies(choices: Iterable[str]) -> Policies:
    """The rules, some of them chosen as ``name=choice``; InputError for what there is not."""
    chosen = Policies()
    for choice in choices:
        name, _, value = choice.partition("=")
        rule = next((policy for policy in POLICIES if policy.name == name), None)
        if rule is None:
            raise InputError(f"no rule {name!r}", todo=f"the rules are {', '.join(p.name for p in POLICIES)}")
        readings = {rules.spelled(reading): reading for reading in type(rule.default)}
        if value not in readings:
            raise InputError(f"{name} is not {value!r}", todo=f"it is one of {', '.join(readings)}")
        chosen = replace(chosen, **{name: readings[value]})  # type: ignore[arg-type]
    return chosen


def _list() -> Result:
    known = [studies.find(name) for name in studies.NAMES]
    rows = [{"name": study.name, "question": study.question, "experiments": list(study.experiments)} for study in known]

    def show(terminal: Terminal) -> str:
        width = max(len(study.name) for study in known)
        return "\n".join(
            line
            for study in known
            for line in wrapped(
                f"{terminal.bold(study.name)}{' ' * (width - len(study.name))}  ",
                study.question,
                terminal.width,
                width + 2,
            )
        )

    return Result({"schema": "ringscope.studies/1", "studies": rows}, show)


def data(study: Study, desk: Desk, findings: Findings) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "schema": SCHEMA,
        "study": study.name,
        "question": study.question,
        "experiments": list(study.experiments),
        "seed": desk.seed,
        "policies": rules.chosen(desk.policies),
        "conclusion": list(findings.conclusion),
        "tables": [
            {"title": table.title, "head": list(table.head), "rows": [list(row) for row in table.rows]}
            for table in findings.tables
        ],
        "charts": [
            {"title": chart.title, "unit": chart.unit, "bars": [list(bar) for bar in chart.bars]}
            for chart in findings.charts
        ],
        "limits": list(study.limits),
        "fidelity": rules.of_engine(desk.policies),
    }


def text(study: Study, desk: Desk, findings: Findings, terminal: Terminal) -> str:
    """The question, the answer, then the figures that it was made of."""
    lines = [terminal.bold(study.name), *wrapped("", study.question, terminal.width), ""]
    for sentence in findings.conclusion:
        lines += wrapped("  → ", sentence, terminal.width)
    for table in findings.tables:
        lines += ["", f"  {table.title}", *_table(table)]
    for chart in findings.charts:
        lines += ["", f"  {chart.title}, {chart.unit}", *_bars(chart)]
    lines += [""]
    for limit in study.limits:
        lines += [terminal.dim(line) for line in wrapped("  limit: ", limit, terminal.width)]
    readings = ", ".join(f"{name} {setting}" for name, setting in rules.chosen(desk.policies).items())
    lines += [
        terminal.dim(line) for line in wrapped("  rules: ", f"{readings} (--policy); seed {desk.seed}", terminal.width)
    ]
    return "\n".join(lines)


def _table(table: Table) -> list[str]:
    return columns([[cell_text(cell) for cell in row] for row in table.rows], table.head, indent=4)


def cell_text(cell: Cell) -> str:
    """A cell as text; four digits are enough for a figure of a model."""
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.4g}" if abs(cell) < 1e4 else f"{cell:.0f}"
    return str(cell)


def _bars(chart: Chart) -> list[str]:
    most = max((value for _, value in chart.bars), default=0.0)
    width = max((len(label) for label, _ in chart.bars), default=0)
    return [
        f"    {label:<{width}}  {'█' * round(_BAR * max(0.0, value) / most) if most > 0 else ''} {value:.4g}"
        for label, value in chart.bars
    ]
