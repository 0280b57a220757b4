"""How far queues got between readings of a machine that goes on running.

One reading follows another; of the earlier ones only what the next needs is kept. Positions come from the read and
write pointers: a queue that no slot holds shows those of when it was last unmapped, which is as far as it got. A queue
is *still* while a slot holds it, packets wait, and none is fetched from one reading to the next. A kernel that runs for
as long looks the same (see :mod:`ringscope.verdicts.queue_stuck`).
"""

from __future__ import annotations

from collections.abc import Mapping

from ringscope.join import State
from ringscope.join.intervals import hiq_write_pointer
from ringscope.join.queues import Identity, JoinedQueue
from ringscope.records import dataclass, field
from ringscope.snapshot import Device


@dataclass(frozen=True)
class Progress:
    """A reading at ``time_ns`` (monotonic) and the one ``before``; ``still_since``: since when which queue is still."""

    time_ns: int
    state: State
    before: State | None = None
    elapsed_ns: int = 0
    still_since: Mapping[Identity, int] = field(default_factory=dict)

    def then(self, time_ns: int, state: State) -> Progress:
        """The progress once the machine was read again."""
        since = {
            queue.identity: self.still_since.get(queue.identity, self.time_ns)
            for queue in state.queues
            if unmoved(self.state.by_identity.get(queue.identity), queue)
        }
        return Progress(time_ns, state, self.state, time_ns - self.time_ns, since)

    def still_ns(self, queue: JoinedQueue) -> int | None:
        """For how long the queue has been still, as far as it was watched; None when it is not."""
        since = self.still_since.get(queue.identity)
        return None if since is None else self.time_ns - since

    def fetched_per_second(self, queue: JoinedQueue) -> float | None:
        """Packets (dwords on a PM4 ring) fetched since the reading before; None when one of the two does not tell."""
        earlier = self.before.by_identity.get(queue.identity) if self.before else None
        return self._rate(earlier.fetched if earlier else None, queue.fetched)

    def hiq_dwords_per_second(self, device: Device) -> float | None:
        """Dwords that the driver put on the HIQ since the reading before; None when one of the two does not tell."""
        earlier = self.before.snapshot.device(device.gpu_id) if self.before else None
        return self._rate(hiq_write_pointer(earlier) if earlier else None, hiq_write_pointer(device))

    def _rate(self, start: int | None, end: int | None) -> float | None:
        # Fewer than before: another queue of the same ring and doorbell, or another boot.
        if start is None or end is None or end < start or not self.elapsed_ns:
            return None
        return (end - start) * 1e9 / self.elapsed_ns


def unmoved(before: JoinedQueue | None, now: JoinedQueue) -> bool:
    """Whether a slot holds the queue and packets wait in both readings, and none was fetched between them."""
    if before is None or not (before.live and now.live and before.waiting and now.waiting):
        return False
    return now.fetched == before.fetched
