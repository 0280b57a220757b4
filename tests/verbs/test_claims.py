import json
from pathlib import Path

import pytest

from ringscope.cli import main


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["claims", *words])
    return code, capsys.readouterr().out


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without captures beside it, and no engine."""
    monkeypatch.setattr("ringscope.claims.lab.available", lambda: False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


@pytest.mark.usefixtures("nowhere")
def test_the_whole_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys)
    assert code == 0
    assert "84 claims: 16 confirmed, 39 refuted, 13 partly, 7 inconsistent, 9 undecided." in out
    assert "Real captures are absent: give --captures DIR." in out.replace("\n", " ")
    assert max(map(len, out.splitlines())) <= 100


def test_one_claim_with_all_its_reasons(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "a27", "--captures", str(shared / "mi308x"))
    assert code == 0
    assert out.splitlines()[0] == "A27  refuted  active_runlist costs 30 to 40 QPS."
    assert "against  stack run     96 kernels put 0 dwords into the HIQ" in out
    assert "against  real capture  streams-32: HIQ dwords: 72 = 5 creates, then 81 = 5 destroys" in out
    assert "baseline/hqds:2" in out
    assert "would overturn it: " in out


@pytest.mark.usefixtures("nowhere")
def test_an_undecided_claim_prints_its_command_as_it_is_typed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "B20")
    assert code == 3
    assert "would decide it, on hardware:\n       python3 - <<'EOF'" in out
    script = [line[7:] for line in out.splitlines() if line.startswith("       ")]
    body = script[script.index("import time, torch") : script.index("EOF")]
    compile("\n".join(body), "B20", "exec")


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("words", "count"), [(["A"], 55), (["b"], 29), (["B1*"], 10), (["A27", "B05", "a27"], 2), (["[AB]0?"], 18)]
)
def test_filters(words: list[str], count: int, capsys: pytest.CaptureFixture[str]) -> None:
    _, out = run(capsys, *words, "--json")
    assert len(json.loads(out)["claims"]) == count


@pytest.mark.usefixtures("nowhere")
def test_what_is_absent_is_named_where_it_would_count(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("the real captures are absent", "the engine is absent"):
        assert word in run(capsys, "A27")[1]
        assert word not in run(capsys, "A32")[1]


def test_verbose_shows_the_reasons_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = run(capsys, "A32", "A43", "-v")
    assert out.count("computed now: ") == 2


def test_json(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "--json", "--captures", str(shared / "mi308x"))
    assert code == 0
    data = json.loads(out)
    assert data["schema"] == "ringscope.claims/1"
    assert data["captures"] == str(shared / "mi308x")
    assert sum(data["verdicts"].values()) == len(data["claims"]) == 84
    for row in data["claims"]:
        assert row.keys() == {
            "id",
            "claim",
            "document",
            "verdict",
            "checked_by",
            "how",
            "figures",
            "reasons",
            "overturned_by",
            "decided_by",
        }
        assert row["verdict"] in data["verdicts"]
        assert row["checked_by"] == list(dict.fromkeys(reason["method"] for reason in row["reasons"]))
        for reason in row["reasons"]:
            assert reason.keys() == {"bearing", "method", "text", "at"}
    captured = [row for row in data["claims"] if "real capture" in row["checked_by"]]
    assert len(captured) >= 20


@pytest.mark.parametrize("words", [["C01"], ["A99"], ["A27", "--captures", "no/such/folder"]])
def test_what_cannot_be_checked_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ringscope: ")
    assert error.count("\n") == 1
