"""Memory that a log of 5 GB takes while it is read, through a pipe: the peak of a whole process, beside ``wc -l``.

The densest log, every line of which is read one by one, is the driver's dynamic debug: 64 MB of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import Row
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse
from ringscope.stack.text import kernel_log

BYTES = 5 << 30
DENSE_BYTES = 64 << 20
GOAL = "bounded"

# VmHWM counts from exec on; ru_maxrss would count what the parent held when it forked.
_CHILD = """
import sys
from ringscope.evidence.collect import collect
collect([sys.argv[1]])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
_LAUNCH = b":3:hip_module.cpp :1 : 3 us: [pid:7 tid:0x7] hipLaunchKernel: Returned hipSuccess : : duration: 12 us\n"
_CSV = b'"Kind","Queue_Id","Kernel_Name","Start_Timestamp","End_Timestamp"\n'
INPUTS = {
    "AMD_LOG_LEVEL log": (_LAUNCH, _LAUNCH),
    "kernel log, other drivers'": (b"[    1.000000] kernel: x\n", b"[   12.345678] usb 1-1: new device\n"),
    "rocprofv3 CSV, long names": (_CSV, b'K,1,"' + b"f" * 4000 + b'",10,20\n'),
}


def run() -> list[Row]:
    rows = [_row(f"5 GB of {what}", head, line, BYTES) for what, (head, line) in INPUTS.items()]
    events = rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0,) * 16)] * 8).kfd.events
    return [*rows, _row("64 MB of the driver's debug lines", b"", kernel_log(events).encode(), DENSE_BYTES)]


def _row(what: str, head: bytes, line: bytes, size: int) -> Row:
    seconds, peak = _fed([sys.executable, "-c", _CHILD], head, line, size)
    peer, _ = _fed(["wc", "-l"], head, line, size)
    figure = f"{int(peak) >> 10} MB, {size / seconds / 1e6:.1f} MB/s"
    return Row(what, figure, f"wc -l: {size / peer / 1e6:.0f} MB/s", goal=GOAL)


def _fed(command: list[str], head: bytes, line: bytes, size: int) -> tuple[float, str]:
    """CPU seconds of a command that reads such a file from a pipe, and the first word that it prints."""
    block = line * (1 + (1 << 20) // len(line))
    with tempfile.TemporaryDirectory() as folder:
        fifo = Path(folder) / "log"
        os.mkfifo(fifo)
        before = os.times()
        with subprocess.Popen([*command, str(fifo)], stdout=subprocess.PIPE, text=True) as child:
            with fifo.open("wb") as out:
                out.write(head)
                for _ in range(size // len(block)):
                    out.write(block)
            said, _ = child.communicate()
        if child.returncode:
            raise AssertionError(f"{command[0]} failed")
        after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system, said.split()[0]
