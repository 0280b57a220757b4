"""Queues that come and go while a scenario runs: when each change reaches the firmware, and what it disturbs.

The calls that processes make are noted while the stack plays them (:class:`Diary`), and made again on a driver of their
own at the scenario's times (:class:`Life`). Whether a change has a runlist to itself, waits for others, or is sent
without a look at the fence is then the answer of the stack's scheduler, variant or not; none of it is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

from ringscope.engine.spec import Change
from ringscope.records import dataclass
from ringscope.stack.journal import TICK_NS
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import Action, CreatedQueue, CreateQueue, Step, UpdateQueue
from ringscope.stack.machine import Batching, MachineSpec


@dataclass(frozen=True)
class Call:
    """One call that creates, updates or destroys queue ``queue_id`` of process ``pid``; ``make`` makes it.

    ``priority`` is what an update asks for, None for one that leaves it alone.
    """

    change: Change
    pid: int
    queue_id: int
    make: Callable[[Kfd], tuple[Step, ...]]
    priority: int | None = None


def destroy(pid: int, queue_id: int) -> Call:
    """The call that destroys a queue."""
    return Call(Change.DESTROY, pid, queue_id, lambda kfd: kfd.destroy_queue(pid, queue_id))


class Diary:
    """A driver that passes every call on and notes those that make or change queues."""

    def __init__(self, kfd: Kfd) -> None:
        self.kfd = kfd
        self.calls: list[Call] = []

    def open(self, pid: int) -> object:
        """Passed on."""
        return self.kfd.open(pid)

    def create_queue(self, pid: int, request: CreateQueue) -> CreatedQueue:
        """Noted, with the id that the queue got."""
        created = self.kfd.create_queue(pid, request)
        call = Call(Change.CREATE, pid, created.queue_id, lambda kfd: kfd.create_queue(pid, request).steps)
        self.calls.append(call)
        return created

    def update_queue(self, pid: int, request: UpdateQueue) -> tuple[Step, ...]:
        """Noted."""
        return self._update(pid, request.queue_id, lambda kfd: kfd.update_queue(pid, request), request.priority)

    def set_cu_mask(self, pid: int, queue_id: int, mask: tuple[int, ...]) -> tuple[Step, ...]:
        """Noted: to the scheduler it is an update."""
        return self._update(pid, queue_id, lambda kfd: kfd.set_cu_mask(pid, queue_id, mask))

    def alloc_queue_gws(self, pid: int, queue_id: int, num_gws: int) -> tuple[Step, ...]:
        """Noted: to the scheduler it is an update."""
        return self._update(pid, queue_id, lambda kfd: kfd.alloc_queue_gws(pid, queue_id, num_gws))

    def destroy_queue(self, pid: int, queue_id: int) -> tuple[Step, ...]:
        """Noted."""
        self.calls.append(destroy(pid, queue_id))
        return self.calls[-1].make(self.kfd)

    def exit(self, pid: int) -> tuple[Step, ...]:
        """Passed on."""
        return self.kfd.exit(pid)

    def _update(
        self, pid: int, queue_id: int, make: Callable[[Kfd], tuple[Step, ...]], priority: int | None = None
    ) -> tuple[Step, ...]:
        self.calls.append(Call(Change.UPDATE, pid, queue_id, make, priority))
        return make(self.kfd)


@dataclass(frozen=True)
class Sent:
    """What went to the firmware together at ``at_ns``; ``fenced``: the driver waited until the queues were off."""

    at_ns: int
    calls: tuple[Call, ...]
    fenced: bool


@dataclass(frozen=True)
class Life:
    """Every call to the driver of a machine: those ``before`` the run, and those at a time within it, in order."""

    machine: MachineSpec
    before: tuple[Call, ...]
    calls: tuple[tuple[int, Call], ...]

    def until(self, at_ns: int) -> tuple[Kfd, tuple[Sent, ...]]:
        """The driver once everything up to ``at_ns`` is done, and what went to the firmware.

        KfdError where the driver refuses a call.
        """
        gpu = self.machine.nodes[0].gpu_id
        kfd = Kfd(self.machine, now=count(0, TICK_NS).__next__)
        for pid in sorted({call.pid for call in (*self.before, *(call for _, call in self.calls))}):
            kfd.open(pid)  # in the order in which they were played: PASIDs, and ids made of them, stay the same
        for call in self.before:
            call.make(kfd)
        kfd.flush(gpu)
        proposal = self.machine.driver.proposal
        patience = proposal.timeout_ns if isinstance(proposal, Batching) else 0
        sent: list[Sent] = []
        waiting: list[Call] = []
        since = 0
        for at, call in self.calls:
            if waiting and since + patience <= min(at, at_ns):
                sent.append(Sent(since + patience, tuple(waiting), _fenced(kfd.flush(gpu))))
                waiting = []
            if at > at_ns:
                break
            steps = call.make(kfd)
            since = since if waiting else at
            waiting.append(call)
            if steps:
                sent.append(Sent(at, tuple(waiting), _fenced(steps)))
                waiting = []
        if waiting and since + patience <= at_ns:
            sent.append(Sent(since + patience, tuple(waiting), _fenced(kfd.flush(gpu))))
        return kfd, tuple(sent)


def _fenced(steps: Iterable[Step]) -> bool:
    return all(step.waits for step in steps if step.action is Action.QUERY_STATUS)
