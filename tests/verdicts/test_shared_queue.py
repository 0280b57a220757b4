from asking import NO, UNDECIDED, YES, ask, log, recorded, told
from machines import machine

from ringscope.recording import Kind


def test_streams_of_one_ring() -> None:
    shared = ask("shared-queue", recordings=[log([(1, 0x1000, 1), (2, 0x1000, 1)])])
    assert (shared.verdict, shared.summary) == (YES, "2 streams on 1 queue")
    assert ask("shared-queue", recordings=[log([(1, 0x1000, 1), (2, 0x2000, 1)])]).verdict is NO


def test_a_log_that_names_no_ring_is_open() -> None:
    old = recorded(told(Kind.STREAM_CREATE, stream=1, priority=1), told(Kind.STREAM_CREATE, stream=2, priority=1))
    assert ask("shared-queue", recordings=[old]).verdict is UNDECIDED


def test_debugfs_knows_no_streams() -> None:
    assert ask("shared-queue", machine({500: [7] * 5})).verdict is UNDECIDED
