"""Scenario files: what is read, and what is said of a file that is wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.engine.policies import Dispatch
from ringscope.errors import InputError
from ringscope.scenario.schema import Does, Scenario, Step, load, parse
from ringscope.scenario.units import nanoseconds, picoseconds, size, spoken

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))
GOOD = """\
name = "one"
[device]
gpu = "mi308x"
[[kernel]]
name = "a"
workgroups = 80
duration = "85 us"
lds = "32 KiB"
[[process]]
request = ["a*3", "sync", "host 2 us", [["a"], ["a", "a"]]]
streams = ["high", "normal"]
[run]
horizon = "10 ms"
"""


def read(text: str) -> Scenario:
    return parse(text, "x.toml", Path())


def test_a_scenario_is_read() -> None:
    scenario = read(GOOD + '[policies]\ndispatch = "kernel"\n[costs]\nlaunch = "0.4 ns"\nsave = "7 us"\n')
    assert scenario.kernels["a"].time.quantiles == (85_000,)
    assert scenario.kernels["a"].lds == 32768
    [process] = scenario.processes
    assert process.streams == (-1, 0)
    once = Step(Does.KERNEL, "a")
    assert process.request == (
        Step(Does.KERNEL, "a", 3),
        Step(Does.SYNC),
        Step(Does.HOST, host_ns=2000),
        ((once,), (once, once)),
    )
    assert scenario.policies.dispatch is Dispatch.KERNEL
    assert scenario.costs == {"launch_ps": 400, "save_ns": 7000}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("workgroups = 80", "workgroups = 0", "x.toml:6: kernel[0].workgroups: 0 must be a whole number"),
        ('"85 us"', '"85 furlongs"', "x.toml:7: kernel[0].duration: '85 furlongs' is no quantity"),
        ("lds =", "ldz =", "x.toml:8: kernel[0].ldz: unknown key"),
        ('"a*3"', '"b*3"', "x.toml:10: process[0].request: 'b' is no kernel or copy; known: a"),
        ('"a*3"', '"a*many"', "x.toml:10: process[0].request"),
        ('"a*3"', '"a*0"', "x.toml:10: process[0].request: 'a*0': write a number above zero"),
        ('"a*3"', '"a*"', "x.toml:10: process[0].request: 'a*': write a number above zero"),
        ('["high", "normal"]', '["urgent"]', "x.toml:11: process[0].streams"),
        ('horizon = "10 ms"', "", "x.toml:12: run: 'horizon' is missing"),
        ('horizon = "10 ms"', 'horizon = "10 ms"\nwarmup = "1 s"', "x.toml:14: run.warmup"),
        ('horizon = "10 ms"', 'horizon = "3 h"', "x.toml:13: run.horizon: '3 h' is no quantity"),
        ('horizon = "10 ms"', 'horizon = "40 min"', "x.toml:13: run.horizon: a run is at most 36 minutes long"),
        ("[device]", "[devise]", "devise"),
        (
            'gpu = "mi308x"',
            'gpu = "mi308x"\nscheduler = "cpsch:magic"',
            "x.toml:4: device.scheduler: 'cpsch:magic' is not known; one of cpsch, nocpsch, mes, cpsch:batching, "
            "cpsch:per-process-runlist, cpsch:hybrid, cpsch:async, cpsch:no-active-runlist-check",
        ),
        ("[run]", 'stop = "0 ns"\n[run]', "must be above zero"),
        ("[run]", 'start = "2 ms"\nstop = "1 ms"\n[run]', "x.toml:13: process[0].stop: stops before it starts"),
        ("[run]", "[run", "x.toml:12: is no TOML"),
        ('duration = "85 us"', "", "x.toml:4: kernel[0]: needs either duration or workgroup_duration"),
        ("workgroups = 80", 'workgroups = "many"', "x.toml:6: kernel[0].workgroups: 'many' must be"),
        ('name = "one"', 'name = "one"\nkernel = 3', "is no TOML"),
        ('"85 us"', "[1]", "x.toml:7: kernel[0].duration"),
        ("[[process]]", '[[process]]\ninterval = "1 ms"', "belongs to arrival 'poisson'"),
    ],
)
def test_what_is_wrong_is_said_with_key_and_line(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError) as error:
        read(GOOD.replace(old, new))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(InputError):
        read(text)


@given(st.integers(0, len(GOOD)), st.integers(0, 20), st.sampled_from(["", "[", "]]", "=", '"', "0", "-1", "\x00"]))
def test_a_damaged_scenario_is_read_or_refused(at: int, cut: int, put: str) -> None:
    try:
        read(GOOD[:at] + put + GOOD[at + cut :])
    except InputError as error:
        assert "\n" not in str(error)


def test_times_come_from_a_trace() -> None:
    text = GOOD.replace('"85 us"', '{ trace = "run.csv", kernel = "attn" }')
    asked = []

    def times(path: Path, kernel: str) -> list[int]:
        asked.append((path, kernel))
        return [7000, 5000, 0]

    assert parse(text, "x.toml", Path("here"), times).kernels["a"].time.quantiles == (5000, 7000)
    assert asked == [(Path("here/run.csv"), "attn")]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_commented_scenarios(path: Path) -> None:
    assert path.read_text().startswith("# ")
    assert load(path).processes


def test_quantities() -> None:
    assert nanoseconds("1.5 us") == 1500
    assert picoseconds("0.76 ns") == 760
    assert nanoseconds(0) == 0
    assert size("2 MiB") == 2 << 20
    assert [spoken(t) for t in (12, 1234, 2_500_000, 3e9)] == ["12 ns", "1.23 us", "2.5 ms", "3 s"]
    for bad in ("5", "us", "-1 us", 5, None, True, "1e9 s"):
        with pytest.raises(InputError):
            nanoseconds(bad)
