"""The desk: what it measures, and that the study's own choices win over its."""

import pytest

pytest.importorskip("numba")

from ringscope.engine.policies import Policies, Priority
from ringscope.scenario.studies import workload
from ringscope.scenario.studies.study import MS, Desk, Table, listed, spliced


def test_counted_packets_agree_with_finished_requests() -> None:
    built = Desk().build([workload.kernel()], workload.process(1, streams=1), horizon_ns=600 * MS)
    rate = Desk().rates(built, workload.STEPS).total
    assert rate == pytest.approx(Desk().latencies(built).rate(0), rel=0.02)
    assert rate == pytest.approx(Desk().play(built).per_second.mean, rel=0.02)


def test_what_a_study_varies_wins_over_the_desk() -> None:
    desk = Desk(policies=Policies(priority=Priority.PIPE), costs={"wake_ns": 1, "map_ns": 2})
    kind = workload.process(1)
    assert desk.build([workload.kernel()], kind).spec.policies.priority is Priority.PIPE
    built = desk.build([workload.kernel()], kind, costs={"wake_ns": 3}, priority=Priority.FULL)
    assert built.spec.policies.priority is Priority.FULL
    assert (built.spec.costs.wake_ns, built.spec.costs.map_ns) == (3, 2)


def test_spliced_streams_keep_their_own_queue_and_request() -> None:
    builds = [Desk().build([workload.kernel(n)], workload.process(1, streams=3)) for n in (80, 160)]
    both = spliced([builds[0], None, builds[1]]).spec
    assert [thread.packets[0].workgroups for thread in both.threads] == [80, 160]
    queues = [thread.packets[0].queue for thread in both.threads]
    assert queues == [builds[0].spec.threads[stream].packets[0].queue for stream in (0, 2)]
    assert [thread.source for thread in both.threads] == [0, 1]


def test_figures_leave_out_what_is_no_number() -> None:
    table = Table("", ("name", "n"), (("a", 1), ("b", None), ("c", 2.5)))
    assert table.figures("n") == {"a": 1.0, "c": 2.5}


@pytest.mark.parametrize(("words", "said"), [([], "none"), (["a"], "a"), (["a", "b", "c"], "a, b and c")])
def test_lists_are_spoken(words: list[str], said: str) -> None:
    assert listed(words) == said
