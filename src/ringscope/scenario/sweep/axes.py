"""One axis of a sweep: a key of the scenario file and the values it takes."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

from ringscope.errors import InputError
from ringscope.records import dataclass
from ringscope.scenario.units import picoseconds, size

MAX_POINTS = 10_000_000
MAX_TRIED = 100


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


_KINDS: dict[str, Callable[[Any], Any]] = {"int": int, "float": float, "bool": bool, "text": _plain}


@dataclass(frozen=True)
class Axis:
    """One key and the values it takes.

    Attributes:
        text: as the user wrote it.
        key: path in the scenario file.
        values: the values, in order; of times and sizes as whole numbers of ``unit``. Empty for a ``span``.
        unit: ``ns``, ``ps`` or ``B``; empty for plain values.
        span: the ends of a range without steps, for a Latin hypercube alone.
    """

    text: str
    key: str
    values: Sequence[Any] = ()
    unit: str = ""
    span: tuple[float, float] | None = None

    @classmethod
    def parse(cls, text: str) -> Axis:
        """``key=a..b``, ``key=a..b:step`` or ``key=a,b,c``; values as in the file, quotes may be left out."""
        if not text.isprintable():
            raise wrong(ascii(text), "has characters that cannot be printed")
        key, equals, right = (part.strip() for part in text.partition("="))
        if not equals or not key or not right:
            raise wrong(text, "is no axis", "write key=a..b, key=a..b:step or key=a,b,c")
        found = re.fullmatch(r"([^\"'\[\],]+?)\.\.([^\"'\[\],:]+)(?::([^\"'\[\],:]+))?", right)
        if found:
            low, high, step = (None if part is None else _value(part.strip()) for part in found.groups())
            return _range(cls(text, key), low, high, step)
        values = _list(right)
        numbers, unit = _in_unit(values)
        if len(set(map(repr, numbers))) < len(numbers):
            raise wrong(text, "has the same value twice")
        return cls(text, key, tuple(numbers), unit)

    @property
    def column(self) -> str:
        """Its name among the results: the key, with the unit where the key does not say it."""
        return self.key + {"": "", "B": "_bytes"}.get(self.unit, f"_{self.unit}")

    def layer(self, at: float) -> Any:
        """The value at ``at`` of the way, 0 to below 1."""
        if self.span is None:
            return self.values[min(int(at * len(self.values)), len(self.values) - 1)]
        value = self.span[0] + at * (self.span[1] - self.span[0])
        return round(value) if self.unit else value

    def written(self, value: Any) -> Any:
        """``value`` as the scenario file would have it."""
        return f"{value} {self.unit}" if self.unit else value

    def cell(self, value: Any) -> Any:
        """``value`` as a table's column of this axis's :attr:`kind` has it."""
        return _KINDS[self.kind](value)

    @cached_property
    def kind(self) -> str:
        """What its column holds: ``int`` (63 bits), ``float``, ``bool`` or ``text`` (lists and mixtures as JSON)."""
        if self.span is not None:
            return "int" if self.unit else "float"
        if isinstance(self.values, range):
            return "int" if abs(self.values[0]) < 1 << 63 > self.values[-1] else "text"
        if all(isinstance(value, bool) for value in self.values):
            return "bool"
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in self.values):
            return "text"
        if any(isinstance(value, float) for value in self.values):
            return "float"
        return "int" if all(-1 << 63 <= value < 1 << 63 for value in self.values) else "text"

    @property
    def tried(self) -> Sequence[Any]:
        """What has to be right before anything runs: every value, or the ends where they are many."""
        if self.span is not None:
            return self.layer(0.0), self.layer(1.0)
        return self.values if len(self.values) <= MAX_TRIED else (self.values[0], self.values[-1])


def wrong(text: str, what: str, todo: str = "") -> InputError:
    """An error at the option that gave the axis."""
    return InputError(what, f"--over {text}", todo)


def _value(text: str) -> Any:
    """A value as TOML has it; what TOML does not know is a text whose quotes were left out."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def _list(text: str) -> list[Any]:
    whole = _value(f"[{text}]")
    return whole if isinstance(whole, list) else [_value(part.strip()) for part in text.split(",")]


def _quantity(value: Any, unit: str) -> int | None:
    try:
        return size(value) if unit == "B" else picoseconds(value)
    except InputError:
        return None


def _in_unit(values: Sequence[Any]) -> tuple[Sequence[Any], str]:
    """Quantities as whole numbers of one unit; anything else as it is."""
    if any(isinstance(value, str) for value in values):
        times = [time for value in values if (time := _quantity(value, "ps")) is not None]
        if len(times) == len(values):
            whole = all(time % 1000 == 0 for time in times)
            return ([time // 1000 for time in times], "ns") if whole else (times, "ps")
        sizes = [bytes_ for value in values if (bytes_ := _quantity(value, "B")) is not None]
        if len(sizes) == len(values):
            return sizes, "B"
    return values, ""


def _range(axis: Axis, low: Any, high: Any, step: Any) -> Axis:
    given = [low, high] if step is None else [low, high, step]
    numbers, unit = _in_unit(given)
    if any(not isinstance(n, int | float) or isinstance(n, bool) or not math.isfinite(n) for n in numbers):
        raise wrong(axis.text, "is a range of something that is no number, time or size")
    first, last = numbers[0], numbers[1]
    if first >= last:
        raise wrong(axis.text, "does not rise from its first value to its last")
    if last - first >= 1 << 62:
        raise wrong(axis.text, "is a range of more values than can be counted")
    whole = all(isinstance(number, int) for number in numbers)
    if step is None:
        if whole and not unit:
            return Axis(axis.text, axis.key, range(first, last + 1))
        return Axis(axis.text, axis.key, (), unit, (first, last))
    by = numbers[2]
    if by <= 0:
        raise wrong(axis.text, "has a step that is not above zero")
    if whole:
        return Axis(axis.text, axis.key, range(first, last + 1, by), unit)
    # Decimal, so that 0.1..0.5:0.1 ends at 0.5.
    start, stop, stride = (Decimal(str(number)) for number in numbers)
    count = int((stop - start) / stride) + 1
    if count > MAX_POINTS:
        raise wrong(axis.text, f"has more than {MAX_POINTS} values")
    return Axis(axis.text, axis.key, tuple(float(start + i * stride) for i in range(count)))
