"""Suspends, quanta, and sixteen threads."""

import pytest

pytest.importorskip("numba")

from ringscope.engine.policies import Policies, Priority
from ringscope.scenario.studies import preemption
from ringscope.scenario.studies.study import MS, Desk


def test_dearer_maps_hurt_more_where_a_neighbour_is_suspended() -> None:
    _, grown = preemption._suspends(Desk())
    _, dear = preemption._suspends(Desk(costs={"map_ns": MS}))
    assert grown["NOCPSCH"] == dear["NOCPSCH"] == 1
    assert dear["CPSCH"] > grown["CPSCH"] > 1


def test_sixteen_threads_share_what_one_has() -> None:
    alone = preemption.task_times(Desk(), 0, Priority.NONE, threads=1)[1]
    both = preemption.task_times(Desk(), 0, Priority.NONE, threads=2)[1]
    assert alone == pytest.approx(475.41, rel=0.01)
    assert both == pytest.approx(2 * alone, rel=0.02)


def test_the_conclusion_on_priority_follows_its_reading() -> None:
    times = {(0, p): 8000.0 for p in Priority} | {(n, p): 500.0 + p for n in (1, 3) for p in Priority}
    for reading in (Priority.NONE, Priority.FULL):
        said = list(
            preemption._conclusion(
                Desk(policies=Policies(priority=reading)), {"CPSCH": 1.0}, {1: 1.0, 2: 1.0}, {1: 1.0, 2: 9.0}, times
            )
        )
        assert "leaves its neighbour alone" in said[0]
        assert "makes no difference" in said[1]
        assert "(none)" in said[-1]
