from pathlib import Path

import pytest

from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Verdict
from ringscope.claims.runs import Rules
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import UpdateQueue
from ringscope.stack.kfd.scheduler.cpsch import Cpsch
from ringscope.stack.kfd.scheduler.variants import PerProcessCpsch
from ringscope.stack.machine import DriverSpec, NoActiveRunlistCheck, NodeSpec, SchedPolicy, Scheduling

STATIC = Rules(driver=DriverSpec(sched_policy=SchedPolicy.NO_HWS))
progress = Kfd.progress


def verdict(name: str) -> Verdict:
    return CLAIMS[name].examine(Lab()).verdict


def update_at_each_launch(self: Kfd, pid: int, queue_id: int, rptr_dwords: int, wptr_dwords: int) -> None:
    progress(self, pid, queue_id, rptr_dwords, wptr_dwords)
    request = self.queue(pid, queue_id).request
    self.update_queue(pid, UpdateQueue(queue_id, request.ring_base, request.ring_bytes, 100, request.priority))


def test_a_driver_that_updates_at_each_launch_turns_what_rests_on_a_quiet_hiq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kfd, "progress", update_at_each_launch)
    for name in ("A28", "A45", "A47", "A55"):
        assert verdict(name) is Verdict.CONFIRMED, name
    # One reason of several: the HIQ is busy, but still no run without the check differs.
    for name in ("A27", "A30", "A39"):
        assert verdict(name) is Verdict.PARTLY, name


def test_captures_stand_against_a_changed_stack(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kfd, "progress", update_at_each_launch)
    assert CLAIMS["A28"].examine(Lab(shared / "mi308x")).verdict is Verdict.PARTLY


def test_mapping_without_unmapping_makes_processes_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cpsch, "_execute", lambda self, **kept: self.map_without_unmap())
    assert verdict("A25") is Verdict.CONFIRMED
    assert verdict("A26") is Verdict.CONFIRMED


@pytest.mark.parametrize("name", ["A29", "A48", "B19"])
def test_sched_policy_2_needs_no_hiq(name: str) -> None:
    assert CLAIMS[name].examine(Lab(rules=STATIC)).verdict is Verdict.REFUTED


def test_without_the_check_there_is_no_early_return() -> None:
    rules = Rules(driver=DriverSpec(proposal=NoActiveRunlistCheck()))
    assert CLAIMS["A52"].examine(Lab(rules=rules)).verdict is Verdict.REFUTED


def test_a_packet_manager_that_takes_a_second_runlist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PerProcessCpsch, "_activate", Cpsch._activate)
    assert verdict("A40") is Verdict.CONFIRMED


def test_parts_that_had_mes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NodeSpec, "scheduling", Scheduling.MES)
    assert verdict("A48") is Verdict.REFUTED
    assert verdict("A49") is Verdict.CONFIRMED
    assert verdict("B17") is Verdict.CONFIRMED
    assert verdict("B19") is Verdict.REFUTED


def test_over_subscribed_processes_are_refused_with_static_slots() -> None:
    notes = [reason.text for reason in CLAIMS["A44"].examine(Lab()).reasons]
    assert any("4 processes of 5 queues fit" in text for text in notes), notes
