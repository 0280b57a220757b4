"""Queues that streams make."""

import pytest

pytest.importorskip("numba")

from ringscope.scenario.studies import stream_limits
from ringscope.scenario.studies.study import Desk


def test_streams_make_no_more_queues_than_the_cap_and_one() -> None:
    findings = stream_limits.STUDY.run(Desk())
    assert findings.conclusion[1] == "by default (4) 16 to 64 streams make 5 queues of 24 slots"
    assert "from 25 queues on" in findings.conclusion[2]


def test_the_conclusion_follows_the_figures() -> None:
    keys = [(streams, cap) for streams in stream_limits.STREAMS for cap in stream_limits.CAPS]
    said = list(
        stream_limits._conclusion(dict.fromkeys(keys, 3), dict.fromkeys(keys, 1.0), dict.fromkeys(keys, False), 24)
    )
    assert "is not min(streams" in said[0]
    assert said[2] == "no case is over-subscribed"
