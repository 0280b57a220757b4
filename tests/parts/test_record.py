"""Records refuse what does not belong in them."""

import pytest

from ringscope.parts.record import Field, Record

PAIR = Record("pair", 8, "hsa", (Field(0, 4, "a"), Field(4, 2, "b")))


def test_fields_may_not_overlap_or_leave_the_record() -> None:
    with pytest.raises(ValueError, match="b at byte 2 overlaps"):
        Record("bad", 8, "hsa", (Field(0, 4, "a"), Field(2, 2, "b")))
    with pytest.raises(ValueError, match="a at byte 6 overlaps or leaves"):
        Record("bad", 8, "hsa", (Field(6, 4, "a"),))


def test_packing() -> None:
    assert PAIR.pack(a=1, b=0x203) == bytes.fromhex("01000000 0302 0000")
    assert PAIR.unpack(bytes.fromhex("01000000 0302 ffff ff")) == {"a": 1, "b": 0x203}
    with pytest.raises(KeyError):
        PAIR.pack(c=1)
    with pytest.raises(OverflowError):
        PAIR.pack(b=0x10000)
    with pytest.raises(ValueError, match="pair: 7 bytes, 8 needed"):
        PAIR.unpack(bytes(7))
