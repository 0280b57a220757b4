import errno

import pytest

from ringscope.stack.kfd.bitmap import Bitmap
from ringscope.stack.kfd.queue_ids import MAX_QUEUES_PER_PROCESS, first_free, pasid_aware, pid_hash
from ringscope.stack.kfd.records import KfdError


def test_first_free() -> None:
    used = Bitmap(MAX_QUEUES_PER_PROCESS)
    for expected in range(MAX_QUEUES_PER_PROCESS):
        qid = first_free(1, 1, used)
        assert qid == expected
        used.set(qid)
    with pytest.raises(KfdError) as caught:
        first_free(1, 1, used)
    assert caught.value.errno == errno.ENOMEM


@pytest.mark.parametrize(("pid", "first"), [(3935030, 216), (3933841, 580), (4140772, 912), (256, 0), (255, 1020)])
def test_pid_hash_takes_four_near_ids_then_the_lowest(pid: int, first: int) -> None:
    used = Bitmap(MAX_QUEUES_PER_PROCESS)
    ids = []
    for _ in range(6):
        ids.append(pid_hash(pid, 1, used))
        used.set(ids[-1])
    rest = [qid for qid in range(8) if qid not in range(first, first + 4)][:2]
    assert ids == [*range(first, first + 4), *rest]


def test_pasid_policy_works_only_for_pasids_that_nobody_gets() -> None:
    used = Bitmap(MAX_QUEUES_PER_PROCESS)
    assert pasid_aware(1, 255, used) == 1020
    with pytest.raises(KfdError, match="past the table") as caught:
        pasid_aware(1, 0x8000, used)
    assert caught.value.errno == errno.ENOSPC
