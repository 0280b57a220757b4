"""What queues share, and what a shared ring costs."""

import pytest

pytest.importorskip("numba")

from ringscope.scenario.studies import queue_reuse
from ringscope.scenario.studies.study import Desk


def test_two_streams_on_one_ring_wait_for_each_other() -> None:
    findings = queue_reuse.STUDY.run(Desk())
    slowed = findings.tables[1].figures("times")
    assert slowed["1"] > 5
    assert slowed["2"] == slowed["4"] == 1
    assert "no MQD, doorbell, ring or slot is shared" in findings.conclusion[1]
    objects = {(2, 1): {"queues": 4, "queue ids": 2, "MQDs": 2}, (1, 1): {"queues": 2, "queue ids": 2, "MQDs": 2}}
    assert "MQDs are shared" in list(queue_reuse._conclusion(objects, {1: 1.0}))[1]
