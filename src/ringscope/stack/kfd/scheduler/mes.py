"""MES: the driver makes one call a queue and a scheduler in the hardware does the rest. No runlist, no HIQ.

Create is ADD_QUEUE, destroy REMOVE_QUEUE, an update both: only the queue in question is disturbed.

Rules: facts §8; kfd_device_queue_manager.c {add,remove}_queue_mes, mes_v11_0.c, mes_v12_0.c.
"""

from __future__ import annotations

import errno
from contextlib import ExitStack

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.recording import Kind
from ringscope.records import dataclass
from ringscope.stack.kfd.node import Node
from ringscope.stack.kfd.process import ProcessDevice, Queue
from ringscope.stack.kfd.records import Action, CreateQueue, KfdError
from ringscope.stack.kfd.scheduler import Scheduler

FIDELITY = (
    Behaviour(
        "kfd.mes",
        "one ADD_QUEUE or REMOVE_QUEUE a change, no runlist",
        Standing.SOURCE,
        "gfx11 and gfx12",
        "kfd_device_queue_manager.c add_queue_mes, amdgpu_mes.c",
        "tests/stack/kfd/scheduler/test_mes.py::test_one_call_a_queue_and_no_runlist",
    ),
)

CONTEXT_BYTES = 4096
"""Of a process context and of a gang context (AMDGPU_MES_PROC_CTX_SIZE, AMDGPU_MES_GANG_CTX_SIZE)."""
PROCESS_QUANTUM_NS = 10_000_000
GANG_QUANTUM_NS = 1_000_000
NORMAL = 1
"""Global priority level of every gang: KFD uses no other of LOW 0, NORMAL 1, MEDIUM 2, HIGH 3, REALTIME 4."""


@dataclass(frozen=True, slots=True)
class AddQueue:
    """What ADD_QUEUE tells MES of a queue (facts §8; kfd_device_queue_manager.c add_queue_mes).

    A queue's KFD priority counts within its process alone (``inprocess_gang_priority``): between processes all gangs
    are NORMAL. ``doorbell`` is the BAR dword index.
    """

    process_id: int
    page_table: int
    process_context: int
    gang_context: int
    inprocess_gang_priority: int
    doorbell: int
    mqd_address: int
    write_pointer: int
    aql: bool
    exclusive: bool
    process_quantum_ns: int = PROCESS_QUANTUM_NS
    gang_quantum_ns: int = GANG_QUANTUM_NS
    gang_global_priority_level: int = NORMAL


class Mes(Scheduler):
    """The driver's side of MES on one node: a context for each process, and one for each queue, a gang of its own."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.halted = False
        self._gang_contexts: dict[Queue, int] = {}
        self._process_contexts: dict[ProcessDevice, int] = {}

    def add_queue(self, queue: Queue) -> AddQueue:
        """What ADD_QUEUE says of a queue as it now is."""
        request = queue.request
        return AddQueue(
            process_id=queue.home.pasid,
            page_table=queue.home.page_table,
            process_context=self._process_contexts[queue.home],
            gang_context=self._gang_contexts[queue],
            inprocess_gang_priority=request.priority,
            doorbell=queue.doorbell,
            mqd_address=queue.mqd_address,
            write_pointer=request.write_pointer,
            aql=request.type is IoctlQueueType.COMPUTE_AQL,
            exclusive=queue.gws,
        )

    def terminate(self, home: ProcessDevice) -> None:
        """The process is gone, and with its queues its context."""
        super().terminate(home)
        context = self._process_contexts.pop(home, None)
        if context is not None:
            self.node.gart.objects.free(context)

    def _enlist(self, queue: Queue) -> None:
        memory = self.node.gart.objects
        if queue.home not in self._process_contexts:
            self._process_contexts[queue.home] = memory.allocate(CONTEXT_BYTES)
        self._gang_contexts[queue] = memory.allocate(CONTEXT_BYTES)
        super()._enlist(queue)

    def _delist(self, queue: Queue) -> None:
        super()._delist(queue)
        self.node.gart.objects.free(self._gang_contexts.pop(queue))

    def start(self) -> None:
        """Nothing to send: MES was given its resources by amdgpu."""
        self.running = True

    def halt(self) -> None:
        """Remove every active queue and add none until unhalt."""
        if not self.halted:
            for home in self.processes:
                for queue in home.newest_first():
                    self._remove(queue)
        self.halted = True

    def unhalt(self) -> None:
        """Add every active queue again."""
        self.halted = False
        self._add_all()

    def hang(self) -> None:
        """There is no HIQ to hang: debugfs ``hang_hws`` says EINVAL."""
        raise KfdError(errno.EINVAL, "hang_hws needs a HIQ, which MES parts have not")

    def reset(self) -> None:
        """GPU reset: the slots are empty; every active queue is added again."""
        self.node.step(Action.GPU_RESET, waits=True)
        self.node.log(Kind.RESET)
        self.node.mec.reset()
        self.node.rlcs.reset()
        self._add_all()

    def _add_all(self) -> None:
        for home in self.processes:
            for queue in home.newest_first():
                self._add(queue)

    def _reserve(self, home: ProcessDevice, request: CreateQueue, undo: ExitStack) -> None:
        if request.type is IoctlQueueType.SDMA_XGMI:
            raise KfdError(errno.EINVAL, "MES knows no xGMI SDMA queues")

    def _released(self, queue: Queue) -> None:
        """Nothing."""

    def _refresh(self, grace: int | None = None) -> None:
        """Nothing: each queue was seen to by itself."""

    def _before_update(self, queue: Queue, *, was: bool) -> None:
        if was:
            self._drop(queue, gone=False)

    def _after_update(self, queue: Queue) -> None:
        if queue.counted:
            self._add(queue)

    def _add(self, queue: Queue) -> None:
        if self.halted:
            return
        self.node.step(Action.MES_ADD_QUEUE, queues=1, waits=True)
        if queue.compute is not None:
            self.node.mec.add(queue.compute, queue.home)
        elif queue.sdma is not None:
            self.node.rlcs.connect(queue.sdma, 0)

    def _drop(self, queue: Queue, *, gone: bool) -> None:
        if not self.halted:
            self._remove(queue)

    def _remove(self, queue: Queue) -> None:
        self.node.step(Action.MES_REMOVE_QUEUE, queues=1, waits=True)
        if queue.compute is not None:
            self.node.mec.remove(queue.compute)
        elif queue.sdma is not None:
            self.node.rlcs.disconnect(queue.sdma)
