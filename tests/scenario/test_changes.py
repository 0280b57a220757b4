"""Changes of queues during a run: the stack's scheduler says when they reach the firmware, and what they cost."""

from pathlib import Path

import pytest

pytest.importorskip("numba")

from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.engine.costs import QUEUE_CREATE_NS
from ringscope.engine.run import Engine
from ringscope.engine.spec import Change
from ringscope.errors import RingscopeError
from ringscope.scenario.build import Built, build
from ringscope.scenario.schema import SCHEDULERS, parse
from ringscope.stack.kfd.records import KfdError

CREATE, UPDATE, DESTROY = Change.CREATE, Change.UPDATE, Change.DESTROY


def built(process: str, scheduler: str = "cpsch", gpu: str = "mi308x", horizon: str = "60 ms") -> Built:
    text = f"""
    [device]
    gpu = "{gpu}"
    scheduler = "{scheduler}"
    [[kernel]]
    name = "a"
    workgroups = 80
    duration = "100 us"
    [[process]]
    request = ["a"]
    think = "1 ms"
    {process}
    [run]
    horizon = "{horizon}"
    """
    return build(parse(text, "x.toml", Path()))


def changes(run: Built) -> list[tuple[int, Change]]:
    return [(control.at_ns, control.change) for control in run.spec.controls]


def runlists(run: Built) -> int:
    engine = Engine(run.spec)
    engine.run(run.scenario.horizon_ns)
    return engine.totals.runlists


def test_a_process_that_starts_pays_for_every_queue_even_at_time_zero() -> None:
    queues = 2  # ROCr's own and one of HIP's
    for start in (0, 5_000_000):
        run = built(f'start = "{start} ns"')
        assert changes(run) == [(start + (n + 1) * QUEUE_CREATE_NS, CREATE) for n in range(queues)]
        assert run.spec.sources[0].start_ns == start + queues * QUEUE_CREATE_NS
    assert changes(built("")) == []


def test_a_priority_and_a_cu_mask_are_changes_of_their_own() -> None:
    high = built('start = "1 ms"\nstreams = ["high"]')
    assert [change for _, change in changes(high)] == [CREATE, CREATE, UPDATE]
    assert (high.spec.controls[-1].pipe_priority, high.spec.controls[-1].queue_priority) == (2, 11)
    masked = built('start = "1 ms"\ncu_mask = 0xff')
    assert [change for _, change in changes(masked)] == [CREATE, CREATE, UPDATE]
    assert masked.spec.controls[-1].queue_priority == 7


def test_batched_creates_share_a_runlist_and_a_destroy_waits_for_none() -> None:
    together = built('count = 4\nstart = "1 ms"\nstop = "40 ms"', "cpsch:batching")
    creates = [control for control in together.spec.controls if control.change is CREATE]
    assert [control.joins for control in creates] == [False, True, True, True] * 2
    assert not any(control.joins for control in together.spec.controls if control.change is DESTROY)
    assert runlists(together) == 2 + 8
    assert runlists(built('count = 4\nstart = "1 ms"\nstop = "40 ms"')) == 8 + 8
    assert together.broken[0].startswith("CREATE_QUEUE gave queue")


def test_a_batch_that_does_not_fill_goes_when_its_time_is_over() -> None:
    alone = built('start = "1 ms"', "cpsch:batching")
    assert changes(alone) == [(1_000_000 + (n + 1) * QUEUE_CREATE_NS + 1_000_000, CREATE) for n in range(2)]


def test_without_a_fence_the_unmap_is_not_waited_for() -> None:
    waits, hurries = (built('count = 2\nchurn = "2 ms"', scheduler) for scheduler in ("cpsch", "cpsch:async"))
    assert all(control.fenced for control in waits.spec.controls)
    assert not any(control.fenced for control in hurries.spec.controls)
    assert runlists(waits) == runlists(hurries) == len(waits.spec.controls)

    def saving(run: Built) -> int:
        engine = Engine(run.spec)
        engine.run(run.scenario.horizon_ns)
        return sum(int(row["save"]) for row in engine.log)

    assert 0 < saving(hurries) < saving(waits)


def test_what_the_driver_refuses_says_why() -> None:
    with pytest.raises(KfdError, match="a second RUN_LIST would replace the first"):
        built("count = 2", "cpsch:per-process-runlist")
    with pytest.raises(KfdError, match="two owners for one slot"):
        built("", "cpsch:hybrid")
    assert not built("", "cpsch:per-process-runlist").broken  # a single process never notices


@pytest.mark.parametrize("scheduler", ["cpsch", "nocpsch", "cpsch:no-active-runlist-check"])
def test_churn_creates_and_destroys_by_turns(scheduler: str) -> None:
    run = built('count = 2\nchurn = "10 ms"', scheduler)
    mine = [control.change for control in run.spec.controls if control.queue == run.spec.controls[0].queue]
    assert mine == [CREATE, DESTROY] * (len(mine) // 2)
    assert len(mine) in (10, 12)
    assert runlists(run) == (0 if scheduler == "nocpsch" else len(run.spec.controls))


def test_a_snapshot_has_the_queues_that_exist_then() -> None:
    run = built('count = 2\n[[process]]\nname = "late"\nrequest = ["a"]\nstart = "10 ms"\nstop = "40 ms"')
    engine = Engine(run.spec)
    seen = []
    for at in (5, 15, 30, 55):
        engine.run(at * 1_000_000)
        shown = run.snapshot(engine.state, f"{at} ms")
        seen.append([len(process.queues) for process in shown.processes])
        assert sum(map(len, [[slot for slot in shown.devices[0].hqds if slot.active and slot.xcc == 0]])) == sum(
            seen[-1]
        )
    assert seen == [[2, 2], [2, 2, 1], [2, 2, 2], [2, 2]]


@settings(max_examples=40, deadline=None)
@given(
    scheduler=st.sampled_from([name for name in SCHEDULERS if name not in ("mes", "cpsch:hybrid")]),
    start=st.integers(0, 30),
    life=st.integers(1, 40),
    count=st.integers(1, 3),
    churn=st.sampled_from(["", 'churn = "3 ms"', 'churn = "150 us"']),
)
def test_every_change_arrives_once_and_in_order(scheduler: str, start: int, life: int, count: int, churn: str) -> None:
    process = f'count = {count}\nstart = "{start} ms"\nstop = "{start + life} ms"\n{churn}'
    try:
        run = built(process, scheduler, horizon="100 ms")
    except RingscopeError as error:
        assert scheduler == "cpsch:per-process-runlist" and "\n" not in str(error)
        return
    asked = [(call.change, call.pid, call.queue_id) for _, call in run.life.calls]
    keys = {number: (queue.home.process.pid, queue.qid) for number, queue in enumerate(run.queues)}
    assert [(control.change, *keys[control.queue]) for control in run.spec.controls] == asked
    for pid in {pid for _, pid, _ in asked}:
        mine = [change for change, whose, _ in asked if whose == pid]
        assert churn or mine == [CREATE] * 2 + [DESTROY] * 2
    for (at, _), control in zip(run.life.calls, run.spec.controls, strict=True):
        assert at <= control.at_ns <= at + 1_000_000
