"""A machine as files: what a modelled device shows, below a root of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ringscope.stack.hip import HipSettings
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse

Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Writes (or replaces) the files of a machine whose processes have so many streams each; its root."""
    root = tmp_path / "machine"

    def write(*streams: int) -> Path:
        spec = MachineSpec.of("mi308x")
        files = rehearse(spec, [ProcessSpec((0,) * count, settings=HipSettings()) for count in streams]).files()
        for path, text in files.items():
            folder = "sys/class/kfd/kfd" if path.startswith(("proc/", "topology/")) else "sys/kernel/debug/kfd"
            if path.startswith(("proc/", "topology/")) or path in ("mqds", "hqds", "rls"):
                put(root / folder / path, text)
        put(root / "sys/module/amdgpu/version", "6.12.12\n")
        put(root / "sys/module/amdgpu/parameters/num_kcq", "-1\n")
        put(root / "proc/mounts", "debugfs /sys/kernel/debug debugfs rw 0 0\n")
        put(root / "proc/sys/kernel/osrelease", "6.8.0-60-generic\n")
        put(root / "dev/kfd", "")
        put(root / "dev/kmsg", "")
        return root

    return write


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
