"""Five schemes: what the stack refuses, what churn costs, and that dearer remaps turn the conclusion round."""

import pytest

pytest.importorskip("numba")

from ringscope.scenario.studies import five_schemes
from ringscope.scenario.studies.study import MS, Desk, Findings


@pytest.fixture(scope="module")
def findings() -> Findings:
    return five_schemes.STUDY.run(Desk())


def test_steady_queues_leave_nothing_to_gain(findings: Findings) -> None:
    gains = findings.tables[0].figures("gain steady")
    assert list(gains.values()) == pytest.approx([0] * len(gains), abs=1)
    names = {scheme.rpartition(":")[2] for scheme in five_schemes.SCHEMES}
    assert names - gains.keys() == {"per-process-runlist", "hybrid"}


def test_the_stack_says_how_many_runlists_a_change_takes(findings: Findings) -> None:
    runlists = findings.tables[0].figures("runlists a change")
    assert runlists["cpsch"] == 1
    assert runlists["nocpsch"] == 0
    assert runlists["batching"] == 1  # a request outlasts the batch's timeout
    dense = findings.tables[0].figures("at 10000/s")
    assert dense["batching"] == pytest.approx(0.5, abs=0.05)  # a destroy sends what waits: one a pair at best
    assert dense["cpsch"] == 1


def test_more_churn_costs_more(findings: Findings) -> None:
    lost = list(findings.tables[1].figures("lost").values())
    assert lost == sorted(lost)
    assert lost[-1] > 0.3 * 118.7


def test_dearer_remaps_turn_the_conclusion_round(findings: Findings) -> None:
    dear = five_schemes.STUDY.run(Desk(costs={"save_ns": 2 * MS, "map_ns": MS}))
    assert any("no scheme reaches" in sentence for sentence in findings.conclusion)
    assert any("with churn the forecast is reached by" in sentence for sentence in dear.conclusion)


def test_break_even_lies_between_what_was_simulated() -> None:
    curve = [(0, 100.0), (100, 90.0), (200, 60.0)]
    assert five_schemes._break_even(curve, 5) == pytest.approx(50)
    assert five_schemes._break_even(curve, 25) == pytest.approx(150)
    assert five_schemes._break_even(curve, 50) is None
