"""Who gives queues their slots: one interface, three schedulers.

``Cpsch`` tells the firmware by runlists through the HIQ, ``Mes`` makes one call a queue, ``Nocpsch`` loads the slots
itself. The notes' proposals are variants of the first. What all share (:class:`Scheduler`) is the driver's
bookkeeping: registered processes, counters, and the order in which a queue is taken in and given up.
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from ringscope.stack.kfd.node import Node
from ringscope.stack.kfd.process import ProcessDevice, Queue
from ringscope.stack.kfd.records import CreateQueue, KfdError
from ringscope.stack.kfd.runlist import Runlist


class Scheduler(ABC):
    """The device queue manager of one node.

    Attributes:
        processes: registered processes in order of registration; the driver's list is the reverse.
        active, active_compute, active_gws: queues that count, those through the MEC, those with GWS.
        total: queues that exist.
        running: whether the scheduler was started; debugfs calls a node that is not "stopped".
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.processes: dict[ProcessDevice, None] = {}
        self.active = 0
        self.active_compute = 0
        self.active_gws = 0
        self.total = 0
        self.running = False

    @property
    def runlist(self) -> Runlist | None:
        """The runlist that the firmware has; None when there is none or the scheduler has no such thing."""
        return None

    # The life of a queue

    def register(self, home: ProcessDevice) -> None:
        """A process comes with its first queue on this node."""
        self.processes[home] = None

    def unregister(self, home: ProcessDevice) -> None:
        """A process's last queue on this node has gone."""
        self.processes.pop(home, None)

    def create(self, home: ProcessDevice, qid: int, request: CreateQueue) -> Queue:
        """Take a queue in and have it mapped when it is active.

        KfdError EPERM at the node's limit; ENOMEM, EBUSY, ENOSPC when an SDMA queue, doorbell, slot, VMID or memory
        runs out. A queue that is refused leaves nothing behind.
        """
        node = self.node
        limit = node.spec.driver.max_queues_per_device
        if self.total >= limit:
            raise KfdError(errno.EPERM, f"the node holds {limit} queues, its limit")
        doorbells = home.doorbells
        with ExitStack() as undo:
            slot = self._reserve(home, request, undo)
            sdma = None
            if request.type.is_sdma:
                sdma = node.sdma.allocate(request)
                undo.callback(node.sdma.free, *sdma)
                doorbell_id = doorbells.sdma(qid, *sdma)
            else:
                doorbell_id = doorbells.compute(qid)
                undo.callback(doorbells.free, doorbell_id)
            queue = Queue(qid, request, home, doorbell_id, doorbells.index(doorbell_id), 0, slot=slot)
            queue.mqd_address = node.allocate_mqd(request, sdma)
            undo.callback(node.free_mqd, queue)
            queue.evicted = home.evictions > 0
            if sdma is not None:
                queue.sdma = node.sdma_mqd(queue, *sdma)
            else:
                queue.logic_xcc = node.next_logic_xcc()
                node.write_mqd(queue)
            self._enlist(queue)
            undo.callback(self._delist, queue)
            if queue.counted:
                self._activate(queue)
            undo.pop_all()
        self.total += 1
        return queue

    def destroy(self, queue: Queue) -> None:
        """Give a queue up: off its slot, out of the lists, its doorbell, SDMA queue and memory back."""
        was = queue.counted
        self._delist(queue)
        self._free_ids(queue)
        self.total -= 1
        if was:
            self._drop(queue, gone=True)
            self._refresh()
        self._released(queue)
        self.node.free_mqd(queue)

    def update(self, queue: Queue, change: Callable[[], None]) -> None:
        """Change a queue: off its slot, ``change()``, rewrite the MQD, and back if it is to run."""
        was = queue.counted
        self._before_update(queue, was=was)
        if was:
            self._count(queue, -1)
        change()
        self.node.write_mqd(queue)
        queue.counted = queue.wanted
        if queue.counted:
            self._count(queue, 1)
        self._after_update(queue)

    def terminate(self, home: ProcessDevice) -> None:
        """The process is gone: all its queues at once."""
        gone = list(home.queues.values())
        for queue in gone:
            was = queue.counted
            self._delist(queue)
            self._free_ids(queue)
            self.total -= 1
            if was:
                self._drop(queue, gone=True)
            self._released(queue)
        self.unregister(home)
        self._refresh()
        for queue in gone:
            self.node.free_mqd(queue)

    def evict(self, home: ProcessDevice) -> None:
        """Take all queues of a process off; evictions nest."""
        home.evictions += 1
        if home.evictions > 1:
            return
        self._stop(home.queues.values(), "evicted")
        self._refresh()

    def restore(self, home: ProcessDevice) -> None:
        """Undo one eviction; the queues come back with the last one."""
        if home.evictions:
            home.evictions -= 1
            if not home.evictions:
                self._resume(home.queues.values(), "evicted")
                self._refresh()

    def suspend(self, queues: Iterable[Queue], grace: int | None = None) -> None:
        """A debugger suspends queues; with CPSCH that preempts every queue of the node for a moment."""
        self._stop(queues, "suspended")
        self._refresh(grace)

    def resume(self, queues: Iterable[Queue]) -> None:
        """A debugger resumes queues."""
        self._resume(queues, "suspended")
        self._refresh()

    def _stop(self, queues: Iterable[Queue], flag: str) -> None:
        for queue in list(queues):
            setattr(queue, flag, True)
            if queue.counted:
                queue.counted = False
                self._count(queue, -1)
                self._drop(queue, gone=False)

    def _resume(self, queues: Iterable[Queue], flag: str) -> None:
        for queue in list(queues):
            setattr(queue, flag, False)
            if queue.wanted and not queue.counted:
                queue.counted = True
                self._count(queue, 1)
                self._add(queue)

    # The node as a whole

    @abstractmethod
    def start(self) -> None:
        """Start the scheduler."""

    @abstractmethod
    def halt(self) -> None:
        """Take every queue off and map nothing until :meth:`unhalt`."""

    @abstractmethod
    def unhalt(self) -> None:
        """Map again."""

    @abstractmethod
    def hang(self) -> None:
        """Make the firmware hang (debugfs ``hang_hws``); KfdError where there is none to hang."""

    @abstractmethod
    def reset(self) -> None:
        """The GPU was reset: slots are empty, the scheduler starts anew, queues come back."""

    # Steps in which schedulers differ

    @abstractmethod
    def _reserve(self, home: ProcessDevice, request: CreateQueue, undo: ExitStack) -> tuple[int, int] | None:
        """Take what a queue needs before its doorbell: the slot it will be loaded into, if the driver chooses it."""

    @abstractmethod
    def _released(self, queue: Queue) -> None:
        """Give back what ``_reserve`` took."""

    @abstractmethod
    def _add(self, queue: Queue) -> None:
        """A queue runs from now on; ``_refresh`` follows, after further ones perhaps."""

    @abstractmethod
    def _drop(self, queue: Queue, *, gone: bool) -> None:
        """A queue runs no longer, and is ``gone`` when it is destroyed; ``_refresh`` follows as above."""

    @abstractmethod
    def _refresh(self, grace: int | None = None) -> None:
        """Queues have been added or dropped."""

    @abstractmethod
    def _before_update(self, queue: Queue, *, was: bool) -> None:
        """A queue's MQD is about to change; it ``was`` running."""

    @abstractmethod
    def _after_update(self, queue: Queue) -> None:
        """A queue's MQD has changed."""

    def _activate(self, queue: Queue) -> None:
        """A new queue is to run."""
        self._add(queue)
        self._refresh()

    # Bookkeeping

    def _enlist(self, queue: Queue) -> None:
        queue.home.queues[queue.qid] = queue
        if queue.sdma is not None:
            queue.home.sdma[queue.qid] = queue
        queue.counted = queue.wanted
        if queue.counted:
            self._count(queue, 1)

    def _delist(self, queue: Queue) -> None:
        del queue.home.queues[queue.qid]
        queue.home.sdma.pop(queue.qid, None)
        if queue.counted:
            queue.counted = False
            self._count(queue, -1)

    def _free_ids(self, queue: Queue) -> None:
        if queue.sdma is not None:
            self.node.sdma.free(queue.sdma.engine, queue.sdma.queue)
        else:
            queue.home.doorbells.free(queue.doorbell_id)

    def _count(self, queue: Queue, by: int) -> None:
        self.active += by
        if queue.is_compute:
            self.active_compute += by
        if queue.gws:
            self.active_gws += by
