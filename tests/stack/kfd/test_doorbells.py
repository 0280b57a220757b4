import errno

import pytest

from ringscope.stack.kfd.doorbells import Bar, Slice
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.machine import MachineSpec


@pytest.mark.parametrize(
    ("part", "slice_bytes", "first", "step"),
    [("mi308x", 8192, 0x1000, 2), ("navi31", 8192, 0x1000, 2), ("fiji", 4096, 0xC00, 1)],
)
def test_slices_follow_each_other(part: str, slice_bytes: int, first: int, step: int) -> None:
    spec = MachineSpec.of(part).nodes[0]
    bar = Bar(spec)
    slices = [Slice(bar, spec) for _ in range(3)]
    assert [found.offset for found in slices] == [first * 4 + i * slice_bytes for i in range(3)]
    assert [found.index(1) for found in slices] == [first + i * slice_bytes // 4 + step for i in range(3)]
    slices[1].release()
    assert Slice(bar, spec).offset == slices[1].offset


def test_reserved_doorbells_are_never_given_to_compute_queues() -> None:
    spec = MachineSpec.of("mi308x").nodes[0]
    doorbells = Slice(Bar(spec), spec)
    given = []
    with pytest.raises(KfdError) as caught:
        while True:
            given.append(doorbells.compute(0))
    assert caught.value.errno == errno.EBUSY
    reserved = {bit + half for bit in range(0x100, 0x1E9) for half in (0, 512)}
    assert given == [bit for bit in range(1024) if bit not in reserved]
    assert doorbells.held == len(given)
    doorbells.free(5)
    assert doorbells.compute(0) == 5


@pytest.mark.parametrize(
    ("part", "queues", "expected"),
    [
        ("vega10", ((0, 0), (1, 0), (0, 1), (1, 1)), (0xF0, 0xF2, 0xF0 + 512, 0xF2 + 512)),
        ("mi308x", ((0, 0), (7, 0), (7, 1), (7, 7)), (0x100, 0x146, 0x146 + 512, 0x146 + 512 + 3)),
        ("fiji", ((0, 0), (1, 1)), (9, 9)),  # the queue id, as for every queue before SOC15
    ],
)
def test_sdma_doorbells(part: str, queues: tuple[tuple[int, int], ...], expected: tuple[int, ...]) -> None:
    spec = MachineSpec.of(part).nodes[0]
    doorbells = Slice(Bar(spec), spec)
    assert tuple(doorbells.sdma(9, *queue) for queue in queues) == expected
