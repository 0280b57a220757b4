"""Adding up: intervals over replications."""

import pytest

pytest.importorskip("numpy")

from hypothesis import given
from hypothesis import strategies as st

from ringscope.scenario.outcome import Estimate, _t95


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.706), (5, 2.571), (10, 2.228), (11, 2.201), (20, 2.086), (60, 2.000), (999, 1.962)]
)
def test_students_t_is_that_of_the_tables(freedom: int, t: float) -> None:
    assert _t95(freedom) == pytest.approx(t, rel=1e-3)


def test_one_replication_has_no_interval_and_equal_ones_have_none_to_speak_of() -> None:
    assert Estimate.of([3.0]) == Estimate(3.0, None)
    assert Estimate.of([3.0] * 5) == Estimate(3.0, 0.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.floats(-1e3, 1e3))
def test_an_interval_moves_with_its_values_and_keeps_its_width(values: list[float], by: float) -> None:
    here, there = Estimate.of(values), Estimate.of([value + by for value in values])
    assert there.mean == pytest.approx(here.mean + by, abs=1e-3)
    assert here.half_width is not None
    assert there.half_width == pytest.approx(here.half_width, rel=1e-3, abs=1e-3)
