"""``ringscope calibrate``: the fit it writes, who reads it, and what it refuses."""

import json
from pathlib import Path

import pytest

pytest.importorskip("numba")
pytest.importorskip("scipy")

from ringscope.cli import main
from ringscope.scenario.fit import load
from ringscope.verbs import validate

FOLDER = Path(__file__).parents[2] / "examples" / "calibration"


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fit") / "fit.json"
    assert main(["calibrate", str(FOLDER / "rows.toml"), "-o", str(path)]) == 0
    return path


def test_fitted_and_predicted_rows_are_printed_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", str(FOLDER / "rows.toml")]) == 0
    text = capsys.readouterr().out
    fitted, _, predicted = text.partition("Predicted: held back")
    assert "ring, independent" in fitted and "ring, independent" not in predicted
    assert "HIP, stream" in predicted and "HIP, stream" not in fitted
    assert "nothing said of them is a prediction" in fitted
    assert "not kept" in text


def test_a_number_at_the_end_of_its_range_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (FOLDER / "rows.toml").read_text().replace('"100 ns..10 us"', '"100 ns..900 ns"', 1)
    (tmp_path / "rows.toml").write_text(text)
    (tmp_path / "chain.toml").write_text((FOLDER / "chain.toml").read_text())
    assert main(["calibrate", str(tmp_path / "rows.toml")]) == 0
    assert "at the end of where it was looked for: costs.packet; " in capsys.readouterr().out


def test_json_is_the_file(fit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["calibrate", str(FOLDER / "rows.toml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(fit.read_text())


def test_simulate_says_that_a_fitted_scenario_is_no_prediction(fit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["simulate", str(FOLDER / "chain.toml"), "--calibration", str(fit), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["calibration"]["fitted"] is True
    packet = load(fit).parameters[0]
    assert said["costs"]["packet_ns"] == packet.value
    assert main(["simulate", str(FOLDER / "chain.toml"), "--calibration", str(fit)]) == 0
    assert "FITTED" in capsys.readouterr().out
    assert main(["simulate", str(FOLDER.parent / "two-processes.toml"), "--calibration", str(fit)]) == 0
    text = capsys.readouterr().out
    assert "calibrated by 'dispatch on gfx1201'" in text and "FITTED" not in text


def test_validate_keeps_the_marks(fit: Path) -> None:
    from ringscope.scenario import validate_fits
    from ringscope.scenario.studies.study import Desk
    from ringscope.scenario.validate import check

    said = validate.data(check(validate_fits.rows(load(fit)), Desk()), None)
    rows = {row["id"]: row for row in json.loads(json.dumps(said))["rows"]}
    assert rows["dispatch on gfx1201/ring, independent"]["fitted"] == "costs.packet, costs.barrier"
    assert rows["dispatch on gfx1201/HIP, stream"]["fitted"] is None
    played = {row.id: row.model for row in load(fit).rows}
    for name, row in rows.items():
        assert row["predicted"] == pytest.approx(played[name.partition("/")[2]])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["calibrate", "absent.toml"], "absent.toml: cannot be read"),
        (["calibrate", str(FOLDER / "chain.toml")], "unknown key"),
        (["calibrate", str(FOLDER / "rows.toml"), "--fit", "costs.packet=1us..2us"], "is named twice"),
        (["simulate", str(FOLDER / "chain.toml"), "--calibration", str(FOLDER / "rows.toml")], "is no fit"),
        (["validate", "--calibration", "absent.json"], "absent.json: cannot be read"),
    ],
)
def test_what_it_refuses_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
