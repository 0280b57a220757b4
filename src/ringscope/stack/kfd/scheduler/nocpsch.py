"""NOCPSCH: the driver chooses slot and VMID itself and loads the registers; no firmware, no over-subscription.

Rules: facts §7; kfd_device_queue_manager.c create_queue_nocpsch, allocate_hqd, allocate_vmid.
"""

from __future__ import annotations

import errno
from contextlib import ExitStack

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.recording import Kind
from ringscope.stack.kfd.node import Node
from ringscope.stack.kfd.process import ProcessDevice, Queue
from ringscope.stack.kfd.records import Action, CreateQueue, KfdError
from ringscope.stack.kfd.scheduler import Scheduler

FIDELITY = (
    Behaviour(
        "kfd.nocpsch",
        "static slots, round the pipes, and a VMID a process",
        Standing.SOURCE,
        "sched_policy 2",
        "kfd_device_queue_manager.c allocate_hqd, allocate_vmid",
        "tests/stack/kfd/scheduler/test_nocpsch.py::test_slots_go_round_the_pipes_lowest_queue_first",
    ),
)


class Nocpsch(Scheduler):
    """The driver as scheduler of one node."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        pipes = node.spec.part.mec_pipes
        self._free_slots = [sorted(q for p, q in node.spec.slots if p == pipe) for pipe in range(pipes)]
        self._next_pipe = 0
        self._vmids: dict[ProcessDevice, int] = {}

    def start(self) -> None:
        """Nothing to send."""
        self.running = True
        self.node.log(Kind.KERNEL_MESSAGE, message="SW scheduler is used")

    def halt(self) -> None:
        """Unload every active queue."""
        if self.running:
            for home in self.processes:
                for queue in home.newest_first():
                    self._unload(queue, save=True)
        self.running = False

    def unhalt(self) -> None:
        """Load them again."""
        self.running = True
        self._load_all()

    def hang(self) -> None:
        """There is no scheduler to hang: debugfs ``hang_hws`` says EINVAL."""
        raise KfdError(errno.EINVAL, "hang_hws needs a HIQ, which the driver does not use with sched_policy 2")

    def reset(self) -> None:
        """GPU reset: the slots are empty; every active queue is loaded again."""
        self.node.step(Action.GPU_RESET, waits=True)
        self.node.log(Kind.RESET)
        self.node.mec.reset()
        self.node.rlcs.reset()
        self._load_all()

    def _load_all(self) -> None:
        for home in self.processes:
            for queue in home.newest_first():
                self._add(queue)

    @property
    def free_slots(self) -> int:
        """Slots that no queue holds; a queue holds its slot as long as it exists, whether or not it runs."""
        return sum(map(len, self._free_slots))

    @property
    def vmids_held(self) -> int:
        """VMIDs that processes hold."""
        return len(self._vmids)

    # Slots and VMIDs

    def _reserve(self, home: ProcessDevice, request: CreateQueue, undo: ExitStack) -> tuple[int, int] | None:
        if not home.queues:
            self._allocate_vmid(home)
            undo.callback(self._free_vmid, home)
        if request.type.is_sdma:
            return None
        slot = self._allocate_hqd()
        undo.callback(self._free_hqd, slot)
        return slot

    def _released(self, queue: Queue) -> None:
        if queue.slot is not None:
            self._free_hqd(queue.slot)
        if not queue.home.queues:
            self._free_vmid(queue.home)

    def _allocate_vmid(self, home: ProcessDevice) -> None:
        taken = set(self._vmids.values())
        vmid = next((vmid for vmid in self.node.spec.vmids if vmid not in taken), None)
        if vmid is None:
            raise KfdError(errno.ENOSPC, "every KFD VMID of the node belongs to a process")
        self._vmids[home] = home.vmid = vmid
        self.node.log(Kind.KERNEL_MESSAGE, home.process.pid, message=f"vmid allocated: {vmid}")

    def _free_vmid(self, home: ProcessDevice) -> None:
        del self._vmids[home]
        home.vmid = 0

    def _allocate_hqd(self) -> tuple[int, int]:
        """The lowest free queue of the next pipe that has one; KfdError EBUSY when none has."""
        pipes = len(self._free_slots)
        for i in range(pipes):
            pipe = (self._next_pipe + i) % pipes
            if self._free_slots[pipe]:
                queue = self._free_slots[pipe].pop(0)
                self._next_pipe = (pipe + 1) % pipes
                self.node.log(Kind.KERNEL_MESSAGE, message=f"hqd slot - pipe {pipe}, queue {queue}")
                return pipe, queue
        raise KfdError(errno.EBUSY, f"all {len(self.node.spec.slots)} hardware queue slots are taken")

    def _free_hqd(self, slot: tuple[int, int]) -> None:
        pipe, queue = slot
        self._free_slots[pipe] = sorted((*self._free_slots[pipe], queue))

    # Loading

    def _refresh(self, grace: int | None = None) -> None:
        """Nothing: each queue was seen to by itself."""

    def _before_update(self, queue: Queue, *, was: bool) -> None:
        if was:
            self._unload(queue, save=True)

    def _after_update(self, queue: Queue) -> None:
        if queue.counted:
            self._add(queue)

    def _drop(self, queue: Queue, *, gone: bool) -> None:
        self._unload(queue, save=not gone)

    def _add(self, queue: Queue) -> None:
        if not self.running:
            return
        node = self.node
        if queue.compute is not None and queue.slot is not None:
            node.step(Action.HQD_LOAD, queues=node.spec.xccs, waits=True)
            node.mec.load(queue.compute, *queue.slot, queue.home.vmid)
        elif queue.sdma is not None:
            node.step(Action.HQD_LOAD, queues=1, waits=True)
            node.rlcs.connect(queue.sdma, queue.home.vmid)

    def _unload(self, queue: Queue, *, save: bool) -> None:
        if not self.running:
            return
        node = self.node
        node.step(Action.HQD_DESTROY, queues=1 if queue.sdma else node.spec.xccs, waits=True)
        if queue.compute is not None:
            node.mec.unload(queue.compute, save=save)
        elif queue.sdma is not None:
            node.rlcs.disconnect(queue.sdma)
