import json
from pathlib import Path

import pytest

from ringscope.cli import main
from ringscope.fidelity import table

DOCS = Path(__file__).parents[2] / "docs" / "fidelity.md"


def test_the_page_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fidelity"]) == 0
    assert capsys.readouterr().out in DOCS.read_text(), "docs/fidelity.md: paste the output of ringscope fidelity"


def test_a_word_shows_rows_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fidelity", "policy.priority"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("policy.priority = none  unknown: nobody has published it")
    assert "rocm-systems#8485" in out and "tests/engine/" in out


def test_json_holds_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fidelity", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["behaviours"]] == [row.name for row in table()]
    assert main(["fidelity", "--json", "--standing", "unknown"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["standing"] for row in found["behaviours"]} == {"unknown"}


def test_no_such_behaviour(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fidelity", "nonsense"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
