"""The virtual GPU's round trips beside a native system call of the same run, its idle cost, and rocminfo as a whole."""

import os
import shutil
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
ROUNDS = 4000
RUNS = 15


def _exec(*command: str) -> list[str]:
    return [sys.executable, "-m", "ringscope", "exec", "--gpu", GPU, "--", *command]


def _measured(program: str, apart: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Medians and 99th percentiles by name; ``apart`` pins program and supervisor to different CPUs."""
    area = MachineSpec.of(GPU).nodes[0].save_area
    cpus = sorted(os.sched_getaffinity(0))
    where, rest = (cpus[0], {cpus[-1]}) if apart else (-1, set(cpus))
    words = (where, area.total_bytes, area.cwsr_bytes, area.ctl_stack_bytes, 1, 0 if apart else IDLE_MS, ROUNDS)
    os.sched_setaffinity(0, rest)
    try:
        done = subprocess.run(_exec(program, *map(str, words)), capture_output=True, text=True, check=True)
    finally:
        os.sched_setaffinity(0, cpus)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {name: float(median) for name, median, _ in rows}, {name: float(most) for name, _, most in rows}


def run() -> list[Row]:
    """Measure what this machine can: a C compiler, and a ROCm user space for rocminfo."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return [Row("round trips", "no C compiler", goal="install gcc")]
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder) / "rtt")
        subprocess.run([compiler, "-O2", "-o", program, str(PROGRAM)], check=True)
        free, most = _measured(program, apart=False)
        apart, _ = _measured(program, apart=True) if len(os.sched_getaffinity(0)) > 1 else (free, most)
    rows = [
        Row(
            "emulated ioctl",
            f"{free['ioctl'] / 1000:.1f} us",
            f"getppid {free['syscall']:.0f} ns",
            f"{free['ioctl'] / free['syscall']:.0f}x",
            "< 25 us",
        ),
        Row(
            "of it the supervisor's CPU time",
            f"{free['ioctl_cpu'] / 1000:.1f} us",
            f"99 of 100 calls under {most['ioctl'] / 1000:.0f} us",
        ),
        Row(
            "an ioctl and a barrier in turn",
            f"{free['in_turn'] / 1000:.1f} us",
            f"99 of 100 under {most['in_turn'] / 1000:.0f} us",
        ),
        Row(
            "a barrier, and a wait asleep for it",
            f"{free['blocked'] / 1000:.1f} us",
            f"99 of 100 under {most['blocked'] / 1000:.0f} us",
        ),
        Row(
            "emulated ioctl, pinned apart",
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
        Row(
            "idle device, one queue",
            f"{100 * free['idle']:.1f} % of a CPU",
            f"{free['idle_wakes']:.0f} wake-ups a second",
            goal="< 3 %",
        ),
    ]
    root = ROOTS[-1]
    if not root.ready:
        return [*rows, Row("rocminfo, whole", "not measured", goal=f"fetch a user space: {FETCH} {root.name}")]
    nothing = [sys.executable, "-c", "pass"]
    bare, native, virtual = _walls(nothing, root.command("rocminfo"), _exec(*root.command("rocminfo")))
    beside = f"without a GPU, failing {native * 1e3:.0f} ms; python alone {bare * 1e3:.0f} ms"
    return [*rows, Row("rocminfo, whole", f"{virtual:.3f} s", beside, f"{virtual / native:.1f}x", "< 0.15 s")]


def _walls(*commands: list[str]) -> list[float]:
    """Seconds of each command, the best of many turns, with compiled bytecode, as an installed command runs."""
    best = [float("inf")] * len(commands)
    with tempfile.TemporaryDirectory() as bytecode:
        env = os.environ | {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": bytecode}
        for _ in range(RUNS):
            for number, command in enumerate(commands):
                began = time.perf_counter()
                subprocess.run(command, env=env, capture_output=True, check=False)
                best[number] = min(best[number], time.perf_counter() - began)
    return best
