import itertools

import pytest

from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Verdict
from ringscope.claims.runs import Rules
from ringscope.stack import thunk
from ringscope.stack.hip import HipSettings
from ringscope.stack.thunk import AddressSpace, Purpose


def with_settings(settings: HipSettings, name: str) -> Verdict:
    return CLAIMS[name].examine(Lab(rules=Rules(hip=settings))).verdict


def test_gpu_max_hw_queues_decides_how_many_streams_share() -> None:
    assert with_settings(HipSettings(gpu_max_hw_queues=16), "B03") is Verdict.CONFIRMED
    assert with_settings(HipSettings(gpu_max_hw_queues=8), "A50") is Verdict.REFUTED


def test_a_release_that_ignores_priority_mixes_them() -> None:
    ignoring = HipSettings(ignore_stream_priority=True)
    assert with_settings(ignoring, "B01") is Verdict.REFUTED
    assert with_settings(ignoring, "B04") is Verdict.REFUTED
    assert with_settings(ignoring, "B28") is Verdict.REFUTED


def test_one_ring_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    allocate = AddressSpace.allocate

    def one(self: AddressSpace, purpose: Purpose, size: int) -> int:
        return 1 << 40 if purpose is Purpose.RING else allocate(self, purpose, size)

    monkeypatch.setattr(AddressSpace, "allocate", one)
    assert CLAIMS["A42"].examine(Lab()).verdict is Verdict.CONFIRMED
    assert CLAIMS["A30"].examine(Lab()).verdict is Verdict.PARTLY


def test_addresses_that_differ_between_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    tops = itertools.count(1 << 40, 1 << 36)
    monkeypatch.setattr(thunk, "AddressSpace", lambda: AddressSpace(next(tops)))
    assert CLAIMS["B16"].examine(Lab()).verdict is Verdict.CONFIRMED


def test_a_register_that_holds_the_whole_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringscope.claims.streams.ring_base_of", lambda image: 0)
    assert CLAIMS["B15"].examine(Lab()).verdict is Verdict.REFUTED
