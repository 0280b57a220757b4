"""No queue of a process sits on amdgpu's rings."""

import pytest

pytest.importorskip("numba")

from ringscope.scenario.studies import ring_mapping
from ringscope.scenario.studies.study import Desk


def test_no_process_sits_on_a_ring_of_amdgpu() -> None:
    findings = ring_mapping.STUDY.run(Desk())
    assert set(findings.tables[1].figures("of them in use by processes").values()) == {0}
    assert "pipe k mod 4" in findings.conclusion[-1]
    assert "break" not in findings.conclusion[-1]


def test_the_conclusion_follows_the_figures() -> None:
    said = list(ring_mapping._conclusion([], {1: 100.0, 8: 120.0}, {1: 2, 8: 0}, [True, False]))
    assert said[1].startswith("2 of them sit on rings")
    assert said[2].endswith("an effect")
    assert "1 of 2 queues break" in said[3]
