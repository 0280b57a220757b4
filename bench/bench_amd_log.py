"""How fast an AMD_LOG_LEVEL log streams, beside ``grep -c`` on the same file, both from page cache.

Speeds are per second of CPU time (user and system), so that a busy machine does not hide what one core can do.

The two texts are made here, line by line like CLR's: level 3, as a program leaves it that launches kernels on a few
streams, and level 4, where each launch also writes its packet, its arguments and its waits.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import Row

FILE_BYTES = 1 << 30
CHUNK_BYTES = 32 << 20

_CHILD = """
import sys, time
from pathlib import Path
from ringscope.evidence.amd_log import read
begin = time.process_time()
found = read(Path(sys.argv[1]), "bench.log")
seconds = time.process_time() - begin
# VmHWM and not ru_maxrss, which would still count the parent from before the exec.
peak_kib = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(seconds, peak_kib, found.counters["launches"])
"""


def run() -> list[Row]:
    return [row for level in (3, 4) for row in _measure(level)]


def _measure(level: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"level-{level}.log"
        launches = _write(path, level)
        size = path.stat().st_size
        peer = min(_grep(path) for _ in range(2))
        runs = [_read(path) for _ in range(3)]
    seconds, peak_kib, found = min(runs)
    if found != launches:
        raise AssertionError(f"{found} launches read, {launches} written")
    return [
        Row(
            f"level {level}, {size / 1e9:.2f} GB",
            f"{size / seconds / 1e6:.0f} MB/s",
            f"grep -c {size / peer / 1e6:.0f} MB/s",
            f"{peer / seconds:.2f}x",
            "> 150 MB/s",
        ),
        Row(f"level {level}, peak memory", f"{peak_kib / 1024:.0f} MiB", goal="< 300 MiB"),
    ]


def _read(path: Path) -> tuple[float, int, int]:
    command = [sys.executable, "-c", _CHILD, str(path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(output[0]), int(output[1]), int(output[2])


def _grep(path: Path) -> float:
    before = os.times()
    command = ["grep", "-c", "hipLaunchKernel: Returned", str(path)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    after = os.times()
    return (after.children_user + after.children_system) - (before.children_user + before.children_system)


def _write(path: Path, level: int) -> int:
    """Writes the file; returns the launches in it."""
    rng = random.Random(level)
    head = b"".join(_stream(rng, number) for number in range(16))
    launches: list[bytes] = []
    size = 0
    while size < CHUNK_BYTES:
        launches.append(_launch(rng, len(launches), level))
        size += len(launches[-1])
    chunk = b"".join(launches)
    repeats = (FILE_BYTES - len(head)) // len(chunk)
    with path.open("wb") as file:
        file.write(_message(0, "hip_context.cpp", 56, "HIP Version: 7.0.51831.7c9236b16, Direct Dispatch: 1") + head)
        for _ in range(repeats):
            file.write(chunk)
    return repeats * len(launches)


def _message(us: int, file: str, line: int, text: str, level: int = 3, thread: str = "") -> bytes:
    return f":{level}:{file:<25}:{line:<4}: {6306213494 + us:010d} us: {thread} {text}\n".encode()


def _stream(rng: random.Random, number: int) -> bytes:
    ring = 0x7F3660C00000 + 0x200000 * (number % 4)
    us = 1000 * number
    return b"".join(
        [
            _message(us, "hip_stream.cpp", 282, "\x1b[32m hipStreamCreate ( 0xb1c710 ) \x1b[0m"),
            _message(us + 9, "rocdevice.cpp", 2940, f"Selected queue refCount: {ring:#x} ({number // 4 + 1})"),
            _message(
                us + 600,
                "hip_stream.cpp",
                288,
                f"hipStreamCreate: Returned hipSuccess : stream:{rng.randrange(1 << 24):#x}",
            ),
        ]
    )


def _launch(rng: random.Random, number: int, level: int) -> bytes:
    stream, kernarg = 0xEF26C0 + 0x40 * (number % 16), 0x7F3660900000 + 0x40 * rng.randrange(1 << 14)
    ring = 0x7F3660C00000 + 0x200000 * (number % 4)
    us = 20 * number
    thread = "[pid:85406 tid: 0x7f3664a6f740]" if level > 3 else ""
    grid = f"{{{rng.randrange(1, 4096)},1,1}}, {{256,1,1}}"

    def say(offset: int, file: str, line: int, text: str, at: int = 3) -> bytes:
        return _message(us + offset, file, line, text, at, thread)

    text = [
        say(
            0, "hip_platform.cpp", 225, f"\x1b[32m __hipPushCallConfiguration ( {grid}, 0, stream:{stream:#x} ) \x1b[0m"
        ),
        say(1, "hip_platform.cpp", 229, "__hipPushCallConfiguration: Returned hipSuccess : "),
        say(
            2, "hip_platform.cpp", 234, f"\x1b[32m __hipPopCallConfiguration ( {grid}, 0x7fff8061, 0x7fff8062 ) \x1b[0m"
        ),
        say(3, "hip_platform.cpp", 243, "__hipPopCallConfiguration: Returned hipSuccess : "),
        say(
            4,
            "hip_module.cpp",
            825,
            f"\x1b[32m hipLaunchKernel ( 0x20a3c0, {grid}, 0x7fff, 0, stream:{stream:#x} ) \x1b[0m",
        ),
        say(5, "rocvirtual.cpp", 807, f"Arg0:   = ptr:{kernarg:#x} obj:[{kernarg:#x}-{kernarg + 4096:#x}]"),
        say(5, "rocvirtual.cpp", 883, f"Arg1:   = val:{rng.randrange(1 << 20):#x} (size:0x4)"),
        say(6, "rocvirtual.cpp", 3596, f"ShaderName : void step_{number % 97}<float, 256>(float*, int)"),
    ]
    if level > 3:
        text += [
            say(1, "command.cpp", 355, f"Command (KernelExecution) enqueued: {kernarg:#x} to queue: {stream:#x}", 4),
            say(
                7,
                "rocvirtual.cpp",
                1177,
                f"SWq=0x7f36633ca000, HWq={ring:#x}, id={number % 4 + 1}, Dispatch Header = 0xb02 (type=2, barrier=1, "
                f"acquire=1, release=1), setup=3, grid=[{rng.randrange(1 << 20)}, 1, 1], workgroup=[256, 1, 1], "
                f"private_seg_size=0, group_seg_size=0, kernel_obj=0x7f3661a8c6c0, kernarg_address={kernarg:#x}, "
                f"completion_signal=0x0, correlation_id=0, rptr={number}, wptr={number + 3}",
                4,
            ),
            say(9, "rocdevice.cpp", 2700, f"Host active wait for Signal = ({kernarg:#x}) for 10000 ns", 4),
        ]
    text.append(
        say(9, "hip_module.cpp", 827, f"hipLaunchKernel: Returned hipSuccess : : duration: {rng.randrange(4, 40)} us")
    )
    return b"".join(text)
