from asking import NO, UNDECIDED, YES, ask
from machines import machine


def test_what_the_hardware_changes_may_differ() -> None:
    found = ask("mqd-hqd", machine({500: [7, 7]}, live={1: {"cp_hqd_pq_rptr": 16, "cp_hqd_pq_wptr_lo": 16}}))
    assert (found.verdict, found.finding) == (NO, False)


def test_what_only_the_driver_writes_may_not() -> None:
    found = ask("mqd-hqd", machine({500: [7, 7]}, xccs=1, live={1: {"cp_hqd_quantum": 0}}))
    assert (found.verdict, found.finding, found.summary) == (YES, True, "1 register that only the driver writes")
    assert "cp_hqd_quantum is 0x111 in the MQD and 0x0 in the slot" in found.because[0].text


def test_both_are_needed() -> None:
    assert ask("mqd-hqd", machine({500: [7]}, sources=("mqds",))).verdict is UNDECIDED
    assert ask("mqd-hqd", machine({})).quiet
