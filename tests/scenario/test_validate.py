"""Validation: errors, bounds and factors; fitted rows never count as predictions."""

import math
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.scenario.studies.study import Desk
from ringscope.scenario.validate import Checked, Row, Sense, Tally, check


def row(measured: float = 10.0, within: float = 0.2, sense: Sense = Sense.EQUAL, why: str = "") -> Row:
    return Row("r", "what", measured, "s", "source", None, within=within, sense=sense, why=why)


def test_a_small_error_is_relative_and_a_large_one_a_factor() -> None:
    assert Checked(row(), 12.0).near
    assert not Checked(row(), 12.1).near
    assert Checked(row(within=1.0), 20.0).near
    assert Checked(row(within=1.0), 5.0).near
    assert not Checked(row(within=1.0), 4.9).near


def test_a_bound_that_is_kept_is_no_error() -> None:
    assert Checked(row(sense=Sense.AT_MOST), 1.0).error == 0
    assert Checked(row(sense=Sense.AT_MOST), 15.0).error == pytest.approx(0.5)
    assert Checked(row(sense=Sense.AT_LEAST), 100.0).error == 0
    assert Checked(row(sense=Sense.AT_LEAST), 5.0).error == pytest.approx(-0.5)


def test_a_row_without_a_model_is_never_near() -> None:
    (found,) = check([row()], Desk())
    assert not found.modelled
    assert not found.near
    assert found.unexplained
    assert not check([row(why="not modelled")], Desk())[0].unexplained


@given(st.floats(0.1, 10))
def test_too_much_and_too_little_are_alike(factor: float) -> None:
    assert Checked(row(), 10 * factor).size == pytest.approx(Checked(row(), 10 / factor).size, abs=1e-9)


def test_the_worst_row_comes_first_and_the_tally_counts() -> None:
    def says(value: float, desk: Desk) -> float:
        return value

    rows = [Row(str(n), "", 1.0, "s", "", partial(says, n)) for n in (1, 4, 2)]
    found = check(rows, Desk())
    assert [one.row.id for one in found] == ["4", "2", "1"]
    tally = Tally.of(found)
    assert (tally.rows, tally.near) == (3, 1)
    assert tally.mean == pytest.approx(2 - 1)
    assert math.isnan(Tally.of([]).mean)
