import logging
from importlib import metadata

import pytest
from machines import machine

from ringscope.join import Case, case_of
from ringscope.verdicts import QUESTIONS, answers
from ringscope.verdicts.answer import Answer, Because, Question, certain

MINE = Question("house-rule", "Is the house rule kept?", "our handbook", "a process without a name")


def mine(case: Case) -> Answer:
    return MINE.yes(f"{len(case.states)} snapshots", (Because("counted"),), certain("counted"))


def breaks(case: Case) -> Answer:
    raise RuntimeError("two\nlines")


def speaks_in_text(case: Case) -> str:
    return "yes"


def takes_an_id(case: Case) -> Answer:
    return Question("shared-slot", "", "", "").no("", (), certain(""))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points as an installed package would bring them."""
    names = {
        "a-good": "mine",
        "b-broken": "breaks",
        "c-text": "speaks_in_text",
        "d-taken": "takes_an_id",
        "e-absent": "no_such_function",
    }
    module = "a_verdict_package"
    found = metadata.EntryPoints(
        metadata.EntryPoint(name, f"{module}:{function}", "ringscope.verdicts") for name, function in names.items()
    )
    import sys
    import types

    package = types.ModuleType(module)
    for function in (mine, breaks, speaks_in_text, takes_an_id):
        setattr(package, function.__name__, function)
    monkeypatch.setitem(sys.modules, module, package)
    monkeypatch.setattr(metadata, "entry_points", lambda group: found.select(group=group))


@pytest.mark.usefixtures("installed")
def test_a_strangers_question_is_asked_and_a_broken_one_costs_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ringscope"):
        found = answers(case_of((machine({500: [7]}),)))
    assert len(found) == len(QUESTIONS) + 1
    assert (found[-1].id, found[-1].summary) == ("house-rule", "1 snapshots")
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "verdict plug-in b-broken left out: RuntimeError: two lines"
    assert [line.split()[2] for line in lines] == ["b-broken", "c-text", "d-taken", "e-absent"]


def test_without_plug_ins_only_the_projects_own_are_asked() -> None:
    assert len(answers(case_of(()))) == len(QUESTIONS)
