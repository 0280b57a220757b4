"""The file of a fit: what is written is what is read, marks stay, and a hostile one is a line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.scenario import fit as fits
from ringscope.scenario.fit import Fit, Parameter, Row, load
from ringscope.scenario.schema import Draft, Scenario

SCENARIO = """\
[device]
gpu = "mi308x"
[[kernel]]
name = "k"
workgroups = 80
duration = "85 us"
[[process]]
request = ["k"]
[run]
horizon = "10 ms"
"""
VALUES: dict[str, Any] = Draft.of(SCENARIO, "x.toml").values


def made() -> Fit:
    packet = Parameter("costs.packet", "ns", 900.0, 20.0, 850.0, 950.0, 100.0, 9000.0)
    kernel = Parameter("kernel.k.duration", "ns", 70_000.0, 500.0, 69_000.0, 71_000.0, 1000.0, 100_000.0)
    rows = (
        Row("used", "mean_ns", 1e5, 0.02, True, 1.01e5, VALUES),
        Row("held", "mean_ns", 2e5, None, False, 1.9e5, {**VALUES, "device": {"gpu": "mi300x"}}),
    )
    return Fit("a fit", (packet, kernel), rows, ((1.0, 0.1), (0.1, 1.0)), "how", (("rows.toml", "00"),), "0+0")


def scenario(text: str, fit: Fit | None, folder: Path = Path()) -> Scenario:
    return Draft.of(text, "x.toml").scenario(folder, fit=fit)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "fit.json").write_bytes(made().dumps())
    assert load(tmp_path / "fit.json") == made()


def test_the_numbers_find_their_places(tmp_path: Path) -> None:
    fitted = scenario(SCENARIO, made())
    assert fitted.costs == {"packet_ns": 900}
    assert fitted.kernels["k"].time.quantiles == (70_000,)
    assert fitted.calibration is not None
    assert [parameter.key for parameter in fitted.calibration.placed] == ["costs.packet", "kernel.k.duration"]
    other = scenario(SCENARIO.replace('"k"', '"z"'), made())
    assert other.calibration is not None
    assert [parameter.key for parameter in other.calibration.placed] == ["costs.packet"]
    (tmp_path / "fit.json").write_bytes(made().dumps())
    named = scenario('calibration = "fit.json"\n' + SCENARIO, None, tmp_path)
    assert named == replace(fitted, name=named.name)


def test_a_fitted_scenario_stays_fitted_however_it_is_written() -> None:
    for text in (
        SCENARIO,
        "# a comment\n" + SCENARIO.replace("85 us", "0.085 ms"),
        SCENARIO.replace('"10 ms"', '"12 ms"\nseed = 9\nreplications = 3'),
        SCENARIO.replace("85 us", "99 us"),  # the fit replaces it
        'name = "another"\n' + SCENARIO,
    ):
        found = scenario(text, made()).calibration
        assert found is not None and found.fitted
        assert "FITTED to this very scenario" in found.text
        assert found.data["rows"] == [{"id": "used", "measure": "mean_ns", "fitted": True}]


def test_another_scenario_is_a_prediction_and_another_part_is_said() -> None:
    more = scenario(SCENARIO.replace("workgroups = 80", "workgroups = 160"), made()).calibration
    assert more is not None and not more.fitted
    held = scenario(SCENARIO.replace("mi308x", "mi300x"), made()).calibration
    assert held is not None and not held.fitted and [row.id for row in held.rows] == ["held"]
    strange = scenario(SCENARIO.replace("mi308x", "mi210"), made()).calibration
    assert strange is not None and strange.strange == ("mi300x", "mi308x")
    assert "not of this part" in strange.text


def test_another_engine_is_said() -> None:
    ours = replace(made(), engine=fits.engine_version())
    found = scenario(SCENARIO, ours).calibration
    assert found is not None and "another version of the engine" not in found.text
    found = scenario(SCENARIO, made()).calibration
    assert found is not None and "another version of the engine" in found.text


def sealed(body: dict[str, Any]) -> bytes:
    body.pop("sha256", None)
    return json.dumps(body | {"sha256": fits._digest(body)}).encode()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda body: body.update(rows=[]), None),
        (lambda body: body["rows"][0].update(fitted=False), None),
        (lambda body: body["rows"][0].update(measured=0), "not above zero"),
        (lambda body: body["rows"][0].update(values=[]), "should be of type dict"),
        (lambda body: body["parameters"][0].update(value="7"), "'7' is no number"),
        (lambda body: body["parameters"][0].pop("low"), "'low' is missing"),
        (lambda body: body.update(correlation=[[1]]), "not square"),
        (lambda body: body.update(name=None), "should be of type str"),
        (lambda body: body.update(name="x" * 2000), "too long"),
        (lambda body: body.update(schema="other/1"), "its schema is not"),
        (lambda body: body.pop("rows"), "'rows' is missing"),
    ],
)
def test_a_fit_that_was_changed_or_is_none_is_refused(edit: Any, said: str | None, tmp_path: Path) -> None:
    body = json.loads(made().dumps())
    edit(body)
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(body))
    with pytest.raises(InputError, match="is no fit") as error:
        load(path)
    assert "\n" not in str(error.value)
    if said is not None:
        path.write_bytes(sealed(body))
        with pytest.raises(InputError, match=said) as error:
            load(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"a": NaN}', b"[" * 100_000, b"null", b'{"schema": 1e999}'])
def test_hostile_files_are_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "fit.json").write_bytes(content)
    with pytest.raises(InputError) as error:
        load(tmp_path / "fit.json")
    assert "\n" not in str(error.value)


@settings(max_examples=60, deadline=None)
@given(
    key=st.sampled_from(
        ["costs.packet", "device.gpu", "run.horizon", "nothing", "kernel.k.name", "costs", ".", "process.q"]
    ),
    unit=st.sampled_from(["", "ns", "B", "furlongs"]),
    value=st.sampled_from([0.0, -1.0, 1e30, 0.5]),
    text=st.sampled_from(["", "a\nb", '[[kernel]]\nname="k"']),
)
def test_sealed_nonsense_breaks_no_scenario(key: str, unit: str, value: float, text: str) -> None:
    bad = Parameter(key, unit, value, 0, 0, 0, 0, 0)
    rows = (replace(made().rows[0], values={"kernel": text}), *made().rows)
    for fit in (replace(made(), parameters=(bad,)), replace(made(), rows=rows)):
        try:
            assert scenario(SCENARIO, fit).processes
        except InputError as error:
            assert "\n" not in str(error)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "fit.json")
