import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.stack.kfd.records import IoctlQueueType
from ringscope.stack.machine import MachineSpec
from ringscope.stack.thunk import AddressSpace, Purpose, eop_bytes


@pytest.mark.parametrize(
    ("part", "queue_type", "size"),
    [
        ("mi308x", IoctlQueueType.COMPUTE_AQL, 0),
        ("mi308x", IoctlQueueType.COMPUTE, 4096),
        ("mi308x", IoctlQueueType.SDMA, 0),
        ("mi210", IoctlQueueType.COMPUTE_AQL, 4096),
        ("mi210", IoctlQueueType.SDMA, 0),
    ],
)
def test_eop_buffers(part: str, queue_type: IoctlQueueType, size: int) -> None:
    assert eop_bytes(MachineSpec.of(part).nodes[0], queue_type) == size


@given(sizes=st.lists(st.integers(1, 1 << 26), min_size=1, max_size=40))
def test_buffers_descend_aligned_and_never_overlap(sizes: list[int]) -> None:
    space = AddressSpace()
    previous = 0x7F80_0000_0000
    for size in sizes:
        address = space.allocate(Purpose.RING, size)
        assert address + size <= previous
        assert address % (1 << 21 if size >= 1 << 21 else 4096) == 0
        previous = address


def test_given_addresses_come_first_and_only_for_their_purpose() -> None:
    space = AddressSpace(top=0x10000, given={Purpose.RING: [0x7F41B5200000]})
    assert space.allocate(Purpose.CWSR, 4096) == 0xF000
    assert space.allocate(Purpose.RING, 4096) == 0x7F41B5200000
    assert space.allocate(Purpose.RING, 4096) == 0xE000
