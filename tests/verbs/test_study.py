"""``ringscope study``: lists, plays, refuses."""

import json
from pathlib import Path

import pytest

pytest.importorskip("numba")

from ringscope.cli import main
from ringscope.engine.policies import Priority
from ringscope.scenario import studies
from ringscope.scenario.studies.study import Chart, Table
from ringscope.verbs import study


def test_list_names_every_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in studies.NAMES)
    assert main(["study", "--list", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in said["studies"]] == list(studies.NAMES)
    assert all(row["question"].endswith("?") for row in said["studies"])


def test_text_and_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "five-schemes"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert main(["study", "five-schemes", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "ringscope.study/1"
    for sentence in [*said["conclusion"], *said["limits"]]:
        assert " ".join(sentence.split()) in text
    for table in said["tables"]:
        assert all(len(row) == len(table["head"]) for row in table["rows"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no study was named"),
        (["nonsense"], "no study 'nonsense'"),
        (["multi-process", "--policy", "luck=good"], "no rule 'luck'"),
        (["multi-process", "--policy", "priority=most"], "priority is not 'most'"),
        (["multi-process", "--seed", "-1"], "--seed is -1"),
    ],
)
def test_what_it_cannot_do_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_its_runs_can_be_traced(tmp_path: Path) -> None:
    file = tmp_path / "out.pftrace"
    assert main(["study", "cu-limit", "--perfetto", str(file)]) == 0
    assert b"kernels running (run 1 of " in file.read_bytes() and b"pipe 0 queue 2 (run 2 of " in file.read_bytes()


def test_policies_are_spelled_as_in_a_scenario() -> None:
    assert study.policies(["priority=full", "dispatch=in-order"]).priority is Priority.FULL


def test_bars_are_as_long_as_their_values() -> None:
    lines = study._bars(Chart("", "", (("a", 2.0), ("bb", 1.0), ("c", 0.0))))
    assert [line.count("█") for line in lines] == [40, 20, 0]
    assert study._bars(Chart("", "", ())) == []


def test_cells_without_a_value_are_dashes() -> None:
    assert study._table(Table("", ("a", "b"), ((None, 12345.6),)))[1].split() == ["-", "12346"]
