import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from small_sweep import SMALL

from ringscope.cli import main
from ringscope.verbs.sweep import Left

polars = pytest.importorskip("polars")
GRID = ("process.service.count=1..3", "kernel.attention.workgroups=80..320:80")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(SMALL)
    return "small.toml"


def say(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["sweep", *words, "--workers", "1", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_grid_from_the_command_line(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, small, "--over", *GRID)
    assert (said["schema"], said["points"], said["refused"]) == ("ringscope.sweep/1", 12, 0)
    frame = polars.read_parquet(said["results"])
    assert said["results"] == "small.sweep/results.parquet" and len(frame) == 12
    on_front = {(row["requests_per_s"], row["p99_ns"]) for row in said["front"]}
    for mine in frame.iter_rows(named=True):
        beaten = any(
            other["requests_per_s"] >= mine["requests_per_s"]
            and other["p99_ns"] <= mine["p99_ns"]
            and (other["requests_per_s"], other["p99_ns"]) != (mine["requests_per_s"], mine["p99_ns"])
            for other in frame.iter_rows(named=True)
        )
        assert beaten == ((mine["requests_per_s"], mine["p99_ns"]) not in on_front)
    counts, groups = said["axes"]
    assert [(group["from"], group["points"]) for group in counts["groups"]] == [(1, 4), (2, 4), (3, 4)]
    for group in groups["groups"]:
        mine = frame.filter(polars.col("kernel.attention.workgroups") == group["from"])
        assert group["requests_per_s"] == mine["requests_per_s"].median()
    assert said["spread"]["p99_ns"]["most"] == frame["p99_ns"].max()


def test_the_terminal_shows_front_plot_and_keys(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", small, "--over", *GRID, "--workers", "1"]
    assert main(words) == 0
    first = capsys.readouterr().out
    assert "Pareto front: largest requests_per_s against smallest p99_ns" in first
    assert first.count("│") == 16 and "o" in first.partition("│")[2]
    assert re.search(r"process\.service\.count  requests_per_s +p99_ns", first)
    assert main(words) == 0  # again: nothing is left to run, the same is said
    assert capsys.readouterr().out == first


def test_other_objectives(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, small, "--over", *GRID, "--minimize", "cu_busy", "--maximize", "requests_per_s")
    assert [(one["name"], one["largest"]) for one in said["objectives"]] == [
        ("cu_busy", False),
        ("requests_per_s", True),
    ]
    busy = [row["cu_busy"] for row in said["front"]]
    assert busy == sorted(busy)


def test_a_hypercube_takes_ranges_without_steps(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = (small, "--over", "process.service.think=0..100 us", "kernel.attention.jitter=0.0..0.5", "--samples", "20")
    said = say(capsys, *words)
    frame = polars.read_parquet(said["results"])
    assert sorted(value // 5000 for value in frame["process.service.think_ns"]) == list(range(20))
    assert [group["points"] for group in said["axes"][0]["groups"]] == [2, 3, 2, 3, 2, 3, 2, 3]


def test_refused_points_are_counted_and_told(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(small).write_text(SMALL + '[device]\nscheduler = "nocpsch"\n')
    words = ["sweep", small, "--over", "process.service.count=1,40", "--workers", "1"]
    assert main(words) == 0
    assert "refused points: 1, the first: " in capsys.readouterr().out
    assert main(["sweep", small, "--over", "process.service.count=40", "--dir", "x", "--workers", "1"]) == 2
    assert "every point was refused: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("absent.toml", "--over", "run.seed=1,2"), "absent.toml: cannot be read"),
        (("small.toml", "--over", "run.sed=1,2"), "--over run.sed=1,2: run.sed: unknown key"),
        (("small.toml", "--over", "run.seed=1,2", "--workers", "0"), "--workers is 0; give 1 to 1024"),
        (("small.toml", "--over", "run.seed=1,2", "--samples", "-1"), "--samples is -1"),
        (("small.toml", "--over", "run.seed=1,2", "--maximize", "qps"), "no result 'qps'; one of requests_per_s"),
        (("small.toml", "--over", "run.seed=1,2", "--maximize", "events"), "the front needs two objectives"),
        (("small.toml", "--over", "run.seed=1,2", "--dir", "no/where"), "no/where: cannot be made"),
        (("small.toml", "--over", "run.seed=1,2", "--dir", "."), "holds something else"),
    ],
)
@pytest.mark.usefixtures("small")
def test_what_it_refuses(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.usefixtures("small")
def test_without_polars_one_line_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['polars'] = None; from ringscope.cli import main; raise SystemExit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "sweep", "small.toml", "--over", "run.seed=1,2"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 2
    assert done.stderr == "ringscope: a sweep needs polars; pip install 'ringscope[frames]'\n"
    assert not Path("small.sweep").exists()


def test_times_from_a_trace_reach_every_worker(small: str) -> None:
    head = "Kind,Agent_Id,Queue_Id,Kernel_Id,Kernel_Name,Correlation_Id,Start_Timestamp,End_Timestamp"
    rows = [f"KERNEL_DISPATCH,1,1,1,attn,{i},{1000000 * i},{1000000 * i + 30000}" for i in range(1, 9)]
    Path("run.csv").write_text("\n".join([head, *rows, ""]))
    Path(small).write_text(SMALL.replace('"40 us"', '{ trace = "run.csv", kernel = "attn" }'))
    assert main(["sweep", small, "--over", "run.seed=1,2", "--workers", "2"]) == 0
    frame = polars.read_parquet("small.sweep/results.parquet")
    assert frame["p50_ns"].to_list() == [frame["p50_ns"][0]] * 2 and frame["p50_ns"][0] > 4 * 30_000


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_killed_at_a_random_moment_it_ends_with_the_same_bytes(
    small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (small, "--over", "run.seed=1..40", 'run.horizon="20 ms"')
    say(capsys, *words, "--dir", "whole")
    command = [sys.executable, "-m", "ringscope", "sweep", *words, "--dir", "killed", "--workers", "2"]
    chance = random.Random()
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wanted = chance.randrange(1, 24)
    while len(list(Path("killed").glob("part-*.parquet"))) < wanted and process.poll() is None:
        time.sleep(0.005)
    time.sleep(chance.random() / 20)
    workers = [worker for server in children(process.pid) for worker in children(server)]
    assert workers or process.poll() is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list(Path("killed").glob("part-*.parquet")))
    until = time.monotonic() + 30
    while not all(map(gone, workers)):
        assert time.monotonic() < until, "a worker outlives its sweep"
        time.sleep(0.02)
    assert main(["sweep", *words, "--dir", "killed", "--workers", "1"]) == 0
    assert f"{done} of 40 points were done before" in capsys.readouterr().err or done in (0, 40)
    assert Path("killed/results.parquet").read_bytes() == Path("whole/results.parquet").read_bytes()
    assert Path("killed/manifest.json").read_bytes() == Path("whole/manifest.json").read_bytes()
    assert len(list((tmp_path / "killed").iterdir())) == 2


def test_the_time_left_is_an_interval_that_narrows() -> None:
    left = Left(shards=103, workers=2)
    for _ in range(2):
        left.done(1.0)
    assert left.bounds() is None
    left.done(1.0)
    assert left.bounds() == (50, 50)
    chance = random.Random(1)
    widths = []
    for _ in range(40):
        left.done(chance.expovariate(1))
        low, high = left.bounds() or (0.0, 0.0)
        assert low < left.left / 2 * (sum(left.seconds) / len(left.seconds)) < high
        widths.append(high - low)
    assert widths[-1] < widths[5]
