"""Multi-process: a queue's number changes nothing, and the reading of the notes' rates follows from the model's."""

import json

import pytest

pytest.importorskip("numba")

from ringscope.scenario.studies import multi_process
from ringscope.scenario.studies.study import Desk, Findings


@pytest.fixture(scope="module")
def findings() -> Findings:
    return multi_process.STUDY.run(Desk())


def test_only_the_numbers_differ(findings: Findings) -> None:
    differences = findings.tables[1].rows
    assert {row[2] for row in differences if row[3]} == {"queue ids"}
    assert all(row[3] == row[4] for row in differences if row[2] == "queue ids")
    assert "and nothing else" in findings.conclusion[0]


def test_pasid_ids_are_refused_by_the_stack(findings: Findings) -> None:
    assert "ENOSPC" in findings.conclusion[1]
    assert [row[2] for row in findings.tables[0].rows if row[0] == "v6, PASID"] == [None] * 4
    assert [line.count("past the table") for line in findings.conclusion if line.startswith("refused")] == [1]


def test_one_process_has_the_rate_it_was_fitted_to_and_several_share_it(findings: Findings) -> None:
    totals = [row[1] for row in findings.tables[2].rows]
    assert totals[0] == pytest.approx(118.7, rel=0.01)
    assert totals == pytest.approx([totals[0]] * 4, rel=0.03)


def test_the_conclusion_follows_the_figures() -> None:
    changed = [("v5", 2, "rates of processes", 1, 2)]
    assert "changes what happens: 1 of 2" in next(iter(multi_process._on_ids(list(changed), [])))
    as_each = {1: 118.7, 2: 144.0, 4: 234.0, 6: 363.0}
    assert "read as per process" in list(multi_process._on_readings(as_each))[1]
    assert "read as totals" in list(multi_process._on_readings(dict.fromkeys((1, 2, 4, 6), 118.7)))[1]


def test_it_is_deterministic(findings: Findings) -> None:
    again = multi_process.STUDY.run(Desk())
    assert again == findings
    assert json.dumps(findings.conclusion)
