"""A full device: its ``mqds`` written, beside formatting word by word; and built by HIP streams from the start."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable

from bench import Row
from ringscope.parts.layout import Generation, Image
from ringscope.parts.mqd import MQD_DWORDS, compute
from ringscope.recording import Source
from ringscope.snapshot import Mqd, Process, Queue, QueueType, Snapshot
from ringscope.stack.hip import HipSettings
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse
from ringscope.stack.text import mqds

QUEUES, XCCS = 4096, 4
HERE = Source("bench")


def _device() -> Snapshot:
    layout = compute(Generation.V9_4_3)
    noise = random.Random(7)
    queues = tuple(
        Queue(
            0xF7BC,
            QueueType.COMPUTE,
            HERE,
            tuple(Mqd(xcc, Image(layout, noise.randbytes(4 * MQD_DWORDS)), HERE) for xcc in range(XCCS)),
        )
        for _ in range(QUEUES)
    )
    return Snapshot("full device", processes=(Process(1, queues, HERE),))


def _word_by_word(snapshot: Snapshot) -> str:
    lines = []
    for process in snapshot.processes:
        lines.append(f"Process {process.pid} PASID {process.pid}:")
        for queue in process.queues:
            lines.append(f"  Compute queue on device {queue.gpu_id:x}")
            for mqd in queue.mqds:
                words = struct.unpack("<512I", mqd.image.data)
                lines += [
                    f"    {at * 4:08x}: " + " ".join(f"{word:08x}" for word in words[at : at + 8])
                    for at in range(0, 512, 8)
                ]
    return "\n".join(lines) + "\n"


def _seconds(act: Callable[[Snapshot], str], snapshot: Snapshot) -> tuple[float, str]:
    start = time.perf_counter()
    text = act(snapshot)
    return time.perf_counter() - start, text


def run() -> list[Row]:
    """Seconds of both."""
    return [_writing(), _building()]


def _building() -> Row:
    """Sixteen processes of 251 queues: streams, queues, runlists, MQDs, and every file of the machine."""
    start = time.perf_counter()
    settings = HipSettings(gpu_max_hw_queues=250)
    files = rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0,) * 250, settings=settings)] * 16).files()
    took = time.perf_counter() - start
    size = sum(map(len, files.values())) / 1e6
    return Row(f"4016 queues from hipStreamCreate to {size:.0f} MB of files", f"{took:.2f} s", goal="under 2 s")


def _writing() -> Row:
    """Random words, so that no line is like another; both texts must be the same."""
    snapshot = _device()
    ours, text = _seconds(mqds, snapshot)
    peer, plain = _seconds(_word_by_word, snapshot)
    if text != plain:
        raise AssertionError("the two texts differ")
    return Row(
        f"mqds of {QUEUES} queues x {XCCS} XCCs ({len(text) / 1e6:.0f} MB)",
        f"{ours:.2f} s",
        f"word by word {peer:.2f} s",
        f"{peer / ours:.1f}x",
        "well under 1 s",
    )
