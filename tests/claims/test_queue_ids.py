import errno

import pytest

from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Verdict
from ringscope.stack.kfd import queue_ids
from ringscope.stack.kfd.bitmap import Bitmap
from ringscope.stack.kfd.doorbells import Slice
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.machine import QueueIds


def verdict(name: str) -> Verdict:
    return CLAIMS[name].examine(Lab()).verdict


def test_another_hash_refutes_the_printed_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(pid: int, pasid: int, used: Bitmap) -> int:
        return queue_ids.pid_hash(pid + 1, pasid, used)

    monkeypatch.setitem(queue_ids.POLICIES, QueueIds.PID_HASH, other)
    assert verdict("A01") is Verdict.REFUTED


def test_eight_ids_a_process_keep_the_fifth_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def eight(pid: int, pasid: int, used: Bitmap) -> int:
        base = pid % 128 * 8
        return next(qid for qid in range(base, base + 8) if qid not in used)

    monkeypatch.setitem(queue_ids.POLICIES, QueueIds.PID_HASH, eight)
    assert verdict("A05") is Verdict.CONFIRMED


def test_a_counter_of_the_driver_makes_ids_global(monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter(range(1000))
    monkeypatch.setitem(queue_ids.POLICIES, QueueIds.FIRST_FREE, lambda pid, pasid, used: next(given))
    assert verdict("A03") is Verdict.CONFIRMED


def test_one_table_for_all_processes_would_limit_them(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: set[int] = set()

    def one_table(pid: int, pasid: int, used: Bitmap) -> int:
        base = pid % 256 * 4
        free = [qid for qid in range(base, base + 4) if qid not in taken]
        if len(free) < 3:
            raise KfdError(errno.ENOMEM, "the hash is taken")
        taken.add(free[0])
        return free[0]

    monkeypatch.setitem(queue_ids.POLICIES, QueueIds.PID_HASH, one_table)
    assert verdict("A06") is Verdict.CONFIRMED


def test_doorbells_by_queue_id_turn_four_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slice, "compute", lambda self, queue_id: queue_id)
    monkeypatch.setattr(Slice, "free", lambda self, doorbell_id: None)
    assert verdict("A02") is Verdict.CONFIRMED
    assert verdict("A38") is Verdict.REFUTED
    assert verdict("A17") is Verdict.REFUTED
    assert verdict("A11") is Verdict.REFUTED
