"""Slots that fewer kernel rings leave."""

import pytest

pytest.importorskip("numba")

from ringscope.scenario.studies import num_kcq
from ringscope.scenario.studies.study import Desk


def test_kernel_rings_given_back_are_slots_won() -> None:
    findings = num_kcq.STUDY.run(Desk())
    assert dict(findings.charts[0].bars) == {"num_kcq=8": 24, "num_kcq=2": 30, "num_kcq=1": 31}
    assert "5 and 6 processes" in findings.conclusion[-1]
    nothing = list(
        num_kcq._conclusion(
            {8: 24, 2: 24, 1: 24}, {8: [4]}, dict.fromkeys([(k, n) for k in (8, 1) for n in (4, 5, 6, 7)], 9)
        )
    )
    assert nothing[-1].startswith("giving rings back ends no")
