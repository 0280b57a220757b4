"""The rows themselves: what they name is there, and single models give what they must."""

import pytest

pytest.importorskip("numba")

from ringscope.engine.policies import Dispatch, Policies
from ringscope.parts import catalogue
from ringscope.scenario import validate_rows
from ringscope.scenario.studies.study import Desk
from ringscope.scenario.validate import check
from ringscope.scenario.validate_rows import GPUS, ROWS


def test_ids_are_unique_and_parts_exist() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert all(catalogue.find(part).key == part for part in GPUS.values())


def test_the_acceptance_set_is_complete() -> None:
    asked = {f"M{n}" for n in (4, 9, 10, 11, 17, 20, 23, 24, 25, 26, 28, 29, 36, 38, 45)} | {"R7", "R33"}
    assert all(any(row.id.startswith(name) for row in ROWS) for name in asked)


def test_what_has_no_model_says_why() -> None:
    assert all(row.why for row in ROWS if row.model is None)


def test_costs_of_the_desk_reach_a_row() -> None:
    row = next(row for row in ROWS if row.id == "M23a")
    usual, dear = (check([row], Desk(costs=costs))[0].predicted for costs in ({}, {"packet_ns": 5000}))
    assert dear == pytest.approx(usual + 5 - 1.057, abs=0.01)


def test_another_reading_of_dispatch_misses_what_chose_this_one() -> None:
    row = next(row for row in ROWS if row.id == "M11a")
    assert check([row], Desk())[0].near
    assert not check([row], Desk(policies=Policies(dispatch=Dispatch.EQUAL_SHARE)))[0].near


def test_one_number_fitted_to_one_row_of_many_queues_predicts_the_others() -> None:
    rows = {row.id: row for row in ROWS if row.id.startswith("M36/") or row.id == "M38/4"}
    assert [name for name, row in rows.items() if row.fitted] == ["M36/8"]
    found = {one.row.id: one for one in check(rows.values(), Desk())}
    assert abs(found["M36/8"].error) < 0.01
    assert all(one.near for one in found.values())


def test_without_a_shared_part_four_queues_do_four_times_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate_rows, "FRONT", 0.0)
    assert validate_rows._more_queues(4, Desk(seed=9)) == pytest.approx(4, rel=0.01)


def test_a_desk_is_the_same_key_when_it_says_the_same() -> None:
    assert validate_rows._Key(Desk()) == validate_rows._Key(Desk())
    assert validate_rows._Key(Desk()) != validate_rows._Key(Desk(seed=8))
