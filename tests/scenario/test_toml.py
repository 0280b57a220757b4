"""TOML with its places: keys know their lines, and a value is put where its key leads."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.scenario.toml import Lines, Table, a_whole, put, read, text_of, values_of

TEXT = """\
top = 1
[costs]
"launch cost" = 2
save = 3
[[row]]
id = "a"
[[row]]
id = "b"
"""


def test_every_key_has_its_line_even_in_quotes() -> None:
    lines = Lines(TEXT)
    assert lines.of(("top",)) == 1
    assert lines.of(("costs", "launch cost")) == 3
    assert lines.of(("row", 1, "id")) == 8
    assert lines.of(("row", 1, "absent")) == 7
    assert lines.of(("absent",)) == 0


def test_a_table_hands_each_key_out_once() -> None:
    table = Table("x.toml", Lines(TEXT), (), values_of(TEXT, "x.toml"))
    assert table.take("top", 0, a_whole(0, 9)) == 1
    assert table.take("top", 5, a_whole(0, 9)) == 5
    assert [row.need("id", str) for row in table.tables("row")] == ["a", "b"]
    with pytest.raises(InputError, match=r"x\.toml:2: costs: unknown key; known: top, row"):
        table.done("top, row")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("nothing.x", "has no key"),
        ("kernel.b.duration", "names no kernel of the file"),
        ("kernel.a.name", "names no key that can be varied"),
        ("run.", "names no key that can be varied"),
    ],
)
def test_a_key_that_leads_nowhere_is_refused(key: str, said: str) -> None:
    values: dict[str, Any] = {"kernel": [{"name": "a"}]}
    with pytest.raises(InputError, match=said):
        put(values, key, 1)


def test_a_value_is_put_where_its_key_leads() -> None:
    values: dict[str, Any] = {"kernel": [{"name": "a.b"}], "process": [{}]}
    put(values, "kernel.a.b.lds", "1 KiB")
    put(values, "process.process 1.count", 2)
    put(values, "costs.packet", 0)
    assert values == {
        "kernel": [{"name": "a.b", "lds": "1 KiB"}],
        "process": [{"count": 2}],
        "costs": {"packet": 0},
    }


def test_what_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is no UTF-8 text"):
        read(tmp_path / "x.toml")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)


SCALARS = st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8)
KEYS = st.text(max_size=6)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_what_is_written_is_read_again(values: dict[str, Any]) -> None:
    assert values_of(text_of(values), "x") == values


def test_a_scenario_is_written_as_people_write_one() -> None:
    values = {"name": "x", "device": {"gpu": "mi50"}, "process": [{"count": 2, "streams": ["high"]}, {"barrier": True}]}
    assert text_of(values) == (
        'name = "x"\n\n[device]\ngpu = "mi50"\n\n'
        '[[process]]\ncount = 2\nstreams = ["high"]\n\n[[process]]\nbarrier = true\n'
    )
