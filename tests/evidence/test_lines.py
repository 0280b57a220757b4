"""Blocks of whole lines: nothing lost, nothing invented, wherever the boundaries fall."""

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.evidence import lines
from ringscope.evidence.lines import Blocks, lines_with, opened


@given(st.binary(max_size=400).map(lambda b: b.replace(b"\x01", b"\n")), st.integers(1, 50))
def test_blocks_hold_the_text_exactly_and_number_its_lines(text: bytes, size: int) -> None:
    blocks = Blocks(io.BytesIO(text), size)
    found = list(blocks)
    assert b"".join(data for _, data in found) == text
    assert all(data.endswith(b"\n") for _, data in found[:-1])
    assert [first for first, _ in found] == [
        1 + b"".join(d for _, d in found[:i]).count(b"\n") for i in range(len(found))
    ]
    assert blocks.lines == text.count(b"\n") + (not text.endswith(b"\n") and bool(text))
    assert blocks.note is None


@pytest.mark.parametrize("size", [7, 64, 100])
def test_a_line_beyond_the_limit_is_left_out_and_said(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINE_BYTES", 100)
    text = b"one\n" + b"x" * 101 + b"\nthree\n" + b"y" * 100 + b"\n" + b"z" * 1000
    blocks = Blocks(io.BytesIO(text), size)
    assert b"".join(data for _, data in blocks) == b"one\nthree\n" + b"y" * 100 + b"\n"
    assert (blocks.lines, blocks.dropped) == (5, 2)
    assert blocks.note is not None
    assert "2 lines" in blocks.note
    assert "line 2" in blocks.note


def test_line_numbers_survive_a_line_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINE_BYTES", 100)
    found = list(Blocks(io.BytesIO(b"a\n" + b"x" * 300 + b"\nc\nd\n"), 50))
    assert found[-1] == (3, b"c\nd\n")


def test_the_size_is_checked() -> None:
    with pytest.raises(ValueError, match="size 0"):
        Blocks(io.BytesIO(), 0)


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"^log: cannot be read: No such file or directory$"),
        opened(tmp_path / "absent", "log"),
    ):
        pass
    with pytest.raises(InputError, match="directory"), opened(tmp_path, "log") as stream:
        stream.read(1)


@given(st.lists(st.sampled_from([b"a", b"a\n", b"b", b"x", b"\n"]), max_size=60).map(b"".join), st.integers(1, 9))
def test_lines_with_finds_each_line_once(text: bytes, first: int) -> None:
    words = [re.compile(b"a"), re.compile(b"b+")]
    expected = [(first + i, line) for i, line in enumerate(text.split(b"\n")) if b"a" in line or b"b" in line]
    assert list(lines_with(text, words, first)) == expected


@pytest.mark.parametrize("common", range(11))
def test_lines_with_finds_the_same_however_common_a_word_is(common: int) -> None:
    lines = [b"a" if i < common else b"b" if i % 2 else b"x" for i in range(10)]
    found = list(lines_with(b"\n".join(lines), [re.compile(b"a"), re.compile(b"b")]))
    assert found == [(i + 1, line) for i, line in enumerate(lines) if line != b"x"]
