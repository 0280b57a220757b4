"""Priority: what each reading gives, and that the conclusion follows the one chosen."""

import pytest

pytest.importorskip("numba")

from ringscope.engine.policies import Policies, Priority
from ringscope.scenario.studies import priority
from ringscope.scenario.studies.priority import Case
from ringscope.scenario.studies.study import Desk


def p50(reading: Priority, *, apart: int, processes: int = 1, desk: Desk | None = None) -> float:
    desk = desk or Desk()
    return desk.latencies(priority._built(desk, Case("CPSCH", processes, apart, reading))).quantile(2, 0.5)


def test_sharing_a_pipe_costs_whole_quanta_and_only_full_priority_saves_some() -> None:
    apart, same = p50(Priority.NONE, apart=0), p50(Priority.NONE, apart=3)
    assert same > 5 * apart
    assert p50(Priority.PIPE, apart=3) == same
    assert p50(Priority.FULL, apart=3) < 0.7 * same


def test_arrangements_are_what_they_are_called() -> None:
    desk = Desk()
    for processes in (1, 2):
        for apart in (0, 3):
            built = priority._built(desk, Case("CPSCH", processes, apart, Priority.NONE))
            assert priority._share_a_pipe(built, desk.latencies(built)) is (apart == 3)


def test_the_conclusion_follows_the_reading_chosen() -> None:
    results = {
        Case(scheduler, processes, apart, reading): 100.0 if reading is Priority.NONE else 60.0
        for scheduler in priority.DEVICES
        for processes in (1, 2)
        for apart in (0, 3)
        for reading in Priority
    }
    pipes: dict[Case, bool | None] = {case: case.apart == 3 for case in results}
    fixes = tuple(priority._fix(lost) for lost in (True, False))
    said = {
        reading: " ".join(priority._conclusion(Desk(policies=Policies(priority=reading)), results, pipes, fixes))
        for reading in Priority
    }
    assert "(none) a HIGH stream of the same process gains nothing" in said[Priority.NONE]
    assert "(full) a HIGH stream of the same process waits 60%" in said[Priority.FULL]


def test_priority_reaches_the_driver_without_a_fix() -> None:
    lost, released = (priority._fix(lost) for lost in (True, False))
    assert lost[1:5] == (7, 1, 7, 1)
    assert released[1:5] == (11, 2, 0, 0)
    assert int(str(released[5])) - int(str(lost[5])) == 2  # an update of either queue, and its runlist
