"""The ioctls: every limit with its errno, the test vectors of a real part, and what a snapshot shows."""

import errno
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ringscope.parts import pm4
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.recording import Kind
from ringscope.snapshot import Device, Process, Queue, QueueType, Snapshot
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import Action, CreatedQueue, CreateQueue, KfdError, Step, UpdateQueue, hiq_dwords
from ringscope.stack.machine import MachineSpec, QueueIds, SchedPolicy

AQL, BY_ENGINE = IoctlQueueType.COMPUTE_AQL, IoctlQueueType.SDMA_BY_ENG_ID


def kfd_of(part: str = "mi308x", count: int = 1, **switches: Any) -> tuple[Kfd, int]:
    machine = MachineSpec.of(part, count, **switches)
    return Kfd(machine), machine.nodes[0].gpu_id


def request(gpu: int, kind: IoctlQueueType = AQL, **fields: Any) -> CreateQueue:
    plain = CreateQueue(gpu, kind, 0x7F00_0000_0000, 1 << 20, 0x7E00_0000_0080, 0x7E00_0000_0038)
    return replace(plain, **fields)


def create(kfd: Kfd, pid: int, gpu: int, count: int = 1, kind: IoctlQueueType = AQL) -> list[CreatedQueue]:
    return [kfd.create_queue(pid, request(gpu, kind)) for _ in range(count)]


def refused(kfd: Kfd, pid: int, what: CreateQueue) -> int:
    before = kfd.snapshot()
    with pytest.raises(KfdError) as caught:
        kfd.create_queue(pid, what)
    assert kfd.snapshot() == before
    return caught.value.errno


BAD: dict[str, tuple[dict[str, Any], int]] = {
    "percentage": ({"percentage": 101}, errno.EINVAL),
    "priority": ({"priority": 16}, errno.EINVAL),
    "ring no power of two": ({"ring_bytes": 3000}, errno.EINVAL),
    "ring outside user space": ({"ring_base": 1 << 47}, errno.EFAULT),
    "read pointer outside user space": ({"read_pointer": 1 << 63}, errno.EFAULT),
    "write pointer outside user space": ({"write_pointer": -1}, errno.EFAULT),
    "EOP size": ({"eop_base": 1 << 40, "eop_bytes": 8192}, errno.EINVAL),
    "control stack size": (
        {"cwsr_base": 1 << 40, "cwsr_bytes": 0xBA6000, "ctl_stack_bytes": 0x1000},
        errno.EINVAL,
    ),
    "save area size": ({"cwsr_base": 1 << 40, "cwsr_bytes": 0xBA5000, "ctl_stack_bytes": 0x2000}, errno.EINVAL),
    "gpu id": ({"gpu_id": 1}, errno.EINVAL),
    "SDMA engine": ({"type": IoctlQueueType.SDMA_BY_ENG_ID, "sdma_engine": 8}, errno.EINVAL),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_refused_and_change_nothing(name: str) -> None:
    fields, error = BAD[name]
    kfd, gpu = kfd_of()
    create(kfd, 1, gpu)
    assert refused(kfd, 1, replace(request(gpu), **fields)) == error


def test_a_small_ring_is_clamped_to_1024_bytes() -> None:
    kfd, gpu = kfd_of()
    kfd.create_queue(1, request(gpu, ring_bytes=0))
    assert kfd.queue(1, 0).request.ring_bytes == 1024


@pytest.mark.parametrize(("part", "limit"), [("mi308x", 255), ("mi250x", 127), ("vega10", 127), ("navi31", 127)])
def test_queues_per_process_and_device(part: str, limit: int) -> None:
    kfd, gpu = kfd_of(part, 2)
    create(kfd, 1, gpu, limit)
    assert refused(kfd, 1, request(gpu)) == errno.ENOSPC
    create(kfd, 1, kfd.machine.nodes[1].gpu_id)  # the limit is per device
    create(kfd, 2, gpu)  # and per process


def test_queue_ids_run_out_at_1024() -> None:
    kfd, _ = kfd_of("mi308x", 8)
    for node in kfd.machine.nodes[:5]:
        for _ in range(min(255, 1024 - len(kfd.open(1).queues))):
            kfd.create_queue(1, request(node.gpu_id))
    assert refused(kfd, 1, request(kfd.machine.nodes[5].gpu_id)) == errno.ENOMEM


def test_queues_per_device() -> None:
    kfd, gpu = kfd_of(max_queues_per_device=3)
    create(kfd, 1, gpu, 2)
    create(kfd, 2, gpu)
    assert refused(kfd, 1, request(gpu)) == errno.EPERM
    assert refused(kfd, 3, request(gpu)) == errno.EPERM
    assert len(kfd.scheduler(gpu).processes) == 2  # a process that got nothing is not registered


def test_sdma_queues_run_out() -> None:
    kfd, gpu = kfd_of()
    made = create(kfd, 1, gpu, 16, IoctlQueueType.SDMA)
    assert refused(kfd, 1, request(gpu, IoctlQueueType.SDMA)) == errno.ENOMEM
    create(kfd, 1, gpu, 48, IoctlQueueType.SDMA_XGMI)
    assert refused(kfd, 1, request(gpu, IoctlQueueType.SDMA_XGMI)) == errno.ENOMEM
    kfd.destroy_queue(1, made[3].queue_id)
    assert refused(kfd, 1, request(gpu, IoctlQueueType.SDMA_BY_ENG_ID, sdma_engine=0)) == errno.ENOMEM
    kfd.create_queue(1, request(gpu, IoctlQueueType.SDMA_BY_ENG_ID, sdma_engine=1))
    assert kfd.queue(1, made[3].queue_id).sdma == kfd.queue(1, 3).sdma


@pytest.mark.parametrize(
    ("part", "engines"), [("vega10", 4), ("navi31", 12), ("navi48", 12), ("fiji", 4), ("mi250x", 16)]
)
def test_sdma_queues_by_part(part: str, engines: int) -> None:
    kfd, gpu = kfd_of(part)
    create(kfd, 1, gpu, engines, IoctlQueueType.SDMA)
    assert refused(kfd, 1, request(gpu, IoctlQueueType.SDMA)) == errno.ENOMEM


def test_mes_knows_no_xgmi_queues() -> None:
    kfd, gpu = kfd_of("navi31")
    assert refused(kfd, 1, request(gpu, IoctlQueueType.SDMA_XGMI)) == errno.EINVAL


def test_no_oversubscription_refuses_queues_and_processes() -> None:
    kfd, gpu = kfd_of(sched_policy=SchedPolicy.HWS_NO_OVERSUBSCRIPTION)
    create(kfd, 1, gpu, 24)
    assert refused(kfd, 1, request(gpu)) == errno.EPERM
    create(kfd, 1, gpu, 1, IoctlQueueType.SDMA)  # SDMA queues are not held back
    kfd, gpu = kfd_of(sched_policy=SchedPolicy.HWS_NO_OVERSUBSCRIPTION)
    for pid in range(12):
        create(kfd, pid, gpu)
    # The thirteenth process counts itself before it is checked against the thirteen VMIDs.
    assert refused(kfd, 12, request(gpu)) == errno.EPERM


def test_static_slots_and_vmids_run_out() -> None:
    kfd, gpu = kfd_of(sched_policy=SchedPolicy.NO_HWS)
    create(kfd, 1, gpu, 24)
    assert refused(kfd, 1, request(gpu)) == errno.EBUSY
    kfd, gpu = kfd_of("vega10", sched_policy=SchedPolicy.NO_HWS)
    for pid in range(8):
        create(kfd, pid, gpu)
    assert refused(kfd, 8, request(gpu)) == errno.ENOSPC


def test_doorbells_run_out() -> None:
    kfd, gpu = kfd_of(max_queues_per_device=4096)
    doorbells = kfd.open(1).devices[gpu].doorbells
    for _ in range(1024 - 2 * (0x1E8 - 0x100 + 1)):
        doorbells.compute(0)
    assert refused(kfd, 1, request(gpu)) == errno.EBUSY


def test_memory_runs_out() -> None:
    # MQDs of gfx10 lie in KFD's pool, which the driver sizes for 768 bytes a queue though one takes 2048.
    kfd, gpu = kfd_of("navi10")
    for pid in range(17):
        try:
            create(kfd, pid, gpu, 127)
        except KfdError as error:
            refusal = error
            break
    assert refusal.errno == errno.ENOMEM
    assert 1500 < kfd.scheduler(gpu).total < 2100
    # Nothing is lost: the driver counts what it did, and a death gives room again.
    hiq = kfd.node(gpu).hiq
    assert hiq is not None
    before = hiq.wptr_dwords
    assert hiq_dwords(kfd.exit(0)) == hiq.wptr_dwords - before
    assert kfd.scheduler(gpu).runlist is not None
    create(kfd, 99, gpu)


def test_an_error_carries_what_was_done_before_it() -> None:
    kfd, gpu = kfd_of()
    create(kfd, 1, gpu)
    pool = kfd.node(gpu).gart.pool
    left = 10_000_000
    while left >= 512:  # fill the pool but for the loaded runlist's own chunk
        try:
            pool.allocate(left)
        except KfdError:
            left //= 2
    for _ in range(20):
        hiq = kfd.node(gpu).hiq
        assert hiq is not None
        before = hiq.wptr_dwords
        try:
            kfd.create_queue(1, request(gpu))
        except KfdError as error:
            assert error.errno == errno.ENOMEM
            assert hiq_dwords(error.steps) == hiq.wptr_dwords - before == 13
            break
    else:
        pytest.fail("a runlist of 21 queues fitted one chunk")
    assert kfd.destroy_queue(1, 0)
    assert kfd.scheduler(gpu).runlist is not None


def test_processes_run_out() -> None:
    kfd, _ = kfd_of()
    for pid in range(512):
        kfd.open(pid)
    with pytest.raises(KfdError) as caught:
        kfd.open(512)
    assert caught.value.errno == errno.ENOMEM


def test_mappings_are_checked_when_they_are_told() -> None:
    machine = MachineSpec.of("mi308x")
    gpu = machine.nodes[0].gpu_id
    area = machine.nodes[0].save_area
    mapped = {1 << 32: 1 << 20, 2 << 32: 4096, 3 << 32: 4096, 4 << 32: area.total_bytes}
    kfd = Kfd(machine, mapping=lambda pid, gpu_id, address: (address, mapped[address]) if address in mapped else None)
    good = CreateQueue(
        *(gpu, AQL, 1 << 32, 1 << 20, 2 << 32, 3 << 32),
        cwsr_base=4 << 32,
        cwsr_bytes=area.cwsr_bytes,
        ctl_stack_bytes=area.ctl_stack_bytes,
    )
    wrongs: tuple[dict[str, Any], ...] = (
        {"ring_bytes": 1 << 19},
        {"ring_base": 5 << 32},
        {"read_pointer": (2 << 32) + 8},
        {"cwsr_base": 1 << 32},
    )
    for wrong in wrongs:
        assert refused(kfd, 1, replace(good, **wrong)) == errno.EINVAL
    kfd.create_queue(1, good)
    assert area.total_bytes == 0x2EB1000  # as measured on a virtual MI308X


def test_unknown_queues() -> None:
    kfd, gpu = kfd_of()
    create(kfd, 1, gpu)
    calls: tuple[tuple[Callable[[], object], int], ...] = (
        (lambda: kfd.destroy_queue(1, 9), errno.EINVAL),
        (lambda: kfd.update_queue(1, UpdateQueue(9, 1 << 40, 4096)), errno.EFAULT),
        (lambda: kfd.set_cu_mask(1, 9, (1,)), errno.EFAULT),
        (lambda: kfd.alloc_queue_gws(1, 9), errno.EINVAL),
        (lambda: kfd.destroy_queue(2, 0), errno.EBADF),
    )
    for call, error in calls:
        with pytest.raises(KfdError) as caught:
            call()
        assert caught.value.errno == error


def test_gws_is_one_queue_a_process_and_device() -> None:
    kfd, gpu = kfd_of()
    create(kfd, 1, gpu, 2)
    assert hiq_dwords(kfd.alloc_queue_gws(1, 0)) == 17
    with pytest.raises(KfdError) as caught:
        kfd.alloc_queue_gws(1, 1)
    assert caught.value.errno == errno.EBUSY
    words = runlist(kfd, gpu)
    assert [word >> 12 & 1 for word in controls(words)] == [0, 1]  # newest first: queue 1, queue 0
    assert words[13] & 0x7F == 64
    image = kfd.snapshot().processes[0].queues[1].mqds[0].image
    assert image.get("compute_resource_limits", "force_simd_dist") == 1
    kfd.alloc_queue_gws(1, 0, 0)
    kfd.alloc_queue_gws(1, 1)
    kfd, gpu = kfd_of("fiji")
    create(kfd, 1, gpu)
    with pytest.raises(KfdError) as caught:
        kfd.alloc_queue_gws(1, 0)
    assert caught.value.errno == errno.ENODEV


def runlist(kfd: Kfd, gpu: int) -> tuple[int, ...]:
    found = kfd.scheduler(gpu).runlist
    assert found is not None
    return found.words


def controls(words: tuple[int, ...]) -> list[int]:
    return [words[i + 1] for i, word in enumerate(words) if word == pm4.header(pm4.MAP_QUEUES, 7)]


# Over-subscription: the worked limits of an MI308X (facts §5.3)


def warnings(kfd: Kfd) -> list[str]:
    return [str(event.attrs["message"]) for event in kfd.recording().of(Kind.OVERSUBSCRIBED)]


def test_24_queues_fit_and_25_do_not() -> None:
    kfd, gpu = kfd_of()
    for pid in range(4):
        create(kfd, pid, gpu, 5)
    assert (len(kfd.node(gpu).mec.occupied), warnings(kfd)) == (20, [])
    create(kfd, 4, gpu, 4)
    assert (len(kfd.node(gpu).mec.occupied), warnings(kfd)) == (24, [])
    create(kfd, 4, gpu)
    assert warnings(kfd) == [
        "Runlist is getting oversubscribed due to too many queues. Expect reduced ROCm performance."
    ]
    create(kfd, 4, gpu)
    assert len(warnings(kfd)) == 1  # once on the transition
    assert len(kfd.node(gpu).mec.occupied) == 24
    words = runlist(kfd, gpu)
    assert words[-4] == pm4.header(pm4.RUN_LIST, 4)
    assert words[-1] == 1 << 20 | 1 << 22 | 1 << 23 | 5 << 24 | len(words)
    first = {slot.mqd for slot in kfd.node(gpu).mec.occupied}
    assert kfd.rotate(gpu) == 24
    assert {slot.mqd for slot in kfd.node(gpu).mec.occupied} != first
    kfd.destroy_queue(4, 0)
    kfd.destroy_queue(4, 1)
    create(kfd, 4, gpu)
    assert len(warnings(kfd)) == 2  # and again after it had gone


def test_13_processes_fit_and_14_do_not() -> None:
    kfd, gpu = kfd_of()
    for pid in range(13):
        create(kfd, pid, gpu)
    assert warnings(kfd) == []
    assert {slot.vmid for slot in kfd.node(gpu).mec.occupied} == set(range(3, 16))
    create(kfd, 13, gpu)
    assert warnings(kfd) == [
        "Runlist is getting oversubscribed due to too many processes. Expect reduced ROCm performance."
    ]
    assert len(kfd.node(gpu).mec.occupied) == 13
    assert kfd.slot(0, 0) is None  # the oldest process stands last in the runlist


@pytest.mark.parametrize(("per_pool", "queues", "over"), [(8, 9, False), (8, 25, True), (4, 13, False)])
def test_hip_queue_pools(per_pool: int, queues: int, over: bool) -> None:
    """One process: a utility queue and GPU_MAX_HW_QUEUES normal ones, or that many in each of three priorities."""
    assert queues in (per_pool + 1, 3 * per_pool + 1)
    kfd, gpu = kfd_of()
    create(kfd, 1, gpu, queues)
    assert bool(warnings(kfd)) == over


def test_two_cooperative_processes_oversubscribe() -> None:
    kfd, gpu = kfd_of()
    for pid in (1, 2):
        create(kfd, pid, gpu)
        kfd.alloc_queue_gws(pid, 0)
    assert warnings(kfd) == [
        "Runlist is getting oversubscribed due to multiple processes using cooperative launch. "
        "Expect reduced ROCm performance."
    ]
    assert len(kfd.node(gpu).mec.occupied) == 1


def test_xnack_is_chosen_where_every_gpu_allows_it_and_before_the_first_queue() -> None:
    for part, allowed in (("mi210", True), ("mi308x", True), ("vega10", False), ("navi31", False)):
        kfd, gpu = kfd_of(part)
        kfd.open(1)
        kfd.set_xnack(1, on=False)
        assert not kfd.process(1).xnack
        if allowed:
            kfd.set_xnack(1, on=True)
            assert kfd.process(1).xnack
        else:
            with pytest.raises(KfdError) as caught:
                kfd.set_xnack(1, on=True)
            assert caught.value.errno == errno.EPERM
        kfd.create_queue(1, request(gpu))
        with pytest.raises(KfdError) as caught:
            kfd.set_xnack(1, on=False)
        assert caught.value.errno == errno.EBUSY


@pytest.mark.parametrize("part", ["mi308x", "mi350x"])
def test_mixed_xnack_oversubscribes(part: str) -> None:
    kfd, gpu = kfd_of(part)
    for pid in (1, 2, 3):
        kfd.open(pid, xnack=pid == 2)
        create(kfd, pid, gpu)
    assert "xnack on/off processes mixed" in warnings(kfd)[0]
    words = runlist(kfd, gpu)
    # Grouped by mode, newest first within each.
    pasids = [words[i + 1] & 0xFFFF for i, word in enumerate(words) if word == pm4.header(pm4.MAP_PROCESS, 21)]
    assert pasids == [kfd.process(pid).pasid for pid in (3, 1, 2)]
    with pytest.raises(KfdError):
        kfd.set_xnack(2, False)


@pytest.mark.parametrize(("num_kcq", "slots"), [(8, 24), (2, 30), (1, 31), (0, 32), (-1, 24), (9, 24)])
def test_num_kcq_moves_the_limit(num_kcq: int, slots: int) -> None:
    kfd, gpu = kfd_of(num_kcq=num_kcq)
    create(kfd, 1, gpu, slots)
    assert not warnings(kfd)
    create(kfd, 1, gpu)
    assert warnings(kfd)


# Test vectors of facts §14


def test_priority_streams_on_rocm_7() -> None:
    """Streams -1, 1, -1, 0: a utility queue, then create and set_priority, on an otherwise empty device."""
    kfd, gpu = kfd_of()
    steps: tuple[Step, ...] = create(kfd, 1, gpu)[0].steps
    for priority in (11, 0, 11, 7):
        created = kfd.create_queue(1, request(gpu))
        steps += created.steps
        if priority != 7:
            steps += kfd.update_queue(1, UpdateQueue(created.queue_id, 0x7F00_0000_0000, 1 << 20, 100, priority))
    assert hiq_dwords(steps) == 123
    images = [queue.mqds[0].image for queue in reversed(kfd.snapshot().processes[0].queues)]
    assert [image.get("cp_hqd_queue_priority") for image in images] == [7, 11, 0, 11, 7]
    assert [image.get("cp_hqd_pipe_priority") for image in images] == [1, 2, 0, 2, 1]


def test_runlist_of_one_process_and_five_queues() -> None:
    kfd, gpu = kfd_of()
    create(kfd, 1, gpu, 5)
    words = runlist(kfd, gpu)
    shown = kfd.snapshot().devices[0].runlist
    assert shown is not None
    assert shown.words == words
    assert [packet.name for packet in shown.packets] == ["MAP_PROCESS"] + ["MAP_QUEUES"] * 5
    assert len(words) * 4 == 84 + 140
    assert controls(words) == [0x20000010] * 5
    hiq = kfd.node(gpu).hiq
    assert hiq is not None
    # SET_RESOURCES, then the last packet in the ring.
    assert hiq.ring[0:8] == [0xC006A000, 0x2028FFF8, 0xFCFCFCFC, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0]
    last = hiq.ring[hiq.wptr_dwords - 17 : hiq.wptr_dwords]
    assert last[:2] == [0xC004A300, 0x30]
    assert last[6:8] == [0xC005A400, 0x80000000]
    assert last[11:13] == [100, 0]
    assert last[13:] == [0xC002A500, 0xFCDE00, 0, 0x01800038]


# Queue ids


def without_ids(snapshot: Snapshot) -> tuple[tuple[Device, ...], tuple[Process, ...]]:
    def plain(queue: Queue) -> Queue:
        return replace(queue, qid=None)

    return snapshot.devices, tuple(
        replace(process, queues=tuple(map(plain, process.queues))) for process in snapshot.processes
    )


def test_v4_and_v5_differ_in_nothing_but_the_queue_id() -> None:
    runs = {}
    for policy in (QueueIds.FIRST_FREE, QueueIds.PID_HASH):
        kfd, gpu = kfd_of(queue_ids=policy)
        for pid in (3935030, 3935031):
            third = create(kfd, pid, gpu, 5)[2]
            kfd.destroy_queue(pid, third.queue_id)
        create(kfd, 3935030, gpu)
        runs[policy] = kfd.snapshot()
    v4, v5 = runs.values()
    assert without_ids(v4) == without_ids(v5)
    ids = {process.pid: [queue.qid for queue in process.queues] for process in v5.processes}
    assert ids == {3935030: [218, 0, 219, 217, 216], 3935031: [0, 223, 221, 220]}


def test_pid_hash_gives_the_ids_that_were_printed() -> None:
    for pid, first in ((3935030, 216), (3935031, 220), (3933841, 580), (4140772, 912), (4140775, 924)):
        kfd, gpu = kfd_of(queue_ids=QueueIds.PID_HASH)
        assert [queue.queue_id for queue in create(kfd, pid, gpu, 5)] == [*range(first, first + 4), 0]


def test_pasid_ids_do_not_fit_their_table() -> None:
    kfd, gpu = kfd_of(queue_ids=QueueIds.PASID)
    with pytest.raises(KfdError):
        kfd.create_queue(1, request(gpu))
    (breakage,) = kfd.breakages
    assert "131072, past the table of 1024" in breakage.what


# Processes, eviction, debugger, reset


def test_death_sends_one_runlist_for_all_queues_of_the_dead() -> None:
    kfd, gpu = kfd_of("mi308x", 2)
    other = kfd.machine.nodes[1].gpu_id
    create(kfd, 1, gpu, 5)
    create(kfd, 2, gpu, 5)
    create(kfd, 2, other)
    steps = kfd.exit(1)
    # Both nodes: the driver does not ask whether the dead had queues there.
    assert [(step.gpu_id, step.action) for step in steps] == [
        (node, action)
        for node in (gpu, other)
        for action in (Action.UNMAP_QUEUES, Action.QUERY_STATUS, Action.RUN_LIST)
    ]
    assert [queue.pid for queue, _ in kfd.snapshot().queues] == [2] * 6


def test_doorbell_slices_are_recycled() -> None:
    kfd, gpu = kfd_of()
    first = [kfd.queue(pid, create(kfd, pid, gpu)[0].queue_id).doorbell for pid in (1, 2, 3)]
    assert first == [0x1000, 0x1800, 0x2000]
    kfd.exit(2)
    create(kfd, 4, gpu)
    assert kfd.queue(4, 0).doorbell == 0x1800


def test_doorbell_offset_of_the_ioctl() -> None:
    kfd, gpu = kfd_of()
    offsets = [queue.doorbell_offset for queue in create(kfd, 1, gpu, 3)]
    assert offsets == [3 << 62 | gpu << 46 | 8 * i for i in range(3)]
    kfd, gpu = kfd_of("fiji")
    assert [queue.doorbell_offset for queue in create(kfd, 1, gpu, 2)] == [3 << 62 | gpu << 46] * 2
    assert [kfd.queue(1, qid).doorbell for qid in (0, 1)] == [0xC00, 0xC01]


def test_suspending_one_process_preempts_all() -> None:
    kfd, gpu = kfd_of()
    create(kfd, 1, gpu, 2)
    create(kfd, 2, gpu, 3)
    steps = kfd.suspend_queues(1, [0, 1])
    assert [(step.action, step.queues) for step in steps][:1] == [(Action.UNMAP_QUEUES, 5)]
    assert kfd.slot(1, 0) is None
    assert kfd.slot(2, 0) == (2, 2)
    kfd.resume_queues(1, [1])
    assert kfd.slot(1, 1) is not None
    with_grace = kfd.suspend_queues(1, [1], grace=5)
    assert [step.dwords for step in with_grace] == [5, 6, 7, 5, 4]


def test_evictions_nest_and_new_queues_stay_out() -> None:
    kfd, gpu = kfd_of()
    create(kfd, 1, gpu, 2)
    assert hiq_dwords(kfd.evict(1)) == 13
    assert kfd.evict(1) == ()
    assert hiq_dwords(create(kfd, 1, gpu)[0].steps) == 0
    assert kfd.restore(1) == ()
    assert hiq_dwords(kfd.restore(1)) == 4
    assert len(kfd.node(gpu).mec.occupied) == 3


def test_update_to_percentage_0_takes_a_queue_out() -> None:
    kfd, gpu = kfd_of()
    create(kfd, 1, gpu, 2)
    kfd.update_queue(1, UpdateQueue(0, 1 << 40, 4096, 0))
    assert (kfd.slot(1, 0), kfd.slot(1, 1)) == (None, (0, 2))
    assert hiq_dwords(kfd.destroy_queue(1, 0)) == 0
    kfd.update_queue(1, UpdateQueue(1, 0, 4096))
    assert kfd.scheduler(gpu).runlist is None


def test_an_inactive_queue_does_not_show_in_the_loaded_runlist() -> None:
    kfd, gpu = kfd_of()
    create(kfd, 1, gpu)
    before = runlist(kfd, gpu)
    kfd.create_queue(1, request(gpu, percentage=0))
    assert runlist(kfd, gpu) == before


def test_hang_and_reset() -> None:
    kfd, gpu = kfd_of("mi308x", 2)
    create(kfd, 1, gpu, 2)
    assert [step.dwords for step in kfd.hang(gpu)] == [7, 6, 7]
    hiq = kfd.snapshot().devices[0].hiqs[0].image
    assert hiq.get("cp_hqd_pq_rptr") != hiq.get("cp_hqd_pq_wptr_lo") % 512
    assert refused(kfd, 1, request(gpu)) == errno.EIO
    with pytest.raises(KfdError):
        kfd.update_queue(1, UpdateQueue(0, 1 << 40, 4096))
    create(kfd, 2, kfd.machine.nodes[1].gpu_id)  # the other device lives
    assert kfd.exit(2)[0].gpu_id != gpu
    assert kfd.evict(1, gpu) == kfd.restore(1, gpu) == ()
    steps = kfd.reset(gpu)
    assert [step.action for step in steps] == [Action.GPU_RESET, Action.SET_RESOURCES, Action.RUN_LIST]
    hiq = kfd.snapshot().devices[0].hiqs[0].image
    assert hiq.get("cp_hqd_pq_wptr_lo") == hiq.get("cp_hqd_pq_rptr") == sum(step.dwords for step in steps)
    assert (kfd.slot(1, 0), kfd.slot(1, 1)) == ((1, 2), (0, 2))
    for part, policy in (("navi31", SchedPolicy.HWS), ("mi308x", SchedPolicy.NO_HWS)):
        kfd, gpu = kfd_of(part, sched_policy=policy)
        with pytest.raises(KfdError):
            kfd.hang(gpu)


def test_events() -> None:
    kfd, gpu = kfd_of()
    kfd.open(7, "hip")
    create(kfd, 7, gpu)
    assert kfd.snapshot().processes[0].name == "hip"
    kfd.update_queue(7, UpdateQueue(0, 1 << 40, 4096, 100, 11))
    kfd.destroy_queue(7, 0)
    events = kfd.recording().events
    assert [event.kind for event in events] == [
        Kind.RUNLIST,
        Kind.QUEUE_CREATE,
        Kind.RUNLIST,
        Kind.QUEUE_UPDATE,
        Kind.QUEUE_DESTROY,
    ]
    assert [event.time_ns for event in events] == [0, 1, 2, 3, 4]
    assert events[1].attrs["doorbell"] == 0x1000
    assert events[1].pid == 7


def test_partitions_are_nodes_of_their_own() -> None:
    kfd, _ = kfd_of("mi308x", 1, partition="cpx")
    nodes = kfd.machine.nodes
    assert [(node.xccs, node.vmids[0], node.vmids[-1]) for node in nodes] == [(1, 4, 9), (1, 10, 15)] * 2
    for node in nodes:
        create(kfd, 1, node.gpu_id)
    snapshot = kfd.snapshot()
    assert [len(device.hqds) for device in snapshot.devices] == [24] * 4
    assert [slot.image.word(131) for device in snapshot.devices for slot in device.hqds if slot.active] == [
        *(0x404, 0xA0A, 0x404, 0xA0A)
    ]
    # One BAR for the device: a HIQ doorbell and a slice for each node.
    hiqs = [device.hiqs[0].image.get("cp_hqd_pq_doorbell_control", "doorbell_offset") for device in snapshot.devices]
    assert hiqs == [0xC00, 0xC02, 0xC04, 0xC06]
    assert [kfd.queue(1, qid).doorbell for qid in range(4)] == [0x1000, 0x1800, 0x2000, 0x2800]
    sdma = [create(kfd, 1, node.gpu_id, 1, IoctlQueueType.SDMA)[0].queue_id for node in nodes]
    slices = [kfd.queue(1, qid).doorbell for qid in range(4)]
    ids = [(kfd.queue(1, qid).doorbell - base) // 2 for qid, base in zip(sdma, slices, strict=True)]
    assert ids == [0x100, 0x114, 0x128, 0x13C]


def test_sdma_queues_show_in_mqds_and_registers() -> None:
    kfd, gpu = kfd_of()
    create(kfd, 1, gpu, 3, IoctlQueueType.SDMA)
    snapshot = kfd.snapshot()
    queues = snapshot.processes[0].queues
    assert [queue.type for queue in queues] == [QueueType.SDMA] * 3
    assert [(q.mqds[0].image.get("sdma_engine_id"), q.mqds[0].image.get("sdma_queue_id")) for q in queues] == [
        *((0, 1), (1, 0), (0, 0))
    ]
    assert [kfd.queue(1, qid).doorbell_id for qid in range(3)] == [0x100, 0x10A, 0x100 + 512]
    running = [(rlc.engine, rlc.rlc) for rlc in snapshot.devices[0].sdma if rlc.registers[0][1] & 1]
    assert running == [(0, 0), (0, 1), (1, 0)]
    kfd.exit(1)
    assert not [rlc for rlc in kfd.snapshot().devices[0].sdma if rlc.registers[0][1] & 1]


def test_an_sdma_queue_is_made_on_the_engine_asked_for_and_freed_again() -> None:
    """MI300X: two PCIe engines, then fourteen XGMI ones; two queues each where KFD keeps two of each engine."""
    kfd, gpu = kfd_of("mi300x")
    per_engine = kfd.machine.nodes[0].part.sdma_queues_per_engine - kfd.machine.nodes[0].part.sdma_reserved_queues
    for _ in range(2):
        made = []
        for engine in range(16):
            made += [create_sdma(kfd, gpu, engine) for _ in range(per_engine)]
            assert refused(kfd, 1, request(gpu, BY_ENGINE, sdma_engine=engine)) == errno.ENOMEM
        engines = [queue.sdma.engine for qid in made if (queue := kfd.queue(1, qid)).sdma]
        assert engines == [engine for engine in range(16) for _ in range(per_engine)]
        for qid in made:
            kfd.destroy_queue(1, qid)


def create_sdma(kfd: Kfd, gpu: int, engine: int) -> int:
    return kfd.create_queue(1, request(gpu, BY_ENGINE, sdma_engine=engine)).queue_id


def test_a_ring_of_aql_is_mapped_by_half_before_gfx9() -> None:
    machine = MachineSpec.of("fiji")
    gpu, area = machine.nodes[0].gpu_id, machine.nodes[0].save_area
    mapped = {1 << 32: 1 << 19, 2 << 32: 4096, 3 << 32: 4096, 4 << 32: area.total_bytes, 5 << 32: 4096}
    kfd = Kfd(machine, mapping=lambda pid, gpu_id, address: (address, mapped[address]) if address in mapped else None)
    good = CreateQueue(*(gpu, AQL, 1 << 32, 1 << 20, 2 << 32, 3 << 32), eop_base=5 << 32, eop_bytes=4096)
    kfd.create_queue(1, good)
    assert refused(kfd, 1, replace(good, ring_bytes=1 << 19)) == errno.EINVAL


def test_hiqs_of_one_devices_nodes_take_neighbouring_doorbells() -> None:
    kfd, _ = kfd_of("mi308x", partition="cpx")
    hiqs = [
        device.hiqs[0].image.get("cp_hqd_pq_doorbell_control", "doorbell_offset") for device in kfd.snapshot().devices
    ]
    assert [offset - hiqs[0] for offset in hiqs] == [0, 2, 4, 6]
