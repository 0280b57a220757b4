"""MES: the driver makes one call a queue and a scheduler in the hardware does the rest. No runlist, no HIQ.

Create is ADD_QUEUE, destroy REMOVE_QUEUE, an update both: only the queue in question is disturbed.

Rules: facts §8; kfd_device_queue_manager.c {add,remove}_queue_mes, mes_v11_0.c, mes_v12_0.c.
"""

from __future__ import annotations

import errno
from contextlib import ExitStack

from ringscope.recording import Kind
from ringscope.stack.kfd.node import Node
from ringscope.stack.kfd.process import ProcessDevice, Queue
from ringscope.stack.kfd.records import Action, CreateQueue, IoctlQueueType, KfdError
from ringscope.stack.kfd.scheduler import Scheduler

PROCESS_QUANTUM_NS = 10_000_000
GANG_QUANTUM_NS = 1_000_000
"""Quanta that ADD_QUEUE carries, in units of 100 ns there; every KFD queue is a gang of its own."""


class Mes(Scheduler):
    """The driver's side of MES on one node."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.halted = False

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
