"""Missing throughput: ranks by fit, and says of what it cannot explain that it cannot."""

import math

import pytest

pytest.importorskip("numba")

from ringscope.scenario.studies import missing_throughput
from ringscope.scenario.studies.missing_throughput import CANDIDATES, SAID, Load, error
from ringscope.scenario.studies.study import Desk, Findings


@pytest.fixture(scope="module")
def findings() -> Findings:
    return missing_throughput.STUDY.run(Desk())


def test_every_candidate_is_ranked_by_its_fit(findings: Findings) -> None:
    rows = findings.tables[0].rows[:-1]
    errors = [float(row[2] or 0) for row in rows]
    assert errors == sorted(errors)
    assert {row[0] for row in rows} == {candidate.name for candidate in CANDIDATES} | {"together", "nothing"}


def test_candidates_together_fit_no_worse_than_the_best_alone(findings: Findings) -> None:
    by_name = {row[0]: float(row[2] or 0) for row in findings.tables[0].rows[:-1]}
    assert by_name["together"] <= min(by_name[candidate.name] for candidate in CANDIDATES)


def test_a_measurement_tells_the_best_two_apart(findings: Findings) -> None:
    best, second = (row[0] for row in findings.tables[1].rows[:2])
    assert any(f"to tell {best} from {second}: " in sentence for sentence in findings.conclusion)


def test_error_is_relative_and_zero_for_the_notes_themselves() -> None:
    assert error(SAID) == 0
    assert error((1.0, *(2 * share for share in SAID[1:]))) == pytest.approx(math.log(2))


def test_an_explanation_that_fits_is_said_to_fit() -> None:
    def fit(name: str, shares: tuple[float, ...]) -> missing_throughput._Fit:
        return missing_throughput._Fit(name, "x", lambda load: load, shares, "measure it")

    none = fit("nothing", (1.0,) * len(SAID))
    right, half = fit("right", SAID), fit("half", tuple((1 + share) / 2 for share in SAID))
    said = list(missing_throughput._conclusion(none, [right, half], right, ["right"]))
    assert "and give the rate at two processes" in said[3]
    assert "right alone cost" in said[2]
    assert not any("measured again" in sentence for sentence in said)


def test_the_reading_of_placement_changes_the_fit_of_fewer_cus() -> None:
    from ringscope.engine.policies import Placement, Policies

    load = Load()
    strict = missing_throughput._shares(Desk(), load)
    skip = missing_throughput._shares(Desk(policies=Policies(placement=Placement.SE_SKIP)), load)
    assert strict != skip
