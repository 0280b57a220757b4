"""``/sys/kernel/debug/kfd/hqds``: the live registers of every hardware queue slot, device by device.

Format (``dqm_debugfs_hqds``): ``Node n, gpu_id hex:``, then per XCC the HIQ's slot and every slot that KFD may use,
then every SDMA queue; each is a heading and rows of registers. Kernels before 6.5 know no XCCs and print no
``Inst n,``. A slot is the 56 registers CP_MQD_BASE_ADDR to CP_HQD_PQ_WPTR_HI (MQD dwords 128 to 183); on VI it is 54
registers, behind the four CU mask registers COMPUTE_STATIC_THREAD_MGMT_SE0 to SE3 (``kgd_hqd_dump``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ringscope.errors import InputError
from ringscope.evidence.drift import Drift, Held
from ringscope.evidence.dump import ROWS, Scanner, runs_of, words_of
from ringscope.evidence.files import InputFile
from ringscope.parts.mqd import HQD_DWORDS
from ringscope.recording import Source
from ringscope.snapshot import Run, SdmaRlc

VI_HQD_DWORDS = 54
VI_MASK_DWORDS = 4


HELD = Held(
    "amdkfd of January 2026 (ioctl interface 1.17); Linux 5.10.134 with the driver of ROCm 7.0.2",
    "captures of an MI308X (gfx942); for other generations the driver's source",
)


class SlotDump(NamedTuple):
    """One CP or HIQ slot.

    ``registers`` starts at CP_MQD_BASE_ADDR; ``masks`` is set on VI only; ``more`` holds registers behind them that
    this version does not know.
    """

    xcc: int
    mec: int
    pipe: int
    queue: int
    registers: Run
    source: Source
    masks: bytes = b""
    more: bytes = b""


class DeviceDump(NamedTuple):
    """What ``hqds`` prints of one device; ``stopped`` when its scheduler does not run."""

    node: int
    gpu_id: int
    source: Source
    stopped: bool = False
    hiqs: tuple[SlotDump, ...] = ()
    slots: tuple[SlotDump, ...] = ()
    sdma: tuple[SdmaRlc, ...] = ()


_NODE = re.compile(r"Node (\d{1,9}), gpu_id ([0-9a-f]{1,8})((?![0-9a-f])[ -~]{0,200}?):\n")
_STOPPED = re.compile(r" Device is stopped\n")
_SLOT = re.compile(
    r" +(?:Inst (\d{1,3}), +)?"
    r"(?:HIQ on MEC (\d{1,3}) Pipe (\d{1,3}) Queue (\d{1,3})|CP Pipe (\d{1,3}), Queue (\d{1,3}))"
    r"((?!\d)[ -~]{0,200})\n"
)
_SDMA = re.compile(r"  SDMA Engine (\d{1,3}), RLC (\d{1,3})((?!\d)[ -~]{0,200})\n")
_REGISTERS = re.compile(rf"{ROWS}*")
SDMA_WORDS = frozenset({35, 42, 43, 44})
"""Registers of an SDMA queue by the generations' own ``hqd_sdma_dump``, see ``generation``; v12 prints one run."""


def read(file: InputFile, drift: Drift | None = None) -> tuple[DeviceDump, ...]:
    """Every device of the file; InputError with the line when the file is cut or is no ``hqds``."""
    scanner = Scanner(file, drift or Drift())
    if not scanner.more():
        raise InputError(
            "an empty hqds file, which no driver writes", file.name, "copy it with cat: tar and rsync see no size in it"
        )
    devices = []
    while scanner.more():
        source = scanner.here
        node = scanner.take(_NODE)
        if not node:
            raise scanner.cut("not a register dump")
        scanner.note("field", node[3], source)
        devices.append(_device(scanner, int(node[1]), int(node[2], 16), source))
    if not devices[-1].stopped and not devices[-1].sdma and any(device.sdma for device in devices):
        raise scanner.cut(f"no SDMA queue of node {devices[-1].node}")
    return tuple(devices)


def _device(scanner: Scanner, node: int, gpu_id: int, source: Source) -> DeviceDump:
    if scanner.take(_STOPPED):
        return DeviceDump(node, gpu_id, source, stopped=True)
    hiqs, slots, sdma = [], [], []
    while True:
        heading = scanner.here
        if found := scanner.take(_SLOT):
            xcc, mec, hiq_pipe, hiq_queue, pipe, queue, more = found.groups()
            slot = _slot(scanner, _runs(scanner, more, heading), int(xcc or 0), heading)
            if mec:
                hiqs.append(slot._replace(mec=int(mec), pipe=int(hiq_pipe), queue=int(hiq_queue)))
            else:
                slots.append(slot._replace(pipe=int(pipe), queue=int(queue)))
        elif found := scanner.take(_SDMA):
            runs = _runs(scanner, found[3], heading)
            words = sum(len(run.data) for run in runs) // 4
            if len(runs) > 1 and words not in SDMA_WORDS:
                scanner.note("register", f"an SDMA queue of {words} registers", heading)
            sdma.append(SdmaRlc(int(found[1]), int(found[2]), runs, heading))
        elif not scanner.pass_unknown(rows=True):
            break
    device = DeviceDump(node, gpu_id, source, False, tuple(hiqs), tuple(slots), tuple(sdma))
    _require_whole(device, scanner)
    return device


def _runs(scanner: Scanner, more: str, heading: Source) -> tuple[Run, ...]:
    """The registers below a heading, ``more`` being what the heading says beyond what is known."""
    scanner.note("field", more, heading)
    while scanner.pass_unknown():
        pass
    rows = scanner.take(_REGISTERS)
    try:
        return tuple(runs_of(rows.group() if rows else ""))
    except ValueError as error:
        raise scanner.cut(f"a damaged register dump ({error})") from None


def _slot(scanner: Scanner, runs: tuple[Run, ...], xcc: int, heading: Source) -> SlotDump:
    """A slot of an XCC whose place is not yet set; on VI the CU masks are printed before its registers."""
    count = sum(len(run.data) for run in runs) // 4
    masks = b"".join(run.data for run in runs[:-1])
    if len(masks) == VI_MASK_DWORDS * 4 and len(runs[-1].data) == VI_HQD_DWORDS * 4:
        return SlotDump(xcc, 1, 0, 0, runs[-1], heading, masks)
    if not runs or len(runs[0].data) < HQD_DWORDS * 4:
        raise scanner.cut(f"a slot with {count} of {HQD_DWORDS} consecutive registers")
    known = Run(runs[0].address, runs[0].data[: HQD_DWORDS * 4])
    more = runs[0].data[HQD_DWORDS * 4 :] + b"".join(run.data for run in runs[1:])
    if more:
        scanner.note("register", f"behind the {HQD_DWORDS} registers of a slot: {words_of(more)}", heading)
    return SlotDump(xcc, 1, 0, 0, known, heading, more=more)


def _require_whole(device: DeviceDump, scanner: Scanner) -> None:
    """The driver prints the same slots for every XCC and the same queues for every SDMA engine; a cut file does not."""
    if not (device.hiqs or device.slots or device.sdma):
        raise scanner.cut(f"no slot of node {device.node}")
    if len({len(slot.more) for slot in (*device.hiqs, *device.slots)}) > 1:
        raise scanner.cut(f"the slots of node {device.node} have unequal numbers of registers")
    per_xcc: dict[int, list[tuple[int, int]]] = {slot.xcc: [] for slot in device.hiqs}
    for slot in device.slots:
        per_xcc.setdefault(slot.xcc, []).append((slot.pipe, slot.queue))
    per_engine: dict[int, list[tuple[int, int]]] = {}
    for rlc in device.sdma:
        per_engine.setdefault(rlc.engine, []).append((rlc.rlc, sum(len(run.data) for run in rlc.runs)))
    for what, groups in (("XCC", per_xcc), ("SDMA engine", per_engine)):
        first = next(iter(groups.values()), [])
        for number, slots in groups.items():
            if slots != first:
                raise scanner.cut(f"{what} {number} of node {device.node} has other slots than the first {what}")
