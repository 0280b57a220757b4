"""Fitting named numbers of scenarios to measured rows, by SciPy's bounded least squares.

A row is a scenario, what of its outcome was measured, and the figure. Residuals are logarithms of model over measured,
so that too much and too little count alike. The model is a simulation and moves in small steps: slopes are taken over a
hundredth of a parameter's range, and the search starts from the best of a coarse, even sample of it.

A fit that the rows do not determine is refused, and the refusal says what they leave open: a parameter without effect,
two that only count together (their product, their sum), or one that may lie anywhere in its range.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ringscope.errors import InputError
from ringscope.records import dataclass, replace
from ringscope.scenario.build import build, play
from ringscope.scenario.fit import Fit, Parameter, Row, engine_version
from ringscope.scenario.outcome import simulate
from ringscope.scenario.schema import Draft, KernelTimes, no_traces
from ringscope.scenario.sweep.axes import Axis
from ringscope.scenario.sweep.results import results
from ringscope.scenario.toml import Lines, Table, a_share, a_text, a_truth, put, read, values_of
from ringscope.scenario.units import nanoseconds

MAX_PARAMETERS = 8
STARTS = 8
"""Points of the coarse sample, a parameter."""
LOGARITHMIC = 20
"""A range over more than this factor is searched by its logarithm."""
SLOPE = 0.01
NO_EFFECT = 1e-3
"""A parameter that moves no row by as much over its whole range has no effect on them."""
COLLINEAR = 0.02
"""Least singular value of the normalised slopes below which parameters are not told apart."""
LOST = 1e3
"""The factor by which a row without an outcome is taken to be missed while searching."""
METHOD = (
    "scipy.optimize.least_squares (trf) on log(model / measured), started from a Halton sample; intervals from the "
    "linearised covariance at the optimum, {scale}"
)
Vector = Any  # of floats: NumPy's, or a list
_play = lru_cache(maxsize=32)(play)


@dataclass(frozen=True)
class Measured:
    """One measured row, as :class:`~ringscope.scenario.fit.Row` before any model has seen it."""

    id: str
    measure: str
    measured: float
    uncertainty: float | None
    held: bool
    values: Mapping[str, Any]
    where: str

    def model(self, chosen: Sequence[tuple[Axis, float]]) -> float:
        """The figure with these numbers in place; NaN when nothing was finished."""
        values = deepcopy(dict(self.values))
        for axis, value in chosen:
            if self.takes(axis):
                put(values, axis.key, _written(axis, value))
        scenario = Draft(values, Lines(""), self.where).scenario(Path(), no_traces)
        outcome = results(simulate(build(scenario, _play)))
        if self.measure not in outcome:
            raise InputError(f"there is no measure {self.measure!r}", self.where, f"one of {', '.join(outcome)}")
        found = outcome[self.measure]
        return math.nan if found is None else float(found)

    def takes(self, axis: Axis) -> bool:
        """Whether the scenario has a place for the parameter."""
        try:
            put(deepcopy(dict(self.values)), axis.key, 0)
        except InputError:
            return False
        return True


@dataclass(frozen=True)
class Task:
    """What to fit: the parameters with their ranges, the rows, and the files they came from."""

    name: str
    parameters: tuple[Axis, ...]
    rows: tuple[Measured, ...]
    data: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        count, fitted = len(self.parameters), [row for row in self.rows if not row.held]
        if not 1 <= count <= MAX_PARAMETERS:
            raise InputError(
                f"{count} parameters", self.name, f"name 1 to {MAX_PARAMETERS}: --fit costs.packet=1us..9us"
            )
        keys = [axis.key for axis in self.parameters]
        for axis in self.parameters:
            if keys.count(axis.key) > 1:
                raise InputError("is named twice", f"--fit {axis.text}")
            if not any(row.takes(axis) for row in fitted):
                raise InputError("is in no scenario of the rows to fit", f"--fit {axis.text}")
        if len({row.id for row in self.rows}) < len(self.rows):
            raise InputError("two rows have the same id", self.name)
        if len(fitted) < count:
            raise InputError(
                f"{len(fitted)} rows cannot determine {count} parameters", self.name, "add rows, or fit less"
            )
        if len(fitted) == count and any(row.uncertainty is None for row in fitted):
            raise InputError(
                f"{count} rows for {count} parameters leave nothing to judge the fit by",
                self.name,
                "add rows, or give each an uncertainty",
            )


def read_task(files: Sequence[Path], fit: Iterable[str], times: KernelTimes = no_traces) -> Task:
    """What files of rows (TOML or CSV) ask for; ``fit`` are further parameters, ``key=low..high``.

    Raises:
        InputError: with key, file and line, whatever is wrong.
    """
    name, texts = files[0].stem, list(fit)
    rows: list[Measured] = []
    digests = []
    for path in files:
        text = read(path)
        digests.append((path.name, hashlib.sha256(text.encode()).hexdigest()))
        if path.suffix == ".csv":
            rows += _from_csv(path, text, times)
            continue
        root = Table(str(path), Lines(text), (), values_of(text, str(path)))
        name = root.take("name", name, a_text)
        parameters = root.table("parameters")
        texts += [f"{key}={parameters.need(key, a_text)}" for key in list(parameters.values)]
        rows += [_from_table(table, path.parent, times) for table in root.tables("row")]
        root.done("name, parameters, row")
    return Task(name, tuple(map(_parameter, texts)), tuple(rows), tuple(digests))


def _parameter(text: str) -> Axis:
    try:
        axis = Axis.parse(text)
    except InputError as error:
        raise InputError(error.what, f"--fit {text}", error.todo) from None
    if axis.span is None:
        raise InputError(
            "is no range of a time, a size or a fraction",
            f"--fit {text}",
            "write key=low..high, such as 1us..9us or 0.1..0.9",
        )
    return axis


def _from_table(table: Table, folder: Path, times: KernelTimes) -> Measured:
    nothing: dict[str, Any] = {}
    settings = table.take("set", nothing, _a_table)
    row = _measured(
        table.need("id", a_text),
        folder / table.need("scenario", a_text),
        table.need("measure", a_text),
        table.need("measured", lambda value: value),
        table.take("uncertainty", None, a_share),
        table.take("held", False, a_truth),
        settings,
        f"{table.file}:{table.lines.of(table.path)}",
        times,
    )
    table.done("id, scenario, measure, measured, uncertainty, held, set")
    return row


def _a_table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError('must be a table such as { "kernel.a.duration" = "5 us" }')
    return value


def _from_csv(path: Path, text: str, times: KernelTimes) -> Iterable[Measured]:
    """One row a line; columns other than the known ones are keys of the scenario."""
    reader = csv.DictReader(io.StringIO(text))
    for number, line in enumerate(reader, 2):
        where = f"{path}:{number}"
        cells = {key: cell.strip() for key, cell in line.items() if isinstance(key, str) and isinstance(cell, str)}
        if len(cells) < len(line):
            raise InputError("has more or fewer cells than the head has columns", where)
        missing = [name for name in ("id", "scenario", "measure", "measured") if not cells.get(name)]
        if missing:
            raise InputError(f"{missing[0]!r} is missing", where)
        own = {name: cells.pop(name, "") for name in ("id", "scenario", "measure", "measured", "uncertainty", "held")}
        if own["held"] not in ("", "yes", "no"):
            raise InputError(f"held: {own['held']!r} is neither yes nor no", where)
        yield _measured(
            own["id"],
            path.parent / own["scenario"],
            own["measure"],
            _number(own["measured"]),
            _number(own["uncertainty"]) if own["uncertainty"] else None,
            own["held"] == "yes",
            {key: _number(cell) for key, cell in cells.items() if cell},
            where,
            times,
        )


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _measured(
    id_: str,
    scenario: Path,
    measure: str,
    figure: Any,
    uncertainty: Any,
    held: bool,
    settings: Mapping[str, Any],
    where: str,
    times: KernelTimes,
) -> Measured:
    try:
        measured = float(nanoseconds(figure)) if isinstance(figure, str) and measure.endswith("_ns") else figure
        for what, number in (("measured", measured), ("uncertainty", 1 if uncertainty is None else uncertainty)):
            real = isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
            if not real or number <= 0:
                raise InputError(f"{what}: {number!r} is no number above zero")
        draft = Draft.of(read(scenario), str(scenario))
        values = deepcopy(draft.values)
        if "calibration" in values:
            raise InputError(f"{scenario.name} is calibrated already", todo="take the calibration out of it")
        for key, value in settings.items():
            put(values, key, value)
        _resolve(values, scenario.parent, times)
        replace(draft, values=values).scenario(scenario.parent, times)
    except InputError as error:
        raise InputError(error.what, error.where or where, error.todo) from None
    return Measured(id_, measure, float(measured), uncertainty, held, values, where)


def _resolve(values: dict[str, Any], folder: Path, times: KernelTimes) -> None:
    """Put the durations that traces hold into the scenario itself, so that the fit needs no other file."""
    for kind in ("kernel", "copy"):
        rows = values.get(kind, [])
        for row in rows if isinstance(rows, list) else []:
            for key, value in row.items() if isinstance(row, dict) else ():
                if isinstance(value, dict) and set(value) == {"trace", "kernel"}:
                    found = times(folder / a_text(value["trace"]), a_text(value["kernel"]))
                    row[key] = {"times": [f"{time} ns" for time in found if time > 0]}


def _written(axis: Axis, value: float) -> Any:
    return f"{round(value)} {axis.unit}" if axis.unit else value


class _Search:
    """The parameters on a scale of 0 to 1 each, and the residuals of the rows to fit there."""

    def __init__(self, task: Task, tell: Callable[[int], None]) -> None:
        self.task, self.tell = task, tell
        self.rows = [row for row in task.rows if not row.held]
        self.weights = np.array([1.0 if row.uncertainty is None else 1 / row.uncertainty for row in self.rows])
        self.known: dict[tuple[Any, ...], Vector] = {}
        self.runs = 0

    def at(self, axis: Axis, place: float) -> float:
        """The value of a parameter at a place of its scale."""
        low, high = _ends(axis)
        place = min(max(place, 0.0), 1.0)
        return low * (high / low) ** place if _logarithmic(axis) else low + (high - low) * place

    def chosen(self, places: Vector) -> list[tuple[Axis, float]]:
        """Every parameter with its value."""
        return [(axis, self.at(axis, place)) for axis, place in zip(self.task.parameters, places, strict=True)]

    def logs(self, places: Vector) -> Vector:
        """Logarithm of model over measured, row by row."""
        chosen = self.chosen(places)
        key = tuple(_written(axis, value) for axis, value in chosen)
        if key not in self.known:
            self.runs += 1
            self.tell(self.runs)
            found = [row.model(chosen) / row.measured for row in self.rows]
            self.known[key] = np.array([math.log(ratio) if ratio > 0 else math.log(LOST) for ratio in found])
        return self.known[key]

    def residuals(self, places: Vector) -> Vector:
        """Weighted by the rows' uncertainties."""
        return np.asarray(self.logs(places) * self.weights)

    def slopes(self, places: Vector) -> Vector:
        """Of the residuals, by central differences."""
        columns = []
        for index, place in enumerate(places):
            less, more = (np.array(places, float) for _ in range(2))
            less[index], more[index] = max(0.0, place - SLOPE), min(1.0, place + SLOPE)
            columns.append((self.residuals(more) - self.residuals(less)) / (more[index] - less[index]))
        return np.column_stack(columns)

    @cached_property
    def best(self) -> Vector:
        """The places of the optimum."""
        from scipy import optimize  # noqa: PLC0415 - an extra, and slow to come
        from scipy.stats import qmc  # noqa: PLC0415

        count = len(self.task.parameters)
        sample = qmc.Halton(count, scramble=False).random(STARTS * count + 1)[1:]  # the first is the corner at 0
        starts = sorted(sample.tolist(), key=lambda places: float(np.sum(self.residuals(places) ** 2)))[:2]
        found = [
            optimize.least_squares(
                self.residuals, np.clip(start, 1e-6, 1 - 1e-6), self.slopes, (0, 1), xtol=1e-5, max_nfev=40
            )
            for start in starts
        ]
        return np.asarray(min(found, key=lambda one: float(one.cost)).x)


def _ends(axis: Axis) -> tuple[float, float]:
    if axis.span is None:
        raise InputError("is no range", f"--fit {axis.text}")
    return axis.span


def _logarithmic(axis: Axis) -> bool:
    low, high = _ends(axis)
    return 0 < low * LOGARITHMIC < high


def calibrate(task: Task, tell: Callable[[int], None] = lambda runs: None) -> Fit:
    """Fit the parameters to the rows that are not held back, and predict those that are.

    Args:
        task: what to fit.
        tell: is told how many times the rows were played.

    Raises:
        InputError: the rows do not determine the parameters; says which.
    """
    from scipy import stats  # noqa: PLC0415

    search = _Search(task, tell)
    best = search.best
    logs, slopes = search.logs(best), search.slopes(best)
    for row, off in zip(search.rows, logs, strict=True):
        if abs(off) >= math.log(LOST):
            raise InputError(f"row {row.id!r} has no outcome anywhere near the others", task.name, "run it for longer")
    _determined(search, best, slopes)
    dof = len(search.rows) - len(task.parameters)
    given = all(row.uncertainty is not None for row in search.rows)
    scale = 1.0 if given else float(np.sum(search.residuals(best) ** 2)) / dof
    covariance = np.linalg.inv(slopes.T @ slopes) * scale
    deviations = np.sqrt(np.diag(covariance))
    reach = float(stats.norm.ppf(0.975) if given else stats.t.ppf(0.975, dof))
    parameters = []
    for axis, place, deviation in zip(task.parameters, best, deviations, strict=True):
        if deviation * reach > 1:
            raise InputError(
                f"the rows leave it anywhere in its range: {axis.text}", task.name, "add rows that depend on it"
            )
        value, low95, high95 = (search.at(axis, place + by) for by in (0, -deviation * reach, deviation * reach))
        one = abs(search.at(axis, place + deviation) - search.at(axis, place - deviation)) / 2
        low, high = _ends(axis)
        value = float(round(value)) if axis.unit else value
        parameters.append(Parameter(axis.key, axis.unit, value, *(_round(x) for x in (one, low95, high95, low, high))))
    chosen = search.chosen(best)
    rows = tuple(
        Row(row.id, row.measure, row.measured, row.uncertainty, not row.held, _outcome(row, chosen), row.values)
        for row in task.rows
    )
    correlation = covariance / np.outer(deviations, deviations)
    own = "scaled by the rows' own uncertainties, normal distribution"
    scale_said = own if given else f"scaled by the residuals, Student's t with {dof} degrees of freedom"
    return Fit(
        task.name,
        tuple(parameters),
        rows,
        tuple(tuple(_round(cell) for cell in line) for line in correlation.tolist()),
        METHOD.format(scale=scale_said),
        task.data,
        engine_version(),
    )


def _outcome(row: Measured, chosen: Sequence[tuple[Axis, float]]) -> float:
    found = row.model(chosen)
    if math.isnan(found):
        raise InputError(f"row {row.id!r} has no outcome", row.where, "run it for longer")
    return found


def _round(value: float) -> float:
    """Nine digits: what lies behind them is the arithmetic's."""
    return float(f"{value:.9g}")


def _determined(search: _Search, best: Vector, slopes: Vector) -> None:
    """InputError where the rows leave parameters open."""
    task = search.task
    effect = np.abs(slopes / search.weights[:, None]).max(axis=0)
    for axis, most in zip(task.parameters, effect, strict=True):
        if most < NO_EFFECT:
            raise InputError(f"no row depends on it: {axis.text}", task.name, "leave it out, or add rows that do")
    _, singular, turned = np.linalg.svd(slopes / np.linalg.norm(slopes, axis=0), full_matrices=False)
    if singular[-1] >= COLLINEAR:
        return
    move = turned[-1] / np.linalg.norm(slopes, axis=0)
    open_ = [index for index, part in enumerate(turned[-1]) if abs(part) > 0.2]
    chosen = search.chosen(best)
    step = 1e-4 / np.abs(move).max()
    after = [search.at(axis, place + step * by) for axis, place, by in zip(task.parameters, best, move, strict=True)]
    keys = " and ".join(task.parameters[index].key for index in open_)
    moves = [(chosen[index][1], after[index] - chosen[index][1]) for index in open_]
    raise InputError(
        f"the rows do not determine {keys} separately, only {_together(moves)}",
        task.name,
        "fix one of them in the scenarios, or add rows that tell them apart",
    )


def _together(moves: Sequence[tuple[float, float]]) -> str:
    """What of parameters that make up for each other is determined: each value, and a move that changes nothing."""
    if len(moves) == 2:
        (a, by_a), (b, by_b) = moves
        relative = (by_a / a) / (by_b / b) if a and b and by_b else math.inf
        for name, sign, is_so in (
            ("their product", -1.0, relative),
            ("their quotient", 1.0, relative),
            ("their sum", -1.0, by_a / by_b if by_b else math.inf),
            ("their difference", 1.0, by_a / by_b if by_b else math.inf),
        ):
            if abs(is_so - sign) < 0.1:
                return name
    return "what they do together"
