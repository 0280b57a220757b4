from dataclasses import replace

import pytest

from ringscope.claims.claim import Verdict
from ringscope.claims.lab import Lab
from ringscope.claims.runs import Rules
from ringscope.claims.timed import Load, play
from ringscope.engine import costs
from ringscope.stack.machine import DriverSpec, SchedPolicy

pytest.importorskip("numba")
costs_for = costs.costs_for
LAB = Lab(time=True)


def test_work_is_conserved() -> None:
    alone = LAB.played(LAB.processes(1)).total
    for processes in (2, 4):
        played = LAB.played(LAB.processes(processes))
        assert len(played.requests) == processes
        assert max(played.requests) - min(played.requests) <= 2
        assert 0.95 * alone <= played.total <= 1.05 * alone


def test_a_run_plays_the_same_each_time() -> None:
    run = LAB.processes(2)
    assert play(run, Load()) == play(run, Load())


def test_no_runlist_is_sent_while_kernels_run() -> None:
    assert LAB.played(LAB.processes(4)).runlists == 0


def test_queues_that_do_not_fit_take_turns() -> None:
    assert LAB.played(LAB.processes(4)).rotations == 0
    assert LAB.played(LAB.processes(6)).rotations > 0


def test_half_the_cus_do_at_most_half() -> None:
    run = LAB.processes(1)
    assert LAB.played(run, Load(cus=40)).total <= 0.5 * LAB.played(run).total
    assert LAB.played(run, Load(cus=80)) == LAB.played(run)


def test_slots_of_the_driver_are_the_engine_s() -> None:
    static = LAB.processes(2, sched_policy=SchedPolicy.NO_HWS, proposal=None)
    assert LAB.played(static).total == LAB.played(LAB.processes(2)).total


def test_priority_counts_where_it_is_said_to() -> None:
    run = LAB.run((0, -1))
    (plain,) = LAB.played(run, Load(streams=2)).streams
    (decided,) = LAB.played(run, Load(streams=2, by_priority=True)).streams
    assert abs(plain[0] - plain[1]) <= 1
    assert decided[1] > 1.5 * decided[0]


def test_costly_exchanges_of_processes_would_make_static_slots_a_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "costs_for", lambda gfx: replace(costs_for(gfx), save_ns=3_000_000))
    one_at_once = Rules(driver=DriverSpec(hws_max_conc_proc=1))
    assert Lab(rules=one_at_once, time=True).finding("A44").verdict is Verdict.CONFIRMED
    assert Lab(time=True).finding("A44").verdict is Verdict.REFUTED
