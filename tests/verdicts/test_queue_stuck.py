from asking import NO, UNDECIDED, YES, ask, recorded, told
from machines import machine

from ringscope.recording import Kind
from ringscope.snapshot import Snapshot


def at(read: int, write: int, label: str = "now") -> Snapshot:
    """One queue whose ring was read and written so many packets."""
    pointers = {"cp_hqd_pq_rptr": 16 * read, "cp_hqd_pq_wptr_lo": 16 * write}
    return machine({500: [7, 7]}, label=label, live={1: pointers})


def test_packets_that_wait_behind_an_unmoved_read_pointer() -> None:
    found = ask("queue-stuck", at(17, 20, "a"), at(17, 21, "b"))
    assert (found.verdict, found.finding) == (YES, True)
    assert found.confidence and found.confidence.word == "weak"
    assert "HIP #1 of 500: 4 packets waiting, at number 17, unmoved in 2 snapshots" in found.because[0].text
    longer = ask("queue-stuck", at(17, 20, "a"), at(17, 21, "b"), at(17, 21, "c"))
    assert longer.confidence and longer.confidence.word == "likely"


def test_a_queue_at_work_is_not_stuck() -> None:
    assert ask("queue-stuck", at(17, 20, "a"), at(18, 20, "b")).verdict is NO
    assert ask("queue-stuck", at(20, 20)).verdict is NO
    assert ask("queue-stuck", at(17, 20)).verdict is UNDECIDED


def test_the_read_pointer_wraps_with_the_ring_and_the_write_pointer_does_not() -> None:
    assert ask("queue-stuck", at(3, 16384 + 3)).verdict is NO


def test_the_kernels_word_is_certain_but_not_for_graphics_rings() -> None:
    hang = recorded(told(Kind.HANG, doorbell=0x1002))
    found = ask("queue-stuck", at(20, 20), recordings=[hang])
    assert (found.verdict, found.because[0].text) == (YES, "the driver logged a hang of HIP #1 of process 500")
    ring = recorded(told(Kind.HANG, ring="gfx_0.0.0"))
    assert ask("queue-stuck", at(20, 20), recordings=[ring]).verdict is NO
