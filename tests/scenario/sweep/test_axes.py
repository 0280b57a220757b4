import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.scenario.sweep.axes import Axis


@pytest.mark.parametrize(
    ("text", "values", "unit", "kind"),
    [
        ("run.seed=1..4", [1, 2, 3, 4], "", "int"),
        ("kernel.a.workgroups=80..320:80", [80, 160, 240, 320], "", "int"),
        ("kernel.a.workgroups=80..300:80", [80, 160, 240], "", "int"),
        ("device.num_kcq=0,2,8", [0, 2, 8], "", "int"),
        ("kernel.a.jitter=0.1..0.5:0.1", [0.1, 0.2, 0.3, 0.4, 0.5], "", "float"),
        ("kernel.a.duration=50 us..200us:50 us", [50_000, 100_000, 150_000, 200_000], "ns", "int"),
        ("process.s.think=0, 1ms", [0, 1_000_000], "ns", "int"),
        ("costs.launch=0.5 ns,2 ns", [500, 2000], "ps", "int"),
        ("kernel.a.lds=0..32 KiB:16 KiB", [0, 16384, 32768], "B", "int"),
        ("device.partition=spx,cpx", ["spx", "cpx"], "", "text"),
        ('device.rocm="6.4","7.0"', ["6.4", "7.0"], "", "text"),
        ("process.s.barrier=true,false", [True, False], "", "bool"),
        ('process.s.streams=["high"],["high","low"],3', [["high"], ["high", "low"], 3], "", "text"),
        ("process.s.cu_mask=1,18446744073709551616", [1, 1 << 64], "", "text"),
    ],
)
def test_what_an_axis_says(text: str, values: list[object], unit: str, kind: str) -> None:
    axis = Axis.parse(text)
    assert (list(axis.values), axis.unit, axis.kind) == (values, unit, kind)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run.seed", "is no axis; write key=a..b"),
        ("=1..2", "is no axis"),
        ("run.seed=", "is no axis"),
        ("run.seed=4..1", "does not rise"),
        ("run.seed=1..9:0", "a step that is not above zero"),
        ("run.seed=a..b", "no number, time or size"),
        ("run.seed=1..2 us", "no number, time or size"),
        ("run.seed=1..inf", "no number, time or size"),
        ("kernel.a.duration=1 us..2 KiB", "no number, time or size"),
        ("run.seed=1,2,1", "the same value twice"),
        (f"run.seed=0..{1 << 70}", "more values than can be counted"),
        ("kernel.a.jitter=0.1..0.2:0.0000000001", "more than 10000000 values"),
    ],
)
def test_what_it_refuses(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        Axis.parse(text)
    assert str(caught.value).startswith(f"--over {text}: ") and said in str(caught.value)


def test_an_error_stays_one_line() -> None:
    for text in ("run.seed=1\n2", "device.gpu=\udc80"):
        with pytest.raises(InputError) as caught:
            Axis.parse(text)
        assert "\n" not in str(caught.value) and str(caught.value).isprintable()


def test_columns_say_the_unit_where_the_key_does_not() -> None:
    assert Axis.parse("kernel.a.duration=1 us,2 us").column == "kernel.a.duration_ns"
    assert Axis.parse("kernel.a.lds=1 KiB,2 KiB").column == "kernel.a.lds_bytes"
    assert Axis.parse("run.seed=1,2").column == "run.seed"


@given(st.text(max_size=60))
def test_any_text_is_an_axis_or_an_input_error(text: str) -> None:
    for whole in (text, f"run.seed={text}"):
        try:
            axis = Axis.parse(whole)
        except InputError:
            continue
        for value in axis.tried:
            assert isinstance(axis.cell(value), int | float | bool | str)


@given(st.integers(-50, 50), st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_layers_are_values_of_the_range(low: int, width: int, at: float) -> None:
    assert low <= Axis.parse(f"k.a={low}..{low + width}").layer(at) <= low + width
    assert low <= Axis.parse(f"k.a={low}.0..{low + width}.5").layer(at) <= low + width + 0.5
