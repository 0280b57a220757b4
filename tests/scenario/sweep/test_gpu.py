"""Sweeps on a GPU, in Numba's simulator of one, through the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("polars")
SMALL = """\
[device]
gpu = "mi300a"
partition = "cpx"
[[kernel]]
name = "attention"
workgroups = 8
duration = "4 us"
[[copy]]
name = "in"
duration = "5 us"
[[process]]
name = "service"
request = ["attention*2"]
[[process]]
name = "other"
request = ["attention"]
[run]
horizon = "50 us"
"""


def sweep(folder: Path, *words: str, simulated: bool = True, before: str = "") -> subprocess.CompletedProcess[str]:
    script = f"import sys\n{before}\nfrom ringscope.cli import main\nraise SystemExit(main(sys.argv[1:]))"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | ({"NUMBA_ENABLE_CUDASIM": "1"} if simulated else {})
    command = [sys.executable, "-c", script, "sweep", "small.toml", *words]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


def test_its_rows_are_the_bytes_of_the_cpu(folder: Path) -> None:
    over = (
        "kernel.attention.workgroups=8,16",
        "run.replications=1,2",
        "kernel.attention.lds=0,128 KiB",  # refused: more than a CU has
        # The last has no kernel, and its shard no place on the GPU.
        'process.service.request=["attention"],["in"]',
    )
    for name, more in (("cpu", ()), ("gpu", ("--cuda",))):
        done = sweep(folder, "--over", *over, "--workers", "2", "--dir", name, *more)
        assert done.returncode == 0, done.stderr
    for name in ("results.parquet", "manifest.json"):
        assert (folder / "gpu" / name).read_bytes() == (folder / "cpu" / name).read_bytes()


def test_killed_it_goes_on_with_the_same_bytes(folder: Path) -> None:
    words = ("--over", "run.seed=1..6", "kernel.attention.workgroups=8,16")
    assert sweep(folder, *words, "--dir", "cpu").returncode == 0
    # The first launch is a shard, the second the others: it is killed when it would write what that gave.
    death = "import os\nfrom ringscope.scenario.sweep import gpu\nfrom itertools import count\n"
    death += "shards, turn = gpu._shards, count().__next__\n"
    death += "gpu._shards = lambda *words: os.kill(os.getpid(), 9) if turn() else shards(*words)"
    killed = sweep(folder, *words, "--dir", "gpu", "--cuda", "--workers", "1", before=death)
    assert killed.returncode == -9, killed.stderr
    kept = len(list(folder.glob("gpu/part-*.parquet")))
    assert kept == 1
    done = sweep(folder, *words, "--dir", "gpu", "--cuda", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert f"{kept} of 12 points were done before; going on" in done.stderr
    for name in ("results.parquet", "manifest.json"):
        assert (folder / "gpu" / name).read_bytes() == (folder / "cpu" / name).read_bytes()


def test_a_difference_ends_the_sweep(folder: Path) -> None:
    lie = "from ringscope.scenario.sweep import gpu\nfrom itertools import count\nnext_ = count().__next__\n"
    lie += "gpu.digest = lambda log, totals: str(next_())"
    done = sweep(folder, "--over", "run.seed=1,2", "--cuda", "--workers", "1", before=lie)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("ringscope: the GPU runs point ")
    assert not list(folder.glob("*/part-*"))


def test_without_a_gpu_one_line_says_so_and_nothing_is_begun(folder: Path) -> None:
    done = sweep(folder, "--over", "run.seed=1,2", "--cuda", simulated=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "leave out --cuda" in done.stderr or "ringscope[cuda]" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["small.toml"]
    done = sweep(folder, "--over", "run.seed=1,2", "--cuda", "--ray")
    assert done.returncode == 2 and "exclude each other" in done.stderr
