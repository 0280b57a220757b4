"""Every way a kernel line is stamped gives its time and leaves its message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.evidence.stamps import stamped
from ringscope.recording import Clock

NS = 1_000_000_000
JAN_30_2026 = 1769771679 * NS  # 2026-01-30T11:14:39Z


@pytest.mark.parametrize(
    ("line", "time_ns", "clock"),
    [
        ("[  123.456789] MESSAGE", 123_456_789_000, Clock.SCHED),
        ("[123456.000001][ T1234] MESSAGE", 123_456_000_001_000, Clock.SCHED),
        ("<6>[    0.000000] MESSAGE", 0, Clock.SCHED),
        ("kern  :warn  : [  7.000000] MESSAGE", 7 * NS, Clock.SCHED),
        ("Dec 14 01:39:19 node7 kernel: [2582911.790196] MESSAGE", 2582911_790_196_000, Clock.SCHED),
        ("[  7.000000] node7 kernel: MESSAGE", 7 * NS, Clock.SCHED),
        ("[Fri Jan 30 11:14:39 2026] MESSAGE", JAN_30_2026, Clock.REALTIME),
        ("2026-01-30T11:14:39,123456+00:00 MESSAGE", JAN_30_2026 + 123_456_000, Clock.REALTIME),
        ("2026-01-30T19:14:39+0800 node7 kernel: MESSAGE", JAN_30_2026, Clock.REALTIME),
        ("2026-01-30T19:14:39.5+0800 node7 kernel: MESSAGE", JAN_30_2026 + 500_000_000, Clock.REALTIME),
        ("Fri 2026-01-30 11:14:39 UTC node7 kernel: MESSAGE", JAN_30_2026, Clock.REALTIME),
        ("Jan 02 00:00:01 node7 kernel: MESSAGE", (2 * 365 + 1) * 86400 * NS + NS, Clock.UNKNOWN),
        ("kvě 25 19:29:57 bc250 kernel: MESSAGE", 0, Clock.UNKNOWN),
        ("[  +9.002503] MESSAGE", 0, Clock.UNKNOWN),
        ("[Jan 99 99:99:99 2026] MESSAGE", 0, Clock.UNKNOWN),
        ("MESSAGE", 0, Clock.UNKNOWN),
        ("   python3-4140775 [012] ..... 8841.123456: MESSAGE", 8841_123_456_000, Clock.SCHED),
        ("<...>-77   (-------) [001] d..2. 8841.123456789: MESSAGE", 8841_123_456_789, Clock.SCHED),
    ],
)
def test_stamp(line: str, time_ns: int, clock: Clock) -> None:
    found = stamped(line.replace("MESSAGE", "amdgpu: hello").encode())
    assert found.text.endswith(b"amdgpu: hello")
    assert (found.time_ns, found.clock) == (time_ns, clock)
    if clock is not Clock.UNKNOWN:
        assert found.text == b"amdgpu: hello"


def test_ftrace_names_the_thread_and_the_process_where_it_was_recorded() -> None:
    found = stamped(b"  pool-1-thread-2-4711 ( 4700) [012] ..... 8841.123456: map_queues_cpsch: x")
    assert (found.tid, found.pid, found.text) == (4711, 4700, b"map_queues_cpsch: x")
    assert stamped(b"  a-1 (-------) [012] ..... 1.000000: x").pid is None
    assert stamped(b"[    1.000000] x").tid is None


@given(st.binary(max_size=300))
def test_any_line_has_a_stamp(line: bytes) -> None:
    assert stamped(line).time_ns >= 0


@given(st.text("[]+-:.,0123456789 JanFeb\tkernel:Z", max_size=120))
def test_almost_a_stamp_is_no_error(line: str) -> None:
    assert stamped(line.encode()).text is not None
