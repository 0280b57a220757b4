import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.stack.kfd.memory import FirstFit, pool_bytes
from ringscope.stack.kfd.records import KfdError


def test_first_fit_and_rounding() -> None:
    memory = FirstFit("test", ((0x1000, 0x3000), (0x8000, 0x20000)), 0x1000)
    assert memory.allocate(0xC000) == 0x8000
    assert [memory.allocate(1) for _ in range(3)] == [0x1000, 0x2000, 0x14000]
    memory.free(0x2000)
    memory.free(0x8000)
    assert memory.allocate(0x1001) == 0x8000
    assert memory.held_bytes == 0x4000
    with pytest.raises(KfdError) as caught:
        memory.allocate(0x100000)
    assert caught.value.errno == errno.ENOMEM


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5000)), max_size=60))
def test_ranges_never_overlap_and_all_come_back(orders: list[tuple[bool, int]]) -> None:
    memory = FirstFit("test", ((0, 1 << 16), (1 << 17, 1 << 18)), 512)
    held: dict[int, int] = {}
    for take, size in orders:
        if take:
            start = memory.allocate(size)
            assert start % 512 == 0
            assert all(start + size <= other or other + length <= start for other, length in held.items())
            held[start] = size
        elif held:
            start = sorted(held)[size % len(held)]
            memory.free(start)
            del held[start]
    for start in held:
        memory.free(start)
    assert memory.held_bytes == 0
    assert memory.allocate(1 << 16) == 0


def test_pool_is_sized_by_the_drivers_formula() -> None:
    assert pool_bytes(4096, 84) == 4096 * 768 + 2 * (512 * 84 + 4096 * 28 + 16) + 4096 + (512 << 10) + 480
