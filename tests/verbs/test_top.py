"""``ringscope top``: in a pseudo-terminal, of a machine of files and of a virtual GPU with real programs; and once."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from exec_runs import PROGRAMS, PROJECT, absent, fetched
from live_machine import put, write_machine
from pseudo_terminal import Terminal

from ringscope.capture.paths import Paths
from ringscope.cli import main
from ringscope.errors import InputError
from ringscope.verbs import top
from ringscope.virtual.rocm import ROOTS

DEBUGFS = ("mqds", "hqds", "rls")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(PROJECT / "src")}
NOBODY = 65534
PROGRAM = """
import os, sys
from pathlib import Path
from ringscope.capture.paths import Paths
from ringscope.cli import main
from ringscope.verbs import top
top.Paths = lambda: Paths(Path(sys.argv[1]))
if "AS_USER" in os.environ:
    import ringscope.report.live, ringscope.report.screen, textual.drivers.linux_driver
    from ringscope.parts import catalogue
    catalogue.devices()  # the project itself may be closed to that user
    os.seteuid(int(os.environ["AS_USER"]))
sys.exit(main(["top", *sys.argv[2:]]))
"""


def of(root: Path) -> list[str]:
    """The command that shows the machine below a root, and looks at it often."""
    return [sys.executable, "-c", PROGRAM, str(root), "--interval", "0.2s"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = write_machine(tmp_path / "machine", 2, 3)
    for pid, name in ((4242, "train"), (4243, "serve")):
        put(root / f"proc/{pid}/comm", f"{name}\n")
    return root


@pytest.fixture
def terminal(root: Path) -> Iterator[Terminal]:
    found = Terminal(of(root), ENVIRONMENT)
    yield found
    found.close()


def test_it_shows_the_machine_and_quits(terminal: Terminal) -> None:
    terminal.shows("HIP #3")
    assert terminal.alternate
    assert "MI308X SPX · 7/24 slots · 2/13 processes · fits · HIQ" in terminal.lines[0]
    assert "train" in terminal.screen
    terminal.until(lambda t: "q Quit" in t.lines[-1])
    terminal.shows("HIQ 0 dw/s")  # it takes a second reading
    terminal.press("q")
    assert terminal.ended() == 0
    assert not terminal.alternate


@pytest.mark.parametrize("rows, columns", [(12, 40), (50, 200)])
def test_another_size_shows_the_columns_that_fit(terminal: Terminal, rows: int, columns: int) -> None:
    terminal.shows("SLOT")
    assert "RING" not in terminal.screen
    terminal.resize(rows, columns)
    lacks = {name for name, width in (("SLOT", 80), ("RING", 200)) if width > columns}
    wanted = {"PID", "QUEUE", "PKT/s", "STATE", "p Pause"} | ({"SLOT", "RING"} - lacks)
    terminal.until(lambda t: all(word in t.screen for word in wanted) and not any(word in t.screen for word in lacks))
    terminal.resize(24, 80)
    terminal.until(lambda t: "SLOT" in t.screen and "RING" not in t.screen)


def test_a_process_that_dies_leaves_the_screen(terminal: Terminal, root: Path) -> None:
    terminal.shows("serve")
    write_machine(root, 2)
    terminal.until(lambda t: "serve" not in t.screen and "3/24 slots" in t.screen)
    write_machine(root)
    terminal.until(lambda t: "train" not in t.screen and "0/24 slots" in t.screen)


def test_without_root_it_says_what_is_missing() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        root = write_machine(Path(name), 2, 3)
        root.chmod(0o755)
        (root / "sys/kernel/debug").chmod(0 if os.geteuid() else 0o700)
        terminal = Terminal(of(root), ENVIRONMENT | ({} if os.geteuid() else {"AS_USER": str(NOBODY)}))
        try:
            terminal.until(lambda t: "qid 0" in t.screen and "p Pause" in t.screen)
            shown = " ".join(terminal.lines)
            assert "not read: mqds (priorities, whose each slot is), hqds" in shown
            assert "permission denied. sudo ringscope top shows it" in shown
            assert "?/? slots · 2/? processes" in shown
            assert "idle" not in shown
            assert "stuck" not in shown
        finally:
            terminal.close()
            (root / "sys/kernel/debug").chmod(0o700)


def test_keys(terminal: Terminal, root: Path) -> None:
    terminal.shows("queues by activity")
    terminal.press("s")
    terminal.shows("queues by waiting")
    terminal.press("v")
    terminal.shows("VRAM")
    terminal.press("p")
    terminal.shows("PAUSED")
    write_machine(root)
    terminal.press("v")
    terminal.shows("HIP #3")  # what was read before the pause
    terminal.press("p")
    terminal.until(lambda t: "HIP" not in t.screen and "PAUSED" not in t.screen)
    terminal.press("?")
    terminal.shows("packets fetched from the ring")
    terminal.press("q")
    terminal.until(lambda t: "packets fetched" not in t.screen)
    terminal.press("\x03")
    assert terminal.ended() == 0


def test_a_signal_leaves_the_terminal_as_it_was(terminal: Terminal) -> None:
    terminal.shows("HIP #3")
    terminal.process.terminate()
    assert terminal.ended() == 0
    assert not terminal.alternate


def test_a_driver_that_is_unloaded_ends_it_in_one_line(terminal: Terminal, root: Path) -> None:
    terminal.shows("HIP #3")
    shutil.rmtree(root / "sys")
    assert terminal.ended() == 2
    assert not terminal.alternate
    assert "be read" in terminal.said.splitlines()[-1]


def test_a_machine_without_the_driver_is_one_line(tmp_path: Path) -> None:
    terminal = Terminal(of(tmp_path), ENVIRONMENT)
    assert terminal.ended() == 2
    assert len(terminal.said.splitlines()) == 1
    assert "ringscope doctor" in terminal.said


def test_no_terminal_is_said(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "Paths", lambda: Paths(root))
    assert main(["top"]) == 2
    assert capsys.readouterr().err == "ringscope: there is no terminal here; ringscope top --once\n"


def test_once(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "Paths", lambda: Paths(root))
    assert main(["top", "--once", "--json", "--interval", "50ms"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "ringscope.top/1"
    assert found["elapsed_ns"] >= 50_000_000
    assert [process["name"] for process in found["processes"]] == ["train", "serve"]
    assert {queue["fetched_per_second"] for queue in found["queues"]} == {0}
    assert main(["top", "--once", "--interval", "50ms"]) == 0
    out = capsys.readouterr().out
    assert "MI308X SPX · 7/24 slots" in out
    assert "VRAM" in out
    shutil.rmtree(root / "sys/kernel/debug")
    assert main(["top", "--once", "--interval", "50ms"]) == 3
    assert main(["top", "--once", "--interval", "1ms"]) == 2


def test_reading_takes_a_hundredth_of_the_time_at_most() -> None:
    assert top.rest_s({"read_ns": {"mqds": 10_000_000, "hqds": 20_000_000}}, 5) == 5
    assert top.rest_s({"read_ns": {"mqds": 50_000_000, "hqds": 50_000_000}}, 5) == 10


def test_a_machine_that_cannot_be_read_any_more_is_an_error(root: Path) -> None:
    reading = top.readings(Paths(root))
    assert reading()["elapsed_ns"] is None
    assert reading()["elapsed_ns"] > 0
    shutil.rmtree(root / "sys")
    with pytest.raises(InputError, match="ringscope doctor"):
        reading()


def test_programs_on_a_virtual_gpu_are_seen_from_beside_them(tmp_path: Path) -> None:
    """Two real processes of three streams: their queues, slots and names; then they end."""
    root = fetched(ROOTS[-1])
    target = tmp_path / "stay"
    command = root.compile_command(PROGRAMS / "stay.cpp", target)
    if command is None:
        absent("no compiler: install gcc and g++")
    subprocess.run(command, check=True, capture_output=True)
    stay = shlex.join(root.command(str(target), "2", "3", str(tmp_path / "stop")))
    ringscope = f"{sys.executable} -m ringscope"
    terminal = Terminal(
        [
            *ringscope.split(),
            "exec",
            "--gpu",
            "mi308x",
            "--",
            "/bin/sh",
            "-c",
            f"{stay} & {ringscope} top --interval 0.2s",
        ],
        ENVIRONMENT,
    )
    try:
        terminal.shows("8/24 slots · 2/13 processes · fits")
        terminal.until(lambda t: t.screen.count("HIP #3") == 2 and t.screen.count("ROCr internal") == 2)
        assert "7 med" in terminal.screen
        (tmp_path / "stop").touch()
        terminal.shows("0/24 slots · 0/13 processes")
        terminal.press("q")
        assert terminal.ended() == 0
    finally:
        terminal.close()
