"""AMD's over-subscription runs: read, refused when they are none, and what is fitted to what."""

import math
from pathlib import Path

import pytest

pytest.importorskip("numba")

from ringscope.errors import InputError
from ringscope.scenario.halo import MI300A
from ringscope.scenario.schema import DeviceChoice
from ringscope.scenario.studies.study import Desk
from ringscope.scenario.validate_oversubscription import Halo, Run, read, rows

FILE = "mi300a-spx-hip.csv"
HEAD = "version,ranks,gpu_max_hw_queues,total_s\n"


def test_the_runs_are_read(shared: Path) -> None:
    runs = read(shared / "oversubscription")
    assert len(runs) == 36
    assert {run.version for run in runs} == {"Ver1", "Ver6", "Ver8"}
    assert max(run.queues for run in runs if not run.over) == 24


def test_no_run_past_the_budget_is_fitted(shared: Path) -> None:
    runs = read(shared / "oversubscription")
    fitted = [run for run, row in zip(runs, rows(runs), strict=True) if row.fitted]
    assert not any(run.over for run in fitted)
    assert sorted((run.version, run.shape) for run in fitted) == [
        ("Ver1", (4, 1)),
        *(("Ver6", shape) for shape in ((4, 1), (8, 1), (8, 2), (11, 1), (12, 1))),
        ("Ver8", (4, 1)),
    ]


def test_a_version_whose_exchange_is_unknown_is_not_predicted_past_the_budget() -> None:
    runs = tuple(
        Run("Ver9", ranks, cap, total, MI300A) for ranks, cap, total in ((4, 1, 0.2), (8, 1, 0.2), (8, 4, 2.0))
    )
    halo = Halo(runs, Desk())
    assert halo.total(runs[1]) == 0.2
    assert math.isnan(halo.total(runs[2]))


def test_the_file_says_the_part_and_the_partition_and_those_the_room(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(HEAD + "Ver6,4,1,0.2\n")
    (tmp_path / "mi300a-cpx-hip.csv").write_text(HEAD + "Ver6,2,1,0.3\nVer6,6,1,0.4\nVer6,8,1,2.0\nVer6,6,4,2.0\n")
    (tmp_path / "notes.csv").write_text("not a file of runs")
    runs = read(tmp_path)
    assert [run.over for run in runs] == [False, False, True, True, False]  # cpx: 6 VMIDs, 24 slots
    found = {row.id: row for row in rows(runs)}
    assert list(found) == [
        "mi300a cpx Ver6 2x1",
        "mi300a cpx Ver6 6x1",
        "mi300a cpx Ver6 8x1",
        "mi300a cpx Ver6 6x4",
        "Ver6 4x1",
    ]
    assert [name for name, row in found.items() if row.fitted] == [
        "mi300a cpx Ver6 2x1",
        "mi300a cpx Ver6 6x1",
        "Ver6 4x1",
    ]
    cpx = [run for run in runs if run.device == DeviceChoice(gpu="mi300a", partition="cpx")]
    halo = Halo(cpx, Desk())
    assert halo.total(cpx[1]) == pytest.approx(0.4)
    assert halo.total(cpx[3]) > 2 * 0.4


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", HEAD + "Ver1,four,1,0.3\n", HEAD + "Ver1,4\n"])
def test_other_files_are_refused_in_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    if content:
        with pytest.raises(InputError, match="no table of runs"):
            read(tmp_path)
    else:
        assert read(tmp_path) == ()


def test_a_missing_file_says_how_to_give_it(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match="--data"):
            read(folder)


def test_a_part_that_is_unknown_is_said_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "mi9-spx-hip.csv").write_text(HEAD)
    with pytest.raises(InputError, match=r"mi9-spx-hip\.csv: no device"):
        read(tmp_path)
