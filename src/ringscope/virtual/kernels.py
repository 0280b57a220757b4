"""What becomes of a kernel dispatch: the runtimes' own copy and fill kernels are carried out, others are not computed.

No instruction is executed here. A runtime's blit kernel is known by its name in the loaded code object (HIP) or by the
shape of its arguments (ROCr), and its effect on memory is produced directly; without that, uploads of code and small
copies would silently leave zeros. Any other kernel is refused by default (the queue gets an error that names it), or
takes its modelled time (:mod:`.timed`) and leaves memory alone.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.virtual import images
from ringscope.virtual.codeobject import Kernel, Needs, kernel_at
from ringscope.virtual.faults import ERROR_CODE, ERROR_DIMENSIONS, Fault, Stall
from ringscope.virtual.ring import Dispatch, Flight, Ring

if TYPE_CHECKING:
    from ringscope.virtual.client import Client
    from ringscope.virtual.record import Recorder
    from ringscope.virtual.timed import Timed

FIDELITY = (
    Behaviour(
        "virtual.kernels",
        "the runtimes' copies of memory and images and their fills are carried out; other kernels are refused or timed",
        Standing.INFERRED,
        "blit kernels of ROCm 5.2.3, 6.1.2 and 6.4.3",
        "arguments as the runtimes write them",
        "tests/virtual/test_kernels.py::test_rocrs_copies_are_known_by_their_arguments",
    ),
    Behaviour(
        "virtual.workgroup-time",
        "a workgroup of a program's own kernel lasts what --workgroup-time says, 5 us unless it is given",
        Standing.UNKNOWN,
        "all",
        "nothing is computed, so nothing says how long it would take",
        "tests/virtual/test_timed.py::test_two_programs_that_fill_the_device_share_it",
    ),
)


WORKGROUP_NS = 5_000
"""What a workgroup of a program's own kernel lasts unless ``--workgroup-time`` says otherwise."""


class Policy(Enum):
    """What is done with a program's own kernels; the value is the word of ``--kernels``."""

    REFUSE = "refuse"
    TIME = "time"


class Kernels:
    """Kernels seen so far, by process and descriptor, and how often each ran without computing.

    ``timed`` gives a program's own kernels their time; without it they are refused. ``gfx`` is the device's target.
    """

    def __init__(self, timed: Timed | None = None, gfx: str = "") -> None:
        self.timed = timed
        self.gfx = gfx
        self.skipped: Counter[str] = Counter()
        self.carried_out = 0
        self._known: dict[tuple[int, int], Kernel] = {}

    def forget(self, client: Client) -> None:
        """Memory of a process changed hands: what lies at an address may be another kernel."""
        self._known = {key: kernel for key, kernel in self._known.items() if key[0] != client.number}

    def dispatch(self, ring: Ring, packet: bytes, record: Recorder | None) -> None:
        """Carry out, time or refuse one dispatch."""
        job = Dispatch.read(packet)
        if not 1 <= job.dimensions <= 3 or 0 in job.workgroup or 0 in job.grid:
            raise Fault(ERROR_DIMENSIONS, f"packet {ring.index}: dispatch of {job.grid} work-items in {job.workgroup}")
        key = (ring.client.number, job.kernel)
        kernel = self._known.get(key)
        if kernel is None:
            kernel = self._known[key] = kernel_at(ring.client.space, job.kernel)
        barrier = bool(packet[1] & 1)
        if barrier and ring.busy and (kernel.bare or kernel.name in _HIP or kernel.name in images.COPIES):
            raise Stall
        if self._blit(ring, kernel, job):
            self.carried_out += 1
            if record:
                record.dispatch(ring, kernel.name, "carried-out", job)
        else:
            ring.held = self._own(ring, kernel.name, job, Needs.read(kernel.descriptor, self.gfx), barrier)

    def launch(self, ring: Ring, job: Dispatch, rsrc1: int, wave32: bool) -> None:
        """Time or refuse a kernel that a PM4 packet starts; its code's address is all that is known of it by name."""
        needs = Needs.of(rsrc1, wave32, self.gfx)
        ring.busy.append(self._own(ring, f"with code at {job.kernel:#x}", job, needs, False))

    def _own(self, ring: Ring, name: str, job: Dispatch, needs: Needs, barrier: bool) -> Flight:
        """Start a kernel of the program's own; Fault when such kernels are refused."""
        if self.timed is None:
            raise Fault(
                ERROR_CODE,
                f"kernel {name} cannot be computed here; --kernels time lets kernels take their modelled "
                f"time and leaves results undefined",
            )
        flight = self.timed.dispatch(ring, name, job, needs, barrier)
        self.skipped[name] += 1
        return flight

    def _blit(self, ring: Ring, kernel: Kernel, job: Dispatch) -> bool:
        """Produce the effect of a runtime's own kernel; False when it is none. Raises Stall while one waits."""
        if kernel.bare:
            return _rocr_blit(ring, job)
        effect, copy = _HIP.get(kernel.name), images.COPIES.get(kernel.name)
        if not effect and not copy:
            return False
        space = ring.client.space
        raw = space.read(job.arguments, kernel.kernarg_bytes)
        arguments = {
            name: int.from_bytes(raw[at : at + size], "little") if size <= 8 else raw[at : at + size]
            for name, (at, size) in kernel.arguments.items()
        }
        return effect(ring, arguments) if effect else bool(copy and copy(space, arguments, self.gfx))


_Effect = Callable[["Ring", Mapping[str, Any]], bool]
"""What a kernel does to memory, by its arguments' names; False when the arguments are not those it is known by."""
_UNITS = ((8, "bufULong"), (4, "bufUInt"), (2, "bufUShort"), (1, "bufUChar"))


def _copy_buffer(ring: Ring, args: Mapping[str, Any]) -> bool:
    """HIP's copyBuffer: bytes (6.4), or one dword a work-item and a last one for the rest (5.2, 5.7)."""
    space = ring.client.space
    if "aligned_size" in args:
        space.copy(args["dst"], args["src"], args["size"])
        return True
    if {"srcI", "dstI", "remain"} <= args.keys():
        size = 4 * (args["size"] - 1) + args["remain"]
        space.copy(args["dstI"] + args["dstOrigin"], args["srcI"] + args["srcOrigin"], size)
        return True
    return False


def _fill_buffer(ring: Ring, args: Mapping[str, Any]) -> bool:
    """HIP's fillBufferAligned: up to an end (6.4), or a number of elements of the one unit that is given."""
    space = ring.client.space
    if "end_ptr" in args:
        pattern = space.read(args["pattern"], args["pattern_size"] * args["alignment"])
        space.fill(args["buf"], pattern, args["end_ptr"] - args["buf"])
        return True
    for unit, name in _UNITS:
        if args.get(name):
            pattern = space.read(args["pattern"], unit * args["patternSize"])
            space.fill(args[name] + unit * args["offset"], pattern, len(pattern) * args["size"])
            return True
    return False


def _fill_rectangle(ring: Ring, args: Mapping[str, Any]) -> bool:
    """HIP's fillBufferAligned2D: rows of ``width`` patterns, ``pitch`` units apart."""
    space = ring.client.space
    for unit, name in _UNITS:
        if args.get(name):
            pattern = space.read(args["pattern"], unit * args["patternSize"])
            for row in range(args["height"]):
                at = args[name] + unit * (args["offset"] + row * args["pitch"])
                space.fill(at, pattern, len(pattern) * args["width"])
            return True
    return False


def _copy_rectangle(ring: Ring, args: Mapping[str, Any]) -> bool:
    """HIP's copyBufferRect and its aligned twin.

    Each side has a row pitch, a slice pitch and an offset, then come width, height, depth, and the unit in bytes that
    all of them but height and depth are counted in.
    """
    space = ring.client.space
    source, target, (width, height, depth, unit) = (
        struct.unpack("<4Q", args[name]) for name in ("srcRect", "dstRect", "size")
    )
    for z in range(depth):
        for y in range(height):
            here = args["src"] + unit * (source[2] + y * source[0] + z * source[1])
            there = args["dst"] + unit * (target[2] + y * target[0] + z * target[1])
            space.copy(there, here, unit * width)
    return True


_WAITS: tuple[Callable[[int, int, int], bool], ...] = (
    lambda found, value, mask: found & mask >= value,
    lambda found, value, mask: found & mask == value,
    lambda found, value, mask: found & mask & value != 0,
    lambda found, value, mask: (found | value) & mask != mask,
)
"""``hipStreamWaitValue{Gte,Eq,And,Nor}``, all unsigned (device libraries, amdblit.cl)."""


def _write_value(ring: Ring, args: Mapping[str, Any]) -> bool:
    """hipStreamWriteValue: 32 bits when that pointer is given, else 64."""
    if args["ptrInt"]:
        ring.client.space.write32(args["ptrInt"], args["value"] & _LOW)
    else:
        ring.client.space.write64(args["ptrUlong"], args["value"])
    return True


def _wait_value(ring: Ring, args: Mapping[str, Any]) -> bool:
    """hipStreamWaitValue: on the device a work-item that spins, here a packet that stalls its queue."""
    space = ring.client.space
    if args["ptrInt"]:
        found, value, mask = space.read32(args["ptrInt"]), args["value"] & _LOW, args["mask"] & _LOW
    else:
        found, value, mask = space.read64(args["ptrUlong"]), args["value"], args["mask"]
    flags = args["flags"]
    # The kernel's switch knows no other comparison, and then does not wait.
    if flags < len(_WAITS) and not _WAITS[flags](found, value, mask):
        raise Stall
    return True


def _batch(ring: Ring, args: Mapping[str, Any]) -> bool:
    """hipStreamBatchMemOp (6.4): writes and waits in order, 48 bytes each (``hipStreamBatchMemOpParams``)."""
    while ring.step < args["count"]:
        at = args["params"] + _OPERATION * ring.step
        operation, address, value, flags = struct.unpack("<I4x2QI", ring.client.space.read(at, 28))
        wide = {"ptrInt": 0, "ptrUlong": address, "value": value, "flags": flags, "mask": _ALL}
        narrow = wide | {"ptrInt": address, "value": value & _LOW}
        if operation in (_WRITE_32, _WRITE_64):
            _write_value(ring, narrow if operation == _WRITE_32 else wide)
        elif operation in (_WAIT_32, _WAIT_64):
            _wait_value(ring, narrow if operation == _WAIT_32 else wide)
        # What was done is not done again when a wait stalls the packet.
        ring.step += 1
    ring.step = 0
    return True


_OPERATION = 48
_WAIT_32, _WRITE_32, _WAIT_64, _WRITE_64 = 1, 2, 4, 5
_LOW, _ALL = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF


def _unseen(ring: Ring, args: Mapping[str, Any]) -> bool:
    """Prepares what only kernels look at: the heap of device malloc, the counter of a grid-wide barrier."""
    return True


_HIP: dict[str, _Effect] = {
    "__amd_rocclr_copyBuffer": _copy_buffer,
    "__amd_rocclr_copyBufferRect": _copy_rectangle,
    "__amd_rocclr_copyBufferRectAligned": _copy_rectangle,
    "__amd_rocclr_fillBufferAligned": _fill_buffer,
    "__amd_rocclr_fillBufferAligned2D": _fill_rectangle,
    "__amd_rocclr_streamOpsWrite": _write_value,
    "__amd_rocclr_streamOpsWait": _wait_value,
    "__amd_rocclr_batchMemOp": _batch,
    "__amd_rocclr_initHeap": _unseen,
    "__amd_rocclr_gwsInit": _unseen,
}
"""HIP's own kernels by name, as seen in 5.2.3, 5.7.1 and 6.4.3 (CLR blit kernels); arguments by their names."""


def _rocr_blit(ring: Ring, job: Dispatch) -> bool:
    """ROCr's CopyAligned, CopyMisaligned and Fill, told apart by their arguments (ROCR amd_blit_kernel.h).

    A copy names the start of each of its phases on both sides, then both ends, then how many work-items it has: with
    the same distance everywhere, rising addresses and the packet's own grid, nothing else looks like it.
    """
    space = ring.client.space
    items = job.grid[0]
    for phases in (4, 2):
        size = 16 * (phases + 1) + 4
        words = struct.unpack(f"<{2 * (phases + 1)}QI", space.read(job.arguments, size))
        sources, targets = words[:-1:2], words[1:-1:2]
        distances = {target - source for source, target in zip(sources, targets, strict=True)}
        if words[-1] == items and len(distances) == 1 and list(sources) == sorted(sources):
            space.copy(targets[0], sources[0], sources[-1] - sources[0])
            return True
    start, middle, end, value, count = struct.unpack("<3Q2I", space.read(job.arguments, 32))
    if count == items and start <= middle <= end and not (end - start) % 4:
        space.fill(start, value.to_bytes(4, "little"), end - start)
        return True
    return False
