from datetime import date

import pytest

from ringscope.claims import documents
from ringscope.claims.claim import Verdict
from ringscope.claims.lab import Lab


def test_dates_in_order_would_be_consistent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "UPDATED", date(2026, 1, 20))
    monkeypatch.setattr(documents, "EXPERIMENT", date(2026, 1, 13))
    assert Lab().finding("A54").verdict is Verdict.CONFIRMED


def test_statements_that_hold_would_be_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "CALLED_VERIFIED", {"A16": 1, "A20": 2})
    assert Lab().finding("A53").verdict is Verdict.CONFIRMED
