"""Which MQD generation a device is of, decided from what was captured and never guessed.

Each :class:`Clue` says which generations agree with one observation. A device's generation is decided when one is
left; when several are, the user must name it; when none is, the capture contradicts itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ringscope.errors import InputError
from ringscope.evidence.hqds import DeviceDump, SlotDump
from ringscope.evidence.mqds import QueueDump
from ringscope.evidence.rls import RunlistDump
from ringscope.parts.layout import ALL, V9_FAMILY, V10_AND_LATER, Generation
from ringscope.parts.mqd import HQD_FIRST_DWORD
from ringscope.recording import Source
from ringscope.snapshot import QueueType

VI, V9, V9_4_3, V10, V11, V12 = ALL


class Clue(NamedTuple):
    """What one observation allows; ``why`` is the observation in words."""

    allowed: frozenset[Generation]
    why: str
    source: Source


def decide(clues: Iterable[Clue], asked: Generation | None) -> Generation:
    """The generation that every clue allows.

    Args:
        clues: what was seen of one device; at least one.
        asked: what the user named; it decides what the clues leave open.

    Raises:
        InputError: the clues contradict each other, or leave several generations of which none was asked.
    """
    left, seen = frozenset(ALL), list(clues)
    for clue in seen:
        if not left & clue.allowed:
            earlier = next(other for other in seen if not other.allowed & clue.allowed)
            raise InputError(
                f"{clue.why}, but {earlier.why} ({earlier.source})",
                str(clue.source),
                "give captures of one machine, whole",
            )
        left &= clue.allowed
    if len(left) == 1:
        return next(iter(left))
    if asked is None:
        names = " or ".join(generation.value for generation in ALL if generation in left)
        raise InputError(
            f"the capture does not tell whether this device is {names}",
            str(seen[0].source),
            "name it, as in --gfx 90a, or add its topology folder to the capture",
        )
    if asked not in left:
        raise contradiction(seen, asked)
    return asked


def contradiction(clues: Iterable[Clue], asked: Generation) -> InputError:
    """The error for a generation that the user named and a clue excludes."""
    clue = next(clue for clue in clues if asked not in clue.allowed)
    return InputError(f"not {asked.value}: {clue.why}", str(clue.source), "leave --gfx out, or name another")


def _clue(source: Source, why: str, *allowed: Generation) -> Clue:
    return Clue(frozenset(allowed), why, source)


def _not(source: Source, why: str, *excluded: Generation) -> Clue:
    return Clue(frozenset(ALL) - frozenset(excluded), why, source)


def clue_of_target(version: int, source: Source, asked: Generation | None) -> Clue:
    """``gfx_target_version`` of the topology: major · 10000 + minor · 100 + stepping, as in 90402.

    A target that no table knows may shape its dumps like another's and mean something else, so that only ``asked``
    decides there.
    """
    from ringscope.parts.catalogue import generation_of_gfx  # noqa: PLC0415  needed for topologies only

    gfx = f"{version // 10000}{version // 100 % 100:x}{version % 100:x}"
    try:
        generation = generation_of_gfx(gfx)
    except InputError:
        if asked is None:
            todo = "name a target with the same MQDs, as in --gfx 90a"
            raise InputError(f"gfx{gfx} is no target that ringscope knows", str(source), todo) from None
        generation = asked
    return _clue(source, f"its target is gfx{gfx}", generation)


# Words of an SDMA queue in hqds, by the hqd_sdma_dump of each driver file: gfx_v8 19+4+2+3+7; gfx_v9, arcturus (also
# aldebaran) and gfx_v10 19+6+7+10; gc_9_4_3, and gfx_v10_3 in some kernels, 19+6+7+12; gfx_v11 7+11+1+12+12.
_SDMA_WORDS = {35: (VI,), 42: (V9, V10), 43: (V11,), 44: (V9_4_3, V10)}


def clues_of_device(device: DeviceDump) -> Iterator[Clue]:
    """What the shape of a register dump tells, and the words that the driver writes into an occupied slot."""
    slots = (*device.hiqs, *device.slots)
    yield _clue(device.source, "it is a device", *ALL)
    if several := next((slot for slot in slots if slot.xcc > 0), None):
        yield _clue(several.source, "it has several XCCs", V9_4_3)  # as no other family (parts.catalogue)
    for slot in slots[:1]:
        # CP_MQD_BASE_ADDR: dword 0x3245 on VI; on v9 0x1245 and on v10 to v12 0x1fa9 of its segment, which begins at
        # 0x2000 and at 0x1260 (gc_*_offset.h). Instances other than the first have another segment, same low bits.
        address = slot.registers.address & 0xFFFF
        if address == 0xC914:
            yield _clue(slot.source, "its queue registers lie at c914", VI, *V9_FAMILY)
        elif address == 0xC824:
            yield _clue(slot.source, "its queue registers lie at c824", *V10_AND_LATER)
        if slot.masks:
            yield _clue(slot.source, "its slots are 4+54 registers", VI)
        else:
            yield _not(slot.source, "its slots are 56 registers", VI)
    for rlc in device.sdma[:1]:
        words = sum(len(run.data) for run in rlc.runs) // 4
        if words in _SDMA_WORDS:
            yield _clue(rlc.source, f"its SDMA queues are {words} registers", *_SDMA_WORDS[words])
        elif len(rlc.runs) == 1:
            yield _clue(rlc.source, "its SDMA queues are one run of registers", V12)  # hqd_sdma_dump_v12
    if device.slots:
        # A MEC has 4 pipes of 8 queues up to v10.1, 4 of 4 up to v11, 2 of 4 on v12 (parts.catalogue).
        source = device.slots[-1].source
        if max(slot.pipe for slot in device.slots) > 1:
            yield _not(source, "it has slots on more than two pipes", V12)
        else:
            yield _clue(source, "it has slots on two pipes only", V12)
        if max(slot.queue for slot in device.slots) > 3:
            yield _not(source, "its pipes have more than four queues", V11, V12)
    for occupied in device.slots:
        if _word(occupied, 130) & 1:
            yield from _driver_words(_word(occupied, 132), _word(occupied, 149), occupied.source)
            break


def _word(slot: SlotDump, dword: int) -> int:
    return int.from_bytes(slot.registers.data[(dword - HQD_FIRST_DWORD) * 4 :][:4], "little")


def clues_of_queue(queue: QueueDump) -> Iterator[Clue]:
    """What a compute MQD tells; an SDMA MQD tells nothing but that it is there."""
    yield _clue(queue.source, "it has a queue", *ALL)
    if queue.type is not QueueType.COMPUTE:
        return
    if len(queue.images) > 1:
        yield _clue(queue.source, "its queues have several images, one per XCC", V9_4_3)
    words = struct.unpack(f"<{len(queue.images[0][0]) // 4}I", queue.images[0][0])
    yield from _driver_words(words[132], words[149], queue.source)
    # init_mqd_v9_4_3 writes cp_mqd_stride_size; on v9 that word is reserved.
    if words[226]:
        yield _not(queue.source, "its MQD has a stride", V9)
    else:
        yield _not(queue.source, "its MQD has no stride", V9_4_3)
    if words[160] & 1 << 14:
        # DISPATCH_PTR for the debugger, which init_mqd sets from v9 on.
        yield _not(queue.source, "its MQD has DISPATCH_PTR set", VI)


def clues_of_runlist(dump: RunlistDump) -> Iterator[Clue]:
    """A runlist tells nothing but that the device has a scheduler that takes one: not MES."""
    yield _not(dump.runlist.source, "it has a runlist", V11, V12)


def _driver_words(persistent_state: int, ib_control: int, source: Source) -> Iterator[Clue]:
    """Words that init_mqd writes otherwise per generation and that the firmware keeps."""
    preload = persistent_state >> 8 & 0x3FF
    if preload == 0x55:
        yield _clue(source, "its PRELOAD_SIZE is 0x55", V11, V12)
    elif preload == 0x53:
        yield _not(source, "its PRELOAD_SIZE is 0x53", V11, V12)
    if ib_control >> 23 & 1:
        # IB_EXE_DISABLE of v9; the same bit is ATC on VI.
        yield _clue(source, "bit 23 of its ib_control is set", VI, *V9_FAMILY)
    else:
        yield _not(source, "bit 23 of its ib_control is clear", *V9_FAMILY)
