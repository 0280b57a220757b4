import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ringscope.cli import main
from ringscope.parts import catalogue


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GPU_MAX_HW_QUEUES", "DEBUG_HIP_DYNAMIC_QUEUES", "DEBUG_HIP_IGNORE_STREAM_PRIORITY"):
        monkeypatch.delenv(name, raising=False)


def check(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, dict[str, Any]]:
    head, _, command = line.partition(" -- ")
    code = main(["check", *head.split(), "--json", *(["--", *command.split()] if command else [])])
    return code, json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert main(["check", *line.split()]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err


def test_24_queues_fit_an_mi300a_and_25_do_not(capsys: pytest.CaptureFixture[str]) -> None:
    code, fits = check(capsys, "--gpu mi300a --ranks 8 --hw-queues 2 --mpi openmpi")
    assert (code, fits["fits"], fits["budgets"][0]["need"]) == (0, True, 24)
    code, over = check(capsys, "--gpu mi300a --ranks 5 --hw-queues 4 --streams 4")
    assert (code, over["fits"]) == (1, False)
    assert (over["budgets"][0]["need"], over["budgets"][0]["over"], over["binds"]) == (25, 1, "hardware queue slots")


def test_every_part_and_mode_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    for part in catalogue.devices():
        for mode in part.partitions:
            code, found = check(capsys, f"--gpu {part.key} --partition {mode.name} --ranks 1")
            assert (code, found["stages"][0]["compute"]) == (0, 0), part.key


def test_the_text_says_what_runs_out_first_and_which_knob_helps(capsys: pytest.CaptureFixture[str]) -> None:
    line = "check --gpu mi300a --partition cpx --ranks 12 --hw-queues 4 --mpi openmpi"
    assert main(line.split()) == 1
    text = capsys.readouterr().out
    assert "12 processes on MI300A CPX, one of 6 logical GPUs · ROCm 7.0 · GPU_MAX_HW_QUEUES=4 (given)" in text
    assert "hardware queue slots         24    60  over by 36  <- runs out first, beyond 4 processes" in text
    assert "processes at once (VMIDs)     6    12  over by 6" in text
    assert "GPU_MAX_HW_QUEUES=3 and 6 ranks on this GPU  24 of 24 slots" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("ranks", [1, 12])
def test_the_text_fits_a_hundred_columns(ranks: int, capsys: pytest.CaptureFixture[str]) -> None:
    for part in catalogue.devices():
        main(["check", "--gpu", part.key, "--ranks", str(ranks), "--mpi", "cray-mpich", "--cooperative"])
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_the_cost_of_time_slicing_is_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("numba")
    _, over = check(capsys, "--gpu mi300a --ranks 8 --hw-queues 4 --mpi openmpi")
    cost = over["cost"]
    assert 1e7 < cost["time_sliced_step_ns"] - cost["step_ns"] < 5e7
    assert cost["slower"] == pytest.approx(cost["time_sliced_step_ns"] / cost["step_ns"])
    _, longer = check(capsys, "--gpu mi300a --ranks 8 --hw-queues 4 --mpi openmpi --step 20")
    assert longer["cost"]["slower"] < cost["slower"] / 5
    assert check(capsys, "--gpu mi300a --ranks 8 --hw-queues 2 --mpi openmpi")[1]["cost"] is None
    _, unknown = check(capsys, "--gpu strix --ranks 12")
    assert "shader engines" in unknown["cost"]["unknown"]


def test_the_steps_that_take_turns_can_be_seen(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("numba")
    trace, page = tmp_path / "out.pftrace", tmp_path / "out.html"
    line = f"--gpu mi300a --ranks 8 --hw-queues 4 --mpi openmpi --html {page} --perfetto {trace}"
    _, found = check(capsys, line)
    (drawn,) = found["time"]
    assert len(drawn["slots"]) == found["budgets"][0]["limit"]
    assert drawn["shown_ns"] > found["cost"]["time_sliced_step_ns"] * 19
    assert b"save qid" in trace.read_bytes() and b"slots held" in trace.read_bytes()
    assert "nothing here takes turns" in refused(capsys, f"--gpu mi300a --ranks 1 --perfetto {trace}")


def test_the_base_package_says_what_the_cost_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("ringscope.engine", "ringscope.scenario"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numba", None)
    code, found = check(capsys, "--gpu mi300a --ranks 8 --hw-queues 4 --streams 4")
    assert (code, found["fits"]) == (1, False)
    assert "pip install 'ringscope[sim]'" in found["cost"]["unknown"]


def test_settings_come_from_options_then_command_then_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check(capsys, "--gpu mi300a --ranks 1")[1]["gpu_max_hw_queues"] == 4
    monkeypatch.setenv("GPU_MAX_HW_QUEUES", "3")
    assert check(capsys, "--gpu mi300a --ranks 1")[1]["gpu_max_hw_queues"] == 3
    launch = "--gpu mi300a -- mpirun -x GPU_MAX_HW_QUEUES=2 -n 12 ./app -n 1"
    _, found = check(capsys, launch)
    assert (found["gpu_max_hw_queues"], found["ranks"]) == (2, 12)
    assert any("counted on one GPU" in note for note in found["notes"])
    _, found = check(capsys, launch.replace("--gpu mi300a", "--gpu mi300a --hw-queues 1 --gpus 4"))
    assert (found["gpu_max_hw_queues"], found["ranks"]) == (1, 3)


def test_ignored_priorities_need_no_queues_of_their_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "--gpu mi300a --ranks 1 --streams 9 --priorities"
    assert check(capsys, line)[1]["stages"][-1]["compute"] == 11
    monkeypatch.setenv("DEBUG_HIP_IGNORE_STREAM_PRIORITY", "1")
    assert check(capsys, line)[1]["stages"][-1]["compute"] == 5
    assert check(capsys, f"{line} --rocm develop")[1]["stages"][-1]["compute"] == 5


def test_published_figures_that_differ_from_the_rule_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    _, found = check(capsys, "--gpu mi300a --ranks 8 --hw-queues 2 --mpi openmpi")
    notes = " ".join(found["notes"])
    assert "says 11 processes; the driver's rule gives 13 here" in notes
    assert "up to 6.0 queues a rank" in notes
    assert "11 processes" not in " ".join(check(capsys, "--gpu navi31 --ranks 1")[1]["notes"])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--gpu mi300a", "how many processes?"),
        ("--gpu mi300 --ranks 1", "near ones: mi300"),
        ("--gpu mi300a --partition qpx --ranks 1", "no partition mode"),
        ("--gpu mi300a --ranks 0", "0 ranks"),
        ("--gpu mi300a --ranks 1 --hw-queues 0", "GPU_MAX_HW_QUEUES is 0"),
        ("--gpu mi300a --ranks 1 --rocm new", "no ROCm version"),
        ("--gpu mi300a --gpus 0 -- mpirun -n 2 ./app", "--gpus 0"),
        ("--gpu mi300a -- mpirun ./app", "not told how many"),
        ("--gpu mi300a --ranks 1 --step 0", "--step 0"),
        ("--gpu mi300a --ranks 1 --step nan", "--step nan"),
    ],
)
def test_bad_input_is_one_line(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert says in refused(capsys, line)


def test_a_variable_that_is_no_number(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MAX_HW_QUEUES", "many")
    assert "GPU_MAX_HW_QUEUES='many' is no number" in refused(capsys, "--gpu mi300a --ranks 1")
