import errno

import pytest

from ringscope.stack.kfd import checks
from ringscope.stack.kfd.records import KfdError, UpdateQueue
from ringscope.stack.machine import MachineSpec


def test_update_is_checked_like_create() -> None:
    assert checks.update(UpdateQueue(0, 1 << 40, 512)).ring_bytes == 1024
    assert checks.update(UpdateQueue(0, 0, 0, 0)).ring_bytes == 1024
    for bad, error in (
        (UpdateQueue(0, 1 << 40, 4096, 101), errno.EINVAL),
        (UpdateQueue(0, 1 << 40, 4096, 100, 16), errno.EINVAL),
        (UpdateQueue(0, 1 << 40, 4095), errno.EINVAL),
        (UpdateQueue(0, 1 << 47, 4096), errno.EFAULT),
    ):
        with pytest.raises(KfdError) as caught:
            checks.update(bad)
        assert caught.value.errno == error


def test_percentage_may_carry_the_xcc_of_a_pm4_queue() -> None:
    assert checks.update(UpdateQueue(0, 1 << 40, 4096, 0x364)).percentage == 0x364


@pytest.mark.parametrize(("words", "bits"), [((1,), 0), ((1,), 31), ((1,), 64)])
def test_bad_cu_masks(words: tuple[int, ...], bits: int) -> None:
    with pytest.raises(KfdError) as caught:
        checks.cu_mask(MachineSpec.of("mi308x").nodes[0], words, bits)
    assert caught.value.errno == errno.EINVAL


def test_cu_masks_of_wgp_parts_go_in_pairs() -> None:
    navi, mi308x = (MachineSpec.of(part).nodes[0] for part in ("navi31", "mi308x"))
    assert checks.cu_mask(mi308x, (1,), 32) == 32
    assert checks.cu_mask(navi, (0b110011,), 32) == 32
    with pytest.raises(KfdError, match="splits a WGP"):
        checks.cu_mask(navi, (0b0110,), 32)
    assert checks.cu_mask(mi308x, (0,) * 40, 1280) == 1024


def test_a_refusal_names_the_percentage_without_the_xcc() -> None:
    with pytest.raises(KfdError, match="queue percentage 101 is above 100"):
        checks.update(UpdateQueue(0, 1 << 40, 4096, 0x365))


def test_the_ring_of_an_update_lies_mapped_as_a_whole() -> None:
    def mapping(pid: int, gpu_id: int, address: int) -> tuple[int, int] | None:
        return (1 << 40, 8192) if (pid, gpu_id, address >> 13) == (7, 9, 1 << 27) else None

    checks.new_ring(9, 7, UpdateQueue(0, 1 << 40, 8192), mapping)
    checks.new_ring(9, 7, UpdateQueue(0, 0, 4096), mapping)  # makes the queue inactive
    for ring in ((1 << 40, 4096), ((1 << 40) + 4096, 4096), (1 << 41, 8192)):
        checks.new_ring(9, 7, UpdateQueue(0, *ring), None)
        with pytest.raises(KfdError) as caught:
            checks.new_ring(9, 7, UpdateQueue(0, *ring), mapping)
        assert caught.value.errno == errno.EFAULT
