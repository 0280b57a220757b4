from __future__ import annotations

import pytest

from ringscope.errors import InputError
from ringscope.recording import Kind
from ringscope.stack.hip import HipSettings
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import Step, UpdateQueue
from ringscope.stack.machine import MachineSpec
from ringscope.stack.program import Program
from ringscope.stack.rocm import RocmVersion, ThunkPriority
from ringscope.stack.rocr import HsaPriority, HsaQueueType, doorbell_value

MI308X = MachineSpec.of("mi308x")
NODE = MI308X.nodes[0]


def program(rocm: str = "7.0", *, hard_coded_normal: bool = False) -> Program:
    return Program(Kfd(MI308X), [NODE], 1, RocmVersion.parse(rocm), HipSettings(), hard_coded_normal=hard_coded_normal)


def ioctls(run: Program) -> list[tuple[Kind, int]]:
    return [(event.kind, int(event.attrs["qid"])) for event in run.journal.layer("thunk")]


def test_rocrs_own_queue_comes_before_the_first_and_only_once() -> None:
    run = program()
    first = run.rocr.queue_create(NODE, 1024)
    second = run.rocr.queue_create(NODE, 1024)
    assert (first.id, second.id) == (1, 2)
    rings = [event.attrs["ring_bytes"] for event in run.journal.layer("thunk")]
    assert rings == [4096, 65536, 65536]


@pytest.mark.parametrize(
    ("rocm", "levels"),
    [
        ("6.1", [ThunkPriority.MINIMUM, ThunkPriority.NORMAL, ThunkPriority.MAXIMUM]),
        ("6.2", [ThunkPriority.MINIMUM, ThunkPriority.NORMAL, ThunkPriority.HIGH]),
    ],
)
def test_priority_map(rocm: str, levels: list[ThunkPriority]) -> None:
    assert [program(rocm).rocr.level(priority) for priority in HsaPriority] == levels


def test_every_set_priority_asks_the_driver_changed_or_not() -> None:
    run = program()
    queue = run.rocr.queue_create(NODE, 64)
    for _ in range(2):
        run.rocr.set_priority(queue, HsaPriority.NORMAL)
    assert ioctls(run)[2:] == [(Kind.QUEUE_UPDATE, 1)] * 2
    assert queue.kmt.priority == 7


def test_the_supposed_bug_takes_the_call_and_does_nothing() -> None:
    run = program(hard_coded_normal=True)
    queue = run.rocr.queue_create(NODE, 64)
    run.rocr.set_priority(queue, HsaPriority.HIGH)
    assert [kind for kind, _ in ioctls(run)] == [Kind.QUEUE_CREATE] * 2
    assert queue.kmt.priority == 7


def test_the_cooperative_queue_is_shared_and_goes_with_its_last_user() -> None:
    run = program()
    queue = run.rocr.queue_create(NODE, 64, HsaQueueType.COOPERATIVE)
    assert run.rocr.queue_create(NODE, 64, HsaQueueType.COOPERATIVE) is queue
    assert queue.packets == 0x4000
    run.rocr.queue_destroy(queue)
    assert Kind.QUEUE_DESTROY not in [kind for kind, _ in ioctls(run)]
    run.rocr.queue_destroy(queue)
    assert ioctls(run)[-1] == (Kind.QUEUE_DESTROY, 1)


@pytest.mark.parametrize("packets", [0, 32, 100, 0x40000])
def test_a_ring_must_be_a_power_of_two_within_bounds(packets: int) -> None:
    with pytest.raises(InputError, match=f"a ring of {packets} packets"):
        program().rocr.queue_create(NODE, packets)


def test_a_doorbell_holds_the_last_packets_index_and_on_gfx8_the_next() -> None:
    assert doorbell_value(NODE, 41) == 41
    assert doorbell_value(MachineSpec.of("fiji").nodes[0], 41) == 42


def test_doorbells_lie_eight_bytes_apart_in_one_mapping() -> None:
    run = program()
    doorbells = [run.rocr.queue_create(NODE, 64).kmt.doorbell for _ in range(3)]
    assert [doorbell - doorbells[0] for doorbell in doorbells] == [0, 8, 16]


def test_shutting_down_gives_back_sdma_queues_then_its_own() -> None:
    run = program("6.4")
    run.rocr.queue_create(NODE, 64)
    run.rocr.copy_queues(NODE)
    run.rocr.shut_down()
    assert [qid for kind, qid in ioctls(run) if kind is Kind.QUEUE_DESTROY] == [2, 0]


def test_numbers_are_those_of_the_headers() -> None:
    """hsa_queue_type_t of hsa.h, hsa_amd_queue_priority_t of hsa_ext_amd.h."""
    assert {kind.name: kind.value for kind in HsaQueueType} == {"MULTI": 0, "COOPERATIVE": 2}
    assert {level.name: level.value for level in HsaPriority} == {"LOW": 0, "NORMAL": 1, "HIGH": 2}


def test_a_priority_leaves_a_queue_its_whole_share() -> None:
    asked = []

    class Asked(Kfd):
        def update_queue(self, pid: int, request: UpdateQueue) -> tuple[Step, ...]:
            asked.append((request.percentage, request.priority))
            return super().update_queue(pid, request)

    made = Program(Asked(MI308X), [NODE], 1, RocmVersion.parse("7.0"), HipSettings())
    made.devices[0].stream_create(-1)
    assert asked == [(100, 11)]
