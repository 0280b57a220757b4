"""The kernel log, KFD trace lines and ftrace: what is read must also be told."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

from fuzz import held, made
from ringscope.evidence import kernel_text
from ringscope.evidence.kernel_log import FACTS, MESSAGES
from ringscope.join import case_of
from ringscope.recording import Recording
from ringscope.report import explain


def seeds() -> Iterator[bytes]:
    """What a modelled driver logs, and a line of every message of the table."""
    for name in ("dmesg", "trace"):
        yield from (made.machine(gpu)[name] for gpu in ("mi210", "mi308x"))
    for message in MESSAGES:
        yield b"[   12.345678] amdgpu 0000:03:00.0: amdgpu: " + message.format.encode() + b"\n"
    for _, word, _ in FACTS:
        yield b"kernel: amdgpu: " + word + b": 0x1\n"
    yield b"# tracer: function\n bash-1 [001] d..2. 12.345678: pm_send_runlist [amdgpu] <-map_queues_cpsch\n"
    yield b"  2)   1.234 us    |  pm_send_runlist [amdgpu]();\n# entries-in-buffer/entries-written: 1/2 #P:8\n"


def one(data: bytes) -> None:
    """Read and tell."""
    recording = held(lambda: kernel_text.read(io.BytesIO(data), "log", 256))
    if isinstance(recording, Recording):
        told(recording)


def told(recording: Recording) -> None:
    """A recording on its own is joined and is JSON; what is answered from it is the target ``capture``'s."""
    json.dumps(explain.data(case_of((), (recording,)), (), ()))
