"""Metrics of machines made by hand: what is there, what is absent, and the format."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from machines import GPU, machine, progress

from ringscope.report.metrics import metrics, text
from ringscope.snapshot import Snapshot

SAMPLE = re.compile(r'ringscope_[a-z_]+\{(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+\} \d+')


def samples(*snapshots: Snapshot) -> dict[str, dict[tuple[str, ...], int]]:
    """Values by metric and label values."""
    return {
        metric.name: {tuple(labels.values()): value for labels, value in metric.samples}
        for metric in metrics(progress(*snapshots))
    }


def test_queues_slots_and_the_hiq() -> None:
    found = samples(machine({40: [7, 7, 7], 41: [7]}, write_pointer=72))
    assert found["queues"] == {("40", "", "f7bc", "compute"): 3, ("41", "", "f7bc", "compute"): 1}
    assert found["slots"] == {("f7bc",): 24}
    assert found["slots_used"] == {("f7bc",): 4}
    assert found["oversubscribed"] == {("f7bc",): 0}
    assert found["hiq_dwords_total"] == {("f7bc",): 72}
    assert found["queues_stuck"] == {}


def test_more_queues_than_slots_are_over_subscription() -> None:
    assert samples(machine({40: [7] * 13, 41: [7] * 12}))["oversubscribed"] == {("f7bc",): 1}
    assert samples(machine({40: [7] * 12, 41: [7] * 12}))["oversubscribed"] == {("f7bc",): 0}


def test_a_queue_is_stuck_when_it_waits_and_does_not_move() -> None:
    still = machine({40: [7, 7]}, live={1: {"cp_hqd_pq_wptr_lo": 32}})
    later = machine({40: [7, 7]}, live={1: {"cp_hqd_pq_wptr_lo": 64, "cp_hqd_pq_rptr": 16}})
    more = machine({40: [7, 7]}, live={1: {"cp_hqd_pq_wptr_lo": 64}})
    assert samples(still, still)["queues_stuck"] == {("f7bc",): 1}
    assert samples(still, more)["queues_stuck"] == {("f7bc",): 1}
    assert samples(still, later)["queues_stuck"] == {("f7bc",): 0}


def test_what_was_not_captured_has_no_sample() -> None:
    found = samples(machine({40: [7]}, sources=("mqds",)))
    assert found["slots"] == found["slots_used"] == found["hiq_dwords_total"] == {}
    assert found["source_read"] == {("mqds",): 1, ("hqds",): 0, ("rls",): 0, ("proc",): 0}
    assert samples(machine({40: [7]}, sources=("hqds",)))["oversubscribed"] == {}


def test_evictions_come_from_sysfs() -> None:
    snapshot = machine({40: [7]})
    process = replace(snapshot.processes[0], usage={f"stats_{GPU}/evicted_ms": 120, f"vram_{GPU}": 4096})
    assert samples(replace(snapshot, processes=(process,)))["evicted_ms_total"] == {("40", "", "f7bc"): 120}


@pytest.mark.parametrize("name", ["app", 'a"b', "a\\b", "a\nb", "a{b}c", "Ω"])
def test_every_line_is_in_the_text_format(name: str) -> None:
    snapshot = machine({40: [7]})
    process = replace(snapshot.processes[0], name=name)
    lines = text(progress(replace(snapshot, processes=(process,)))).splitlines()
    helps = [line.split()[2] for line in lines if line.startswith("# HELP ")]
    assert len(helps) == len(set(helps))
    for line in lines:
        assert line.startswith(("# HELP ", "# TYPE ")) or SAMPLE.fullmatch(line), line
