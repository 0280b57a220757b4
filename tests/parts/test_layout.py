"""Bits, registers and images: what is put by name is got by name, and tables refuse what cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.parts.layout import ALL, Bits, Builder, Generation, Image, Layout, Register, layout_for

PLACES = st.tuples(st.integers(0, 31), st.integers(0, 31)).map(lambda two: (max(two), min(two)))
WORDS = st.integers(0, 0xFFFFFFFF)
TABLE = Layout(
    "table",
    Generation.V9,
    4,
    (
        Register(0, "low", "", "here"),
        Register(1, "high", "", "here"),
        Register(2, "control", "", "here", bits=(Bits(5, 0, "size"), Bits(31, 28, "mode"))),
    ),
)


@given(PLACES, WORDS)
def test_bits_that_are_put_are_got_and_touch_no_others(place: tuple[int, int], word: int) -> None:
    bits = Bits(*place, "some")
    value = bits.get(word)
    assert bits.put(value) == word & bits.mask
    assert bits.get(word & ~bits.mask) == 0
    assert bits.mask.bit_count() == place[0] - place[1] + 1
    with pytest.raises(ValueError, match="does not fit"):
        bits.put((bits.mask >> bits.low) + 1)
    with pytest.raises(ValueError, match="does not fit"):
        bits.put(-1)


@pytest.mark.parametrize("place", [(32, 0), (3, 4), (3, -1)])
def test_bits_lie_within_a_word(place: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="do not lie in a 32-bit word"):
        Bits(*place, "none")


def test_a_table_refuses_a_row_outside_and_a_name_twice() -> None:
    with pytest.raises(ValueError, match="outside 1 dwords"):
        Layout("small", None, 1, (Register(1, "far", "", "here"),))
    with pytest.raises(ValueError, match="stands twice, at 0 and 1"):
        Layout("double", None, 2, (Register(0, "one", "", "here"), Register(1, "one", "", "here")))


def test_two_names_may_share_a_word() -> None:
    union = Layout("union", None, 1, (Register(0, "one", "", "here"), Register(0, "other", "", "here")))
    assert [register.name for register in union.by_dword[0]] == ["one", "other"]


@given(st.integers(0, (1 << 64) - 1), st.integers(0, 63), st.integers(0, 15), WORDS)
def test_an_image_reads_what_the_builder_wrote(address: int, size: int, mode: int, before: int) -> None:
    builder = Builder(TABLE).set64("low", "high", address).set("control", before).put("control", size=size, mode=mode)
    image = builder.image()
    assert image.get64("low", "high") == address
    assert (image.get("control", "size"), image.get("control", "mode")) == (size, mode)
    assert image.get("control") & 0x0FFFFFC0 == before & 0x0FFFFFC0
    assert image.words == (address & 0xFFFFFFFF, address >> 32, image.get("control"), 0)


@given(st.integers(-1, 5))
def test_a_part_of_an_image_is_read_by_the_whole_one_s_table(dword: int) -> None:
    part = Image(TABLE, Builder(TABLE).set("high", 7).set("control", 9).bytes()[4:12], first_dword=1)
    if dword in {1, 2}:
        assert part.word(dword) == {1: 7, 2: 9}[dword]
    else:
        with pytest.raises(IndexError, match=f"dword {dword} is not in this image"):
            part.word(dword)


def test_a_word_is_a_word() -> None:
    for value in (-1, 1 << 32):
        with pytest.raises(ValueError, match="is not a 32-bit word"):
            Builder(TABLE).set("low", value)


def test_a_generation_has_its_own_rows_and_bits() -> None:
    old = (Generation.VI,)
    rows = [
        Register(0, "always", "", "here", bits=(Bits(0, 0, "then", gens=old), Bits(1, 1, "ever"))),
        Register(1, "then", "", "here", gens=old),
    ]
    by = {generation: layout_for("table", generation, 2, rows) for generation in ALL}
    assert [generation for generation in ALL if "then" in by[generation]] == [Generation.VI]
    for generation in ALL:
        names = [bits.name for bits in by[generation]["always"].bits]
        assert names == (["then", "ever"] if generation is Generation.VI else ["ever"])
    with pytest.raises(KeyError):
        by[Generation.V9].bits("always", "then")
