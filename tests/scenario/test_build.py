"""What the stack decides arrives in the engine as the stack decided it."""

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("numba")

from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.engine.run import Engine
from ringscope.engine.spec import Change, Op
from ringscope.errors import InputError, RingscopeError
from ringscope.scenario.build import Built, build
from ringscope.scenario.schema import Scenario, load, parse
from ringscope.stack.kfd.records import KfdError

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))


def scenario(process: str, device: str = 'gpu = "mi308x"', more: str = "") -> Scenario:
    text = f"""
    [device]
    {device}
    [[kernel]]
    name = "a"
    workgroups = 80
    duration = "100 us"
    [[kernel]]
    name = "b"
    workgroups = 80
    duration = "250 us"
    [[copy]]
    name = "in"
    duration = "40 us"
    [[process]]
    {process}
    [costs]
    packet = 0
    barrier = 0
    launch = 0
    wake = 0
    {more}
    [run]
    horizon = "20 ms"
    """
    return parse(text, "x.toml", Path())


def seats(built: Built) -> dict[int, tuple[int, int]]:
    """Where the engine puts the queues at time zero."""
    state = Engine(replace(built.spec, threads=(), sources=())).state
    return {int(q): built.slots[slot] for slot, q in enumerate(state.slot) if q >= 0}


LATE = ("coming-and-going", "batched-starts")  # whose queues are not all there at time zero
STEADY = [path for path in EXAMPLES if path.stem not in LATE]


@pytest.mark.parametrize("path", STEADY, ids=lambda path: path.stem)
def test_queues_sit_where_the_stack_puts_them(path: Path) -> None:
    built = build(load(path))
    expected = {}
    for number, queue in enumerate(built.queues):
        place = built.kfd.slot(queue.home.process.pid, queue.qid) if queue.is_compute else None
        if place is not None:
            expected[number] = place
    assert seats(built) == expected


def test_streams_share_queues_as_hip_says() -> None:
    built = build(scenario('request = ["a"]\nstreams = 16'))
    used = [thread.packets[0].queue for thread in built.spec.threads]
    assert len(built.queues) == 5  # four of HIP, one of ROCr
    assert sorted({used.count(queue) for queue in used}) == [4]


def test_priority_and_slots_of_nocpsch() -> None:
    built = build(scenario('request = ["a"]\nstreams = ["high", "normal", "low"]'))
    priorities = sorted((queue.queue_priority, queue.pipe_priority) for queue in built.spec.queues)
    assert priorities == [(0, 0), (7, 1), (7, 1), (11, 2)]
    static = build(scenario('request = ["a"]\nstreams = 3', 'gpu = "mi308x"\nscheduler = "nocpsch"'))
    assert [queue.slot is not None for queue in static.spec.queues] == [True] * 4
    with pytest.raises(KfdError):
        build(scenario('request = ["a"]\nstreams = 4\ncount = 6', 'gpu = "mi308x"\nscheduler = "nocpsch"'))


def test_over_subscription_is_the_stacks_verdict() -> None:
    assert build(scenario('request = ["a"]\nstreams = 4\ncount = 4')).limits == ()
    assert build(scenario('request = ["a"]\nstreams = 4\ncount = 5')).limits == ("too many queues",)
    assert build(scenario('request = ["a"]\ncount = 14')).limits[0] == "too many processes"
    assert build(scenario('request = ["a"]\nstreams = 4\ncount = 3', 'gpu = "navi31"')).limits


def test_a_cu_mask_arrives() -> None:
    built = build(scenario('request = ["a"]\ncu_mask = 0xff'))
    [masked] = [queue for queue in built.spec.queues if queue.cu_mask]
    assert sum(mask.bit_count() for mask in masked.cu_mask) == 8
    assert len(masked.cu_mask) == 16


@pytest.mark.parametrize(("stem", "seated"), [("two-processes", 8), ("over-subscribed", 24), ("gangs", 8)])
def test_a_snapshot_shows_who_sits_where(stem: str, seated: int) -> None:
    built = build(load(next(path for path in EXAMPLES if path.stem == stem)))
    engine = Engine(built.spec)
    engine.run(25_000_000)
    snapshot = built.snapshot(engine.state, "here")
    shown = {(slot.pipe, slot.queue) for slot in snapshot.devices[0].hqds if slot.active}
    assert shown == {built.slots[slot] for slot, q in enumerate(engine.state.slot) if q >= 0}
    assert len(shown) == seated
    compute = [queue for _, queue in snapshot.queues if len(queue.mqds) == built.node.xccs]
    assert len(compute) == sum(queue.is_compute for queue in built.queues)


def latency(text: str, more: str = "") -> int:
    engine = Engine(build(scenario(text, more=more)).spec)
    engine.run(20_000_000)
    row = engine.log[0]
    return int(row["done"] - row["arrival"])


def test_a_kernel_alone_takes_what_the_scenario_says() -> None:
    assert latency('request = ["a"]') == 100_000
    assert latency('request = ["a*3", "sync", "host 5 us", "b"]') == 555_000
    assert latency('request = ["in", "a"]') == 140_000


def test_branches_run_side_by_side_and_join() -> None:
    assert latency('streams = 2\nrequests = 1\nrequest = ["a", [["a", "a"], ["b"]], "a"]') == pytest.approx(
        100_000 + 250_000 + 100_000, abs=100_001
    )
    built = build(scenario('streams = 2\nrequest = ["a", [["a", "a"], ["b"]], "a"]'))
    ops = [packet.op for packet in built.spec.threads[0].packets]
    assert ops == [Op.DISPATCH] * 3 + [Op.BARRIER_AND, Op.DISPATCH, Op.BARRIER_AND, Op.DISPATCH]
    assert built.spec.threads[0].packets[3].after == (0,)
    assert built.spec.threads[0].packets[5].after == (2, 4)


def test_a_visitor_makes_the_driver_remap_the_device() -> None:
    path = next(path for path in EXAMPLES if path.stem == "coming-and-going")
    built = build(load(path))
    changes = [control.change for control in built.spec.controls]
    assert changes == [Change.CREATE] * 5 + [Change.DESTROY] * 5
    engine = Engine(built.spec)
    engine.run(120_000_000)
    assert engine.totals.runlists == 10
    assert sum(int(row["save"]) for row in engine.log) > 0


@settings(max_examples=60, deadline=None)
@given(
    key=st.sampled_from(
        ["workgroups", "duration", "streams", "request", "cu_mask", "launch", "save", "gpu", "horizon"]
    ),
    value=st.sampled_from(
        ("0", "1", "-1", "1e9", "true", '"1 ns"', '"18 min"', '"999999999 s"', "[]", "{}", "1073741824", '"a*99999999"')
    ),
)
def test_no_value_breaks_the_build(key: str, value: str) -> None:
    text = (
        '[device]\ngpu = "mi308x"\n[[kernel]]\nname = "a"\nworkgroups = 80\nduration = "100 us"\n'
        '[[process]]\nrequest = ["a"]\nstreams = 2\ncu_mask = 3\n[costs]\nlaunch = "1 ns"\nsave = "1 us"\n'
        '[run]\nhorizon = "1 ms"\n'
    )
    put = f"[{value}]" if key == "request" and value.startswith('"') else value
    lines = [f"{key} = {put}" if line.startswith(f"{key} =") else line for line in text.splitlines()]
    try:
        Engine(build(parse("\n".join(lines), "x.toml", Path())).spec)
    except RingscopeError as error:
        assert "\n" not in str(error)


def test_what_cannot_be_built_is_said() -> None:
    with pytest.raises(InputError, match="is scheduled by cpsch, not mes"):
        build(scenario('request = ["a"]', 'gpu = "mi308x"\nscheduler = "mes"'))
    with pytest.raises(InputError, match="no device"):
        build(scenario('request = ["a"]', 'gpu = "mi9"'))
    wide = scenario('request = ["a"]')
    huge = replace(wide, kernels={"a": replace(wide.kernels["a"], lds=1 << 20), "b": wide.kernels["b"]})
    with pytest.raises(InputError, match=r"does not fit|lds"):
        build(huge)
