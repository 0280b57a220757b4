"""Rows of words: any dump that the driver can print is read back, nothing else is taken for one."""

from collections.abc import Sequence

import pytest
from dumps import le, rows
from hypothesis import given
from hypothesis import strategies as st

from ringscope.evidence.dump import runs_of
from ringscope.snapshot import Run

WORDS = st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=40)


def test_a_known_row() -> None:
    text = "    0000c914: 006e3000 00000000 00000001\n"
    assert runs_of(text) == [Run(0xC914, bytes.fromhex("00306e00 00000000 01000000"))]


@given(st.lists(st.tuples(st.integers(1, 1 << 20), WORDS), min_size=1, max_size=4), st.integers(0, 6))
def test_runs_are_read_back(pieces: Sequence[tuple[int, list[int]]], indent: int) -> None:
    text, address, want = "", 0, []
    for gap, words in pieces:
        address += 4 * gap
        text += rows(words, address, " " * indent)
        want.append(Run(address, le(words)))
        address += 4 * len(words)
    assert runs_of(text, indent) == want


def test_a_short_row_within_a_run_is_damage() -> None:
    with pytest.raises(ValueError, match="before address 00000004"):
        runs_of("    00000000: 00000001\n    00000004: 00000002\n")
