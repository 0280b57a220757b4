from pathlib import Path

import pytest
from machines import machine

from ringscope.join import case_of
from ringscope.verdicts import QUESTIONS, answers

PACKAGE = """
from ringscope.verdicts.answer import Because, Question, certain

MINE = Question("house-rule", "Is the house rule kept?", "our handbook", "a process without a name")


def mine(case):
    return MINE.yes(f"{len(case.states)} snapshots", (Because("counted"),), certain("counted"))


def breaks(case):
    raise RuntimeError("two\\nlines")


def speaks_in_text(case):
    return "yes"


def takes_an_id(case):
    return Question("shared-slot", "", "", "").no("", (), certain(""))
"""
ENTRY_POINTS = """
[ringscope.verdicts]
a-good = a_verdict_package:mine
b-broken = a_verdict_package:breaks
c-text = a_verdict_package:speaks_in_text
d-taken = a_verdict_package:takes_an_id
e-absent = a_verdict_package:no_such_function
"""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package with verdicts, as pip would leave it on the path."""
    (tmp_path / "a_verdict_package.py").write_text(PACKAGE)
    info = tmp_path / "a_verdict_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-verdict-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
def test_a_strangers_question_is_asked_and_a_broken_one_costs_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    found = answers(case_of((machine({500: [7]}),)))
    assert len(found) == len(QUESTIONS) + 1
    assert (found[-1].id, found[-1].summary) == ("house-rule", "1 snapshots")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "ringscope: verdict plug-in b-broken left out: RuntimeError: two lines"
    assert [line.split()[3] for line in lines] == ["b-broken", "c-text", "d-taken", "e-absent"]


def test_without_plug_ins_only_the_projects_own_are_asked() -> None:
    assert len(answers(case_of(()))) == len(QUESTIONS)
