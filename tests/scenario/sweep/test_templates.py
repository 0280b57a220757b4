"""Points built from templates against the same points built from the file, byte by byte."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.engine import state
from ringscope.errors import RingscopeError
from ringscope.scenario import toml
from ringscope.scenario.build import build
from ringscope.scenario.schema import Draft, Scenario, parse
from ringscope.scenario.sweep.axes import Axis
from ringscope.scenario.sweep.points import Sweep
from ringscope.scenario.sweep.results import Asked

RICH = """\
name = "rich"
[device]
gpu = "mi300a"
[[kernel]]
name = "long"
workgroups = 700
duration = "40 us"
vgprs = 128
[[kernel]]
name = "a.b c"
workgroups = 8
workgroup_duration = { mean = "3 us" }
jitter = 0.25
[[copy]]
name = "in"
duration = "9 us"
[[process]]
name = "steady"
count = 2
streams = ["normal", "high", "low", "normal", "normal"]
request = ["in", "long*3", [["a.b c", "long"], ["a.b c*2"]], "sync", "host 2 us", "a.b c"]
think = "10 us"
[[process]]
name = "open"
arrival = "poisson"
interval = "70 us"
request = ["a.b c*2", "in"]
cu_mask = 0xffffff
barrier = false
[[process]]
name = "traced"
arrival = "trace"
times = ["1 us", "300 us"]
request = ["long"]
[run]
horizon = "500 us"
"""
AXES = (
    "run.seed=0..9",
    "run.horizon=300 us,500 us",
    'run.warmup="1 us","250 us"',
    "run.replications=1..3",
    "kernel.long.workgroups=1..900:100",
    "kernel.long.duration=20 us..60 us:1 us",
    "kernel.long.bandwidth=0.0,0.7",
    "kernel.long.jitter=0.0,0.5",
    "kernel.long.vgprs=0,64,512",
    "kernel.a.b c.workgroup_duration.mean=1 us..4 us:1 us",
    "copy.in.duration=9 us,10 us,40 us",
    "process.steady.think=0..90 us:10 us",
    "process.steady.submit=0,3 us",
    "process.steady.count=1,3",
    "process.steady.hw_queues=1,2,4",
    "process.steady.requests=1,5",
    "process.steady.start=0,20 us",
    "process.open.interval=50 us,70 us",
    "process.open.barrier=true,false",
    "process.open.streams=1,3",
    "process.open.cu_mask=0xff,0xffffff",
    'process.traced.times=["1 us"],["1 us","2 us","40 us"]',
    "process.traced.churn=100 us,200 us",
    "costs.packet=0,1 us",
    "costs.launch=0.5 ns,2 ns",
    "policies.placement=se-strict,se-skip",
    "policies.dispatch=in-order,kernel",
    "device.num_kcq=0,8",
    "device.scheduler=cpsch,nocpsch",
)


def from_the_file(sweep: Sweep, number: int) -> Scenario:
    """A point without anything that is remembered: its values written into the text, and the text read."""
    values = toml.values_of(sweep.text, sweep.file)
    for axis, value in sweep.values(number):
        toml.put(values, axis.key, axis.written(value))
    return parse(toml.text_of(values), sweep.file, Path())


def same(ours: state.State, plain: state.State) -> None:
    for name, mine, other in zip(plain._fields, ours, plain, strict=True):
        assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
        assert mine.tobytes() == other.tobytes(), name


def agree(sweep: Sweep, number: int) -> None:
    """The point is the one that is built from the file, or refused as that is."""
    try:
        scenario = from_the_file(sweep, number)
        plain = build(scenario)
    except RingscopeError as error:
        with pytest.raises(type(error)) as caught:
            sweep.builder.point(sweep.values(number))
        assert str(caught.value).rpartition(": ")[2] == str(error).rpartition(": ")[2]
        return
    point = sweep.builder.point(sweep.values(number))
    assert point.scenario == scenario
    assert point.asked == Asked.of(scenario, plain)
    assert (point.built.spec.machine, point.built.spec.queues) == (plain.spec.machine, plain.spec.queues)
    if point.template is not None and point.numbers is not None:
        same(point.template.frame.state(point.numbers), state.build(plain.spec))
    else:
        assert point.built.spec == plain.spec


def in_blocks(sweep: Sweep, numbers: list[int]) -> int:
    """The points of blocks are those that are built one by one; returns how many there are."""
    count = 0
    blocks, alone, refused = sweep.built(numbers, sweep.columns(numbers))
    for block in blocks:
        for member, row, asked in zip(block.members.tolist(), block.numbers, block.asked, strict=True):
            point = sweep.builder.point(sweep.values(numbers[member]))
            assert point.asked == asked
            assert point.template is block.template and point.numbers is not None
            assert point.numbers.tobytes() == row.tobytes()
            count += 1
    assert count + len(alone) + len([number for number in numbers if number in refused]) == len(numbers)
    return count


@pytest.mark.parametrize("axis", [axis for axis in AXES if ":" in axis or "seed" in axis or "," in axis])
def test_a_block_of_an_axis_is_its_points(axis: str) -> None:
    sweep = Sweep(RICH, "rich.toml", Path(), (Axis.parse(axis),))
    in_blocks(sweep, list(range(min(sweep.points, 25))))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(AXES), min_size=1, max_size=5, unique=True), st.data())
def test_a_block_is_its_points(over: list[str], data: st.DataObject) -> None:
    sweep = Sweep(RICH, "rich.toml", Path(), tuple(map(Axis.parse, over)))
    in_blocks(sweep, data.draw(st.lists(st.integers(0, sweep.points - 1), min_size=2, max_size=12, unique=True)))


PLAIN = (
    "run.seed=0..9",
    "run.horizon=300 us..500 us",
    "run.warmup=1 us..350 us",
    "run.replications=1..3",
    "kernel.long.workgroups=1..900",
    "kernel.long.duration=1 us..60 us",
    "copy.in.duration=9 us..40 us",
    "process.steady.think=0..90 us",
    "process.steady.submit=0..3 us",
    "process.open.submit=0..3 us",
    "process.steady.requests=1..5",
    "process.open.requests=1..5",
    "costs.packet=0..1 us",
    "costs.gang_quantum=1 us..1 ms",
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=6, unique=True), st.integers(0, 9))
def test_nearly_all_points_of_a_hypercube_are_in_blocks(over: list[str], seed: int) -> None:
    sweep = Sweep(RICH, "rich.toml", Path(), tuple(map(Axis.parse, over)), 30, seed)
    refused = sweep.built(range(30), sweep.columns(range(30)))[2]
    assert in_blocks(sweep, list(range(30))) >= 25 - len(refused)


def test_points_whose_times_coincide_lie_in_blocks_of_their_own() -> None:
    over = ("process.steady.think=0..90 us:10 us", "copy.in.duration=10 us..60 us:10 us", "costs.packet=1 us,2 us")
    sweep = Sweep(RICH, "rich.toml", Path(), tuple(map(Axis.parse, over)))
    assert in_blocks(sweep, list(range(sweep.points))) == sweep.points


@pytest.mark.parametrize("axis", AXES)
def test_each_axis_alone_gives_the_points_built_from_the_file(axis: str) -> None:
    sweep = Sweep(RICH, "rich.toml", Path(), (Axis.parse(axis),))
    for number in (0, sweep.points - 1, 0):
        agree(sweep, number)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(AXES), min_size=1, max_size=5, unique=True), st.data())
def test_a_point_of_a_template_is_the_point_built_from_the_file(over: list[str], data: st.DataObject) -> None:
    sweep = Sweep(RICH, "rich.toml", Path(), tuple(map(Axis.parse, over)))
    for number in data.draw(st.lists(st.integers(0, sweep.points - 1), min_size=2, max_size=6)):
        agree(sweep, number)


def test_only_another_structure_is_built_anew() -> None:
    over = ("run.seed=1..4", "process.steady.count=1,2", "kernel.long.duration=20 us,30 us", "costs.packet=0,1 us")
    sweep = Sweep(RICH, "rich.toml", Path(), tuple(map(Axis.parse, over)))
    points = [sweep.builder.point(sweep.values(number)) for number in range(sweep.points)]
    assert len({id(point.template) for point in points if point.template}) == 2
    assert all(point.template for point in points)


def test_what_is_remembered_of_a_file_is_not_changed_by_its_points() -> None:
    draft = Draft.of(RICH, "rich.toml")
    before = repr(draft.values)
    sweep = Sweep(RICH, "rich.toml", Path(), (Axis.parse("kernel.a.b c.workgroup_duration.mean=1 us,2 us"),))
    first = sweep.scenario(0)
    assert sweep.scenario(1) != first == sweep.scenario(0)
    assert repr(sweep.builder.draft.values) == before
