import itertools

import pytest

from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Verdict
from ringscope.stack.kfd.doorbells import Bar, Slice


def verdict(name: str) -> Verdict:
    return CLAIMS[name].examine(Lab()).verdict


def test_one_slice_for_all_would_make_them_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bar, "allocate", lambda self: 0x4000)
    monkeypatch.setattr(Bar, "free", lambda self, offset: None)
    assert verdict("A04") is Verdict.CONFIRMED
    assert verdict("A20") is Verdict.REFUTED
    assert verdict("A23") is Verdict.CONFIRMED
    assert verdict("A41") is Verdict.CONFIRMED


def test_slices_of_2_kib(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = itertools.count(0x4000, 2048)
    monkeypatch.setattr(Bar, "allocate", lambda self: next(starts))
    monkeypatch.setattr(Bar, "free", lambda self, offset: None)
    assert verdict("A21") is Verdict.CONFIRMED


def test_one_doorbell_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slice, "index", lambda self, doorbell_id: self.offset // 4)
    assert verdict("A22") is Verdict.CONFIRMED
    assert verdict("A51") is Verdict.REFUTED
    assert verdict("B02") is Verdict.REFUTED


def test_doorbells_eight_dwords_apart_are_what_the_notes_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slice, "index", lambda self, doorbell_id: self.offset // 4 + 8 * doorbell_id)
    assert verdict("A24") is Verdict.CONFIRMED
    assert verdict("B13") is Verdict.CONFIRMED


def test_a_bar_that_starts_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = itertools.count(0x1000, 8192)
    monkeypatch.setattr(Bar, "allocate", lambda self: next(starts))
    monkeypatch.setattr(Bar, "free", lambda self, offset: None)
    assert verdict("B14") is Verdict.CONFIRMED
