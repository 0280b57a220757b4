import itertools

import pytest

from ringscope.claims.claim import Verdict
from ringscope.claims.lab import Lab
from ringscope.claims.runs import Rules
from ringscope.stack import thunk
from ringscope.stack.hip import HipSettings
from ringscope.stack.thunk import AddressSpace, Purpose


def with_settings(settings: HipSettings, name: str) -> Verdict:
    return Lab(rules=Rules(hip=settings)).finding(name).verdict


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
    assert Lab().finding("A42").verdict is Verdict.CONFIRMED
    assert Lab().finding("A30").verdict is Verdict.PARTLY


def test_addresses_that_differ_between_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    tops = itertools.count(1 << 40, 1 << 36)
    monkeypatch.setattr(thunk, "AddressSpace", lambda: AddressSpace(next(tops)))
    assert Lab().finding("B16").verdict is Verdict.CONFIRMED


def test_a_register_that_holds_the_whole_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringscope.claims.streams.ring_base_of", lambda image: 0)
    assert Lab().finding("B15").verdict is Verdict.REFUTED
