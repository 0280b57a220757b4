from dataclasses import replace

import pytest

from ringscope.parts.queue_types import IoctlQueueType
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import Action, CreateQueue, Step, UpdateQueue
from ringscope.stack.kfd.scheduler.mes import Mes
from ringscope.stack.machine import MachineSpec


def kfd_of(part: str) -> tuple[Kfd, CreateQueue]:
    machine = MachineSpec.of(part)
    request = CreateQueue(machine.nodes[0].gpu_id, IoctlQueueType.COMPUTE_AQL, 1 << 40, 4096, 0x80, 0x38)
    return Kfd(machine), request


def actions(steps: tuple[Step, ...]) -> list[Action]:
    return [step.action for step in steps]


@pytest.mark.parametrize("part", ["navi31", "navi48", "strix"])
def test_one_call_a_queue_and_no_runlist(part: str) -> None:
    kfd, request = kfd_of(part)
    gpu = request.gpu_id
    assert kfd.start_steps == ()
    assert kfd.node(gpu).hiq is None
    first, second = (kfd.create_queue(1, request) for _ in range(2))
    assert actions(first.steps) == actions(second.steps) == [Action.MES_ADD_QUEUE]
    assert kfd.scheduler(gpu).runlist is None
    assert actions(kfd.update_queue(1, UpdateQueue(0, 1 << 40, 4096, 100, 11))) == [
        Action.MES_REMOVE_QUEUE,
        Action.MES_ADD_QUEUE,
    ]
    assert actions(kfd.evict(1)) == [Action.MES_REMOVE_QUEUE] * 2
    assert actions(kfd.restore(1)) == [Action.MES_ADD_QUEUE] * 2
    assert actions(kfd.destroy_queue(1, 0)) == [Action.MES_REMOVE_QUEUE]
    assert actions(kfd.exit(1)) == [Action.MES_REMOVE_QUEUE]
    device = kfd.snapshot().devices[0]
    assert (device.hiqs, device.runlist and device.runlist.words) == ((), ())


@pytest.mark.parametrize(("part", "slots"), [("navi31", 8), ("navi48", 4)])
def test_only_queues_2_and_3_of_each_pipe(part: str, slots: int) -> None:
    kfd, request = kfd_of(part)
    for _ in range(slots + 2):
        kfd.create_queue(1, request)
    mec = kfd.node(request.gpu_id).mec
    assert len(mec.occupied) == slots
    assert {slot.queue for slot in mec.occupied} == {2, 3}
    assert {slot.vmid for slot in mec.occupied} == {8}
    assert len(mec.waiting) == 2
    kfd.destroy_queue(1, 0)
    assert len(mec.waiting) == 1


def test_what_add_queue_says() -> None:
    kfd, request = kfd_of("navi31")
    for pid, priority in ((1, 7), (1, 11), (2, 0)):
        kfd.create_queue(pid, replace(request, priority=priority))
    scheduler = kfd.scheduler(request.gpu_id)
    assert isinstance(scheduler, Mes)
    first, second, other = (scheduler.add_queue(kfd.queue(pid, qid)) for pid, qid in ((1, 0), (1, 1), (2, 0)))
    assert (first.process_id, other.process_id) == (0x8000, 0x8001)
    assert first.process_context == second.process_context != other.process_context
    assert len({first.gang_context, second.gang_context, other.gang_context}) == 3
    assert [told.inprocess_gang_priority for told in (first, second, other)] == [7, 11, 0]
    assert {told.gang_global_priority_level for told in (first, second, other)} == {1}
    assert (first.process_quantum_ns, first.gang_quantum_ns) == (10_000_000, 1_000_000)
    assert [told.doorbell for told in (first, second, other)] == [0x1000, 0x1002, 0x1800]


def test_halt_and_reset() -> None:
    kfd, request = kfd_of("navi31")
    for _ in range(3):
        kfd.create_queue(1, request)
    assert actions(kfd.halt(request.gpu_id)) == [Action.MES_REMOVE_QUEUE] * 3
    assert actions(kfd.create_queue(1, request).steps) == []
    assert actions(kfd.unhalt(request.gpu_id)) == [Action.MES_ADD_QUEUE] * 4
    assert actions(kfd.reset(request.gpu_id)) == [Action.GPU_RESET] + [Action.MES_ADD_QUEUE] * 4
