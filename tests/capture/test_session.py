"""Captures from beginning to end, on a machine made of files that a program changes."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ringscope.capture.paths import Paths
from ringscope.capture.session import Captured, Plan, capture
from ringscope.errors import InputError

Tree = Callable[..., Path]


def captured(root: Path, *command: str, tools: Path | None = None, **more: object) -> Captured:
    environment = {"PATH": str(tools or "/nonexistent"), "HOME": "/home/zaphod42", "HSA_XNACK": "1", "SECRET": "x"}
    plan = Plan(command, **more)  # type: ignore[arg-type]
    return capture(plan, Paths(root), environment, lambda _: None)


def status(root: Path, pid: int, inner: str = "") -> None:
    folder = root / "proc" / str(pid)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text(f"Name:\tapp\nUid:\t0\t0\t0\t0\nNSpid:\t{pid}{inner}\n")
    (folder / "cmdline").write_bytes(b"/home/zaphod42/app\x0016\0")


def program(folder: Path, body: str) -> tuple[str, ...]:
    path = folder / "program.py"
    path.write_text("import os, shutil, sys, time\n" + body)
    return sys.executable, str(path)


def test_without_a_program_there_is_one_snapshot_of_now(tree: Tree) -> None:
    root = tree(2, 1)
    status(root, 4242, "\t17")
    status(root, 4243)
    found = captured(root)
    assert [moment["folder"] for moment in found.about["snapshots"]] == ["1-now"]
    assert found.files["1-now/mqds"] == (root / "sys/kernel/debug/kfd/mqds").read_bytes()
    assert found.about["processes"] == [
        {"pids": [4242, 17], "name": "app", "command": ["/home/zaphod42/app", "16"]},
        {"pids": [4243], "name": "app", "command": ["/home/zaphod42/app", "16"]},
    ]
    assert found.about["facts"] == {
        "kernel": "6.8.0-60-generic",
        "amdgpu": "6.12.12",
        "amdgpu.num_kcq": "-1",
        "env.HSA_XNACK": "1",
    }
    clocks = found.about["clocks"]
    assert set(clocks["begin"]) == {"monotonic_ns", "boottime_ns", "realtime_ns"}
    assert clocks["begin"]["monotonic_ns"] < clocks["end"]["monotonic_ns"]
    json.dumps(found.about)


def test_moments_of_a_program_whose_queues_come_and_go(tree: Tree, tmp_path: Path) -> None:
    root = tree(3)
    kfd = root / "sys/class/kfd/kfd/proc"
    shutil.move(kfd / "4242", tmp_path / "4242")  # it has no queue yet
    command = program(
        tmp_path,
        f"""
shutil.move({str(tmp_path / "4242")!r}, {str(kfd)!r})
open(os.environ["AMD_LOG_LEVEL_FILE"] + "_4242", "w").write("log of level " + os.environ["AMD_LOG_LEVEL"])
time.sleep(1.5)
shutil.rmtree({str(kfd / "4242")!r})
sys.exit(7)
""",
    )
    found = captured(root, *command, every_s=0.3)
    labels = [moment["folder"].split("-")[1] for moment in found.about["snapshots"]]
    assert labels[:3] == ["before", "queues", "load"]
    assert labels[-1] == "after"
    assert found.exit_code == found.about["exit_code"] == 7
    assert found.files["logs/amd-4242.log"] == b"log of level 3"
    assert not [path for path in found.files if path.startswith("1-before/proc/")]
    assert [path for path in found.files if path.startswith("2-queues/proc/4242/")]


def test_queues_that_never_hold_still_are_looked_at_all_the_same(tree: Tree, tmp_path: Path) -> None:
    root = tree(1)
    kfd = root / "sys/class/kfd/kfd/proc"
    # Every 50 ms another process with a queue takes the place of the last one.
    command = program(
        tmp_path,
        f"""
for number in range(5000, 5040):
    shutil.copytree({str(kfd / "4242")!r}, {str(kfd)!r} + f"/{{number}}")
    time.sleep(0.05)
    shutil.rmtree({str(kfd)!r} + f"/{{number}}")
""",
    )
    labels = [moment["folder"].split("-")[1] for moment in captured(root, *command).about["snapshots"]]
    assert labels.count("queues") >= 1


def test_a_program_that_makes_no_queue_is_looked_at_before_and_after(tree: Tree, tmp_path: Path) -> None:
    found = captured(tree(1), *program(tmp_path, "time.sleep(0.1)"))
    assert [moment["folder"] for moment in found.about["snapshots"]] == ["1-before", "2-after"]


def test_the_users_own_log_level_is_kept(tree: Tree, tmp_path: Path) -> None:
    root, log = tree(1), tmp_path / "mine.log"
    command = program(tmp_path, "print(os.environ['AMD_LOG_LEVEL'], file=open(os.environ['AMD_LOG_LEVEL_FILE'], 'w'))")
    environment = {"PATH": "", "AMD_LOG_LEVEL": "4", "AMD_LOG_LEVEL_FILE": str(log)}
    found = capture(Plan(command), Paths(root), environment, lambda _: None)
    assert log.read_text() == "4\n"
    assert found.about["facts"]["env.AMD_LOG_LEVEL"] == "4"


def test_an_unknown_program_is_refused_in_one_line(tree: Tree) -> None:
    with pytest.raises(InputError, match="no such file or directory"):
        captured(tree(1), "/nonexistent/app")


def test_a_machine_without_the_driver_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ringscope doctor"):
        captured(tmp_path)


def test_what_cannot_be_read_is_listed_with_the_reason(tree: Tree) -> None:
    root = tree(2)
    (root / "sys/kernel/debug/kfd/rls").unlink()
    shutil.rmtree(root / "sys/module/amdgpu/parameters")
    unread = {row["path"]: row["why"] for row in captured(root).about["unread"]}
    assert unread["/sys/kernel/debug/kfd/rls"] == "no such file or directory"
    assert unread["/sys/module/amdgpu/parameters"] == "no such file or directory"
    assert unread["dmesg"] == "no such program"
    assert "/proc/4242/status" in unread


def test_tools_are_asked_when_they_are_there(tree: Tree, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, body in {
        "dmesg": "echo '[    1.000000] amdgpu: hello'",
        "amd-smi": 'test "$1" = static && echo "GPU: 0" || { echo "no permission" >&2; exit 3; }',
        "rocm-smi": "true",
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    found = captured(tree(1), tools=tools)
    assert found.files["logs/kernel.log"] == b"[    1.000000] amdgpu: hello\n"
    assert found.files["machine/amd-smi-static.txt"] == b"GPU: 0\n"
    unread = {row["path"]: row["why"] for row in found.about["unread"]}
    assert unread["amd-smi metric"] == "no permission"
    assert unread["rocm-smi"] == "it printed nothing"


def test_a_redacted_capture_has_no_planted_name(tree: Tree, tmp_path: Path) -> None:
    root = tree(2)
    status(root, 4242, "\t17")
    (root / "proc/sys/kernel/hostname").write_text("heartofgold\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "dmesg").write_text("#!/bin/sh\necho 'Jan 30 11:14:39 heartofgold kernel: amdgpu: /home/zaphod42/x'\n")
    (tools / "dmesg").chmod(0o755)
    found = captured(root, *program(tmp_path, "time.sleep(0.1)"), tools=tools, redact=True)
    everything = json.dumps(found.about) + "".join(data.decode() for data in found.files.values())
    for planted in ("heartofgold", "zaphod", str(tmp_path), "program.py", sys.executable, '"app"'):
        assert planted not in everything, planted
    assert found.about["processes"][0] == {"pids": [4242, 17], "name": "program-1", "command": []}
    assert b"host-1 kernel: amdgpu: /path-" in found.files["logs/kernel.log"]
    assert found.files["1-before/mqds"] == (root / "sys/kernel/debug/kfd/mqds").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="a closed folder is open to nobody but root")
def test_root_reads_what_is_closed_to_others(tree: Tree) -> None:
    root = tree(1)
    (root / "sys/kernel/debug").chmod(0o700)
    assert "1-now/mqds" in captured(root).files
