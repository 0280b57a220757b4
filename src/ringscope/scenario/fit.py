"""A calibration as a file: parameters fitted to measured rows, how sure they are, and the rows themselves.

The file holds all that decides it: each row's whole scenario, its figure and what the fitted model gives, and a digest
over everything. Whoever loads it gets the numbers together with the marks: a row that the numbers were fitted to is
``fitted`` for ever, and no figure for it is a prediction.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ringscope import __version__
from ringscope.errors import InputError
from ringscope.records import dataclass
from ringscope.scenario.toml import put
from ringscope.scenario.units import spoken

SCHEMA = "ringscope.fit/1"
MAX_BYTES = 64 << 20
T = TypeVar("T")


@dataclass(frozen=True)
class Parameter:
    """One fitted number.

    Attributes:
        key: where it stands in a scenario.
        unit: ``ns``, ``ps`` or ``B`` for quantities, whose figures are then whole; empty for plain numbers.
        value: the fit; ``deviation`` its standard deviation, ``low95`` to ``high95`` its 95 % interval.
        low, high: where it was looked for.
    """

    key: str
    unit: str
    value: float
    deviation: float
    low95: float
    high95: float
    low: float
    high: float

    @property
    def at_end(self) -> bool:
        """Whether the optimum lies where the search ended, so that the interval says nothing of what lies beyond."""
        return min(self.value - self.low, self.high - self.value) <= 5e-4 * (self.high - self.low)

    @property
    def written(self) -> Any:
        """The value as a scenario file has it."""
        return f"{round(self.value)} {self.unit}" if self.unit else self.value

    def spoken(self, value: float) -> str:
        """A value with its unit, as people read it."""
        if self.unit in ("ns", "ps"):
            return spoken(value / (1000 if self.unit == "ps" else 1))
        return f"{value:.4g} {self.unit}".rstrip()

    @property
    def shown(self) -> str:
        """The fit with its interval."""
        return f"{self.key} {self.spoken(self.value)} ({self.spoken(self.low95)} to {self.spoken(self.high95)})"


@dataclass(frozen=True)
class Row:
    """One measured row: the ``values`` of its scenario, what was ``measured``, what the fitted ``model`` gives.

    ``uncertainty`` is the figure's relative standard deviation, None when nobody gave one. ``fitted`` rows made the
    fit, the others were held back and are predicted.
    """

    id: str
    measure: str
    measured: float
    uncertainty: float | None
    fitted: bool
    model: float
    values: Mapping[str, Any]

    def spoken(self, value: float) -> str:
        """A figure of the measure as people read it."""
        return spoken(value) if self.measure.endswith("_ns") else f"{value:.4g}"

    @property
    def error(self) -> float:
        """Relative error of the model."""
        return self.model / self.measured - 1


@dataclass(frozen=True)
class Fit:
    """One calibration, whole.

    Attributes:
        name: as its rows' file says it.
        parameters, rows: see there.
        correlation: of the parameters, in their order.
        method: how the optimum was found and what the intervals rest on.
        data: ``(file, sha256)`` of every file of rows.
        engine: version and digest of the engine that played the rows.
    """

    name: str
    parameters: tuple[Parameter, ...]
    rows: tuple[Row, ...]
    correlation: tuple[tuple[float, ...], ...]
    method: str
    data: tuple[tuple[str, str], ...]
    engine: str

    @property
    def ours(self) -> bool:
        """Whether this very engine made it."""
        return self.engine == engine_version()

    def apply(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Parameter, ...]]:
        """A scenario's values with the fitted numbers in place, and which those are.

        Numbers of kernels, copies and processes that the scenario has not are left out.
        """
        changed = deepcopy(dict(values))
        placed = []
        for parameter in self.parameters:
            try:
                put(changed, parameter.key, parameter.written)
            except InputError:
                continue
            placed.append(parameter)
        return changed, tuple(placed)

    @property
    def body(self) -> dict[str, Any]:
        """As JSON has it, digest and all."""
        body: dict[str, Any] = {
            "schema": SCHEMA,
            "name": self.name,
            "engine": self.engine,
            "method": self.method,
            "data": [{"file": file, "sha256": digest} for file, digest in self.data],
            "parameters": [
                {name: getattr(parameter, name) for name in Parameter.__dataclass_fields__}
                for parameter in self.parameters
            ],
            "correlation": [list(row) for row in self.correlation],
            "rows": [{name: getattr(row, name) for name in Row.__dataclass_fields__} for row in self.rows],
        }
        return body | {"sha256": _digest(body)}

    def dumps(self) -> bytes:
        """The file."""
        return (json.dumps(self.body, indent=1) + "\n").encode()


@dataclass(frozen=True)
class Calibration:
    """What a fit did to a scenario.

    ``placed`` are the numbers that found their place, ``rows`` those of the fit that are this very scenario, and
    ``strange`` the parts that were measured, where the scenario's is none of them.
    """

    fit: Fit
    placed: tuple[Parameter, ...]
    rows: tuple[Row, ...]
    strange: tuple[str, ...]

    @property
    def fitted(self) -> bool:
        """Whether the scenario was fitted to, so that none of its figures is a prediction."""
        return any(row.fitted for row in self.rows)

    @property
    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.fit.name,
            "parameters": {parameter.key: parameter.written for parameter in self.placed},
            "fitted": self.fitted,
            "rows": [{"id": row.id, "measure": row.measure, "fitted": row.fitted} for row in self.rows],
            "measured_on_other_parts": list(self.strange),
            "same_engine": self.fit.ours,
        }

    @property
    def text(self) -> str:
        """One sentence for people."""
        numbers = ", ".join(parameter.shown for parameter in self.placed) or "nothing of it is in this scenario"
        said = f"calibrated by {self.fit.name!r}: {numbers}"
        if not self.fit.ours:
            said += "; another version of the engine made that fit: make it again"
        if self.strange:
            said += f"; the rows are of {', '.join(self.strange)}, not of this part"
        if self.fitted:
            used = ", ".join(f"{row.id} ({row.measure})" for row in self.rows if row.fitted)
            said += f"; FITTED to this very scenario, so its figures are no prediction: {used}"
        return said


@cache
def engine_version() -> str:
    """Version and digest of the engine's text."""
    digest = hashlib.sha256()
    for source in sorted(files("ringscope.engine").iterdir(), key=lambda entry: entry.name):
        if source.name.endswith(".py"):
            digest.update(source.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:16]}"


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def load(path: Path) -> Fit:
    """The fit in a file.

    Raises:
        InputError: it cannot be read, is none, or was changed after it was made.
    """
    where = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where) from error
    if len(raw) > MAX_BYTES:
        raise InputError("is too large for a fit", where)
    try:
        body = json.loads(raw, parse_constant=_no_number)
        if not isinstance(body, dict) or body.get("schema") != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA!r}")
        told = body.pop("sha256", None)
        if told != _digest(body):
            raise ValueError("it was changed after it was made: its digest is another")
        return _fit(body)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        why = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)[:200]
        raise InputError(f"is no fit ({why})", where, "make one with ringscope calibrate") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _fit(body: Mapping[str, Any]) -> Fit:
    parameters = tuple(
        Parameter(
            _text(row["key"]),
            _text(row["unit"]),
            *(_number(row[name]) for name in ("value", "deviation", "low95", "high95", "low", "high")),
        )
        for row in _list(body["parameters"], dict)
    )
    rows = tuple(
        Row(
            _text(row["id"]),
            _text(row["measure"]),
            _number(row["measured"]),
            None if row["uncertainty"] is None else _number(row["uncertainty"]),
            _is(row["fitted"], bool),
            _number(row["model"]),
            _is(row["values"], dict),
        )
        for row in _list(body["rows"], dict)
    )
    if any(row.measured <= 0 for row in rows):
        raise ValueError("a measured figure is not above zero")
    correlation = tuple(tuple(_number(cell) for cell in _is(row, list)) for row in _list(body["correlation"], list))
    if any(len(row) != len(parameters) for row in correlation) or len(correlation) != len(parameters):
        raise ValueError("the correlation is not square")
    data = tuple((_text(row["file"]), _text(row["sha256"])) for row in _list(body["data"], dict))
    return Fit(_text(body["name"]), parameters, rows, correlation, _text(body["method"]), data, _text(body["engine"]))


def _is(value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"{str(value)[:40]!r} should be of type {kind.__name__}")
    return value


def _list(value: Any, kind: type[T]) -> list[T]:
    return [_is(item, kind) for item in _is(value, list)]


def _text(value: Any) -> str:
    if len(_is(value, str)) > 1000:
        raise ValueError("a text is too long")
    return str(value)


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError(f"{str(value)[:40]!r} is no number")
    return float(value)
