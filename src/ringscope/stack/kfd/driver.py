"""The driver of one machine: the ioctls and what else moves queues, with their checks, over the nodes' schedulers."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Concatenate, ParamSpec, TypeVar

from ringscope import snapshot as snap
from ringscope.errors import InputError
from ringscope.recording import Clock, Event, Kind, Recording, Value
from ringscope.records import replace
from ringscope.snapshot import Snapshot
from ringscope.stack.firmware import ENGINE_BASES, SOURCE, FirmwareSpec
from ringscope.stack.kfd import checks, queue_ids, topology
from ringscope.stack.kfd import hiq as hiq_packets
from ringscope.stack.kfd.bitmap import Bitmap
from ringscope.stack.kfd.doorbells import Bar, Slice
from ringscope.stack.kfd.mqd import cu_masks
from ringscope.stack.kfd.node import Node
from ringscope.stack.kfd.process import FIRST_PASID, MAX_PROCESSES, Process, ProcessDevice, Queue
from ringscope.stack.kfd.records import Breakage, CreatedQueue, CreateQueue, KfdError, Step, UpdateQueue
from ringscope.stack.kfd.runlist import packed
from ringscope.stack.kfd.scheduler import Scheduler
from ringscope.stack.kfd.scheduler.cpsch import XNACK_PER_PROCESS
from ringscope.stack.kfd.scheduler.mes import Mes
from ringscope.stack.kfd.scheduler.nocpsch import Nocpsch
from ringscope.stack.kfd.scheduler.variants import BatchingCpsch, variant
from ringscope.stack.machine import MachineSpec, QueueIds, SchedPolicy, Scheduling


def scheduler_of(node: Node) -> Scheduler:
    """The scheduler that part and switches give a node (facts §5.1)."""
    if node.spec.scheduling is Scheduling.MES:
        return Mes(node)
    return Nocpsch(node) if node.spec.scheduling is Scheduling.NOCPSCH else variant(node)


_Args = ParamSpec("_Args")
_Answer = TypeVar("_Answer")


def _charged(operation: Callable[Concatenate[Kfd, _Args], _Answer]) -> Callable[Concatenate[Kfd, _Args], _Answer]:
    """An operation whose error carries the steps that were taken before it failed."""

    @wraps(operation)
    def run(kfd: Kfd, /, *args: _Args.args, **kwargs: _Args.kwargs) -> _Answer:
        try:
            return operation(kfd, *args, **kwargs)
        except KfdError as error:
            error.steps = kfd._take_steps()
            raise

    return run


class Kfd:
    """amdkfd on one machine.

    Operations take effect at once and give back the :class:`Step` records of what was done to the hardware; a caller
    with a clock charges time for those. A refused operation raises :class:`KfdError` and changes nothing; only where
    no memory is left for a new runlist are the node's queues off their slots, until something frees some.

    Args:
        machine: GPUs and driver switches.
        firmware: rules of the MECs.
        now: called for the time of each event, nanoseconds of ``clock``; left out, events are numbered.
        clock: what ``now`` reads.
        mapping: what lies mapped where; given, CREATE_QUEUE checks rings, pointers and save areas against it.
        keep_events: whether ``events`` grows; a run of millions of operations may do without.
    """

    def __init__(
        self,
        machine: MachineSpec,
        firmware: FirmwareSpec | None = None,
        *,
        now: Callable[[], int] | None = None,
        clock: Clock = Clock.UNKNOWN,
        mapping: checks.Mapping | None = None,
        keep_events: bool = True,
    ) -> None:
        self.machine = machine
        self.firmware = firmware or FirmwareSpec()
        self.events: list[Event] = []
        self._now = now
        self._clock = clock
        self._mapping = mapping
        self._keep_events = keep_events
        self._processes: dict[int, Process] = {}
        self._pasids = Bitmap(MAX_PROCESSES)
        self._policy = queue_ids.POLICIES[machine.driver.queue_ids]
        self._bars: dict[int, Bar] = {}
        self._nodes: dict[int, Node] = {}
        self._schedulers: dict[int, Scheduler] = {}
        for spec in machine.nodes:
            bar = self._bars.setdefault(spec.device, Bar(spec))
            node = Node(spec, self.firmware, bar, self._log)
            self._nodes[spec.gpu_id] = node
            self._schedulers[spec.gpu_id] = scheduler_of(node)
        for scheduler in self._schedulers.values():
            scheduler.start()
        self.start_steps = self._take_steps()

    # Looking things up

    def _log(self, kind: Kind, pid: int | None, **attrs: Value) -> None:
        if self._keep_events:
            time = len(self.events) if self._now is None else self._now()
            self.events.append(Event(time, kind, attrs, SOURCE, self._clock, pid))

    def _take_steps(self) -> tuple[Step, ...]:
        steps: list[Step] = []
        for node in self._nodes.values():
            if node.steps:
                steps += node.steps
                node.steps.clear()
        return tuple(steps)

    def scheduler(self, gpu_id: int) -> Scheduler:
        """The scheduler of a node; KfdError EINVAL for a gpu_id that is none."""
        if gpu_id not in self._schedulers:
            raise KfdError(errno.EINVAL, f"no GPU has the gpu_id {gpu_id:#x}")
        return self._schedulers[gpu_id]

    def node(self, gpu_id: int) -> Node:
        """A node's memory, doorbells, HIQ and slots; KfdError EINVAL for a gpu_id that is none."""
        return self.scheduler(gpu_id).node

    @property
    def processes(self) -> tuple[Process, ...]:
        """Open processes, oldest first."""
        return tuple(self._processes.values())

    def process(self, pid: int) -> Process:
        """An open process; KfdError EBADF when it has not opened the driver."""
        if pid not in self._processes:
            raise KfdError(errno.EBADF, f"process {pid} has not opened the driver")
        return self._processes[pid]

    def queue(self, pid: int, queue_id: int, error: int = errno.EINVAL) -> Queue:
        """A queue of a process; KfdError ``error`` when the process has none such."""
        found = self.process(pid).queues.get(queue_id)
        if found is None:
            raise KfdError(error, f"process {pid} has no queue {queue_id}")
        return found

    def slot(self, pid: int, queue_id: int) -> tuple[int, int] | None:
        """``(pipe, queue)`` of the slot in which a compute queue sits on every XCC; None when it is not mapped."""
        queue = self.queue(pid, queue_id)
        found = queue.compute and self.node(queue.home.gpu_id).mec.slot_of(queue.compute)
        return (found.pipe, found.queue) if found else None

    @property
    def breakages(self) -> tuple[Breakage, ...]:
        """What the proposal in the driver switches has broken so far."""
        return tuple(breakage for node in self._nodes.values() for breakage in node.breakages)

    # Processes

    def open(self, pid: int, name: str = "", *, xnack: bool = False) -> Process:
        """``open("/dev/kfd")``: PASID and per-node state; again for a process that is open changes nothing."""
        if pid in self._processes:
            return self._processes[pid]
        bit = self._pasids.first_free()
        if bit is None:
            raise KfdError(errno.ENOMEM, f"{MAX_PROCESSES} processes are open")
        self._pasids.set(bit)
        process = Process(pid, FIRST_PASID + bit, name, xnack)
        for gpu_id, node in self._nodes.items():
            # Nothing reads the page table's address; it only has to differ from process to process.
            process.devices[gpu_id] = ProcessDevice(
                process, gpu_id, partial(Slice, node.bar, node.spec), page_table=(bit + 1) << 21
            )
        self._processes[pid] = process
        return process

    def set_xnack(self, pid: int, on: bool) -> None:
        """SET_XNACK_MODE; KfdError EPERM where processes cannot choose, EBUSY once the process has queues."""
        process = self.process(pid)
        if process.queues:
            raise KfdError(errno.EBUSY, "the process has queues already")
        if on and any(spec.gc not in XNACK_PER_PROCESS for spec in self.machine.nodes):
            raise KfdError(errno.EPERM, "not every GPU lets processes choose XNACK")
        process.xnack = on

    def exit(self, pid: int) -> tuple[Step, ...]:
        """The process dies: on each node all its queues go at once, with one new runlist for those that stay.

        The driver does so on every node of the machine, those included on which the process had no queue.
        """
        process = self.process(pid)
        for gpu_id, home in process.devices.items():
            for queue in home.queues.values():
                self._log(Kind.QUEUE_DESTROY, pid, gpu_id=gpu_id, qid=queue.qid, at_exit=1)
            self._schedulers[gpu_id].terminate(home)
            if home.slice is not None:
                home.slice.release()
        self._pasids.clear(process.pasid - FIRST_PASID)
        del self._processes[pid]
        return self._take_steps()

    # Queues

    @_charged
    def create_queue(self, pid: int, request: CreateQueue) -> CreatedQueue:
        """CREATE_QUEUE, every check of the driver in its order (facts §3.2, §3.3); a process unknown is opened.

        KfdError: EINVAL and EFAULT for bad arguments, ENOSPC at the process's limit on the node, ENOMEM without queue
        ids, SDMA queues or memory, EPERM at the node's limit or above sched_policy 1's, EBUSY without doorbell or slot.
        """
        request = checks.create(request)
        scheduler = self.scheduler(request.gpu_id)
        spec = scheduler.node.spec
        process = self.open(pid)
        home = process.devices[request.gpu_id]
        doorbells = home.doorbells
        checks.buffers(spec, pid, request, self._mapping)
        if len(home.queues) >= spec.part.queues_per_process:
            raise KfdError(errno.ENOSPC, f"the process holds {len(home.queues)} queues on this node, its limit")
        qid = self._queue_id(process, scheduler.node)
        first = not home.queues
        if first:
            scheduler.register(home)
        try:
            self._no_oversubscription(scheduler, request)
            queue = scheduler.create(home, qid, request)
        except KfdError:
            if first:
                scheduler.unregister(home)
            raise
        process.queue_ids.set(qid)
        process.queues[qid] = queue
        offset = doorbells.ioctl_offset(queue.doorbell_id)
        self._log(Kind.QUEUE_CREATE, pid, **_attrs(queue, offset))
        return CreatedQueue(qid, offset, self._take_steps())

    def _queue_id(self, process: Process, node: Node) -> int:
        try:
            return self._policy(process.pid, process.pasid, process.queue_ids)
        except KfdError as error:
            if self.machine.driver.queue_ids is QueueIds.PASID:
                node.breakages.append(Breakage(node.spec.gpu_id, "QueueIds.PASID", error.why))
            raise

    def _no_oversubscription(self, scheduler: Scheduler, request: CreateQueue) -> None:
        spec = scheduler.node.spec
        if spec.driver.sched_policy is not SchedPolicy.HWS_NO_OVERSUBSCRIPTION or request.type.is_sdma:
            return
        # The process is registered by now and counts itself: one less than there are VMIDs fits.
        if len(scheduler.processes) >= len(spec.vmids):
            raise KfdError(errno.EPERM, f"over-subscription is off and {len(spec.vmids)} VMIDs do not suffice")
        if scheduler.active >= len(spec.slots):
            raise KfdError(errno.EPERM, f"over-subscription is off and all {len(spec.slots)} slots are spoken for")

    @_charged
    def update_queue(self, pid: int, request: UpdateQueue) -> tuple[Step, ...]:
        """UPDATE_QUEUE: ring, percentage, priority; KfdError EFAULT for an unknown queue or ring."""
        request = checks.update(request)
        queue = self.queue(pid, request.queue_id, errno.EFAULT)
        checks.new_ring(queue.home.gpu_id, pid, request, self._mapping)

        def change() -> None:
            queue.request = replace(
                queue.request,
                ring_base=request.ring_base,
                ring_bytes=request.ring_bytes,
                percentage=request.percentage,
                priority=request.priority,
            )

        return self._update(queue, change)

    def _update(self, queue: Queue, change: Callable[[], None]) -> tuple[Step, ...]:
        self._schedulers[queue.home.gpu_id].update(queue, change)
        self._log(
            Kind.QUEUE_UPDATE,
            queue.home.process.pid,
            qid=queue.qid,
            gpu_id=queue.home.gpu_id,
            ring_base=queue.request.ring_base,
            ring_bytes=queue.request.ring_bytes,
            priority=queue.request.priority,
        )
        return self._take_steps()

    def destroy_queue(self, pid: int, queue_id: int) -> tuple[Step, ...]:
        """DESTROY_QUEUE; KfdError EINVAL for an unknown queue."""
        queue = self.queue(pid, queue_id)
        process, scheduler = queue.home.process, self._schedulers[queue.home.gpu_id]
        last = len(queue.home.queues) == 1
        scheduler.destroy(queue)
        if last:
            queue.home.gws = False
            scheduler.unregister(queue.home)
        elif queue.gws:
            queue.home.gws = False
        process.queue_ids.clear(queue_id)
        del process.queues[queue_id]
        self._log(Kind.QUEUE_DESTROY, pid, gpu_id=queue.home.gpu_id, qid=queue_id)
        return self._take_steps()

    @_charged
    def set_cu_mask(self, pid: int, queue_id: int, mask: tuple[int, ...], bits: int | None = None) -> tuple[Step, ...]:
        """SET_CU_MASK, 32-bit words, bit 0 first; KfdError EINVAL for a bad mask, EFAULT for an unknown queue."""
        queue = self.queue(pid, queue_id, errno.EFAULT)
        spec = self.node(queue.home.gpu_id).spec
        count = checks.cu_mask(spec, mask, 32 * len(mask) if bits is None else bits)
        dealt = cu_masks(mask, count, xccs=spec.xccs, arrays=spec.arrays, wgp=spec.gc >= (10,))

        def change() -> None:
            queue.cu_masks = dealt

        steps = self._update(queue, change)
        text = "".join(f"{word:08x}" for word in reversed(mask))
        self._log(Kind.CU_MASK, pid, qid=queue_id, gpu_id=spec.gpu_id, mask=text)
        return steps

    @_charged
    def alloc_queue_gws(self, pid: int, queue_id: int, num_gws: int = 1) -> tuple[Step, ...]:
        """ALLOC_QUEUE_GWS: make a queue cooperative; 0 takes it back.

        KfdError EINVAL for an unknown queue or nothing to take back, ENODEV without GWS, EBUSY when another queue of
        the process on this node has it.
        """
        queue = self.queue(pid, queue_id)
        spec = self.node(queue.home.gpu_id).spec
        if not spec.gws:
            raise KfdError(errno.ENODEV, "the node has no GWS")
        if num_gws and queue.home.gws:
            raise KfdError(errno.EBUSY, "a queue of the process holds the node's GWS already")
        if not num_gws and not queue.gws:
            raise KfdError(errno.EINVAL, "the queue holds no GWS")

        def change() -> None:
            queue.gws = queue.home.gws = bool(num_gws)

        return self._update(queue, change)

    # What else moves queues

    def _homes(self, pid: int, gpu_id: int | None) -> Iterable[ProcessDevice]:
        devices = self.process(pid).devices
        if gpu_id is None:
            return tuple(devices.values())
        self.scheduler(gpu_id)
        return (devices[gpu_id],)

    @_charged
    def evict(self, pid: int, gpu_id: int | None = None) -> tuple[Step, ...]:
        """Memory of the process has to move: its queues stop, on one node or on all; evictions nest."""
        for home in self._homes(pid, gpu_id):
            self._schedulers[home.gpu_id].evict(home)
            self._log(Kind.QUEUE_EVICT, pid, gpu_id=home.gpu_id)
        return self._take_steps()

    @_charged
    def restore(self, pid: int, gpu_id: int | None = None) -> tuple[Step, ...]:
        """Undo one eviction."""
        for home in self._homes(pid, gpu_id):
            self._schedulers[home.gpu_id].restore(home)
            self._log(Kind.QUEUE_RESTORE, pid, gpu_id=home.gpu_id)
        return self._take_steps()

    @_charged
    def suspend_queues(self, pid: int, queue_ids: Iterable[int], grace: int | None = None) -> tuple[Step, ...]:
        """A debugger suspends queues. With CPSCH every queue of the node is preempted for it, other processes' too."""
        for scheduler, queues in self._by_node(pid, queue_ids):
            scheduler.suspend(queues, grace)
        return self._take_steps()

    @_charged
    def resume_queues(self, pid: int, queue_ids: Iterable[int]) -> tuple[Step, ...]:
        """A debugger resumes queues."""
        for scheduler, queues in self._by_node(pid, queue_ids):
            scheduler.resume(queues)
        return self._take_steps()

    def _by_node(self, pid: int, queue_ids: Iterable[int]) -> list[tuple[Scheduler, list[Queue]]]:
        by_node: dict[int, list[Queue]] = {}
        for queue_id in queue_ids:
            queue = self.queue(pid, queue_id)
            by_node.setdefault(queue.home.gpu_id, []).append(queue)
        return [(self._schedulers[gpu_id], queues) for gpu_id, queues in by_node.items()]

    def halt(self, gpu_id: int) -> tuple[Step, ...]:
        """Stop scheduling on a node: every queue leaves its slot."""
        self.scheduler(gpu_id).halt()
        return self._take_steps()

    @_charged
    def unhalt(self, gpu_id: int) -> tuple[Step, ...]:
        """Schedule again."""
        self.scheduler(gpu_id).unhalt()
        return self._take_steps()

    @_charged
    def hang(self, gpu_id: int) -> tuple[Step, ...]:
        """debugfs ``hang_hws``: the firmware hangs; until :meth:`reset` the node refuses with EIO.

        KfdError EINVAL where there is no HIQ.
        """
        self.scheduler(gpu_id).hang()
        return self._take_steps()

    @_charged
    def reset(self, gpu_id: int) -> tuple[Step, ...]:
        """The GPU was reset: slots are empty, then every active queue is mapped again."""
        self.scheduler(gpu_id).reset()
        return self._take_steps()

    @_charged
    def flush(self, gpu_id: int) -> tuple[Step, ...]:
        """The timeout of the batching proposal is over on a node; without that proposal nothing waits."""
        scheduler = self.scheduler(gpu_id)
        if isinstance(scheduler, BatchingCpsch):
            scheduler.flush()
        return self._take_steps()

    def rotate(self, gpu_id: int) -> int:
        """The firmware's time slice on an over-subscribed node is over; how many queues have a slot now.

        No driver is involved and nothing is charged: who models time says when (firmware :meth:`.Mec.rotate`).
        """
        return self.node(gpu_id).mec.rotate()

    def progress(self, pid: int, queue_id: int, rptr_dwords: int, wptr_dwords: int) -> None:
        """Say how far a compute queue's ring is written and read, for the registers; 16 dwords an AQL packet."""
        cell = self.queue(pid, queue_id).compute
        if cell is None:
            raise InputError(f"queue {queue_id} of process {pid} is an SDMA queue")
        cell.rptr_dwords, cell.wptr_dwords = rptr_dwords, wptr_dwords

    # What can be seen

    def recording(self) -> Recording:
        """Everything that happened so far."""
        return Recording("model", tuple(self.events))

    def snapshot(self, label: str = "") -> Snapshot:
        """The state of everything now, with real MQD bytes and slot registers."""
        devices = tuple(self._device(scheduler) for scheduler in self._schedulers.values())
        processes = tuple(
            snap.Process(
                process.pid,
                tuple(self._queue(queue) for queue in reversed(process.queues.values())),
                SOURCE,
                process.pasid,
                process.name,
            )
            for process in self._processes.values()
            if process.queues
        )
        return Snapshot(label, devices, processes, frozenset({"mqds", "hqds", "rls", "proc", "topology"}))

    def _device(self, scheduler: Scheduler) -> snap.Device:
        node = scheduler.node
        spec = node.spec
        runlist = scheduler.runlist
        engines = sum(spec.sdma_engines)
        known = spec.part.key == "mi308x" and (spec.index + 1) * engines <= len(ENGINE_BASES)
        return snap.Device(
            node=spec.node,
            gpu_id=spec.gpu_id,
            source=SOURCE,
            generation=spec.generation,
            hqds=node.mec.hqds(),
            hiqs=node.mec.hiqs(*hiq_packets.PLACE),
            sdma=node.rlcs.blocks(spec.index * engines) if known else (),
            runlist=packed(runlist.words, spec.packets) if runlist else snap.Runlist((), SOURCE),
            stopped=not scheduler.running,
            properties=topology.properties(spec),
        )

    def _queue(self, queue: Queue) -> snap.Queue:
        node = self._nodes[queue.home.gpu_id]
        mqds: tuple[snap.Mqd, ...] = ()
        if queue.compute is not None:
            mqds = tuple(snap.Mqd(xcc, node.mec.mqd_image(queue.compute, xcc), SOURCE) for xcc in range(node.spec.xccs))
        elif queue.sdma is not None:
            mqds = (snap.Mqd(0, queue.sdma.image(), SOURCE),)
        return snap.Queue(queue.home.gpu_id, queue.type, SOURCE, mqds, queue.qid, queue.request.ring_bytes)


def _attrs(queue: Queue, offset: int) -> dict[str, Value]:
    request = queue.request
    return {
        "qid": queue.qid,
        "gpu_id": request.gpu_id,
        "type": queue.type.value,
        "ring_base": request.ring_base,
        "ring_bytes": request.ring_bytes,
        "read_pointer": request.read_pointer,
        "write_pointer": request.write_pointer,
        "priority": request.priority,
        "percentage": request.percentage,
        "doorbell": queue.doorbell,
        "doorbell_id": queue.doorbell_id,
        "doorbell_offset": offset,
        "mqd_address": queue.mqd_address,
        "pasid": queue.home.pasid,
    }
