"""Quantities: read exactly, refused with the units that there are, spoken with three digits."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.scenario.units import nanoseconds, picoseconds, size, spoken


@given(
    st.integers(0, 10**9),
    st.sampled_from([("ps", 1), ("ns", 10**3), ("us", 10**6), ("µs", 10**6), ("ms", 10**9), ("s", 10**12)]),
)
def test_whole_numbers_are_exact(number: int, unit: tuple[str, int]) -> None:
    assert picoseconds(f"{number} {unit[0]}") == picoseconds(f" {number}{unit[0]} ") == number * unit[1]


def test_fractions_are_decimal_and_rounded_to_the_even() -> None:
    assert picoseconds("0.76 ns") == 760
    assert nanoseconds("0.1 us") == 100
    assert nanoseconds("1 min") == 60 * 10**9
    assert [nanoseconds(f"{ps} ps") for ps in (499, 500, 501, 1500)] == [0, 0, 1, 2]


def test_sizes_are_binary() -> None:
    assert [size(text) for text in ("7 B", "32 KiB", "1.5 MiB", "2 GiB")] == [7, 32 << 10, 3 << 19, 2 << 30]


def test_nothing_needs_no_unit() -> None:
    assert picoseconds(0) == nanoseconds(0) == size(0) == 0


@pytest.mark.parametrize(
    "text", ["", "5", "us", "-1 us", "1e3 us", "5 KB", "5 us us", "1_0 us", "٣ fs", 5, 1.5, None, True, "9" * 80 + " s"]
)
def test_what_is_no_quantity_is_refused(text: object) -> None:
    with pytest.raises(InputError, match=re.escape("is no quantity")):
        picoseconds(text)
    with pytest.raises(InputError, match="units: B, KiB, MiB, GiB"):
        size(text)


@given(st.floats(0, 1e14))
def test_what_is_spoken_is_near(time_ns: float) -> None:
    number, unit = spoken(time_ns).split()
    assert abs(float(number) * {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[unit] - time_ns) <= max(0.0051 * time_ns, 0.5)
    assert "e" not in number
