import pytest
from asking import NO, UNDECIDED, YES, ask, kernels, recorded, told

from ringscope.errors import InputError
from ringscope.recording import Kind
from ringscope.verdicts.conservation import Throughput, judge


def test_the_published_figures_cannot_be_per_process() -> None:
    """118.7 alone; 72, 58.5 and 60.5 with 2, 4 and 6 processes."""
    found = judge(118.7, (Throughput(2, 72.0), Throughput(4, 58.5), Throughput(6, 60.5)))
    assert found.verdict is NO
    assert "read them as totals" in found.summary
    assert found.because[0].text == "2 processes at 72: per process 1.21 of one alone, in total 0.61"


def test_figures_that_share_one_device_fairly_can_be_either() -> None:
    assert judge(118.7, (Throughput(2, 59.0), Throughput(4, 29.0))).verdict is UNDECIDED
    assert judge(118.7, (Throughput(2, 72.0),), saturated=False).verdict is UNDECIDED
    assert judge(118.7, (Throughput(2, 200.0),)).verdict is UNDECIDED
    assert judge(118.7, ()).verdict is UNDECIDED


def test_impossible_figures_are_refused() -> None:
    with pytest.raises(InputError):
        judge(0, ())
    with pytest.raises(InputError):
        Throughput(0, 1)


def test_a_trace_names_each_process() -> None:
    both = recorded(*kernels(500, 0, 1000, 60), *kernels(501, 0, 1000, 40))
    alone = recorded(*kernels(400, 0, 1000, 200))
    found = ask("per-process", recordings=[both, alone])
    assert (found.verdict, found.summary) == (YES, "500: 60/s, 501: 40/s; 100/s in total = 50% of one alone")
    assert [source.line for source in found.because[0].at] == [both.events[0].source.line, 60]


def test_a_log_of_several_processes_counts_them_together() -> None:
    mixed = recorded(told(Kind.STREAM_CREATE, pid=1), told(Kind.STREAM_CREATE, pid=2), counters={"launches": 96})
    assert ask("per-process", recordings=[mixed]).verdict is NO
    assert ask("per-process").quiet
