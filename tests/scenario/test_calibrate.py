"""Calibration: planted numbers come back within their intervals, and what rows leave open is refused by name."""

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numba")
pytest.importorskip("scipy")

from ringscope.errors import InputError
from ringscope.scenario.calibrate import Measured, Task, calibrate, read_task
from ringscope.scenario.fit import Fit

CHAIN = """\
[device]
gpu = "mi308x"
[[kernel]]
name = "k"
workgroups = 80
workgroup_duration = "20 us"
[[process]]
name = "p"
request = ["k*20"]
requests = 3
[costs]
wake = "10 us"
[run]
horizon = "20 ms"
"""
EXAMPLE = Path(__file__).parents[2] / "examples" / "calibration" / "rows.toml"
PLANTED = {"packet": 900, "barrier": 400, "duration": 30_000}
NOISE = (1.008, 0.994, 1.003, 0.991, 1.006, 0.998)
SETTINGS: tuple[dict[str, Any], ...] = (
    {"process.p.request": ["k*40"]},
    {"process.p.request": ["k*5"]},
    {"process.p.barrier": False, "process.p.request": ["k*40"], "kernel.k.workgroups": 8},
    {"kernel.k.workgroups": 640},
    {"process.p.barrier": False, "process.p.request": ["k*60"], "kernel.k.workgroup_duration": "1 us"},
    {"process.p.request": ["k*60"], "kernel.k.workgroup_duration": "1 us"},
)


def planted(folder: Path, count: int = len(SETTINGS), parameters: str = "", more: str = "") -> Task:
    """Rows that the model itself made with planted numbers, each off by a little noise."""
    (folder / "chain.toml").write_text(CHAIN)
    lines = ["[parameters]", parameters]
    for number, settings in enumerate(SETTINGS[:count]):
        told = ", ".join(f'"{key}" = {value!r}'.lower() for key, value in settings.items())
        lines += [
            "[[row]]",
            f'id = "{number}"',
            'scenario = "chain.toml"',
            'measure = "mean_ns"',
            f"set = {{ {told} }}",
            "measured = 1.0",
            more,
        ]
    (folder / "rows.toml").write_text("\n".join(lines))
    task = read_task([folder / "rows.toml"], [])
    truth = {"costs.packet": PLANTED["packet"], "costs.barrier": PLANTED["barrier"]}
    rows = []
    for row, noise in zip(task.rows, NOISE, strict=False):
        values = {**row.values, "costs": {**row.values["costs"]}}
        values["costs"] |= {key.partition(".")[2]: f"{value} ns" for key, value in truth.items()}
        rows.append(replace(row, measured=replace(row, values=values).model([]) * noise))
    return replace(task, rows=tuple(rows))


BOTH = '"costs.packet" = "100 ns..9 us"\n"costs.barrier" = "100 ns..5 us"'


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> Fit:
    return calibrate(planted(tmp_path_factory.mktemp("rows"), parameters=BOTH))


def test_planted_numbers_come_back_within_their_intervals(fit: Fit) -> None:
    for parameter in fit.parameters:
        truth = PLANTED[parameter.key.partition(".")[2]]
        assert parameter.low95 <= truth <= parameter.high95
        assert parameter.value == pytest.approx(truth, rel=0.1)
        assert parameter.low95 < parameter.value < parameter.high95
        assert parameter.high95 - parameter.low95 < truth  # an interval that says something


def test_the_fit_is_closer_than_the_start(fit: Fit) -> None:
    assert all(abs(row.error) < 0.03 for row in fit.rows)
    assert all(row.fitted for row in fit.rows)


def test_the_same_rows_give_the_same_bytes(fit: Fit, tmp_path: Path) -> None:
    assert calibrate(planted(tmp_path, parameters=BOTH)).dumps() == fit.dumps()


def test_given_uncertainties_scale_the_intervals(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, ten = (
        calibrate(planted(tmp_path / name, parameters=BOTH, more=f"uncertainty = {share}")).parameters[0].deviation
        for name, share in (("a", 0.01), ("b", 0.05))
    )
    assert ten == pytest.approx(5 * one, rel=0.1)


def test_rows_held_back_are_predicted(tmp_path: Path) -> None:
    task = planted(tmp_path, parameters=BOTH)
    held = calibrate(replace(task, rows=(*task.rows[:-1], replace(task.rows[-1], held=True))))
    (row,) = [row for row in held.rows if not row.fitted]
    assert row.id == "5"
    assert abs(row.error) < 0.05


@pytest.mark.parametrize(
    ("count", "parameters", "said"),
    [
        (1, BOTH, "1 rows cannot determine 2 parameters"),
        (2, BOTH, "2 rows for 2 parameters leave nothing to judge the fit by"),
        (6, '"costs.gang_quantum" = "1 ms..9 ms"', "no row depends on it: costs.gang_quantum"),
        (0, "", "0 parameters"),
        (6, '"costs.packet" = "1..9"', "is no range of a time"),
        (6, '"costs.packet" = "9 us..1 us"', "does not rise"),
        (6, '"kernel.other.duration" = "1 us..9 us"', "is in no scenario of the rows to fit"),
    ],
)
def test_what_is_not_determined_is_refused(count: int, parameters: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as error:
        calibrate(planted(tmp_path, count, parameters))
    assert "\n" not in str(error.value)


def test_numbers_that_only_count_together_are_named_with_what_is_determined() -> None:
    task = read_task([EXAMPLE], [])
    ordered = tuple(replace(row, held=False, uncertainty=0.02) for row in task.rows if "independent" not in row.id)
    with pytest.raises(InputError, match=r"costs\.packet and costs\.barrier separately, only their sum"):
        calibrate(replace(task, rows=ordered))


def test_the_example_predicts_what_it_holds_back() -> None:
    fit = calibrate(read_task([EXAMPLE], []))
    assert {row.id: row.fitted for row in fit.rows} == {
        "ring, each ordered": True,
        "ring, independent": True,
        "HIP, graph replay": False,
        "HIP, stream": False,
    }
    assert all(abs(row.error) < 0.1 for row in fit.rows)


def test_rows_may_come_as_csv(tmp_path: Path) -> None:
    (tmp_path / "chain.toml").write_text(CHAIN)
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["id", "scenario", "measure", "measured", "uncertainty", "held", "kernel.k.workgroups", "costs.packet"]
        )
        writer.writerow(["a", "chain.toml", "mean_ns", "450 us", "0.05", "", "8", "1 us"])
        writer.writerow(["b", "chain.toml", "requests_per_s", "99.5", "", "yes", "", ""])
    task = read_task([tmp_path / "rows.csv"], ["costs.barrier=1us..2us"])
    first, second = task.rows
    assert (first.measured, first.held, second.measured, second.held) == (450_000, False, 99.5, True)
    assert first.values["kernel"][0]["workgroups"] == 8
    assert first.values["costs"]["packet"] == "1 us"
    assert second.values["costs"] == {"wake": "10 us"}


def test_times_of_a_trace_are_kept_in_the_fit(tmp_path: Path) -> None:
    (tmp_path / "chain.toml").write_text(
        CHAIN.replace('workgroup_duration = "20 us"', 'duration = { trace = "run.csv", kernel = "k" }')
    )
    head = 'id = "a"\nscenario = "chain.toml"\nmeasure = "mean_ns"\nmeasured = 1\nuncertainty = 0.1\n'
    (tmp_path / "rows.toml").write_text(f'[parameters]\n"costs.packet" = "1 us..2 us"\n[[row]]\n{head}')
    task = read_task([tmp_path / "rows.toml"], [], lambda path, kernel: [5000, 7000])
    assert task.rows[0].values["kernel"][0]["duration"] == {"times": ["5000 ns", "7000 ns"]}
    assert task.rows[0].model([]) > 20 * 5000


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('measure = "mean_ns"', 'measure = "speed"', "there is no measure 'speed'"),
        ("measured = 1.0", "measured = 0", "rows.toml:3: measured: 0 is no number above zero"),
        ("measured = 1.0", 'measured = "fast"', "'fast' is no quantity"),
        ("measured = 1.0", "measured = nan", "is no number above zero"),
        ('id = "0"', 'idd = "0"', "'id' is missing"),
        ("chain.toml", "absent.toml", "absent.toml: cannot be read"),
        ('"process.p.request" =', '"process.q.request" =', "names no process of the file"),
        ("['k*40']", "['z']", "'z' is no kernel or copy"),
        ("[[row]]", "[[rows]]", "rows"),
    ],
)
def test_bad_rows_are_one_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    planted(tmp_path, 1, '"costs.packet" = "1 us..2 us"', "uncertainty = 0.1")
    path = tmp_path / "rows.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError) as error:
        calibrate(read_task([path], []))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_row_is_a_model_with_numbers_in_place() -> None:
    row: Measured = read_task([EXAMPLE], []).rows[0]
    packet, barrier = read_task([EXAMPLE], []).parameters
    cheap, dear = (row.model([(packet, value), (barrier, 1000)]) for value in (1000, 2000))
    assert dear - cheap == pytest.approx(512 * 1000, rel=0.01)


def test_what_enters_only_as_a_product_is_said(tmp_path: Path) -> None:
    """Two kernels that ask for more bandwidth than there is: only their length times their share shows."""
    (tmp_path / "both.toml").write_text(
        '[device]\ngpu = "mi308x"\n[[kernel]]\nname = "k"\nworkgroups = 80\nbandwidth = 0.9\nduration = "50 us"\n'
        '[[process]]\nname = "p"\ncount = 4\nrequest = ["k*4"]\n[run]\nhorizon = "20 ms"\n'
    )
    rows = "".join(
        f'[[row]]\nid = "{measure}"\nscenario = "both.toml"\nmeasure = "{measure}"\nmeasured = {figure}\n'
        for measure, figure in (("mean_ns", 700_000), ("requests_per_s", 5700), ("p50_ns", 700_000))
    )
    ranges = '[parameters]\n"kernel.k.duration" = "30 us..80 us"\n"kernel.k.bandwidth" = "0.6..1.0"\n'
    (tmp_path / "rows.toml").write_text(ranges + rows)
    with pytest.raises(
        InputError, match=r"kernel\.k\.duration and kernel\.k\.bandwidth separately, only their product"
    ):
        calibrate(read_task([tmp_path / "rows.toml"], []))
