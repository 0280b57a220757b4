"""AMD's over-subscription runs: read, refused when they are none, and what is fitted to what."""

from pathlib import Path

import pytest

pytest.importorskip("numba")

from ringscope.errors import InputError
from ringscope.scenario.validate_oversubscription import CALIBRATED, FILE, SLOTS, read, rows

HEAD = "version,ranks,gpu_max_hw_queues,total_s\n"


def test_the_runs_are_read(shared: Path) -> None:
    runs = read(shared / "oversubscription")
    assert len(runs) == 36
    assert {run.version for run in runs} == {"Ver1", "Ver6", "Ver8"}
    assert max(run.queues for run in runs if not run.over) == SLOTS


def test_only_one_version_and_two_anchors_of_the_others_are_fitted(shared: Path) -> None:
    fitted = [row.id for row in rows(read(shared / "oversubscription")) if row.fitted]
    others = [name for name in fitted if not name.startswith(CALIBRATED)]
    assert len(fitted) - len(others) == 12
    assert sorted(others) == ["Ver1 12x4", "Ver1 4x1", "Ver8 12x4", "Ver8 4x1"]


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
