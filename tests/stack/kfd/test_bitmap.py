import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.stack.kfd.bitmap import Bitmap


@given(st.sets(st.integers(0, 63)))
def test_first_free_is_the_lowest_clear_bit(taken: set[int]) -> None:
    bits = Bitmap(64)
    for bit in taken:
        bits.set(bit)
    assert bits.first_free() == next((bit for bit in range(64) if bit not in taken), None)
    assert len(bits) == len(taken)
    for bit in taken:
        bits.clear(bit)
    assert bits.first_free() == 0


def test_taking_twice_and_giving_what_was_not_taken_are_bugs() -> None:
    bits = Bitmap(8)
    bits.set(3)
    for bit in (3, 8, -1):
        with pytest.raises(ValueError, match="cannot be taken"):
            bits.set(bit)
    with pytest.raises(ValueError, match="is not taken"):
        bits.clear(2)
