import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from exec_runs import PROJECT, fetched

from ringscope.virtual.rocm import ROOTS


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    spec = importlib.util.spec_from_file_location("soak", Path(__file__).parents[2] / "scripts" / "soak.py")
    assert spec and spec.loader
    module = sys.modules["soak"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_swings_is_flat_and_what_rises_has_grown(soak: ModuleType) -> None:
    # Programs come and go every tenth sample; the idle minimum is what counts.
    flat = [soak.Sample(i, 20_000 + 5_000 * (i % 10), 10 + i % 3) for i in range(1200)]
    leak = [soak.Sample(i, row.rss_kib + 5 * i, row.descriptors + i // 100) for i, row in enumerate(flat)]
    assert soak.growth(soak.windows(flat, 1200)) == (0, 0)
    kib, descriptors = soak.growth(soak.windows(leak, 1200))
    assert (kib, descriptors) == (3_000, 6)
    assert kib > soak.TOLERANCE_KIB


def test_what_happened_first_is_warming_up(soak: ModuleType) -> None:
    assert soak.growth(soak.windows([soak.Sample(i, 10_000 if i < 250 else 30_000, 5) for i in range(1200)], 1200)) == (
        0,
        0,
    )


def test_a_program_that_ends_wrong_fails_the_soak(
    soak: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "said").write_text("ringscope: virtual AMD Instinct MI308X · 3 processes\n")
    (tmp_path / "ran").write_text("queues\nqueues\n")
    (tmp_path / "out").write_text("end\n")
    samples = [soak.Sample(i, 10_000, 5) for i in range(120)]
    assert soak._report(tmp_path, samples, 0) == 0
    assert "2 programs ran: queues 2x" in capsys.readouterr().out
    (tmp_path / "wrong").write_text("queues: exit code 3\n")
    assert soak._report(tmp_path, samples, 0) == 1
    assert "queues: exit code 3" in capsys.readouterr().out


def descendants(pid: int) -> dict[int, str]:
    """Process ids below one, with their names."""
    found: dict[int, str] = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            found |= {int(child): Path(f"/proc/{child}/comm").read_text().strip()} | descendants(int(child))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.mark.parametrize("when", ["builds", "runs"])
def test_a_soak_that_is_told_to_end_ends_with_all_it_started(when: str, tmp_path: Path) -> None:
    fetched(ROOTS[-1])
    words = [sys.executable, str(PROJECT / "scripts" / "soak.py"), "--churn", "100000"]
    with subprocess.Popen(words, env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE) as soak:
        # While it builds there is a folder, but no program yet.
        while not any(name.startswith("churn") for name in descendants(soak.pid).values()):
            assert soak.poll() is None
            if when == "builds" and any(tmp_path.iterdir()):
                break
            time.sleep(0.01)
        below = descendants(soak.pid)
        soak.send_signal(signal.SIGTERM)
        assert soak.wait(60) == 128 + signal.SIGTERM
    for _ in range(500):
        left = [pid for pid in below if Path(f"/proc/{pid}").exists() and "Z" not in state(pid)]
        if not left:
            break
        time.sleep(0.01)
    # A compiler that is killed leaves files of its own.
    assert not left and not any(path.is_dir() for path in tmp_path.iterdir())


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"
