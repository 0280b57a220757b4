"""The notes' five proposals to change CPSCH, played out: what each does to the runlists, and what it breaks.

Where a proposal cannot work on the real driver or firmware it fails here with the errno that the driver would give,
and every promise it breaks is noted as a :class:`~ringscope.stack.kfd.records.Breakage`. None of them touches a
dispatch, for dispatches never come through here.
"""

from __future__ import annotations

import errno

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.stack.kfd.node import Node
from ringscope.stack.kfd.process import ProcessDevice, Queue
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.kfd.scheduler.cpsch import Cpsch
from ringscope.stack.machine import AsyncSubmission, Batching, Hybrid, PerProcessRunlist

FIDELITY = (
    Behaviour(
        "kfd.proposals",
        "the notes' five scheduler changes, and what each breaks",
        Standing.INFERRED,
        "no driver has them",
        "played by the rules of the real driver around them",
        "tests/stack/kfd/scheduler/test_variants.py::test_no_proposal_touches_a_dispatch",
    ),
)


class BatchingCpsch(Cpsch):
    """New queues wait until enough of them have come, or until :meth:`flush` says that the timeout is over.

    Only creates can wait. A destroy frees the MQD that the firmware may still write, and an update rewrites it: both
    send what is pending at once, with their own runlist.
    """

    def __init__(self, node: Node, proposal: Batching) -> None:
        super().__init__(node)
        self._proposal = proposal
        self.pending = 0

    def flush(self) -> None:
        """The timeout is over: send the runlist for whatever waits."""
        if self.pending:
            self._execute()

    def _activate(self, queue: Queue) -> None:
        self._require_life()
        self.pending += 1
        if self.pending >= self._proposal.threshold:
            self._execute()
        else:
            self.node.broke(
                f"CREATE_QUEUE gave queue {queue.qid} of process {queue.home.process.pid} back before it was mapped: "
                f"a packet written now waits for the batch, up to {self._proposal.timeout_ns} ns"
            )

    def _enlist(self, queue: Queue) -> None:
        self._freeze()  # the queue may wait while the runlist loaded stays
        super()._enlist(queue)

    def _load(self, order: tuple[ProcessDevice, ...]) -> None:
        self.pending = 0
        super()._load(order)


class PerProcessCpsch(Cpsch):
    """A runlist of its own for each process, without unmapping the others'.

    The packet manager keeps one runlist buffer and warns at the second (``WARN_ON(pm->allocated)``, EINVAL), so only
    the process that came first ever gets queues.
    """

    def __init__(self, node: Node, proposal: PerProcessRunlist) -> None:
        super().__init__(node)
        self._proposal = proposal
        self._owner: ProcessDevice | None = None

    def _activate(self, queue: Queue) -> None:
        owner = self._owner
        if self._runlist is not None and owner is not None and owner is not queue.home:
            self.node.broke(
                f"process {queue.home.process.pid} needs a second runlist while that of process {owner.process.pid} is "
                "loaded: pm_allocate_runlist_ib warns that one is allocated and returns -EINVAL; and the firmware "
                "keeps one active runlist, a second RUN_LIST would replace the first"
            )
            raise KfdError(errno.EINVAL, "a runlist is allocated already")
        self._owner = queue.home
        super()._activate(queue)


class AsyncCpsch(Cpsch):
    """UNMAP_QUEUES without waiting for the fence, then RUN_LIST at once."""

    def __init__(self, node: Node, proposal: AsyncSubmission) -> None:
        super().__init__(node)
        self._proposal = proposal

    def start(self) -> None:
        """As CPSCH; a second HIQ is asked for in vain."""
        super().start()
        if self._proposal.hiqs > 1:
            self.node.broke(
                f"{self._proposal.hiqs} HIQs are asked for: the driver creates one and the firmware serves one, so "
                "every process uses HIQ 0"
            )

    def _unmap(self, *, static_too: bool = False, grace: int | None = None) -> None:
        if self.hung or not self.running or self._runlist is None:
            return
        address, queues = self._runlist.address, len(self.node.mec.occupied)
        self._preempt(static_too=static_too, grace=grace, waits=False)
        self.node.broke(
            f"the runlist at {address:#x} is freed and {queues} queues may still be on their slots: nobody waits for "
            "the fence, so a failed preemption goes unseen and the firmware may save into an MQD that is freed or "
            "rewritten"
        )
        self._release()


class HybridCpsch(Cpsch):
    """Static slots, loaded by the driver, for the processes listed; the firmware for the others.

    The policy is one per node, set when it starts: SET_RESOURCES has given the firmware every slot, so the driver's
    choice and the firmware's collide on the first one.
    """

    def __init__(self, node: Node, proposal: Hybrid) -> None:
        super().__init__(node)
        self._proposal = proposal

    def _activate(self, queue: Queue) -> None:
        if queue.home.process.pid in self._proposal.static_pids and queue.compute is not None:
            pipe, number = self.node.spec.slots[0]
            taken = self.node.mec.slots[pipe, number]
            holder = "the firmware's queue sits there" if taken.active else "the firmware maps its first queue there"
            self.node.broke(
                f"process {queue.home.process.pid} wants slot {pipe}.{number} loaded by the driver, but SET_RESOURCES "
                f"gave that slot to the firmware and {holder}: two owners for one slot"
            )
            raise KfdError(errno.EBUSY, f"slot {pipe}.{number} belongs to the firmware")
        super()._activate(queue)


class UncheckedCpsch(Cpsch):
    """``map_queues`` without its early return.

    Every caller unmaps first, so nothing changes; and whoever did map twice would meet the packet manager's own check.
    """

    def _map(self) -> None:
        if self._runlist is not None:
            self.node.broke(
                "map_queues with a runlist loaded: pm_allocate_runlist_ib warns that one is allocated and returns "
                "-EINVAL"
            )
            raise KfdError(errno.EINVAL, "a runlist is allocated already")
        super()._map()


def variant(node: Node) -> Cpsch:
    """The CPSCH that the node's driver switches ask for."""
    match node.spec.driver.proposal:
        case None:
            return Cpsch(node)
        case Batching() as proposal:
            return BatchingCpsch(node, proposal)
        case PerProcessRunlist() as proposal:
            return PerProcessCpsch(node, proposal)
        case AsyncSubmission() as proposal:
            return AsyncCpsch(node, proposal)
        case Hybrid() as proposal:
            return HybridCpsch(node, proposal)
        case _:
            return UncheckedCpsch(node)
