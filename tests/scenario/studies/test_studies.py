"""The studies as a whole: the docs' table of experiments is the code's, and names are as they are called."""

import re
from pathlib import Path

import pytest

from ringscope.errors import InputError
from ringscope.scenario import studies

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "src" / "ringscope" / "scenario" / "studies"
HELPERS = {"__init__", "study", "notes", "workload"}
TABLE = (ROOT / "docs" / "experiments.md").read_text()
ROWS = {line[2:5]: [cell.strip() for cell in line.split("|")] for line in TABLE.splitlines() if line.startswith("| E")}


def test_every_experiment_has_one_row() -> None:
    assert list(ROWS) == [f"E{number:02}" for number in range(1, 36)]


@pytest.mark.parametrize("experiment", ROWS)
def test_the_table_names_the_studies_that_say_they_play_it(experiment: str) -> None:
    named = re.findall(r"`([\w-]+)`", ROWS[experiment][3])
    playing = [name for name in studies.NAMES if experiment in studies.find(name).experiments]
    assert named == playing
    if not playing:
        assert ROWS[experiment][4].strip().startswith("only hardware: ")


def test_every_module_is_a_study_that_is_listed() -> None:
    modules = {path.stem for path in FOLDER.glob("*.py")} - HELPERS
    assert modules == {name.replace("-", "_") for name in studies.NAMES}
    assert [studies.find(name).name for name in studies.NAMES] == list(studies.NAMES)


def test_a_study_says_what_it_does_not_cover() -> None:
    assert all(studies.find(name).limits for name in studies.NAMES)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="multi-process"):
        studies.find("nothing")
