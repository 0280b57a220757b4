"""``/sys/kernel/debug/kfd/mqds``: the saved image of every queue, process by process, the newest queue first.

Format (``kfd_debugfs_mqds_by_process``, ``pqm_debugfs_mqds``): ``Process <pid> PASID <pasid>:``, then per queue a
heading and a hex dump of its MQD, for a compute queue once per XCC of its device. An empty file says that no process
has the driver open. Queue ids are not printed.

Quirk: the driver's XCC count outlives the queue it was read for, so that an SDMA queue or a DIQ listed after a
compute queue of a device with several XCCs is dumped as often as that one. Only the first dump is the queue's; the
others show whatever follows it in memory and are dropped.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ringscope.errors import InputError
from ringscope.evidence.drift import Drift, Held
from ringscope.evidence.dump import ROWS, Scanner, runs_of, words_of
from ringscope.evidence.files import InputFile
from ringscope.parts.mqd import HEADER, MQD_DWORDS
from ringscope.recording import Source
from ringscope.snapshot import QueueType

HELD = Held(
    "amdkfd of January 2026 (ioctl interface 1.17); Linux 5.10.134 with the driver of ROCm 7.0.2",
    "captures of an MI308X (gfx942); for other generations the driver's source",
)


class QueueDump(NamedTuple):
    """One queue: an image (little-endian bytes) and its place per XCC, in XCC order."""

    gpu_id: int
    type: QueueType
    images: tuple[tuple[bytes, Source], ...]
    source: Source


class ProcessDump(NamedTuple):
    """One process. ``pasid`` is None where the driver prints the pid in its place."""

    pid: int
    pasid: int | None
    queues: tuple[QueueDump, ...]
    source: Source


class MqdsFile(NamedTuple):
    """All that the file says."""

    processes: tuple[ProcessDump, ...]
    notes: tuple[str, ...]


_PROCESS = re.compile(r"Process (\d{1,10}) PASID (\d{1,10})((?!\d)[ -~]{0,200}?):\n")
_QUEUE = re.compile(r"  (Compute queue|SDMA queue|DIQ) on device ([0-9a-f]{1,8})((?![0-9a-f])[ -~]{0,200})\n")
_IMAGES = re.compile(rf"({ROWS}*)")
# What the driver prints in a queue's place when it meets one that it does not know; no dump follows.
_ODD = re.compile(r"  ((?:Bad|Weird|Queue node)[^\n]{0,100})\n")

_PID_FOR_PASID = "this driver prints the pid in place of the PASID"
_TYPES = {"Compute queue": QueueType.COMPUTE, "SDMA queue": QueueType.SDMA, "DIQ": QueueType.DIQ}


def read(file: InputFile, drift: Drift | None = None) -> MqdsFile:
    """Every process of the file; InputError with the line when the file is cut or is no ``mqds``."""
    scanner = Scanner(file, drift or Drift())
    processes: list[ProcessDump] = []
    notes: list[str] = []
    while scanner.more():
        source = scanner.here
        process = scanner.take(_PROCESS)
        if not process:
            raise scanner.cut("not an MQD dump")
        scanner.note("field", process[3], source)
        queues = []
        while True:
            at = scanner.here
            if found := scanner.take(_QUEUE):
                queues.append(_queue(scanner, found, at, notes))
            elif odd := scanner.take(_ODD):
                notes.append(f"{at}: the driver says {odd[1]!r} in place of a queue")
            elif scanner.pass_unknown(rows=True):
                continue
            else:
                break
        pid, pasid = int(process[1]), int(process[2])
        if pid == pasid and not any(_PID_FOR_PASID in note for note in notes):
            notes.append(f"{source}: {_PID_FOR_PASID}")
        processes.append(ProcessDump(pid, None if pid == pasid else pasid, tuple(queues), source))
    _require_whole(processes)
    return MqdsFile(tuple(processes), tuple(notes))


def _queue(scanner: Scanner, found: re.Match[str], at: Source, notes: list[str]) -> QueueDump:
    scanner.note("field", found[3], at)
    while scanner.pass_unknown():
        pass
    first = scanner.here
    rows = scanner.take(_IMAGES)
    text = rows.group() if rows else ""
    try:
        runs = runs_of(text)
    except ValueError as error:
        raise scanner.cut(f"a damaged MQD dump ({error})") from None
    kind = _TYPES[found[1]]
    sizes = {len(run.data) for run in runs}
    if len(sizes) != 1 or any(run.address for run in runs):
        raise scanner.cut("an MQD whose dump is not whole")
    size = sizes.pop() // 4
    known = max(_SDMA_DWORDS) if kind is QueueType.SDMA else MQD_DWORDS
    if kind is QueueType.SDMA:
        if size not in _SDMA_DWORDS and not known < size < MQD_DWORDS:
            raise scanner.cut(f"an SDMA MQD of {size} dwords")
    elif size < MQD_DWORDS or any(run.data[:4] != _HEADER for run in runs):
        raise scanner.cut(f"no compute MQD: {size} of {MQD_DWORDS} dwords, or no header {HEADER:08x}")
    if size > known:
        scanner.note("register", f"behind the {known} dwords of an MQD: {words_of(runs[0].data[known * 4 :])}", first)
    lines = text.count("\n") // len(runs)
    if len(runs) > 1 and kind is not QueueType.COMPUTE:
        notes.append(f"{at}: this driver dumps the {found[1]} {len(runs)} times; only the first dump is its own")
        runs = runs[:1]
    images = tuple((run.data, Source(at.file, first.line + copy * lines)) for copy, run in enumerate(runs))
    return QueueDump(int(found[2], 16), kind, images, at)


_HEADER = HEADER.to_bytes(4, "little")
_SDMA_DWORDS = (128, 130)
"""512 bytes, and 520 on v10 (facts of the MQD structures)."""


def _require_whole(processes: list[ProcessDump]) -> None:
    """Every compute queue of a device has as many images as the device has XCCs."""
    shapes: dict[int, tuple[int, int]] = {}
    for process in processes:
        for queue in process.queues:
            if queue.type is not QueueType.COMPUTE:
                continue
            images, size = shape = len(queue.images), len(queue.images[0][0])
            if shapes.setdefault(queue.gpu_id, shape) != shape:
                others, other_size = shapes[queue.gpu_id]
                raise InputError(
                    f"a compute queue with {images} images where others have {others}"
                    if images != others
                    else f"a compute MQD of {size} bytes where others have {other_size}",
                    str(queue.source),
                    "capture the file again, whole",
                )
