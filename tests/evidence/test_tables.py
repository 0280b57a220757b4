"""CSV and JSON with bounds."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.evidence import tables
from ringscope.evidence.tables import Csv, parse_json


def rows(text: str, size: int = 1 << 10) -> list[tuple[int, dict[str, str]]]:
    return list(Csv(io.BytesIO(text.encode()), "t.csv", size))


def test_rows_come_by_lower_case_name_with_their_line() -> None:
    assert rows('"Kind","Queue_Id"\nA,1\n\n"B\nC",2\r\nD\nE,3') == [
        (2, {"kind": "A", "queue_id": "1"}),
        (4, {"kind": "B\nC", "queue_id": "2"}),
        (6, {}),
        (7, {"kind": "E", "queue_id": "3"}),
    ]


def test_only_line_ends_end_a_line() -> None:
    assert rows("A,B\nx\u2028y,z\x0cz\n") == [(2, {"a": "x\u2028y", "b": "z\x0cz"})]


@given(st.integers(1, 40))
def test_block_boundaries_change_nothing(size: int) -> None:
    text = '"Kind","Kernel_Name"\n' + 'A,"void f<float, 3>(float*)"\n' * 5 + "é,ü\n"
    assert rows(text, size) == rows(text)


def test_bad_csv_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^t.csv: an empty CSV; "):
        rows("")
    with pytest.raises(InputError, match=r"^t.csv:\d+: not a CSV any more \(field larger than"):
        rows('"A"\n"' + "x" * 200_000 + "\n")


def test_a_line_without_end_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringscope.evidence.lines.LINE_BYTES", 100)
    table = Csv(io.BytesIO(b"A\n" + b"x" * 1000 + b"\n2\n"), "t.csv", 50)
    assert [row for _, row in table] == [{"a": "2"}]
    assert table.note is not None


def test_json_is_read_with_raw_memory_in_its_strings() -> None:
    assert parse_json(io.BytesIO(b'{"a": "\xff\xfe@"}'), "t.json", "") == {"a": "\ufffd\ufffd@"}


@pytest.mark.parametrize("text", [b"", b'{"a": ', b"[1,]", b'{"a": "\x01"}', b"[" * 200_000, b"1" * 6000])
def test_bad_json_is_one_line(text: bytes) -> None:
    with pytest.raises(
        InputError, match=r"^t.json(:\d+)?: (not whole JSON|JSON that no profiler writes) \(.*\); record"
    ):
        parse_json(io.BytesIO(text), "t.json", "")


def test_json_beyond_the_limit_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "JSON_BYTES", 1 << 20)
    with pytest.raises(InputError, match=r"^t.json: larger than 1 MiB, which JSON is read up to; take CSV$"):
        parse_json(io.BytesIO(b" " * (3 << 20)), "t.json", "take CSV")
