"""``ringscope validate``: the docs show what it prints, and the bounds that the project promises hold."""

import json
from pathlib import Path

import pytest

pytest.importorskip("numba")

from ringscope.cli import main
from ringscope.report.terminal import Terminal
from ringscope.scenario import validate_oversubscription
from ringscope.scenario.studies.study import Desk
from ringscope.scenario.validate import Checked, check
from ringscope.scenario.validate_rows import ROWS
from ringscope.verbs import validate

DOCS = Path(__file__).parents[2] / "docs" / "validation.md"


@pytest.fixture(scope="module")
def found(shared: Path) -> tuple[Checked, ...]:
    runs = validate_oversubscription.read(shared / "oversubscription")
    return check((*ROWS, *validate_oversubscription.rows(runs)), Desk())


def test_the_docs_show_what_is_printed(found: tuple[Checked, ...]) -> None:
    assert f"```text\n{validate.text(found, Path(), Terminal())}\n```\n" in DOCS.read_text()


def test_predicted_over_subscription_keeps_its_promise(found: tuple[Checked, ...]) -> None:
    mine = [one for one in found if one.row.family == "over-subscription runs" and not one.row.fitted]
    assert len(mine) == 29
    assert all(one.near for one in mine), [one.row.id for one in mine if not one.near]


def test_sixteen_threads_are_within_a_tenth(found: tuple[Checked, ...]) -> None:
    (one,) = [one for one in found if one.row.id == "X16"]
    assert abs(one.error) <= 0.1


def test_json_keeps_fitted_and_predicted_apart(found: tuple[Checked, ...]) -> None:
    said = validate.data(found, None)
    assert json.loads(json.dumps(said)) == said
    rows = {row["id"]: row for row in json.loads(json.dumps(said))["rows"]}
    assert rows["M20a"]["fitted"]
    assert rows["X16"]["fitted"] is None
    assert rows["M26b"]["predicted"] is None
    unexplained = [name for name, row in rows.items() if not row["near"] and not row["why"]]
    assert sorted(unexplained) == sorted(json.loads(json.dumps(said))["unexplained"])


def test_what_it_cannot_do_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in ((["--data", str(tmp_path)], "holds no file such as"), (["--policy", "x=y"], "no rule 'x'")):
        assert main(["validate", *words]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
