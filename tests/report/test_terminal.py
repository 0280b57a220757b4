"""Columns line up whatever is in them; text is wrapped and never lost; colour only where it helps."""

import io
import os
import pty

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.report.terminal import Terminal, columns, wrapped

CELLS = st.text("abc 12.-", max_size=8).map(str.strip)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8), st.integers(0, 4), st.integers(1, 4))
def test_columns_hold_every_cell_at_one_place(rows: list[tuple[str, str, str]], indent: int, gap: int) -> None:
    lines = columns(rows, indent=indent, gap=gap)
    assert len(lines) == len(rows)
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    at = [indent, indent + widths[0] + gap, indent + widths[0] + widths[1] + 2 * gap]
    for line, row in zip(lines, rows, strict=True):
        assert line == line.rstrip()
        for i, cell in enumerate(row):
            assert line[at[i] : at[i] + widths[i]].strip() == cell


def test_numbers_end_where_their_column_ends_and_words_begin_where_it_begins() -> None:
    assert columns([("a", "1.5", "x"), ("long", "-12,000", "y"), ("b", "-", "z")], head=("name", "number", "word")) == [
        "  name   number  word",
        "  a         1.5  x",
        "  long  -12,000  y",
        "  b           -  z",
    ]


def test_no_rows_are_no_lines() -> None:
    assert columns([]) == []
    assert columns([], head=("one", "two")) == ["  one  two"]


@given(st.lists(st.text("abc-/", min_size=1, max_size=50), max_size=30), st.integers(1, 120), st.integers(0, 12))
def test_no_word_is_lost_and_lines_keep_to_the_width(words: list[str], width: int, indent: int) -> None:
    lines = wrapped("x" * indent, " ".join(words), width)
    assert lines[0][:indent] == "x" * indent
    assert all(line[:indent] == " " * indent for line in lines[1:])
    assert [word for line in lines for word in line[indent:].split()] == words
    room = max(width - indent, 30)
    assert all(len(line) - indent <= room or " " not in line[indent:] for line in lines)


def test_escape_codes_take_no_room() -> None:
    lead = Terminal(colour=True).bold("lead") + " "
    assert wrapped(lead, "a " * 40, 45, lead_width=5)[1].startswith("     a")


def test_paint_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Terminal.of(io.StringIO()) == Terminal(colour=False, width=100)
    ours, theirs = pty.openpty()
    try:
        with os.fdopen(theirs, "w") as stream:
            assert Terminal.of(stream).colour
            monkeypatch.setenv("TERM", "dumb")
            assert not Terminal.of(stream).colour
            monkeypatch.setenv("TERM", "xterm")
            monkeypatch.setenv("NO_COLOR", "1")
            assert not Terminal.of(stream).colour
            assert Terminal.of(stream).width > 0
    finally:
        os.close(ours)
    plain, painted = Terminal(), Terminal(colour=True)
    for style in ("bold", "dim", "good", "bad", "unsure"):
        assert getattr(plain, style)("text") == "text"
        assert getattr(painted, style)("") == ""
        assert getattr(painted, style)("text").startswith("\x1b[")
        assert getattr(painted, style)("text").endswith("text\x1b[0m")
