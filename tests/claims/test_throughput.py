import pytest

from ringscope.claims import figures
from ringscope.claims.figures import Figure
from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Verdict
from ringscope.claims.throughput import rounds
from ringscope.recording import Source

HERE = Source("test")


def verdict(name: str) -> Verdict:
    return CLAIMS[name].examine(Lab()).verdict


def test_documents_that_agreed_would_be_consistent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "TWO_V5_SM", Figure(72.4, HERE))
    monkeypatch.setattr(figures, "SIX_SM", Figure(69.0, HERE))
    assert verdict("A09") is Verdict.CONFIRMED
    assert verdict("A10") is Verdict.CONFIRMED
    assert verdict("A11") is Verdict.CONFIRMED


def test_costs_that_add_up_would_be_consistent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "COST_ACTIVE_RUNLIST", Figure(5, HERE, 10))
    assert verdict("A32") is Verdict.CONFIRMED


def test_gains_that_add_up_would_be_consistent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "GAIN_ACTIVE_RUNLIST", Figure(10, HERE, 15))
    monkeypatch.setattr(figures, "TOGETHER", Figure(102, HERE, 117))
    assert verdict("A43") is Verdict.CONFIRMED


def test_a_low_target_means_the_same_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "TARGET_PERCENT", Figure(40, HERE))
    assert verdict("A35") is Verdict.CONFIRMED


def test_a_cost_of_half_would_fit_saturation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "COST_CU", Figure(55, HERE, 65))
    assert verdict("A31") is Verdict.CONFIRMED


def test_rounds() -> None:
    assert [rounds(160, cus) for cus in (80, 70, 60)] == [2, 3, 3]
