from dataclasses import replace

import pytest

from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Verdict
from ringscope.claims.runs import Rules
from ringscope.claims.timed import Load, play
from ringscope.engine.costs import costs_for
from ringscope.scenario import build
from ringscope.stack.machine import DriverSpec, QueueIds

pytest.importorskip("numba")
LAB = Lab(time=True)


def test_work_is_conserved() -> None:
    alone = LAB.played(Load()).total
    for processes in (2, 4):
        played = LAB.played(Load(processes))
        assert len(played.requests) == processes
        assert max(played.requests) - min(played.requests) <= 2
        assert 0.95 * alone <= played.total <= 1.05 * alone


def test_a_load_plays_the_same_each_time() -> None:
    assert play(Rules(), Load(2)) == play(Rules(), Load(2))


def test_no_runlist_is_sent_while_kernels_run() -> None:
    assert LAB.played(Load(4)).queues == 20
    assert LAB.played(Load(4)).runlists == 0


def test_queues_that_do_not_fit_take_turns() -> None:
    assert LAB.played(Load(4)).rotations == 0
    assert LAB.played(Load(6)).rotations > 0


def test_half_the_cus_do_at_most_half() -> None:
    assert LAB.played(Load(cus=40)).total <= 0.5 * LAB.played(Load()).total
    assert LAB.played(Load(cus=80)).total == LAB.played(Load()).total


def test_neither_static_slots_nor_ids_change_what_is_done() -> None:
    usual = LAB.played(Load(2)).total
    assert LAB.played(Load(2, scheduler="nocpsch")).total == usual
    assert LAB.played(Load(2, queue_ids=QueueIds.PID_HASH)).total == usual


def test_priority_counts_where_it_is_said_to() -> None:
    (plain,) = LAB.played(Load(streams=(0, -1))).streams
    (decided,) = LAB.played(Load(streams=(0, -1), by_priority=True)).streams
    assert abs(plain[0] - plain[1]) <= 1
    assert decided[1] > 1.5 * decided[0]


def test_the_lab_plays_a_load_once_and_says_so_before() -> None:
    told: list[str] = []
    lab = Lab(time=True, ready=lambda: told.append("ready"))
    assert not told
    assert lab.played(Load()) is lab.played(Load())
    lab.played(Load(2))
    assert told == ["ready"]


def test_costly_exchanges_of_processes_would_make_static_slots_a_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "costs_for", lambda gfx, **given: replace(costs_for(gfx), save_ns=3_000_000))
    one_at_once = Rules(driver=DriverSpec(hws_max_conc_proc=1))
    assert CLAIMS["A44"].examine(Lab(rules=one_at_once, time=True)).verdict is Verdict.CONFIRMED
    assert CLAIMS["A44"].examine(Lab(time=True)).verdict is Verdict.REFUTED
