"""``/sys/kernel/debug/kfd/rls``: the runlist that each device's firmware was last given.

Format (``kfd_debugfs_rls_by_device``, ``pm_debugfs_runlist``): ``Node n, gpu_id hex:``, then ``  No active runlist``
or a hex dump of the runlist IB, indented by two. Devices scheduled by MES have no runlist.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from ringscope.errors import InputError
from ringscope.evidence.drift import Drift, Held
from ringscope.evidence.dump import Scanner, runs_of
from ringscope.evidence.files import InputFile
from ringscope.parts.layout import Generation, Image, Layout
from ringscope.recording import Source
from ringscope.snapshot import Packet, Runlist

HELD = Held(
    "amdkfd of January 2026 (ioctl interface 1.17)",
    "the driver's source: no capture of a runlist was at hand",
)


class RunlistDump(NamedTuple):
    """The runlist of one device; no words when the driver says that there is none."""

    node: int
    gpu_id: int
    source: Source
    runlist: Runlist


_NODE = re.compile(r"Node (\d{1,9}), gpu_id ([0-9a-f]{1,8})((?![0-9a-f])[ -~]{0,200}?):\n")
_NONE = re.compile(r"  No active runlist\n")
_IB = re.compile(r"(?:  [0-9a-f]{8}:(?: [0-9a-f]{8}){1,8}\n)+")


def read(file: InputFile, drift: Drift | None = None) -> tuple[RunlistDump, ...]:
    """The runlist of every device; InputError with the line when the file is cut or is no ``rls``."""
    scanner = Scanner(file, drift or Drift())
    if not scanner.more():
        raise InputError(
            "an empty rls file, which no driver writes", file.name, "copy it with cat: tar and rsync see no size in it"
        )
    found = []
    while scanner.more():
        source = scanner.here
        node = scanner.take(_NODE)
        if not node:
            raise scanner.cut("not a runlist dump")
        scanner.note("field", node[3], source)
        at = scanner.here
        while not (none := scanner.take(_NONE)) and scanner.pass_unknown():
            at = scanner.here
        if none:
            words: tuple[int, ...] = ()
        elif ib := scanner.take(_IB):
            words = _words(scanner, ib.group())
        else:
            raise scanner.cut(f"no runlist of node {node[1]}")
        while scanner.pass_unknown():
            pass
        found.append(RunlistDump(int(node[1]), int(node[2], 16), source, Runlist(words, at)))
    return tuple(found)


def _words(scanner: Scanner, rows: str) -> tuple[int, ...]:
    try:
        runs = runs_of(rows, indent=2)
    except ValueError as error:
        raise scanner.cut(f"a damaged runlist dump ({error})") from None
    if len(runs) != 1 or runs[0].address:
        raise scanner.cut("a runlist whose dump is not whole")
    return struct.unpack(f"<{len(runs[0].data) // 4}I", runs[0].data)


def decode(runlist: Runlist, generation: Generation, drift: Drift | None = None) -> tuple[Packet, ...]:
    """The PM4 packets of a runlist; InputError with the line when its words are none.

    A packet that no table knows keeps its words under its opcode's number, and is told to ``drift``.
    """
    from ringscope.parts import pm4  # noqa: PLC0415  few captures hold a runlist, and its tables take time

    packets, at = [], 0
    while at < len(runlist.words) and any(runlist.words[at:]):  # the driver clears the buffer and may not fill it
        source = Source(runlist.source.file, runlist.source.line + at // 8)
        try:
            dwords = pm4.packet_dwords(runlist.words[at])
        except ValueError as error:
            raise InputError(f"not a runlist: {error}", str(source), "capture the file again") from None
        body = runlist.words[at : at + dwords]
        layout = _layout(body[0], dwords, generation)
        if len(body) < dwords or layout.dwords != dwords:
            raise InputError(f"not a runlist: a {layout.name} of {len(body)} dwords", str(source), "capture it again")
        if not layout.registers and drift:
            drift.add("packet", f"{layout.name} of {dwords} dwords", source)
        packets.append(Packet(Image(layout, struct.pack(f"<{dwords}I", *body)), source))
        at += dwords
    return tuple(packets)


def _layout(header: int, dwords: int, generation: Generation) -> Layout:
    from ringscope.parts import pm4  # noqa: PLC0415

    opcode = pm4.opcode_of(header)
    if opcode not in pm4.OPCODES:
        return Layout(f"PM4 {opcode:#x}", None, dwords, ())
    if generation is Generation.VI:
        return pm4.packet_layout(opcode, pm4.Format.VI)
    # Of the devices with a runlist only those with Aldebaran's packet manager (gfx90a, gfx94x, gfx950) differ from v9,
    # and only in this packet, which says so by its length.
    aldebaran = pm4.packet_layout(opcode, pm4.Format.ALDEBARAN)
    return aldebaran if aldebaran.dwords == dwords else pm4.packet_layout(opcode, pm4.Format.V9)
