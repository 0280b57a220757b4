import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.virtual.svm import (
    ACCESS,
    CLEAR_FLAGS,
    GRANULARITY,
    IN_PLACE,
    NO_ACCESS,
    PREFERRED,
    PREFETCH,
    SET_FLAGS,
    UNDEFINED,
    Attributes,
    Pair,
    Ranges,
)

GPU = 0xABCD
PAIRS = st.one_of(
    st.tuples(st.just(PREFERRED), st.sampled_from([0, GPU, UNDEFINED])),
    st.tuples(st.just(PREFETCH), st.sampled_from([0, GPU])),
    st.tuples(st.sampled_from([ACCESS, IN_PLACE, NO_ACCESS]), st.just(GPU)),
    st.tuples(st.sampled_from([SET_FLAGS, CLEAR_FLAGS]), st.integers(0, 0xFF)),
    st.tuples(st.just(GRANULARITY), st.integers(0, 0xFF)),
)
SETS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20), st.lists(PAIRS, max_size=3)), max_size=12)
ALL = [(PREFERRED, 0), (PREFETCH, 0), (ACCESS, GPU), (SET_FLAGS, 0), (CLEAR_FLAGS, 0), (GRANULARITY, 0)]


@given(SETS, st.booleans())
def test_every_page_has_what_was_set_last(sets: list[tuple[int, int, list[Pair]]], xnack: bool) -> None:
    ranges, pages = Ranges(), dict[int, Attributes]()
    ranges.xnack = xnack
    new = Attributes(access=ACCESS if xnack else NO_ACCESS)
    for start, size, pairs in sets:
        ranges.set(start, size, pairs, GPU)
        for page in range(start, start + size):
            pages[page] = pages.get(page, new).changed(pairs)
    for page in range(65):
        row = pages.get(page, new)
        assert ranges.get(page, 1, ALL, GPU) == [
            (PREFERRED, row.preferred), (PREFETCH, row.prefetch), (row.access, GPU), (SET_FLAGS, row.flags),
            (CLEAR_FLAGS, ~row.flags & 0xFFFFFFFF), (GRANULARITY, row.granularity),
        ]  # fmt: skip
        closed = [p for p in range(page, 65) if pages.get(p, new).access == NO_ACCESS]
        opened = ranges.open_from(page)
        assert opened == (min(closed) - page if closed else (1 << 47) - page)
    assert all(ranges.size_at(start) in (0, *range(1, 21)) for start, _, _ in sets)


def test_a_stretch_has_what_all_of_its_ranges_have() -> None:
    ranges = Ranges()
    ranges.set(10, 10, [(ACCESS, GPU), (PREFERRED, GPU), (SET_FLAGS, 0x24), (GRANULARITY, 12)], GPU)
    ranges.set(20, 10, [(ACCESS, GPU), (PREFERRED, GPU), (SET_FLAGS, 0x20)], GPU)
    # What lies between and beside ranges has no say.
    assert ranges.get(0, 100, ALL, GPU) == [
        (PREFERRED, GPU), (PREFETCH, UNDEFINED), (ACCESS, GPU), (SET_FLAGS, 0x23), (CLEAR_FLAGS, 0xFFFFFFD8),
        (GRANULARITY, 9),
    ]  # fmt: skip
    ranges.set(25, 5, [(IN_PLACE, GPU), (PREFERRED, 0)], GPU)
    assert ranges.get(10, 20, ALL[:3], GPU) == [(PREFERRED, UNDEFINED), (PREFETCH, UNDEFINED), (NO_ACCESS, GPU)]
    assert ranges.get(25, 1, ALL[2:3], GPU) == [(IN_PLACE, GPU)]
    assert (ranges.size_at(10), ranges.size_at(25), ranges.size_at(12), ranges.size_at(99)) == (10, 5, 0, 0)
    assert ranges.open_from(10) == 20
    ranges.set(20, 10, [(CLEAR_FLAGS, 1), (SET_FLAGS, 8), (PREFETCH, 0)], GPU)
    assert ranges.get(20, 10, [(PREFETCH, 0), (SET_FLAGS, 0), (CLEAR_FLAGS, 0)], GPU) == [
        (PREFETCH, 0), (SET_FLAGS, 0x2A), (CLEAR_FLAGS, 0xFFFFFFD5),
    ]  # fmt: skip
    ranges.set(15, 1, [(NO_ACCESS, GPU)], GPU)
    assert (ranges.open_from(10), ranges.open_from(15), ranges.open_from(16)) == (5, 0, 14)
    assert (ranges.size_at(10), ranges.size_at(15)) == (5, 0)


@pytest.mark.parametrize("bad", [(PREFERRED, 1), (PREFETCH, UNDEFINED), (ACCESS, 0), (NO_ACCESS, 1), (8, 0)])
def test_one_bad_attribute_changes_nothing(bad: Pair) -> None:
    ranges = Ranges()
    with pytest.raises(OSError) as refused:
        ranges.set(0, 10, [(ACCESS, GPU), bad], GPU)
    assert refused.value.errno == errno.EINVAL
    assert not ranges.open_from(0)
    with pytest.raises(OSError):
        ranges.get(0, 10, [(NO_ACCESS, GPU)], GPU)
