from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_sweep import SMALL, sweep

from ringscope.errors import InputError
from ringscope.scenario.build import build
from ringscope.scenario.outcome import simulate
from ringscope.scenario.sweep.axes import Axis
from ringscope.scenario.sweep.points import Sweep


def test_a_grid_has_every_combination_the_last_axis_fastest() -> None:
    grid = sweep("process.service.count=1..3", "device.num_kcq=0,8", "run.seed=5,7")
    points = [grid.point(number) for number in range(grid.points)]
    assert points == list(product((1, 2, 3), (0, 8), (5, 7)))


@given(st.integers(1, 40), st.integers(0, 3))
def test_a_latin_hypercube_meets_each_layer_once(samples: int, seed: int) -> None:
    cube = sweep("kernel.attention.jitter=0.0..1.0", f"run.seed=0..{samples - 1 or 1}", samples=samples, seed=seed)
    points = [cube.point(number) for number in range(cube.points)]
    assert sorted(int(jitter * samples) for jitter, _ in points) == list(range(samples))
    if samples > 1:
        assert sorted(number for _, number in points) == list(range(samples))


def test_a_hypercube_depends_on_its_seed_alone() -> None:
    def points(seed: int) -> list[tuple[object, ...]]:
        cube = sweep("process.service.think=0..1 ms", "run.seed=1..9", samples=20, seed=seed)
        return [cube.point(number) for number in range(20)]

    assert points(1) == points(1) != points(2)
    # Written out: these must not change from one Python to the next.
    assert points(1)[:2] == [(868603, 3), (229271, 6)]


@given(st.integers(1, 3000))
def test_shards_cut_the_points(count: int) -> None:
    cube = sweep("run.seed=1..9", samples=count)
    assert [point for number in range(cube.shards) for point in cube.shard(number)] == list(range(count))


def test_every_key_of_a_scenario_can_be_varied() -> None:
    text = SMALL + '[device]\n[[copy]]\nname = "in"\nduration = "1 us"\n'
    wide = sweep(
        "device.num_kcq=2",
        "kernel.attention.duration.mean=3 us",
        "copy.in.duration=2 us",
        "process.service.count=2",
        "run.horizon=3 ms",
        "policies.dispatch=in-order",
        "costs.launch=0.76 ns",
        text=text.replace('duration = "40 us"', 'duration = { mean = "1 us" }'),
    )
    wide.check()
    scenario = wide.scenario(0)
    assert scenario.device.num_kcq == 2
    times = scenario.kernels["attention"].time.quantiles
    assert sum(times) / len(times) == pytest.approx(3000, rel=1e-3)
    assert scenario.copies["in"].time.quantiles == (2000,)
    assert scenario.processes[0].count == 2
    assert scenario.horizon_ns == 3_000_000
    assert scenario.policies.dispatch.name == "IN_ORDER"
    assert scenario.costs == {"launch_ps": 760}


def test_a_process_without_a_name_and_names_with_dots() -> None:
    text = SMALL.replace('name = "service"\n', "").replace("attention", "a.b c")
    both = sweep("process.process 1.count=2,3", "kernel.a.b c.workgroups=7", text=text)
    both.check()
    assert both.scenario(1).processes[0].count == 3
    assert both.scenario(1).kernels["a.b c"].workgroups == 7


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ("process.other.count=1..2", "names no process of the file; process.NAME.KEY with service"),
        ("process.service.cuont=1..2", "process[0].cuont: unknown key; known: name, request, count"),
        ("process.service.count=0..2", "process[0].count: 0 must be a whole number from 1 to 512"),
        ("process.service.count=500..513", "process[0].count: 513 must be"),
        ("kernel.attention.name=a,b", "names no key that can be varied"),
        ("kernel.attention.workgroups.x=1,2", "names no key that can be varied"),
        ("kernel.attention.=1,2", "names no key that can be varied"),
        ("name=a,b", "has no key 'name'; it begins with device, run"),
        ("device.rocm=6.4,7.0", "device.rocm: 6.4 must be a text; put it in quotes: 'device.rocm=\"6.4\"'"),
        ("device.gpu=mi308x,mi309x", "no device 'mi309x'"),
        ("device.num_kcq=8,9", "device.num_kcq: 9 must be a whole number from 0 to 8"),
        ("run.warmup=0..2 ms:1 ms", "run.warmup: the warm-up is as long as the run"),
    ],
)
def test_wrong_axes_are_said_before_anything_runs(over: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        sweep(over).check()
    assert str(caught.value).startswith(f"--over {over}: ") and said in str(caught.value)


def test_a_value_may_need_another_axis() -> None:
    grid = sweep('run.warmup="2 ms","8 ms"', 'run.horizon="5 ms","9 ms"')
    grid.check()
    refused = [grid.row(number)["refused"] for number in range(4)]
    assert refused[2] == "small.toml:9: run.warmup: the warm-up is as long as the run"
    assert refused[:2] + refused[3:] == [None] * 3
    with pytest.raises(InputError, match=r"--over run.warmup=.*the warm-up is as long as the run"):
        sweep('run.warmup="2 ms","10 ms"', 'run.horizon="5 ms","9 ms"').check()


def test_wrong_sweeps() -> None:
    with pytest.raises(InputError, match="a key that another axis has"):
        sweep("run.seed=1,2", "run.seed=3,4")
    with pytest.raises(InputError, match=r"has no steps; write a\.\.b:step, or --samples N"):
        sweep("process.service.think=0..1 ms")
    with pytest.raises(InputError, match="the grid has 100000000 points; at most 10000000"):
        sweep("run.seed=1..10000", "process.service.requests=1..10000")
    twice = SMALL + '[[process]]\nname = "service"\nrequest = ["attention"]\n'
    with pytest.raises(InputError, match="two processes have the same name"):
        sweep("run.seed=1,2", text=twice).check()


def test_a_row_is_what_simulate_says() -> None:
    grid = sweep("process.service.count=1,3", "run.seed=4,5")
    row = grid.row(3)
    outcome = simulate(build(grid.scenario(3)), tell=lambda done: None)
    (share,) = outcome.shares
    assert (row["process.service.count"], row["run.seed"], row["refused"]) == (3, 5, None)
    assert row["requests"] == share.requests > 0
    assert row["requests_per_s"] == outcome.per_second.mean
    assert (row["p50_ns"], row["p99_ns"], row["max_ns"]) == (share.p50_ns, share.p99_ns, share.max_ns)
    assert row["mean_ns"] == pytest.approx(share.mean_ns)
    assert sum(value for key, value in row.items() if key.endswith("_share")) == pytest.approx(1)
    assert set(row) == {"point", "process.service.count", "run.seed", "refused", *grid.metrics}


def test_a_row_does_not_depend_on_what_ran_before() -> None:
    grid = sweep("process.service.count=1,3", "process.service.streams=1,5", "device.num_kcq=0,8", "run.seed=4,5")
    there = [grid.row(number) for number in range(grid.points)]
    back = [grid.row(number) for number in reversed(range(grid.points))]
    fresh = simulate(build(grid.scenario(15)))
    assert there == back[::-1]
    assert there[15]["events"] == fresh.totals[0].events


def test_several_kinds_of_processes_have_results_of_their_own() -> None:
    text = SMALL + '[[process]]\nname = "other"\nrequest = ["attention"]\n'
    grid = sweep("run.seed=1,2", text=text)
    row = grid.row(0)
    assert set(row) == {"point", "run.seed", "refused", *grid.metrics}
    assert row["service.requests_per_s"] + row["other.requests_per_s"] == pytest.approx(row["requests_per_s"])


def test_a_point_that_finishes_nothing_has_no_latency() -> None:
    row = sweep("kernel.attention.duration=40 us,2 ms").row(1)
    assert (row["requests"], row["p99_ns"], row["refused"]) == (0, None, None)


def test_a_point_that_the_driver_refuses_says_why() -> None:
    text = SMALL + '[device]\ngpu = "mi308x"\nscheduler = "nocpsch"\n'
    grid = sweep("process.service.count=1..40:39", text=text)
    assert grid.row(0)["refused"] is None
    assert grid.row(1)["requests"] is None and grid.row(1)["refused"]


def test_two_sweeps_are_alike_or_not() -> None:
    def identity(one: Sweep) -> dict[str, object]:
        return one.identity

    assert identity(sweep("run.seed=1,2")) == identity(sweep("run.seed=1,2"))
    others = [
        sweep("run.seed=1,3"),
        sweep("run.seed=1,2", samples=2),
        sweep("run.seed=1,2", samples=2, seed=1),
        sweep("run.seed=1,2", text=SMALL.replace("40 us", "41 us")),
    ]
    assert len({str(identity(one)) for one in [sweep("run.seed=1,2"), *others]}) == 5


def test_an_axis_that_a_calibration_sets_is_refused(tmp_path: Path) -> None:
    from ringscope.scenario.fit import Fit, Parameter

    packet = Parameter("costs.packet", "ns", 900.0, 20.0, 850.0, 950.0, 100.0, 9000.0)
    (tmp_path / "fit.json").write_bytes(Fit("f", (packet,), (), ((1.0,),), "how", (), "0").dumps())
    text = (
        'calibration = "fit.json"\n[[kernel]]\nname = "k"\nworkgroups = 8\nduration = "20 us"\n'
        '[[process]]\nrequest = ["k"]\n[run]\nhorizon = "1 ms"\n'
    )
    for key, refused in (("costs.packet", True), ("costs.barrier", False)):
        made = Sweep(text, "s.toml", tmp_path, (Axis.parse(f'{key}="1 us","2 us"'),))
        if refused:
            with pytest.raises(InputError, match="a key that the file's calibration sets"):
                made.check()
        else:
            assert made.check().costs == {"packet_ns": 900}
