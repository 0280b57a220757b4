"""AMD_LOG_LEVEL logs of every dialect."""

from __future__ import annotations

import io
from collections.abc import Iterator

from fuzz import held, made
from fuzz.kernel_text import told
from ringscope.evidence import amd_log
from ringscope.recording import Recording

_MORE = b"""
:3:rocdevice.cpp            :465 : 6266453079 us:  Initializing HSA stack.
:4:rocvirtual.cpp           :1   : 1 us: [pid:7 tid:0x7] HWq=0x7f0000000000, Dispatch Header = 0x1 (barrier=0)
:4:rocvirtual.cpp           :1   : 2 us: [pid:7 tid:0x7] HWq=0x7f0000000000, BarrierAND Header = 0x1
:3:hip_module.cpp           :1   : 3 us: [pid:7 tid:0x7] hipLaunchKernel: Returned hipSuccess : : duration: 12 us
:3:rocdevice.cpp            :1   : 4 us: Reusing preferred queue: 0x7f0000000000 refCount: 2
:3:rocdevice.cpp            :1   : 5 us: Setting CU mask 0x0f for hardware queue 0x7f0000000000
:3:hip_context.cpp          :1   : 6 us: HIP Version: 6.2.41134 Direct Dispatch: 1
:3:comgrctx.cpp             :1   : 7 us: HIP Library Path: /opt/rocm-6.2.1/lib/libamdhip64.so.6
:3:rocdevice.cpp            :1   : 8 us: Gfx Major/Minor/Stepping: 9/4/2
"""


def seeds() -> Iterator[bytes]:
    """What modelled processes log under three releases, and the lines that those do not have."""
    for rocm in ((5, 2), (6, 0), (7, 0)):
        yield from (data for path, data in made.machine("mi210", rocm).items() if path.startswith("amd-log."))
    yield _MORE
    yield from (line + b"\n" for line in _MORE.strip().splitlines())


def one(data: bytes) -> None:
    """Read and tell; block borders must not matter."""
    recording = held(lambda: amd_log.read(io.BytesIO(data), "log"))
    torn = held(lambda: amd_log.read(io.BytesIO(data), "log", 64))
    if recording != torn:
        raise AssertionError("what is read depends on where blocks end")
    if isinstance(recording, Recording):
        told(recording)
