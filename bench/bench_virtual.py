"""The virtual GPU's round trips beside a native system call of the same run, its idle cost, and rocminfo as a whole."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import Row
from ringscope.stack.machine import MachineSpec
from ringscope.virtual.rocm import FETCH, ROOTS

PROJECT = Path(__file__).parents[1]
PROGRAM = PROJECT / "tests" / "virtual" / "programs" / "rtt.c"
GPU = "mi210"
IDLE_MS = 3000


def _exec(*command: str) -> list[str]:
    return [sys.executable, "-m", "ringscope", "exec", "--gpu", GPU, "--", *command]


def _measured(program: str, apart: bool) -> dict[str, float]:
    """Medians by name; ``apart`` pins program and supervisor to different CPUs."""
    area = MachineSpec.of(GPU).nodes[0].save_area
    cpus = sorted(os.sched_getaffinity(0))
    where, rest = (cpus[0], {cpus[-1]}) if apart else (-1, set(cpus))
    words = (where, area.total_bytes, area.cwsr_bytes, area.ctl_stack_bytes, 1, 0 if apart else IDLE_MS)
    os.sched_setaffinity(0, rest)
    try:
        done = subprocess.run(_exec(program, *map(str, words)), capture_output=True, text=True, check=True)
    finally:
        os.sched_setaffinity(0, cpus)
    return {name: float(median) for name, median, _ in map(str.split, done.stdout.splitlines())}


def run() -> list[Row]:
    """Measure what this machine can: a C compiler, and a ROCm user space for rocminfo."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return [Row("round trips", "no C compiler", goal="install gcc")]
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder) / "rtt")
        subprocess.run([compiler, "-O2", "-o", program, str(PROGRAM)], check=True)
        free = _measured(program, apart=False)
        apart = _measured(program, apart=True) if len(os.sched_getaffinity(0)) > 1 else free
    rows = [
        Row(
            "emulated ioctl",
            f"{free['ioctl'] / 1000:.1f} us",
            f"getppid {free['syscall']:.0f} ns",
            f"{free['ioctl'] / free['syscall']:.0f}x",
            "< 25 us",
        ),
        Row(
            "the same, pinned apart",
            f"{apart['ioctl'] / 1000:.1f} us",
            f"getppid {apart['syscall']:.0f} ns",
            f"{apart['ioctl'] / apart['syscall']:.0f}x",
        ),
        Row(
            "AQL barrier, pinned apart",
            f"{apart['barrier'] / 1000:.1f} us",
            f"getppid {apart['syscall']:.0f} ns",
            f"{apart['barrier'] / apart['syscall']:.0f}x",
            "< 8 us",
        ),
        Row("idle device, one queue", f"{100 * free['idle']:.1f} % of a CPU", goal="< 3 %"),
    ]
    root = ROOTS[-1]
    if not root.ready:
        return [*rows, Row("rocminfo, whole", "not measured", goal=f"fetch a user space: {FETCH} {root.name}")]
    native, virtual = (_wall(command) for command in (root.command("rocminfo"), _exec(*root.command("rocminfo"))))
    return [*rows, Row("rocminfo, whole", f"{virtual:.3f} s", f"without a GPU, failing {native:.3f} s", "", "< 0.15 s")]


def _wall(command: list[str]) -> float:
    """Median seconds of seven runs."""
    times = []
    for _ in range(7):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=False)
        times.append(time.perf_counter() - began)
    return statistics.median(times)
