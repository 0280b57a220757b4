"""Zstandard streams: read as written, in any pieces; a cut one is an error, and so is a missing package."""

import io
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.evidence.zstd import Unfolded, folding


def folded(*contents: bytes) -> bytes:
    out = io.BytesIO()
    for content in contents:
        with folding(out) as stream:
            stream.write(content)
    return out.getvalue()


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=3), st.integers(1, 1000))
def test_what_was_folded_is_read_in_any_pieces(contents: list[bytes], size: int) -> None:
    stream = Unfolded(io.BytesIO(folded(*contents)), "some.zst")
    pieces = []
    while piece := stream.read(size):
        pieces.append(piece)
    assert b"".join(pieces) == b"".join(contents)
    assert all(len(piece) == size for piece in pieces[:-1])


@given(st.binary(min_size=1, max_size=3000), st.data())
def test_a_cut_stream_is_no_end(content: bytes, data: st.DataObject) -> None:
    whole = folded(content)
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(EOFError, match="inside a frame"):
        Unfolded(io.BytesIO(cut), "some.zst").read(len(content) + 1)


def test_equal_snapshots_do_not_fold_into_each_other() -> None:
    snapshot = random.Random(1).randbytes(256 << 10)
    assert len(folded(snapshot * 4)) > 4 * len(snapshot)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(InputError) as refused:
        Unfolded(io.BytesIO(), "bundle.tar.zst")
    assert "bundle.tar.zst" in str(refused.value)
    assert "pip install 'ringscope[zstd]'" in str(refused.value)
