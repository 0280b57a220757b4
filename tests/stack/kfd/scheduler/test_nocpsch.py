from ringscope.parts.queue_types import IoctlQueueType
from ringscope.recording import Kind
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import Action, CreateQueue, UpdateQueue
from ringscope.stack.machine import MachineSpec, SchedPolicy


def kfd_of(part: str = "mi308x") -> tuple[Kfd, CreateQueue]:
    machine = MachineSpec.of(part, sched_policy=SchedPolicy.NO_HWS)
    request = CreateQueue(machine.nodes[0].gpu_id, IoctlQueueType.COMPUTE_AQL, 1 << 40, 4096, 0x80, 0x38)
    return Kfd(machine), request


def test_slots_go_round_the_pipes_lowest_queue_first() -> None:
    kfd, request = kfd_of()
    for _ in range(6):
        kfd.create_queue(1, request)
    assert [kfd.slot(1, qid) for qid in range(6)] == [(0, 2), (1, 2), (2, 2), (3, 2), (0, 3), (1, 3)]
    kfd.destroy_queue(1, 1)
    kfd.create_queue(1, request)  # the next pipe's turn, not the slot that has just been freed
    assert kfd.slot(1, 1) == (2, 3)
    assert [str(event.attrs["message"]) for event in kfd.recording().of(Kind.KERNEL_MESSAGE)][:3] == [
        *("SW scheduler is used", "vmid allocated: 3", "hqd slot - pipe 0, queue 2")
    ]


def test_a_queue_keeps_its_slot_while_it_does_not_run() -> None:
    kfd, request = kfd_of()
    kfd.create_queue(1, request)
    kfd.create_queue(1, request)
    steps = kfd.update_queue(1, UpdateQueue(0, 1 << 40, 4096, 0))
    assert [(step.action, step.queues) for step in steps] == [(Action.HQD_DESTROY, 4)]
    kfd.create_queue(1, request)
    assert (kfd.slot(1, 0), kfd.slot(1, 2)) == (None, (2, 2))
    kfd.update_queue(1, UpdateQueue(0, 1 << 40, 4096))
    assert kfd.slot(1, 0) == (0, 2)


def test_vmids_belong_to_processes_and_stand_in_mqd_and_slot() -> None:
    kfd, request = kfd_of("vega10")
    kfd.create_queue(1, request)
    kfd.create_queue(2, request)
    snapshot = kfd.snapshot()
    assert [q.mqds[0].image.get("cp_hqd_vmid") for _, q in snapshot.queues] == [8, 9]
    assert [s.image.get("cp_hqd_vmid") for s in snapshot.devices[0].hqds if s.active] == [8, 9]
    assert snapshot.devices[0].hiqs == ()
    kfd.destroy_queue(1, 0)
    kfd.create_queue(3, request)
    assert kfd.process(3).devices[request.gpu_id].vmid == 8


def test_halt_and_reset() -> None:
    kfd, request = kfd_of("fiji")
    for _ in range(2):
        kfd.create_queue(1, request)
    assert [step.action for step in kfd.halt(request.gpu_id)] == [Action.HQD_DESTROY] * 2
    assert kfd.snapshot().devices[0].stopped
    kfd.create_queue(1, request)
    assert [step.action for step in kfd.unhalt(request.gpu_id)] == [Action.HQD_LOAD] * 3
    assert [step.action for step in kfd.reset(request.gpu_id)] == [Action.GPU_RESET] + [Action.HQD_LOAD] * 3


def test_a_queue_taken_out_keeps_how_far_it_was() -> None:
    kfd = Kfd(MachineSpec.of("mi308x", sched_policy=SchedPolicy.NO_HWS))
    gpu = kfd.machine.nodes[0].gpu_id
    kfd.create_queue(1, CreateQueue(gpu, IoctlQueueType.COMPUTE_AQL, 1 << 40, 4096, 0x80, 0x38))
    cell = kfd.queue(1, 0).compute
    assert cell is not None
    cell.wptr_dwords = cell.rptr_dwords = 64
    kfd.evict(1, gpu)
    assert (cell.saved_rptr_dwords, cell.saved_wptr_dwords) == (64, 64)
