"""Results as tables: in a notebook, as frames, and without what frames need."""

import re
import sys
from collections.abc import Iterable

import pytest
from asking import recorded, told
from hypothesis import given
from hypothesis import strategies as st
from machines import machine

from ringscope.errors import InputError
from ringscope.join import case_of
from ringscope.recording import Kind
from ringscope.tabular import SHOWN, Row, Tabular
from ringscope.verdicts import answers


class Made(Tabular):
    """Rows as they are given."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def records(self) -> Iterable[Row]:
        return iter(self.rows)


def cells(html: str, tag: str = "td") -> list[str]:
    return re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)


def test_a_table_shows_addresses_in_hexadecimal_and_what_it_leaves_out() -> None:
    html = Made([{"pid": 7, "ring_base": 0x7F00, "share": 0.123456, "x": None}] * (SHOWN + 5))._repr_html_()
    assert cells(html, "th") == ["pid", "ring_base", "share", "x"]
    assert cells(html)[:4] == ["7", "0x7f00", "0.1235", ""]
    assert html.count("<tr>") == 1 + SHOWN and "and 5 more rows" in html


def test_hostile_text_stays_text() -> None:
    html = Made([{"<b>": "</td><script>\u202e"}])._repr_html_()
    assert "<b>" not in html and "<script" not in html and "\u202e" not in html


def test_every_result_is_a_table() -> None:
    snapshot = machine({7001: [7, 11], 7002: [7]})
    case = case_of((snapshot,), (recorded(told(Kind.RUNLIST, at=2), told(Kind.DISPATCH, at=3, kernel="k")),))
    assert [row["pid"] for row in snapshot.records()] == [queue.pid for queue in case.states[0].queues]
    assert [row["slot"] for row in case.records()] == ["1.2", "0.2", "2.2"]
    assert {row["queue"] for row in case.records()} == {"ROCr internal", "HIP #1"}
    assert [row["kind"] for row in case.recordings[0].records()] == ["runlist", "dispatch"]
    asked = answers(case)
    assert [row["question"] for row in asked.records()] == [answer.question for answer in asked]
    for table in (snapshot, case, case.recordings[0], asked):
        assert table._repr_html_().startswith("<table>")


cell = st.none() | st.text(max_size=4) | st.integers(-(1 << 70), 1 << 70) | st.floats(allow_nan=False)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), cell), max_size=8))
def test_a_frame_keeps_every_cell(rows: list[Row]) -> None:
    pytest.importorskip("polars")
    frame = Made(rows).to_polars()
    names = list(dict.fromkeys(name for row in rows for name in row))
    assert frame.columns == names
    for name in names:
        for have, want in zip(frame[name].to_list(), (row.get(name) for row in rows), strict=True):
            assert have == want or have == str(want)


def test_without_polars_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(InputError, match=r"^a frame needs Polars; pip install 'ringscope\[frames\]'$"):
        Made([]).to_polars()
