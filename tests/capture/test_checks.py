"""Each check on a machine made of files, whole and with something taken away."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ringscope.capture.checks import CHECKS, Check, Here, Status, knobs, run
from ringscope.capture.paths import Paths

Tree = Callable[..., Path]


def checked(root: Path, environment: dict[str, str] | None = None, uid: int = 0) -> dict[str, Check]:
    here = Here(Paths(root), environment or {"PATH": os.environ["PATH"]}, root, uid)
    return {check.name: check for check in run(here)}


def test_a_whole_machine_misses_nothing(tree: Tree) -> None:
    found = checked(tree(2, 3))
    assert len(found) == len(CHECKS)
    missing = [check for check in found.values() if check.status is Status.MISSING]
    assert not missing
    assert found["driver.module"].found == "amdgpu 6.12.12, kernel 6.8.0-60-generic"
    assert found["driver.topology"].found == "1 GPU node"
    assert found["driver.processes"].found.startswith("2 processes")
    assert found["driver.parameters"].found == "1 parameter, num_kcq -1"


def test_checking_reads_no_debugfs_file(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(1)
    opened: list[str] = []
    read = os.read

    def watched(handle: int, size: int) -> bytes:
        opened.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        return read(handle, size)

    monkeypatch.setattr(os, "read", watched)
    checked(root)
    assert opened
    assert not [path for path in opened if "debug/kfd" in path]


@pytest.mark.parametrize(
    ("gone", "check", "remedy"),
    [
        ("sys/module/amdgpu", "driver.module", "modprobe amdgpu"),
        ("dev/kfd", "driver.device", "--device /dev/kfd"),
        ("sys/class/kfd/kfd/topology", "driver.topology", "driver.module"),
        ("sys/class/kfd/kfd/proc", "driver.processes", "Linux 5.8"),
        ("sys/kernel/debug/kfd/rls", "debugfs.rls", "debugfs.mounted"),
        ("dev/kmsg", "kernel.log", "sudo"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(tree: Tree, gone: str, check: str, remedy: str) -> None:
    path = tree(1) / gone
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    found = checked(path.parents[len(Path(gone).parts) - 1])[check]
    assert found.status is Status.MISSING
    assert remedy in found.remedy


def test_a_machine_without_debugfs_says_how_to_mount_it(tree: Tree) -> None:
    root = tree(1)
    shutil.rmtree(root / "sys/kernel")
    (root / "proc/mounts").write_text("proc /proc proc rw 0 0\n")
    found = checked(root)
    assert "mount -t debugfs" in found["debugfs.mounted"].remedy
    assert found["debugfs.mqds"].status is Status.MISSING


def test_lockdown_is_told_from_a_missing_mount(tree: Tree) -> None:
    root = tree(1)
    (root / "sys/kernel/security").mkdir()
    (root / "sys/kernel/security/lockdown").write_text("none integrity [confidentiality]\n")
    assert "lockdown" in checked(root)["debugfs.mounted"].remedy


def test_an_ordinary_user_is_told_what_root_would_see(tree: Tree) -> None:
    root = tree(1)
    shutil.rmtree(root / "sys/kernel/debug/kfd")
    found = checked(root, uid=1000)
    assert found["environ.run-as-user"].status is Status.NOTE
    assert "capture" in found["environ.run-as-user"].remedy
    assert "only root sees it" in found["debugfs.hqds"].remedy


def test_dynamic_debug_counts_the_drivers_messages(tree: Tree) -> None:
    root = tree(1)
    control = root / "sys/kernel/debug/dynamic_debug/control"
    control.parent.mkdir()
    rows = ['drivers/gpu/drm/amd/amdkfd/kfd_chardev.c:1 [amdgpu]a =_ "x"', 'fs/x.c:1 [x]b =p "y"']
    control.write_text("\n".join(rows))
    assert checked(root)["kernel.dynamic-debug"].status is Status.NOTE
    control.write_text("\n".join(rows).replace("=_", "=p"))
    assert checked(root)["kernel.dynamic-debug"].found == "1 of 1 amdkfd messages are logged"


def test_variables_that_change_queues_are_shown(tree: Tree) -> None:
    environment = {"PATH": "", "GPU_MAX_HW_QUEUES": "2", "HOME": "/root", "HSA_XNACK": "1"}
    assert knobs(environment) == {"GPU_MAX_HW_QUEUES": "2", "HSA_XNACK": "1"}
    assert checked(tree(1), environment)["environ.knobs"].found == "GPU_MAX_HW_QUEUES=2, HSA_XNACK=1"
