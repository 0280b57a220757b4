"""How fast a capture of a machine with eight MI308X is read and joined, beside ``grep -c`` on the same two files.

Each figure is the best of several processes, from page cache and with compiled bytecode, as an installed command
runs. The last row is what a user waits for beyond the start of an interpreter that does nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import Row

CAPTURE = Path(__file__).parents[2] / "shared" / "data" / "mi308x" / "streams-16" / "active"
RUNS = 12

_CHILD = """
import time
began = time.perf_counter()
from ringscope.evidence.collect import collect
from ringscope.join import case_of
loaded = time.perf_counter()
import sys
capture = collect([sys.argv[1]])
read = time.perf_counter()
case = case_of(capture.snapshots, capture.recordings)
slots = sum(len(queue.slots) for state in case.states for queue in state.queues)
print(loaded - began, read - loaded, time.perf_counter() - read, slots)
"""


def run() -> list[Row]:
    files = [CAPTURE / name for name in ("mqds", "hqds")]
    if not all(file.is_file() for file in files):
        return [Row("the real capture is absent", "put it in ../shared/data beside the project")]
    size = sum(file.stat().st_size for file in files)
    with tempfile.TemporaryDirectory() as bytecode:
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": bytecode, "LC_ALL": "C"}
        nothing = min(_wall([sys.executable, "-c", "pass"], env) for _ in range(RUNS))
        grep = min(_wall(["grep", "-c", "Inst", *map(str, files)], env) for _ in range(RUNS))
        whole, parts = [], []
        for _ in range(RUNS):
            begin = time.perf_counter()
            output = subprocess.run(
                [sys.executable, "-c", _CHILD, str(CAPTURE)], env=env, check=True, capture_output=True, text=True
            ).stdout.split()
            whole.append(time.perf_counter() - begin)
            parts.append([float(figure) for figure in output])
    if parts[0][3] != 20:
        raise AssertionError(f"{parts[0][3]:.0f} slots joined to queues, 20 expected")
    load, read, join = (min(part[n] for part in parts) for n in range(3))
    return [
        Row(
            f"mqds and hqds, {size // 1000} KB, read",
            f"{read * 1e3:.0f} ms, {size / read / 1e6:.0f} MB/s",
            f"grep -c {grep * 1e3:.1f} ms",
            f"{grep / read:.2f}x",
        ),
        Row("joined", f"{join * 1e3:.0f} ms"),
        Row("imports", f"{load * 1e3:.0f} ms"),
        Row("all of it, beyond interpreter start", f"{(min(whole) - nothing) * 1e3:.0f} ms", goal="< 150 ms"),
    ]


def _wall(command: Sequence[str], env: Mapping[str, str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, env=env, check=True, capture_output=True)
    return time.perf_counter() - begin
