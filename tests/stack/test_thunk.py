import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.parts.queue_types import IoctlQueueType
from ringscope.recording import Kind
from ringscope.stack.journal import Journal
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import CreatedQueue, CreateQueue, Step
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rocm import ThunkPriority
from ringscope.stack.thunk import PRIORITY_MAP, AddressSpace, KmtQueue, Purpose, Ring, Thunk, eop_bytes


class Asked(Kfd):
    """The driver, remembering what it was asked to create."""

    request: CreateQueue

    def create_queue(self, pid: int, request: CreateQueue) -> CreatedQueue:
        self.request = request
        return super().create_queue(pid, request)


def made(part: str, queue_type: IoctlQueueType, priority: ThunkPriority = ThunkPriority.NORMAL) -> CreateQueue:
    machine = MachineSpec.of(part)
    driver = Asked(machine)
    Thunk(driver, 1).create_queue(machine.nodes[0], queue_type, Ring(0x100000, 1 << 20, 0x2080, 0x2038), priority)
    return driver.request


@pytest.mark.parametrize(
    ("part", "eop", "cwsr", "ctl_stack"),
    [("mi308x", 0, 12214272, 8192), ("mi210", 4096, 63508480, 36864)],  # ROCm 5.2 to 6.4 on virtual GPUs, and captures
)
def test_an_aql_queue_is_asked_for_as_real_thunks_do(part: str, eop: int, cwsr: int, ctl_stack: int) -> None:
    request = made(part, IoctlQueueType.COMPUTE_AQL)
    assert (request.percentage, request.priority, request.ring_bytes) == (100, 7, 1 << 20)
    assert (request.eop_bytes, request.cwsr_bytes, request.ctl_stack_bytes) == (eop, cwsr, ctl_stack)
    assert bool(request.eop_base) == bool(eop)
    assert request.cwsr_base


def test_an_sdma_queue_has_neither_eop_nor_save_area() -> None:
    request = made("mi308x", IoctlQueueType.SDMA, ThunkPriority.MAXIMUM)
    assert (request.type, request.priority) == (1, 15)
    assert (request.eop_base, request.eop_bytes, request.cwsr_base, request.cwsr_bytes, request.ctl_stack_bytes) == (
        (0,) * 5
    )


def test_priority_map() -> None:
    assert [PRIORITY_MAP[ThunkPriority(level)] for level in range(-3, 4)] == [0, 3, 5, 7, 9, 11, 15]


@pytest.mark.parametrize(("part", "apart"), [("mi308x", 8), ("fiji", 4)])
def test_the_doorbell_slice_is_mapped_once_per_node(part: str, apart: int) -> None:
    machine = MachineSpec.of(part, 2)
    thunk = Thunk(Kfd(machine), 1)
    ring = Ring(0x100000, 4096, 0x2080, 0x2038)
    first = [thunk.create_queue(machine.nodes[0], IoctlQueueType.COMPUTE_AQL, ring).doorbell for _ in range(3)]
    other = thunk.create_queue(machine.nodes[1], IoctlQueueType.COMPUTE_AQL, ring).doorbell
    assert [doorbell - first[0] for doorbell in first] == [0, apart, 2 * apart]
    assert abs(other - first[0]) >= 1024 * apart


def test_every_call_is_told_with_its_cost() -> None:
    machine = MachineSpec.of("mi308x")
    journal = Journal(1)
    thunk = Thunk(Kfd(machine), 1, observe=journal.of("thunk"))
    queue = thunk.create_queue(machine.nodes[0], IoctlQueueType.COMPUTE_AQL, Ring(0x100000, 4096, 0x2080, 0x2038))
    queue = thunk.update_queue(queue, 100, ThunkPriority.HIGH)
    thunk.set_cu_mask(queue, (0xF, 0x1))
    thunk.alloc_queue_gws(queue)
    thunk.destroy_queue(queue)
    told = [(event.kind, event.attrs["hiq_dwords"]) for event in journal.events]
    assert told == [
        (Kind.QUEUE_CREATE, 4),
        (Kind.QUEUE_UPDATE, 17),
        (Kind.CU_MASK, 17),
        (Kind.QUEUE_UPDATE, 17),
        (Kind.QUEUE_DESTROY, 13),
    ]
    assert journal.events[2].attrs["mask"] == "000000010000000f"
    assert isinstance(queue, KmtQueue)
    assert queue.priority == 11


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


def test_a_cooperative_queue_gets_one_of_gws() -> None:
    asked = []

    class Counting(Kfd):
        def alloc_queue_gws(self, pid: int, queue_id: int, num_gws: int = 1) -> tuple[Step, ...]:
            asked.append(num_gws)
            return super().alloc_queue_gws(pid, queue_id, num_gws)

    machine = MachineSpec.of("mi308x")
    thunk = Thunk(Counting(machine), 1)
    thunk.alloc_queue_gws(
        thunk.create_queue(machine.nodes[0], IoctlQueueType.COMPUTE_AQL, Ring(0x100000, 4096, 0x2080, 0x2038))
    )
    assert asked == [1]  # hsaKmtAllocQueueGWS of ROCr asks for one, whatever the device has
