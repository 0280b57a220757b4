"""How a queue gets its id. An id is a handle within one process; on SOC15 parts no register ever holds it.

Three policies: torvalds/linux's (first free id), the research notes' patch ("v5": start at ``pid % 256 * 4``) and their
next proposal (PASID-aware), which does not fit its own table.
"""

from __future__ import annotations

import errno
from typing import Protocol

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.stack.kfd.bitmap import Bitmap
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.machine import QueueIds

MAX_QUEUES_PER_PROCESS = 1024
"""KFD_MAX_NUM_OF_QUEUES_PER_PROCESS, kfd_priv.h."""


class Policy(Protocol):
    """Chooses the id of the next queue; ``used`` are the ids that the process holds. The caller marks it used."""

    def __call__(self, pid: int, pasid: int, used: Bitmap) -> int:
        """The id to use; KfdError when there is none."""


def first_free(pid: int, pasid: int, used: Bitmap) -> int:
    """The lowest free id, PQM find_available_queue_slot; KfdError ENOMEM when all 1024 are taken."""
    found = used.first_free()
    if found is None:
        raise KfdError(errno.ENOMEM, f"the process holds all {used.size} queue ids")
    return found


def _near(base: int, used: Bitmap) -> int:
    """The lowest free one of the four ids from ``base`` on, -1 when all are taken."""
    return next((qid for qid in range(base, base + 4) if qid not in used), -1)


def pid_hash(pid: int, pasid: int, used: Bitmap) -> int:
    """The notes' patch: one of the four ids from ``pid % 256 * 4`` on, else the lowest free one."""
    found = _near(pid % 256 * 4, used)
    return found if found >= 0 else first_free(pid, pasid, used)


def pasid_aware(pid: int, pasid: int, used: Bitmap) -> int:
    """The notes' proposal: one of the four ids from ``pasid * 4`` on, else the lowest free one.

    KFD hands out PASIDs from 0x8000 on, so ``pasid * 4`` lies far outside a table of 1024: the proposed code would
    index past its bitmap. Here that is refused with ENOSPC.
    """
    base = pasid * 4
    if base + 4 > used.size:
        raise KfdError(errno.ENOSPC, f"PASID {pasid} asks for queue id {base}, past the table of {used.size}")
    found = _near(base, used)
    return found if found >= 0 else first_free(pid, pasid, used)


_TESTS = "tests/stack/kfd/test_queue_ids.py::"
FIDELITY = (
    Behaviour(
        "kfd.queue_ids.first-free",
        "the lowest free id of the process",
        Standing.CAPTURED,
        "torvalds/linux; the notes' v4",
        "kfd_process_queue_manager.c find_available_queue_slot; sysfs of the captures",
        f"{_TESTS}test_first_free",
    ),
    Behaviour(
        "kfd.queue_ids.pid-hash",
        "pid % 256 * 4 and the three ids behind it, then the lowest free",
        Standing.SOURCE,
        "the notes' v5 patch",
        "the patch as the notes print it, and the ids that they printed",
        f"{_TESTS}test_pid_hash_takes_four_near_ids_then_the_lowest",
    ),
    Behaviour(
        "kfd.queue_ids.pasid",
        "PASID * 4 in a table of 1024 ids",
        Standing.INFERRED,
        "the notes' v6 proposal",
        "no code exists; played as described",
        f"{_TESTS}test_pasid_policy_works_only_for_pasids_that_nobody_gets",
    ),
)

POLICIES: dict[QueueIds, Policy] = {
    QueueIds.FIRST_FREE: first_free,
    QueueIds.PID_HASH: pid_hash,
    QueueIds.PASID: pasid_aware,
}
