from asking import NO, UNDECIDED, YES, ask, kernels, recorded, told
from machines import machine

from ringscope.recording import Kind


def test_no_runlist_while_running_means_that_the_flag_is_not_looked_at() -> None:
    quiet = [machine({500: [7, 7]}, label="a", write_pointer=29), machine({500: [7, 7]}, label="b", write_pointer=29)]
    assert ask("active-runlist", *quiet).verdict is NO


def test_runlists_while_running_leave_it_open() -> None:
    run = recorded(told(Kind.RUNLIST), *kernels(500, 0, 10, 5))
    assert ask("active-runlist", recordings=[run]).verdict is UNDECIDED


def test_early_returns_are_counted() -> None:
    found = ask("active-runlist", recordings=[recorded(counters={"map_queues_blocked": 3})])
    assert (found.verdict, found.finding, found.summary) == (YES, True, "3 map requests returned early")
    assert ask("active-runlist", recordings=[recorded(counters={"map_queues_blocked": 0})]).verdict is UNDECIDED
