from ringscope.claims.claim import Verdict
from ringscope.claims.lab import Lab
from ringscope.claims.runs import Rules
from ringscope.stack.machine import DriverSpec, SchedPolicy

NO_RINGS = Lab(rules=Rules(driver=DriverSpec(num_kcq=0)))
STATIC = Lab(rules=Rules(driver=DriverSpec(sched_policy=SchedPolicy.NO_HWS)))


def test_without_rings_of_amdgpu_there_are_32_slots() -> None:
    assert NO_RINGS.finding("A37").verdict is Verdict.CONFIRMED


def test_and_six_processes_fit() -> None:
    assert NO_RINGS.finding("A36").verdict is Verdict.CONFIRMED


def test_a_driver_that_chooses_the_slots_notes_them() -> None:
    assert STATIC.finding("A14").verdict is Verdict.REFUTED
    assert STATIC.finding("A16").verdict is Verdict.REFUTED
    assert STATIC.finding("A18").verdict is Verdict.REFUTED
