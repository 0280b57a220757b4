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
from ringscope.evidence.dump import ROWS, Scanner, runs_of
from ringscope.evidence.files import InputFile
from ringscope.parts.mqd import HQD_DWORDS
from ringscope.recording import Source
from ringscope.snapshot import Run, SdmaRlc

VI_HQD_DWORDS = 54
VI_MASK_DWORDS = 4


class SlotDump(NamedTuple):
    """One CP or HIQ slot. ``registers`` starts at CP_MQD_BASE_ADDR; ``masks`` is set on VI only."""

    xcc: int
    mec: int
    pipe: int
    queue: int
    registers: Run
    source: Source
    masks: bytes = b""


class DeviceDump(NamedTuple):
    """What ``hqds`` prints of one device; ``stopped`` when its scheduler does not run."""

    node: int
    gpu_id: int
    source: Source
    stopped: bool = False
    hiqs: tuple[SlotDump, ...] = ()
    slots: tuple[SlotDump, ...] = ()
    sdma: tuple[SdmaRlc, ...] = ()


_NODE = re.compile(r"Node (\d{1,9}), gpu_id ([0-9a-f]{1,8}):\n")
_STOPPED = re.compile(r" Device is stopped\n")
_SLOT = re.compile(
    r" +(?:Inst (\d{1,3}), +)?"
    r"(?:HIQ on MEC (\d{1,3}) Pipe (\d{1,3}) Queue (\d{1,3})|CP Pipe (\d{1,3}), Queue (\d{1,3}))\n"
    rf"({ROWS}*)"
)
_SDMA = re.compile(rf"  SDMA Engine (\d{{1,3}}), RLC (\d{{1,3}})\n({ROWS}*)")


def read(file: InputFile) -> tuple[DeviceDump, ...]:
    """Every device of the file; InputError with the line when the file is cut or is no ``hqds``."""
    scanner = Scanner(file)
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
        devices.append(_device(scanner, int(node[1]), int(node[2], 16), source))
    if not devices[-1].stopped and not devices[-1].sdma and any(device.sdma for device in devices):
        raise scanner.cut(f"no SDMA queue of node {devices[-1].node}")
    return tuple(devices)


def _device(scanner: Scanner, node: int, gpu_id: int, source: Source) -> DeviceDump:
    if scanner.take(_STOPPED):
        return DeviceDump(node, gpu_id, source, stopped=True)
    hiqs, slots, sdma = [], [], []
    heading = scanner.here
    while found := scanner.take(_SLOT):
        xcc, mec, hiq_pipe, hiq_queue, pipe, queue, rows = found.groups()
        registers, masks = _registers(scanner, rows)
        if mec:
            hiqs.append(SlotDump(int(xcc or 0), int(mec), int(hiq_pipe), int(hiq_queue), registers, heading, masks))
        else:
            slots.append(SlotDump(int(xcc or 0), 1, int(pipe), int(queue), registers, heading, masks))
        heading = scanner.here
    while found := scanner.take(_SDMA):
        sdma.append(SdmaRlc(int(found[1]), int(found[2]), _runs(scanner, found[3]), heading))
        heading = scanner.here
    device = DeviceDump(node, gpu_id, source, False, tuple(hiqs), tuple(slots), tuple(sdma))
    _require_whole(device, scanner)
    return device


def _runs(scanner: Scanner, rows: str) -> tuple[Run, ...]:
    try:
        return tuple(runs_of(rows))
    except ValueError as error:
        raise scanner.cut(f"a damaged register dump ({error})") from None


def _registers(scanner: Scanner, rows: str) -> tuple[Run, bytes]:
    """The slot's registers and, on VI, the CU masks printed before them."""
    runs = _runs(scanner, rows)
    if len(runs) == 1 and len(runs[0].data) == HQD_DWORDS * 4:
        return runs[0], b""
    masks = b"".join(run.data for run in runs[:-1])
    if len(masks) == VI_MASK_DWORDS * 4 and len(runs[-1].data) == VI_HQD_DWORDS * 4:
        return runs[-1], masks
    count = sum(len(run.data) for run in runs) // 4
    raise scanner.cut(f"a slot with {count} of {HQD_DWORDS} consecutive registers")


def _require_whole(device: DeviceDump, scanner: Scanner) -> None:
    """The driver prints the same slots for every XCC and the same queues for every SDMA engine; a cut file does not."""
    if not (device.hiqs or device.slots or device.sdma):
        raise scanner.cut(f"no slot of node {device.node}")
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
