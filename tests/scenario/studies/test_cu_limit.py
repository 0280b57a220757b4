"""Steps of a CU mask."""

import pytest

pytest.importorskip("numba")

from ringscope.engine.policies import Placement
from ringscope.scenario.studies import cu_limit
from ringscope.scenario.studies.study import Desk


def test_cus_are_lost_in_steps_unless_engines_are_skipped() -> None:
    shape = cu_limit.SHAPES["4 a CU, 3200 workgroups"]
    strict, skip = (
        [cu_limit._rate(Desk(), shape, cus, placement) for cus in (76, 64)]
        for placement in (Placement.SE_STRICT, Placement.SE_SKIP)
    )
    assert strict[0] == pytest.approx(strict[1], rel=0.01)
    assert skip[0] > 1.1 * skip[1]


def test_the_conclusion_follows_the_curve() -> None:
    slope = {cus: cus / 80 for cus in cu_limit.CUS}
    stairs = {cus: 1.0 if cus > 60 else 0.5 for cus in cu_limit.CUS}
    keys = [(shape, Placement.SE_STRICT) for shape in cu_limit.SHAPES]
    said = list(cu_limit._conclusion(Desk(), [slope, stairs, slope], dict.fromkeys(keys, 0.2)))
    assert "a slope" in said[0]
    assert "a staircase, 1 falls" in said[1]
    assert "misses" in said[-1]
