"""A live machine as files below a root: what a modelled device shows, where a kernel shows it."""

from __future__ import annotations

import shutil
from pathlib import Path

from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse


def write_machine(root: Path, *streams: int) -> Path:
    """Writes (or replaces) the files of an MI308X whose processes have so many streams each; its root."""
    files = rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0,) * count) for count in streams]).files()
    shutil.rmtree(root / "sys/class/kfd/kfd/proc", ignore_errors=True)
    (root / "sys/class/kfd/kfd/proc").mkdir(parents=True)
    for path, text in files.items():
        if path in ("mqds", "hqds", "rls"):
            put(root / "sys/kernel/debug/kfd" / path, text)
        elif path.startswith(("proc/", "topology/")):
            put(root / "sys/class/kfd/kfd" / path, text)
    put(root / "sys/module/amdgpu/version", "6.12.12\n")
    put(root / "sys/module/amdgpu/parameters/num_kcq", "-1\n")
    put(root / "proc/mounts", "debugfs /sys/kernel/debug debugfs rw 0 0\n")
    put(root / "proc/sys/kernel/osrelease", "6.8.0-60-generic\n")
    put(root / "dev/kfd", "")
    put(root / "dev/kmsg", "")
    return root


def put(path: Path, text: str) -> None:
    """Written aside: a kernel never shows half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}")
    aside.write_text(text)
    aside.replace(path)
