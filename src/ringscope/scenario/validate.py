"""The model against published measurements: what a row is, how near it comes, and which misses nobody has explained.

A row is fitted when the figure, or another of the same kind, went into the model; only the others are predictions, and
the two are never added up together. The rows stand in :mod:`.validate_rows` and :mod:`.validate_oversubscription`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from enum import Enum

from ringscope.records import dataclass
from ringscope.scenario.studies.study import Desk

NEAR = 0.20
"""A prediction within a fifth is near, where a row says nothing else."""


class Sense(Enum):
    """What a measurement says of the true value."""

    EQUAL = "equal"
    AT_MOST = "at most"
    AT_LEAST = "at least"


@dataclass(frozen=True)
class Row:
    """One published measurement, and how the model comes to it.

    Attributes:
        id: the row of the collected measurements, or the run.
        what: what was measured.
        measured: the figure, in ``unit``.
        source: who published it.
        model: computes it; None where the model has no word for what was measured.
        fitted: what of the model was fitted to it; empty for a prediction.
        why: known ground for a miss; empty leaves a miss unexplained. It is shown only where the row misses.
        within: largest relative error that is near; a value of 1 and more is a factor.
        sense: whether the figure is a value or a bound.
        family: rows of one kind, counted together.
    """

    id: str
    what: str
    measured: float
    unit: str
    source: str
    model: Callable[[Desk], float] | None
    fitted: str = ""
    why: str = ""
    within: float = NEAR
    sense: Sense = Sense.EQUAL
    family: str = "collected measurements"


@dataclass(frozen=True)
class Checked:
    """A row with what the model gave, NaN where it gave nothing."""

    row: Row
    predicted: float

    @property
    def error(self) -> float:
        """Relative error; 0 where a bound is kept, NaN without a prediction."""
        off = self.predicted / self.row.measured - 1
        if self.row.sense is Sense.AT_MOST:
            return max(0.0, off)
        return min(0.0, off) if self.row.sense is Sense.AT_LEAST else off

    @property
    def modelled(self) -> bool:
        """Whether there is a prediction."""
        return not math.isnan(self.predicted)

    @property
    def size(self) -> float:
        """How bad: the factor by which it is missed, as a logarithm; infinite without a prediction."""
        return abs(math.log(max(1 + self.error, 1e-9))) if self.modelled else math.inf

    @property
    def near(self) -> bool:
        """Whether the prediction is as near as the row asks."""
        if not self.modelled:
            return False
        limit = self.row.within
        # A factor counts alike above and below; a small relative error is taken as it stands.
        return self.size <= math.log(1 + limit) + 1e-12 if limit >= 1 else abs(self.error) <= limit

    @property
    def unexplained(self) -> bool:
        """A miss for which nobody knows the ground."""
        return not self.near and not self.row.why


@dataclass(frozen=True)
class Tally:
    """How many of a group are near; ``mean`` is the mean factor of the misses and hits that are modelled, less 1."""

    rows: int
    near: int
    mean: float

    @classmethod
    def of(cls, checked: Iterable[Checked]) -> Tally:
        """Of any rows."""
        every = list(checked)
        sizes = [one.size for one in every if one.modelled]
        mean = math.expm1(math.fsum(sizes) / len(sizes)) if sizes else math.nan
        return cls(len(every), sum(one.near for one in every), mean)


def check(rows: Iterable[Row], desk: Desk, tell: Callable[[str], None] = lambda name: None) -> tuple[Checked, ...]:
    """Every row computed, worst first; ``tell`` is told which row is next."""
    found = []
    for row in rows:
        tell(row.id)
        found.append(Checked(row, math.nan if row.model is None else row.model(desk)))
    return tuple(sorted(found, key=lambda one: -one.size))
