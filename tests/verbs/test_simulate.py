"""``ringscope simulate``: what it prints, writes and refuses. The examples are golden tests."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

from ringscope.cli import main
from ringscope.report.markup import duration
from ringscope.report.page import unpacked

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))
GOLDEN = ROOT / "tests" / "scenario" / "golden"


def simulate(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["simulate", *words]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_print_what_they_did(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(str(path), capsys=capsys) == (GOLDEN / f"{path.stem}.txt").read_text()


def test_json_says_the_same_whoever_asks(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", str(EXAMPLES[0]), "--json"]
    first = simulate(*words[1:], capsys=capsys)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    fresh = subprocess.run(
        [sys.executable, "-m", "ringscope", *words], capture_output=True, text=True, env=env, check=True
    )
    assert fresh.stdout == first
    said = json.loads(first)
    assert said["schema"] == "ringscope.simulate/1"
    for process in said["processes"]:
        assert sum(process["where_ns"].values()) == pytest.approx(process["latency_ns"]["mean"], abs=1)
    total = sum(process["requests_per_second"]["mean"] for process in said["processes"])
    assert total == pytest.approx(said["requests_per_second"]["mean"])


def test_replications_give_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "examples" / "fork-join.toml"
    said = json.loads(simulate(str(path), "--replications", "4", "--seed", "1", "--json", capsys=capsys))
    assert said["requests_per_second"]["ci95"] > 0
    latency = said["processes"][0]["latency_ns"]
    assert 0 < latency["mean_ci95"] < latency["mean"]
    assert len(said["replication"]) == 4
    one = json.loads(simulate(str(path), "--json", capsys=capsys))
    assert one["requests_per_second"]["ci95"] is None


def test_a_snapshot_is_read_back_like_a_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for stem in ("two-processes", "over-subscribed"):
        folder = tmp_path / stem
        path = ROOT / "examples" / f"{stem}.toml"
        simulate(str(path), "--snapshot-at", "25 ms", "--snapshot-dir", str(folder), capsys=capsys)
        assert main(["explain", str(folder), "--json"]) in (0, 1)
        assert json.loads(capsys.readouterr().out)
        assert (folder / "hqds").read_text().count("CP Pipe") == 24 * 4


def test_times_from_a_rocprofv3_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = "Kind,Agent_Id,Queue_Id,Kernel_Id,Kernel_Name,Correlation_Id,Start_Timestamp,End_Timestamp"
    rows = [f"KERNEL_DISPATCH,1,1,1,attn,{i},{1000000 * i},{1000000 * i + 80000}" for i in range(1, 9)]
    (tmp_path / "run.csv").write_text("\n".join([head, *rows, ""]))
    (tmp_path / "s.toml").write_text(
        '[[kernel]]\nname = "a"\nworkgroups = 80\nduration = { trace = "run.csv", kernel = "attn" }\n'
        '[[process]]\nrequest = ["a"]\n[costs]\nwake = 0\npacket = 0\nbarrier = 0\nlaunch = 0\n'
        '[run]\nhorizon = "1 ms"\n'
    )
    said = json.loads(simulate(str(tmp_path / "s.toml"), "--json", capsys=capsys))
    assert said["processes"][0]["latency_ns"]["max"] == 80_000
    (tmp_path / "bad.toml").write_text((tmp_path / "s.toml").read_text().replace('"attn"', '"other"'))
    assert main(["simulate", str(tmp_path / "bad.toml")]) == 2
    assert "bad.toml:4: kernel[0].duration: no dispatch of 'other' in run.csv" in capsys.readouterr().err


def test_parquet_has_every_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    polars = pytest.importorskip("polars")
    target = tmp_path / "requests.parquet"
    said = json.loads(
        simulate(str(ROOT / "examples" / "gangs.toml"), "--parquet", str(target), "--json", capsys=capsys)
    )
    frame = polars.read_parquet(target)
    assert len(frame) == said["processes"][0]["requests"]
    parts = ("host", "slot", "barrier", "pipe", "save", "room", "run")
    assert (frame["done_ns"] - frame["arrival_ns"] == sum(frame[f"{part}_ns"] for part in parts)).all()


def test_parquet_of_replications_of_which_some_finish_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    polars = pytest.importorskip("polars")
    target = tmp_path / "requests.parquet"
    (tmp_path / "s.toml").write_text(
        '[[kernel]]\nname = "a"\nworkgroups = 80\nduration = { mean = "1 ms" }\n[[process]]\nrequest = ["a"]\n'
        'requests = 1\n[run]\nhorizon = "700 us"\nreplications = 8\n'
    )
    said = json.loads(simulate(str(tmp_path / "s.toml"), "--parquet", str(target), "--json", capsys=capsys))
    finished = said["processes"][0]["requests"]
    assert 0 < finished < 8
    frame = polars.read_parquet(target)
    assert len(frame) == frame["replication"].n_unique() == finished


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_times_of_a_trace_that_is_none_are_one_line(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"run.{suffix}").write_text("{}")
    (tmp_path / "s.toml").write_text(
        f'[[kernel]]\nname = "a"\nworkgroups = 8\nduration = {{ trace = "run.{suffix}", kernel = "k" }}\n'
        '[[process]]\nrequest = ["a"]\n[run]\nhorizon = "1 ms"\n'
    )
    assert main(["simulate", str(tmp_path / "s.toml")]) == 2
    error = capsys.readouterr().err
    assert "s.toml:4: kernel[0].duration" in error and error.count("\n") == 1


def test_times_from_a_rocpd_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    guid = "_0001"
    with sqlite3.connect(tmp_path / "run.db") as database:
        for statement in (
            f'CREATE TABLE "rocpd_metadata{guid}" (id INTEGER PRIMARY KEY, tag TEXT, value TEXT)',
            f'CREATE TABLE "rocpd_string{guid}" (id INTEGER PRIMARY KEY, string TEXT)',
            f'CREATE TABLE "rocpd_info_process{guid}" (id INTEGER PRIMARY KEY, nid INTEGER, pid INTEGER)',
            f'CREATE TABLE "rocpd_info_agent{guid}" (id INTEGER PRIMARY KEY, absolute_index INTEGER, type TEXT)',
            f'CREATE TABLE "rocpd_info_kernel_symbol{guid}" '
            "(id INTEGER PRIMARY KEY, kernel_name TEXT, display_name TEXT)",
            f'CREATE TABLE "rocpd_kernel_dispatch{guid}" (id INTEGER PRIMARY KEY, nid INTEGER, pid INTEGER, '
            "tid INTEGER, agent_id INTEGER, kernel_id INTEGER, dispatch_id INTEGER, queue_id INTEGER, "
            'stream_id INTEGER, start BIGINT, "end" BIGINT, workgroup_size_x INTEGER, workgroup_size_y INTEGER, '
            "workgroup_size_z INTEGER, grid_size_x INTEGER, grid_size_y INTEGER, grid_size_z INTEGER)",
            f'CREATE TABLE "rocpd_memory_copy{guid}" (id INTEGER PRIMARY KEY, nid INTEGER, pid INTEGER, tid INTEGER, '
            'start BIGINT, "end" BIGINT, name_id INTEGER, dst_agent_id INTEGER, src_agent_id INTEGER, size INTEGER, '
            "queue_id INTEGER, stream_id INTEGER)",
            f'CREATE TABLE "rocpd_region{guid}" (id INTEGER PRIMARY KEY, nid INTEGER, pid INTEGER, tid INTEGER, '
            'start BIGINT, "end" BIGINT, name_id INTEGER)',
            f"INSERT INTO \"rocpd_metadata{guid}\" (tag, value) VALUES ('schema_version', '3')",
            f'INSERT INTO "rocpd_info_process{guid}" VALUES (1, 1, 7)',
            f"INSERT INTO \"rocpd_info_agent{guid}\" VALUES (2, 4, 'GPU')",
            f"INSERT INTO \"rocpd_info_kernel_symbol{guid}\" VALUES (7, 'attn.kd', 'attn')",
            f'INSERT INTO "rocpd_kernel_dispatch{guid}" VALUES '
            "(1, 1, 1, 9, 2, 7, 42, 1, 3, 1000, 71000, 256, 1, 1, 1024, 1, 1)",
        ):
            database.execute(statement)
    (tmp_path / "s.toml").write_text(
        '[[kernel]]\nname = "a"\nworkgroups = 80\nduration = { trace = "run.db", kernel = "attn" }\n'
        '[[process]]\nrequest = ["a"]\n[costs]\nwake = 0\npacket = 0\nbarrier = 0\nlaunch = 0\n'
        '[run]\nhorizon = "1 ms"\n'
    )
    said = json.loads(simulate(str(tmp_path / "s.toml"), "--json", capsys=capsys))
    assert said["processes"][0]["latency_ns"]["max"] == 70_000


def test_a_snapshot_amid_comings_and_goings_has_who_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ROOT / "examples" / "coming-and-going.toml"
    counted = []
    for at in ("10 ms", "30 ms", "60 ms", "110 ms"):
        folder = tmp_path / at.replace(" ", "")
        simulate(str(path), "--snapshot-at", at, "--snapshot-dir", str(folder), capsys=capsys)
        assert main(["explain", str(folder), "--json"]) in (0, 1)
        capsys.readouterr()
        counted.append((folder / "mqds").read_text().count("queue on device"))
    assert counted == [2, 2 + 2, 2 + 5, 2]


def test_the_policies_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    text = simulate("--policies", capsys=capsys)
    assert "dispatch = free-slot  (or in-order, kernel, equal-share)" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no scenario was given"),
        (("absent.toml",), "absent.toml: cannot be read"),
        (("absent.toml", "--snapshot-at", "1 ms"), "--snapshot-at and --snapshot-dir go together"),
    ],
)
def test_what_it_refuses(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_without_numba_one_line_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['numba'] = None; from ringscope.cli import main; raise SystemExit(main(sys.argv[1:]))"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script, "simulate", str(EXAMPLES[0])],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "ringscope: simulating needs Numba and NumPy; pip install 'ringscope[sim]'\n"


def test_answers_about_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    over = ROOT / "examples" / "over-subscribed.toml"
    assert main(["simulate", str(over), "--answers", "--json"]) == 1
    said = {row["id"]: row for row in json.loads(capsys.readouterr().out)["explained"]["answers"]}
    assert (said["over-subscribed"]["answer"], said["over-subscribed"]["confidence"]) == ("yes", "certain")
    assert said["runlists-while-running"]["answer"] == "no"
    assert main(["simulate", str(ROOT / "examples" / "two-processes.toml"), "--answers"]) == 0
    text = capsys.readouterr().out
    assert "Over-subscribed?                  no " in text
    assert "Are the CUs saturated?            yes" in text


def test_runlists_of_queues_that_come_and_go_are_not_the_kernels(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "examples" / "coming-and-going.toml"
    said = json.loads(simulate(str(path), "--answers", "--json", capsys=capsys))["explained"]["answers"]
    assert {row["id"]: row["answer"] for row in said}["runlists-while-running"] == "no"


def test_a_page_and_a_trace_tell_of_the_same_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, page, trace = str(ROOT / "examples" / "two-processes.toml"), tmp_path / "out.html", tmp_path / "out.pftrace"
    printed = json.loads(simulate(path, "--json", "--html", str(page), "--perfetto", str(trace), capsys=capsys))
    found = re.search('id="data">([^<]*)</script>', page.read_text())
    assert found
    carried = unpacked(found[1])
    assert carried == printed
    assert {f"policy.{name}": setting for name, setting in printed["policies"].items()}.items() <= {
        rule["rule"]: rule["setting"] for rule in carried["fidelity"]
    }.items()
    (timeline,) = carried["explained"]["time"]
    (counted,) = carried["explained"]["recordings"]
    dispatched = sum(lane["runs"] for lane in timeline["lanes"] if not lane["name"].endswith("copies"))
    assert dispatched == counted["counters"]["dispatches"] > 0
    for process in printed["processes"]:
        assert duration(process["latency_ns"]["p99"]) in page.read_text()
    assert b"kernels running" in trace.read_bytes() and b"submitted to" in trace.read_bytes()
