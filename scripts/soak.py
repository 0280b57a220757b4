#!/usr/bin/env python3
"""Soak the virtual GPU: real ROCm programs come, go and are killed, one after the other, under one supervisor.

    scripts/soak.py [--minutes 60] [--gpu mi308x] [--pause 1.0]
    scripts/soak.py --churn 1000            16 processes of 5 queues a round, half of them killed, so many rounds

The supervisor's memory and descriptors are sampled all the while. The smallest value of each twelfth of the run is what
it holds when it is idle; if that grows from the second quarter of the run to the last, the soak has failed. Exit code
1: it grew, or a program did not end as it should.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from ringscope.stack.machine import MachineSpec
from ringscope.virtual.rocm import FETCH, ROOTS, Root

PROJECT = Path(__file__).parents[1]
PROGRAMS = PROJECT / "tests" / "virtual" / "programs"
WINDOWS = 12
TOLERANCE_KIB = 1024
"""Growth of memory from the second quarter to the last that is not called growth: what an allocator wanders by."""
SAMPLE_S = 0.1
CHURN = (16, 5)
"""Processes of a round, and queues of each."""
RECIPES: dict[str, tuple[tuple[str, ...], int]] = {
    "queues": ((), 0),
    "many": (("50",), 0),
    "streams": (("6",), 0),
    "copies": (("4",), 0),
    "ipc": ((), 0),
    "masks": ((), 0),
    "kernel": (("3",), 0),
    "bad": (("packet",), 0),
    "blits": ((), 0),
}
"""What runs: test program, its arguments, the exit code it must end with."""


@dataclass(frozen=True)
class Sample:
    """What the supervisor held at an instant: seconds since the start, KiB of resident memory, open descriptors."""

    second: float
    rss_kib: int
    descriptors: int


def sample(pid: int, second: float) -> Sample:
    """Look at a process; FileNotFoundError or ProcessLookupError when it has gone."""
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Sample(second, int(rows["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")))  # noqa: PTH208


def windows(samples: Sequence[Sample], last_second: float) -> list[tuple[int, int]]:
    """The smallest memory and the fewest descriptors of each twelfth of the run that has samples."""
    found = []
    for index in range(WINDOWS):
        low, high = last_second * index / WINDOWS, last_second * (index + 1) / WINDOWS
        inside = [row for row in samples if low <= row.second < high]
        if inside:
            found.append((min(row.rss_kib for row in inside), min(row.descriptors for row in inside)))
    return found


def growth(found: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """KiB and descriptors that the last quarter of the windows holds more than the second; the first one warms up."""
    share = len(found) // 4
    if not share:
        return 0, 0
    kib, descriptors = (
        min(row[which] for row in found[-share:]) - min(row[which] for row in found[share : 2 * share])
        for which in (0, 1)
    )
    return kib, descriptors


def _sizes(gpu: str) -> list[str]:
    """The save area that the driver wants of a queue, as the raw client takes it."""
    area = MachineSpec.of(gpu).nodes[0].save_area
    return [str(area.total_bytes), str(area.cwsr_bytes), str(area.ctl_stack_bytes), str(int(gpu == "mi210"))]


def churn(folder: Path, gpu: str, rounds: int) -> str:
    """A shell script that runs rounds of processes with queues, half of which are killed."""
    share = -(-rounds // WINDOWS)
    # After each share the machine is idle for a moment: what it holds then is what counts. The share is the seed.
    words = [_built(ROOTS[-1], "churn", folder), str(share), *map(str, CHURN), "$share", *_sizes(gpu)]
    step = _step(f"churn of {share} rounds", words, 0, 2 * SAMPLE_S)
    return f"cd {folder}\nfor share in $(seq {WINDOWS}); do\n{step}\ncat out >> sum\ndone\nmv sum out\n"


def soak(folder: Path, gpu: str, pause: float) -> str:
    """A shell script that runs every program in turn until a file ``stop`` appears, and writes down how each ended."""
    lines = []
    for root in (root for root in ROOTS if root.ready and (gpu == "mi210" or root is not ROOTS[0])):
        lines.append(_step(f"rocminfo {root.name}", root.command("rocminfo"), 0, pause))
        for name, (words, code) in RECIPES.items():
            program = _built(root, name, folder)
            lines.append(_step(f"{name} {root.name}", root.command(program, *words), code, pause))
        stay = root.command(_built(root, "stay", folder), "1", "4", str(folder / "never"))
        # A HIP program with its streams, killed: SIGKILL is 137.
        lines.append(_step(f"killed {root.name}", ["timeout", "-s", "KILL", "0.7", *stay], 137, pause))
        some = [_built(root, "churn", folder), "4", "8", "3", "$round", *_sizes(gpu)]
        lines.append(_step(f"churn {root.name}", some, 0, pause))
    if not lines:
        raise SystemExit(f"no ROCm user space is here: {FETCH}")
    body = "\n".join(lines)
    return f"cd {folder}\nround=0\nwhile [ ! -e stop ]; do\nround=$((round + 1))\n{body}\ndone\n"


def _built(root: Root, name: str, folder: Path) -> str:
    target = folder / f"{name}-{root.name}"
    command = root.compile_command(next(PROGRAMS.glob(f"{name}.c*")), target)
    if command is None:
        raise SystemExit("no compiler: install gcc and g++")
    if not target.exists():
        subprocess.run(command, check=True)  # noqa: S603
    return str(target)


def _step(name: str, command: Sequence[str], code: int, pause: float) -> str:
    return (
        f"[ -e stop ] || {{ {' '.join(command)} >out 2>&1; got=$?; echo '{name}' >> ran; "
        f'[ $got -eq {code} ] || {{ echo "{name}: exit code $got"; tail -3 out; }} >> wrong; sleep {pause}; }}'
    )


def main() -> int:
    """Run the soak; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--gpu", default="mi308x")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between programs")
    parser.add_argument("--churn", type=int, default=0, metavar="ROUNDS", help="only processes that are killed")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = churn(folder, args.gpu, args.churn) if args.churn else soak(folder, args.gpu, args.pause)
        (folder / "loop").write_text(text)
        command = ["exec", "--gpu", args.gpu, "--kernels", "time", "--", "/bin/sh", str(folder / "loop")]
        start = time.monotonic()
        with (folder / "said").open("w") as said:
            supervisor = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "ringscope", *command],
                stderr=said,
                env=os.environ | {"PYTHONPATH": str(PROJECT / "src"), "TMPDIR": name},
                start_new_session=True,
            )
        samples: list[Sample] = []
        try:
            while supervisor.poll() is None:
                time.sleep(SAMPLE_S)
                second = time.monotonic() - start
                if second >= args.minutes * 60 and not args.churn:
                    (folder / "stop").touch()  # what it holds while it ends says nothing of what it held before
                    continue
                with suppress(OSError, KeyError):  # it is ending
                    samples.append(sample(supervisor.pid, second))
        finally:
            # All at once: a program whose shell alone was ended would go on to its end, and the supervisor with it.
            with suppress(ProcessLookupError):
                os.killpg(supervisor.pid, signal.SIGTERM)
            supervisor.wait()
        return _report(folder, samples, supervisor.returncode)


def _report(folder: Path, samples: Sequence[Sample], code: int) -> int:
    found = windows(samples, samples[-1].second if samples else 0)
    kib, descriptors = growth(found)
    ran = Counter((folder / "ran").read_text().splitlines() if (folder / "ran").exists() else ())
    wrong = (folder / "wrong").read_text() if (folder / "wrong").exists() else ""
    left = [path.name for path in folder.glob("ringscope-exec-*")]
    for index, (rss, fds) in enumerate(found):
        print(f"window {index + 1:2}: {rss} KiB, {fds} descriptors")
    print(f"{len(samples)} samples in {samples[-1].second / 60:.1f} minutes" if samples else "no samples")
    print(f"{sum(ran.values())} programs ran: " + ", ".join(f"{name} {count}x" for name, count in sorted(ran.items())))
    print(f"growth from the second quarter to the last: {kib} KiB, {descriptors} descriptors")
    said = [line for line in (folder / "said").read_text().splitlines() if line.startswith("ringscope: virtual")]
    print(said[-1] if said else "the supervisor said nothing at its end")
    print((folder / "out").read_text().strip())
    if wrong:
        print(f"ended wrong:\n{wrong.strip()}")
    if left:
        print(f"left behind: {', '.join(left)}")
    failed = bool(wrong or left or code or kib > TOLERANCE_KIB or descriptors > 0)
    print("FAILED" if failed else "flat")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
