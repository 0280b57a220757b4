from datetime import date

import pytest

from ringscope.claims import documents
from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Verdict
from ringscope.recording import Kind
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import CreatedQueue, CreateQueue

create_queue = Kfd.create_queue


def test_dates_in_order_would_be_consistent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "UPDATED", date(2026, 1, 20))
    monkeypatch.setattr(documents, "EXPERIMENT", date(2026, 1, 13))
    assert CLAIMS["A54"].examine(Lab()).verdict is Verdict.CONFIRMED


def test_statements_that_hold_would_be_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "CALLED_VERIFIED", {CLAIMS["A16"]: 1, CLAIMS["A20"]: 2})
    assert CLAIMS["A53"].examine(Lab()).verdict is Verdict.CONFIRMED


def test_a_driver_that_prints_its_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    def printing(self: Kfd, pid: int, request: CreateQueue) -> CreatedQueue:
        self._log(Kind.KERNEL_MESSAGE, pid, message=f"kfd: create queue, priority {request.priority}")
        return create_queue(self, pid, request)

    monkeypatch.setattr(Kfd, "create_queue", printing)
    assert CLAIMS["B26"].examine(Lab()).verdict is Verdict.CONFIRMED
