import pytest
from asking import NO, UNDECIDED, YES, ask, kernels, recorded, told
from machines import machine

from ringscope.join import case_of
from ringscope.recording import Kind
from ringscope.verdicts.runlists import counted

STEADY = [
    machine({}, label="a", write_pointer=8),
    machine({500: [7, 7]}, label="b", write_pointer=29),
    machine({500: [7, 7]}, label="c", write_pointer=29),
]


def test_every_dword_accounted_for() -> None:
    found = ask("runlists-while-running", *STEADY)
    assert (found.verdict, found.summary) == (NO, "HIQ dwords: 21 = 2 creates")


def test_dwords_beyond_the_changes() -> None:
    busy = [*STEADY[:2], machine({500: [7, 7]}, label="c", write_pointer=29 + 170)]
    found = ask("runlists-while-running", *busy)
    assert (found.verdict, found.summary) == (UNDECIDED, "10 queue operations happened between the snapshots unseen")
    odd = [*STEADY[:2], machine({500: [7, 7]}, label="c", write_pointer=29 + 5)]
    assert ask("runlists-while-running", *odd).finding


def test_a_recording_is_counted_runlist_by_runlist() -> None:
    changes = [told(Kind.QUEUE_CREATE), told(Kind.RUNLIST, gpu_id=1), told(Kind.QUEUE_UPDATE), told(Kind.RUNLIST)]
    run = kernels(500, 0, 10, 5)
    assert ask("runlists-while-running", recordings=[recorded(*changes, *run)]).verdict is NO
    more = ask("runlists-while-running", recordings=[recorded(*changes, told(Kind.RUNLIST), *run)])
    assert (more.verdict, more.finding, more.summary) == (YES, True, "1 runlist beyond those of queue changes")


def test_one_instant_shows_no_movement() -> None:
    assert ask("runlists-while-running", machine({500: [7]})).verdict is UNDECIDED
    still = ask("runlists-while-running", machine({500: [7]}, label="a"), machine({500: [7]}, label="b"))
    assert (still.verdict, still.summary) == (NO, "the HIQ did not move at all")


@pytest.mark.parametrize(("runlists", "changes", "beyond"), [(5, 3, 2), (3, 2, 1), (2, 2, 0), (1, 2, 0)])
def test_runlists_beyond_the_changes_are_never_fewer_than_none(runlists: int, changes: int, beyond: int) -> None:
    events = [told(Kind.QUEUE_CREATE)] * changes + [told(Kind.RUNLIST, gpu_id=1)] * runlists
    (found,) = counted(case_of((), (recorded(*events, *kernels(500, 0, 10, 5)),)))
    assert (found.runlists, found.changes, found.dispatches, found.beyond) == (runlists, changes, 5, beyond)
