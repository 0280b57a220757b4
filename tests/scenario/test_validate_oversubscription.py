"""AMD's over-subscription runs: read, refused when they are none, and what is fitted to what."""

import math
from pathlib import Path

import pytest

pytest.importorskip("numba")

from ringscope.errors import InputError
from ringscope.scenario.studies.study import Desk
from ringscope.scenario.validate_oversubscription import FILE, SLOTS, Halo, Run, read, rows

HEAD = "version,ranks,gpu_max_hw_queues,total_s\n"


def test_the_runs_are_read(shared: Path) -> None:
    runs = read(shared / "oversubscription")
    assert len(runs) == 36
    assert {run.version for run in runs} == {"Ver1", "Ver6", "Ver8"}
    assert max(run.queues for run in runs if not run.over) == SLOTS


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
    runs = (Run("Ver9", 4, 1, 0.2), Run("Ver9", 8, 1, 0.2), Run("Ver9", 8, 4, 2.0))
    halo = Halo(runs, Desk())
    assert halo.total(runs[1]) == 0.2
    assert math.isnan(halo.total(runs[2]))


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", HEAD + "Ver1,four,1,0.3\n", HEAD + "Ver1,4\n"])
def test_other_files_are_refused_in_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    if content:
        with pytest.raises(InputError, match="no table of runs"):
            read(tmp_path)
    else:
        assert read(tmp_path) == ()


def test_a_missing_file_says_how_to_give_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--data"):
        read(tmp_path)
