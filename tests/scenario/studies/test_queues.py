"""The studies of queues, slots and rings: what the stack makes of them, and what they cost in time."""

import pytest

pytest.importorskip("numba")

from ringscope.engine.policies import Idle, Placement, Policies, Priority
from ringscope.scenario.studies import (
    cu_limit,
    mes_vs_cpsch,
    num_kcq,
    over_subscription,
    preemption,
    queue_reuse,
    ring_mapping,
    stream_limits,
)
from ringscope.scenario.studies.study import MS, Desk


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


def test_streams_make_no_more_queues_than_the_cap_and_one() -> None:
    findings = stream_limits.STUDY.run(Desk())
    assert findings.conclusion[1] == "by default (4) 16 to 64 streams make 5 queues of 24 slots"
    assert "from 25 queues on" in findings.conclusion[2]


def test_two_streams_on_one_ring_wait_for_each_other() -> None:
    findings = queue_reuse.STUDY.run(Desk())
    slowed = findings.tables[1].figures("times")
    assert slowed["1"] > 5
    assert slowed["2"] == slowed["4"] == 1
    assert "no MQD, doorbell, ring or slot is shared" in findings.conclusion[1]
    objects = {(2, 1): {"queues": 4, "queue ids": 2, "MQDs": 2}, (1, 1): {"queues": 2, "queue ids": 2, "MQDs": 2}}
    assert "MQDs are shared" in list(queue_reuse._conclusion(objects, {1: 1.0}))[1]


def test_no_process_sits_on_a_ring_of_amdgpu() -> None:
    findings = ring_mapping.STUDY.run(Desk())
    assert set(findings.tables[1].figures("of them in use by processes").values()) == {0}
    assert "pipe k mod 4" in findings.conclusion[-1]
    assert "break" not in findings.conclusion[-1]


def test_cus_are_lost_in_steps_unless_engines_are_skipped() -> None:
    shape = cu_limit.SHAPES["4 a CU, 3200 workgroups"]
    strict, skip = (
        [cu_limit._rate(Desk(), shape, cus, placement) for cus in (76, 64)]
        for placement in (Placement.SE_STRICT, Placement.SE_SKIP)
    )
    assert strict[0] == pytest.approx(strict[1], rel=0.01)
    assert skip[0] > 1.1 * skip[1]


def test_the_cliff_is_at_the_slots_and_its_depth_is_the_idle_queues() -> None:
    inside, queues, over = over_subscription.iteration_ns(Desk(), 8, 2, Idle.HOLD)
    assert (queues, over) == (24, False)
    beyond, queues, over = over_subscription.iteration_ns(Desk(), 8, 4, Idle.HOLD)
    assert (queues, over) == (40, True)
    assert beyond > 10 * inside
    assert over_subscription.iteration_ns(Desk(), 8, 4, Idle.BUSY_FIRST)[0] < 0.9 * beyond


def test_a_change_of_a_queue_stops_bystanders_under_cpsch_only() -> None:
    for gpu, hurt in (("mi308x", True), ("navi31", False)):
        still, moving = (mes_vs_cpsch._p99(Desk(), gpu, 1, 0, changes)[0] for changes in (0, 500))
        assert (moving > 1.05 * still) is hurt


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
