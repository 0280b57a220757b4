from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Verdict
from ringscope.claims.runs import Rules
from ringscope.stack.machine import DriverSpec, SchedPolicy

NO_RINGS = Lab(rules=Rules(driver=DriverSpec(num_kcq=0)))
STATIC = Lab(rules=Rules(driver=DriverSpec(sched_policy=SchedPolicy.NO_HWS)))


def test_without_rings_of_amdgpu_there_are_32_slots() -> None:
    assert CLAIMS["A37"].examine(NO_RINGS).verdict is Verdict.CONFIRMED


def test_and_six_processes_fit() -> None:
    assert CLAIMS["A36"].examine(NO_RINGS).verdict is Verdict.CONFIRMED


def test_a_driver_that_chooses_the_slots_notes_them() -> None:
    assert CLAIMS["A14"].examine(STATIC).verdict is Verdict.REFUTED
    assert CLAIMS["A16"].examine(STATIC).verdict is Verdict.REFUTED
    assert CLAIMS["A18"].examine(STATIC).verdict is Verdict.REFUTED
