import pytest

from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Verdict
from ringscope.claims.runs import Rules
from ringscope.stack import thunk
from ringscope.stack.kfd import mqd
from ringscope.stack.rocm import RocmVersion, ThunkPriority


def verdict(name: str, rules: Rules | None = None) -> Verdict:
    return CLAIMS[name].examine(Lab(rules=rules)).verdict


def test_a_rocr_that_hard_codes_normal_turns_what_the_note_says() -> None:
    rules = Rules(hard_coded_normal=True)
    for name in ("B22", "B24", "B29"):
        assert verdict(name, rules) is Verdict.CONFIRMED, name
    for name in ("B05", "B07", "B25"):
        assert verdict(name, rules) is Verdict.REFUTED, name


def test_rocm_6_1_asked_for_maximum() -> None:
    rules = Rules(rocm=RocmVersion((6, 1)))
    assert verdict("B05", rules) is Verdict.PARTLY
    assert verdict("B07", rules) is Verdict.REFUTED


def test_another_pipe_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqd, "PIPE_PRIORITY", (1,) * 16)
    assert verdict("B06") is Verdict.REFUTED
    assert verdict("B25") is Verdict.REFUTED


def test_another_priority_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(thunk.PRIORITY_MAP, ThunkPriority.MINIMUM, 1)
    assert verdict("B08") is Verdict.CONFIRMED
    assert verdict("B25") is Verdict.CONFIRMED
    monkeypatch.setitem(thunk.PRIORITY_MAP, ThunkPriority.NORMAL, 8)
    assert verdict("B09") is Verdict.REFUTED
