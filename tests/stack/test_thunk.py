import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.stack.thunk import AddressSpace, Node, Purpose, SaveArea

MI308X = Node(0xF7BC, 90402, 320, 4, 16, 1, 4)
MI210 = Node(0x1234, 90010, 416, 4, 8, 1)


@pytest.mark.parametrize(
    ("node", "ctl_stack", "save", "total"),
    [
        (MI308X, 0x2000, 0xBA6000, 0x2EB1000),  # the captures, and ROCm 6.1 and 6.4 on a virtual MI308X
        (MI210, 36864, 63508480, 0x3CB1000),  # ROCm 5.2 to 6.4 on a virtual MI210
        (Node(1, 90402, 320, 4, 16, 1, 1), 28672, 48852992, 48852992 + 3200 * 32),  # the same CUs told as one XCC
    ],
)
def test_save_areas_are_those_that_real_thunks_asked_for(node: Node, ctl_stack: int, save: int, total: int) -> None:
    assert SaveArea.of(node) == SaveArea(ctl_stack, save, total)


def test_gfx10_and_later_need_twelve_bytes_a_wave_and_gfx10_is_capped() -> None:
    navi31 = Node(1, 110000, 192, 2, 12, 2, 1)
    navi10 = Node(1, 100100, 80, 2, 4, 2, 1)
    assert SaveArea.of(navi31).ctl_stack == 0xA000  # 96 CUs of 32 waves, 40 + 36864 + 8 bytes
    assert SaveArea.of(navi10).ctl_stack == 0x4000
    assert SaveArea.of(Node(1, 100300, 320, 2, 8, 2, 1)).ctl_stack == 0x7000


@pytest.mark.parametrize(("gfx", "eop"), [(80002, 0x8000), (90010, 4096), (90402, 0), (90500, 4096), (110000, 4096)])
def test_eop_buffer_of_an_aql_queue(gfx: int, eop: int) -> None:
    assert Node(1, gfx, 320, 4, 16, 1, 4).eop_bytes == eop


def test_a_node_is_read_off_its_topology_and_a_missing_key_is_named() -> None:
    keys = {"gfx_target_version": 90402, "simd_count": 320, "simd_per_cu": 4, "lds_size_in_kb": 64, "num_xcc": 4}
    assert Node.of(0xF7BC, keys | {"array_count": 16, "simd_arrays_per_engine": 1}) == MI308X
    with pytest.raises(InputError, match="topology of gpu f7bc: no array_count"):
        Node.of(0xF7BC, keys)


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
