"""What the MEC does with the queues it is given: slots, VMIDs, and what it writes into registers and MQDs.

A :class:`Mec` holds the hardware queue slots (HQDs) of one KFD node. Every XCC of a node holds the same queues at the
same pipe and queue [MI308X], so a slot is kept once and its registers are made for each XCC when they are read. Three
ways lead into a slot: a runlist (:meth:`Mec.run_list`, the MEC chooses), one MES call a queue (:meth:`Mec.add`, MES
chooses) and the driver itself (:meth:`Mec.load`, NOCPSCH).

The MEC's program is not public. What captures show is marked so in :class:`FirmwareSpec`, what is inferred as well, and
either can be switched.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import Enum
from functools import cache
from typing import Protocol

from ringscope.errors import InputError
from ringscope.parts import mqd
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.layout import Generation, Image, Layout
from ringscope.recording import Source
from ringscope.records import dataclass
from ringscope.snapshot import Hqd, Run, SdmaRlc

SOURCE = Source("model")


class SlotOrder(Enum):
    """In which order queues fill the slots."""

    ACROSS_PIPES = "across-pipes"  # one queue a pipe, then the next level: 0.2 1.2 2.2 3.2 0.3
    DOWN_A_PIPE = "down-a-pipe"  # all slots of a pipe, then the next pipe: 0.2 0.3 0.4 …


class Residency(Enum):
    """Which queues get the slots when there are not enough."""

    RUNLIST_ORDER = "runlist-order"  # queue by queue until the slots are full
    WHOLE_PROCESSES = "whole-processes"  # a process is mapped only if all its queues fit


class LogicXcc(Enum):
    """What dword 39 of a v9.4.3 AQL MQD (compute_current_logic_xcc_id) holds once the queue was mapped."""

    PIPE = "pipe"  # (pipe of the slot + XCC) mod XCCs
    DRIVER = "driver"  # what the driver's counter gave it


@dataclass(frozen=True)
class FirmwareSpec:
    """The firmware's rules, each a switch; :meth:`rules` says what each one rests on.

    Attributes:
        slot_order: how slots are filled.
        residency: who gets them when there are not enough.
        logic_xcc: what dword 39 holds once a queue was mapped.
        schd_hit_at_map: mapping sets DOORBELL_SCHD_HIT.
        unmap_clears: unmapping clears doorbell index, its flags and the ring pointers of the slot, and nothing else.
        hiq_opcode_history: the HIQ's dword 156 shows the opcodes of the last four packets.
        hiq_marks: what else the firmware changes in the HIQ's registers.
    """

    slot_order: SlotOrder = SlotOrder.ACROSS_PIPES
    residency: Residency = Residency.RUNLIST_ORDER
    logic_xcc: LogicXcc = LogicXcc.PIPE
    schd_hit_at_map: bool = True
    unmap_clears: bool = True
    hiq_opcode_history: bool = True
    hiq_marks: bool = True

    def rules(self) -> tuple[Behaviour, ...]:
        """The fidelity table of this spec, a row a switch."""
        return tuple(
            Behaviour(
                f"firmware.{name}", says, standing, holds_for, source, f"{_TESTS}{test}", _word(getattr(self, name))
            )
            for name, (says, standing, holds_for, source, test) in _GROUNDS.items()
        )


def _word(value: Enum | bool) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value).lower()


_TESTS = "tests/stack/test_firmware.py::"
_MI308X = "MI308X; taken for other parts"
_GROUNDS = {
    "slot_order": (
        "queues fill the slots across the pipes and then down",
        Standing.CAPTURED,
        _MI308X,
        "five queues of one process on an MI308X sit at 0.2 1.2 2.2 3.2 0.3, newest first; further slots and other "
        "parts are extrapolated",
        "test_slot_order_is_a_switch",
    ),
    "residency": (
        "who gets the slots when there are not enough",
        Standing.INFERRED,
        "HWS",
        "no capture of an over-subscribed device exists; the runlist is taken to be read from its start",
        "test_residency_is_a_switch",
    ),
    "logic_xcc": (
        "what dword 39 of an AQL MQD holds once the queue was mapped",
        Standing.CAPTURED,
        "gfx942",
        "dword 39 equals the pipe of the slot plus the XCC in three runs, against the driver's running counter",
        "test_logic_xcc_is_a_switch",
    ),
    "schd_hit_at_map": (
        "mapping sets DOORBELL_SCHD_HIT",
        Standing.CAPTURED,
        _MI308X,
        "the bit is set beside DOORBELL_EN in every mapped slot, idle or not",
        "test_schd_hit_is_a_switch",
    ),
    "unmap_clears": (
        "what unmapping leaves in a slot's registers",
        Standing.CAPTURED,
        _MI308X,
        "slots that were unmapped keep all registers but ACTIVE, the doorbell's index and flags, and the ring pointers",
        "test_stale_registers_are_those_of_the_queue_as_it_was_mapped",
    ),
    "hiq_opcode_history": (
        "the HIQ's dword 156 shows the opcodes of the last four packets",
        Standing.INFERRED,
        _MI308X,
        "dword 156 reads 000000a0 after SET_RESOURCES, a2a2a2a2 with five queues mapped and a1a2a3a4 after the last of "
        "them left",
        "test_hiq_remembers_four_opcodes",
    ),
    "hiq_marks": (
        "what else the firmware changes in the HIQ's registers",
        Standing.CAPTURED,
        _MI308X,
        "PRELOAD_REQ cleared, bits 15, 10 and 6 of dword 160 set, dword 149 bit 30 once an IB was read, DOORBELL_HIT "
        "on further XCCs after the first runlist and on XCC 0 after any packet (six of seven idle devices)",
        "test_hiq_rules_are_switches",
    ),
}
FIDELITY = FirmwareSpec().rules()


class DriverImage(Protocol):
    """What the driver wrote into a compute queue's MQD; it never changes, an update makes a new one."""

    @property
    def aql(self) -> bool:
        """Whether the ring holds AQL packets."""

    @property
    def eop_bytes(self) -> int:
        """Size of the end-of-pipe buffer, 0 for none."""

    @property
    def gws(self) -> bool:
        """Whether the queue holds the node's GWS."""

    def write(self, image: bytearray, xcc: int) -> None:
        """Fill ``image`` (2048 zero bytes) with what the driver wrote for one XCC of the node."""


@dataclass(frozen=True, slots=True)
class Indirect:
    """The last indirect buffer that an AQL queue of v9.4.3 ran: what it leaves in registers and MQD [MI308X].

    ``address`` and ``dwords`` are the buffer's; ``signal`` the packet's completion signal (inferred: an address of the
    process in dwords 158 and 159); ``began`` and ``ended`` are GPU clock ticks between which the queue was connected.
    """

    address: int
    dwords: int
    signal: int
    began: int
    ended: int


@dataclass(eq=False, slots=True)
class Mqd:
    """A compute queue's MQD in memory: the driver's image and what the firmware wrote over it since.

    ``rptr_dwords`` and ``wptr_dwords`` are where the queue stands; whoever executes packets moves them.
    """

    driver: DriverImage
    rptr_dwords: int = 0
    wptr_dwords: int = 0
    connected_pipe: int | None = None
    saved_vmid: int | None = None  # CP_HQD_VMID; None once the driver has rewritten the words that a save touches
    saved_rptr_dwords: int | None = None  # None until the first save
    saved_wptr_dwords: int = 0
    indirect: Indirect | None = None
    saved_indirect: Indirect | None = None

    def update(self, driver: DriverImage) -> None:
        """The driver rewrites the MQD: saved pointers and status stay, everything it writes itself is its own again."""
        self.driver = driver
        self.saved_vmid = None

    def save(self, vmid_register: int) -> None:
        """The firmware writes the queue's state back when it takes it off its slot."""
        self.saved_vmid = vmid_register
        self.saved_rptr_dwords = self.rptr_dwords
        self.saved_wptr_dwords = self.wptr_dwords
        self.saved_indirect = self.indirect


@dataclass(eq=False, slots=True)
class Slot:
    """One hardware queue slot of a node: who sits or last sat in it. ``mqd`` None is a slot never used."""

    pipe: int
    queue: int
    mqd: Mqd | None = None
    driver: DriverImage | None = None
    vmid: int = 0
    active: bool = False
    by_driver: bool = False

    @property
    def vmid_register(self) -> int:
        """CP_HQD_VMID: the firmware sets the VMID of IBs too, the driver only that of the ring."""
        return self.vmid if self.by_driver else self.vmid | self.vmid << 8


class SdmaImage(Protocol):
    """What the driver wrote into an SDMA queue's MQD; it never changes."""

    @property
    def engine(self) -> int:
        """Engine of the node."""

    @property
    def queue(self) -> int:
        """Queue of that engine: its RLC."""

    def image(self) -> Image:
        """The MQD's words."""


class MapProcess(Protocol):
    """One process of a runlist: MAP_PROCESS and the MAP_QUEUES behind it, compute queues in the runlist's order."""

    def compute_mqds(self) -> Iterator[Mqd]:
        """MQDs of its active compute queues, newest first."""

    def sdma_mqds(self) -> Iterator[SdmaImage]:
        """MQDs of its active SDMA queues."""


@dataclass(frozen=True, slots=True)
class _Words:
    """Where the firmware writes, for one generation: dword indexes and masks."""

    active: int
    vmid: int
    rptr: int
    wptr: int
    doorbell: int
    doorbell_live: int
    doorbell_kept: int
    doorbell_hit: int
    pq_control: int
    pq_empty: int
    status: int
    idle: int
    eop_rptr: int
    eop_wptr: int
    logic_xcc: int | None
    persistent: int
    preload_req: int
    ib_base: int
    ib_rptr: int
    ib_control: int


def _mask(layout: Layout, register: str, *names: str) -> int:
    """Those of the named bits that the generation has."""
    have = {bits.name: bits.mask for bits in layout[register].bits}
    return sum(have.get(name, 0) for name in names)


@cache
def _words(generation: Generation, schd_hit: bool) -> _Words:
    layout = mqd.compute(generation)
    at = {name: row.dword for name, row in layout.by_name.items()}
    status = "cp_hqd_hq_status0" if "cp_hqd_hq_status0" in layout else "cp_hqd_hq_scheduler0"
    doorbell = "cp_hqd_pq_doorbell_control"
    live = ("doorbell_en", "doorbell_schd_hit") if schd_hit else ("doorbell_en",)
    return _Words(
        active=at["cp_hqd_active"],
        vmid=at["cp_hqd_vmid"],
        rptr=at["cp_hqd_pq_rptr"],
        wptr=at.get("cp_hqd_pq_wptr_lo", at.get("cp_hqd_pq_wptr", 0)),
        doorbell=at[doorbell],
        doorbell_live=_mask(layout, doorbell, *live),
        doorbell_kept=_mask(layout, doorbell, "doorbell_mode", "doorbell_bif_drop"),
        doorbell_hit=_mask(layout, doorbell, "doorbell_hit"),
        pq_control=at["cp_hqd_pq_control"],
        pq_empty=_mask(layout, "cp_hqd_pq_control", "pq_empty"),
        status=at[status],
        idle=_mask(layout, status, "queue_idle"),
        eop_rptr=at["cp_hqd_eop_rptr"],
        eop_wptr=at["cp_hqd_eop_wptr"],
        logic_xcc=at.get("compute_current_logic_xcc_id"),
        persistent=at["cp_hqd_persistent_state"],
        preload_req=_mask(layout, "cp_hqd_persistent_state", "preload_req"),
        ib_base=at["cp_hqd_ib_base_addr_lo"],
        ib_rptr=at["cp_hqd_ib_rptr"],
        ib_control=at["cp_hqd_ib_control"],
    )


# What a slot that was never used reads [MI308X]; other parts are assumed to reset alike.
_RESET = {132: 0x0BE05301, 145: 0x00308509, 149: 0x00300000, 160: 0x40000000, 162: 0x100, 167: 6}
_EOP_RPTR_EMPTY = 0x40000000
_EOP_EMPTY_BIT = 0x8000
_EOP_RESET_AVAIL = 0x7F  # the 128 dwords that EOP_CONTROL 6 stands for, less one
_HIQ_STATUS = 0x8440  # bits 15, 10, 6 of dword 160 [MI308X]
_HIQ_IB_READ = 1 << 30  # dword 149 once a runlist was read [MI308X]
_HISTORY = 156


def _eop_wptr(eop_bytes: int) -> int:
    available = eop_bytes // 4 - 1 if eop_bytes else _EOP_RESET_AVAIL
    return available << 16 | _EOP_EMPTY_BIT


def _or(image: bytearray, dword: int, bits: int) -> None:
    struct.pack_into("<I", image, dword * 4, struct.unpack_from("<I", image, dword * 4)[0] | bits)


def _and(image: bytearray, dword: int, bits: int) -> None:
    struct.pack_into("<I", image, dword * 4, struct.unpack_from("<I", image, dword * 4)[0] & bits)


def _put(image: bytearray, dword: int, value: int) -> None:
    struct.pack_into("<I", image, dword * 4, value & 0xFFFFFFFF)


@dataclass(eq=False, slots=True)
class Hiq:
    """The HIQ as the hardware sees it: what the driver loaded, and what it has read from the ring so far.

    ``stuck_dwords`` is where a hung firmware stopped reading; None while it reads everything at once.
    """

    driver: DriverImage
    ring_dwords: int
    wptr_dwords: int = 0
    stuck_dwords: int | None = None
    opcodes: int = 0
    ib: tuple[int, int] | None = None  # address and dwords of the last runlist read

    def saw(self, opcode: int) -> None:
        """The packet processor has executed one packet of the ring or of a runlist."""
        self.opcodes = (self.opcodes << 8 | opcode) & 0xFFFFFFFF


class Mec:
    """The hardware queue slots of one KFD node and who sits in them.

    Args:
        generation: whose registers these are.
        slots: ``(pipe, queue)`` of MEC1 that the driver may use; ``queue_mask`` as a list.
        xccs: XCCs of the node.
        vmids: VMIDs that queues may get, lowest first.
        spec: the firmware's rules.
    """

    def __init__(
        self,
        generation: Generation,
        slots: Iterable[tuple[int, int]],
        xccs: int,
        vmids: tuple[int, ...],
        spec: FirmwareSpec,
    ) -> None:
        self.generation = generation
        self.xccs = xccs
        self.vmids = vmids
        self.spec = spec
        self.slots = {(pipe, queue): Slot(pipe, queue) for pipe, queue in sorted(slots)}
        if not self.slots:
            raise InputError("no hardware queue slot is left for user queues", todo="lower num_kcq")
        self._fill = tuple(self.slots[place] for place in _fill_order(tuple(self.slots), spec.slot_order))
        self._seat: dict[Mqd, Slot] = {}
        self._waiting: dict[Mqd, object] = {}
        self._vmid_of: dict[object, int] = {}
        self._process_of: dict[Mqd, object] = {}
        self._loop: tuple[MapProcess, ...] = ()
        self._concurrent = 0
        self._start = 0
        self.hiq: Hiq | None = None

    # What is mapped

    @property
    def fill_order(self) -> tuple[tuple[int, int], ...]:
        """``(pipe, queue)`` of every slot in the order in which queues take them."""
        return tuple((slot.pipe, slot.queue) for slot in self._fill)

    @property
    def occupied(self) -> tuple[Slot, ...]:
        """Slots with a queue in them, in the order they were filled."""
        return tuple(self._seat.values())

    def slot_of(self, cell: Mqd) -> Slot | None:
        """The slot in which a queue sits now; None when it has none."""
        return self._seat.get(cell)

    def _connect(self, slot: Slot, cell: Mqd, vmid: int, *, by_driver: bool = False) -> None:
        slot.mqd, slot.driver, slot.vmid, slot.active, slot.by_driver = cell, cell.driver, vmid, True, by_driver
        cell.connected_pipe = slot.pipe
        self._seat[cell] = slot

    # Firmware scheduling (CPSCH)

    def run_list(self, processes: Iterable[MapProcess], concurrent: int) -> None:
        """Read a runlist from its start and map what fits: ``concurrent`` processes, a VMID each, a slot a queue.

        Queues are taken in the runlist's order; two queues that hold GWS are never mapped at once.
        """
        self._loop, self._concurrent, self._start = tuple(processes), concurrent, 0
        self._map(self._loop, ((process, process.compute_mqds()) for process in self._loop))

    @property
    def _whole(self) -> bool:
        return self.spec.residency is Residency.WHOLE_PROCESSES

    def _map(self, processes: Iterable[MapProcess], portions: Iterable[tuple[MapProcess, Iterable[Mqd]]]) -> None:
        """Seat queues in the order of their portions; the first processes get the VMIDs, the others none."""
        vmids = dict(zip(processes, self.vmids[: self._concurrent], strict=False))
        free = list(reversed(self._fill))
        gws_taken = False
        for process, cells in portions:
            if process not in vmids:
                continue
            vmid = vmids[process]
            if self._whole:
                cells = tuple(cells)  # noqa: PLW2901 - counted, then walked
                if len(cells) > len(free):
                    continue
            for cell in cells:
                if not free:
                    return
                if cell.driver.gws:
                    if gws_taken:
                        continue
                    gws_taken = True
                self._connect(free.pop(), cell, vmid)

    def rotate(self) -> int:
        """A time slice is over: queues without a slot get one, and those that had one wait; how many now have one.

        The firmware's order is not known. Here it goes round the runlist, or with MES round the queues as they came,
        starting with the first that was left out. Nothing happens while every queue has a slot.
        """
        if self._waiting:
            for cell in list(self._seat)[: len(self._waiting)]:
                process = self._process_of[cell]
                self._free_seat(cell)
                self._waiting[cell] = process
            self._seat_waiting()
            return len(self._seat)
        portions: list[tuple[MapProcess, tuple[Mqd, ...]]] = []
        for process in self._loop:
            cells = tuple(process.compute_mqds())
            portions += [(process, cells)] if self._whole else [(process, (cell,)) for cell in cells]
        around = [*portions[self._start :], *portions[: self._start]]
        left = next((i for i, (_, cells) in enumerate(around) if any(cell not in self._seat for cell in cells)), None)
        if self._seat and left is not None:
            self._start = (self._start + left) % len(portions)
            self._vacate()
            order = [*around[left:], *around[:left]]
            self._map(dict.fromkeys(process for process, _ in order), order)
        return len(self._seat)

    def unmap(self) -> int:
        """Take every queue off its slot, save it into its MQD and forget the runlist; how many there were."""
        count = len(self._seat)
        self._vacate()
        self._loop = ()
        return count

    def _vacate(self) -> None:
        for cell, slot in self._seat.items():
            slot.active = False
            cell.save(slot.vmid_register)
        self._seat.clear()

    # One queue at a time (MES chooses the slot)

    def add(self, cell: Mqd, process: object) -> None:
        """MES ADD_QUEUE: the queue gets the first free slot, its process a VMID; or it waits until there are some."""
        self._waiting[cell] = process
        self._seat_waiting()

    def remove(self, cell: Mqd) -> None:
        """MES REMOVE_QUEUE: the queue leaves its slot and the first queue that waits takes it."""
        if cell in self._waiting:
            del self._waiting[cell]
            return
        self._free_seat(cell)
        self._seat_waiting()

    def _free_seat(self, cell: Mqd) -> None:
        self._leave(cell, save=True)
        process = self._process_of.pop(cell)
        if process not in self._process_of.values():
            del self._vmid_of[process]

    def _seat_waiting(self) -> None:
        for cell, process in list(self._waiting.items()):
            slot = next((slot for slot in self._fill if not slot.active), None)
            if slot is None:
                return
            taken = set(self._vmid_of.values())
            vmid = self._vmid_of.get(process) or next((v for v in self.vmids if v not in taken), None)
            if vmid is not None:
                del self._waiting[cell]
                self._vmid_of[process] = vmid
                self._process_of[cell] = process
                self._connect(slot, cell, vmid)

    def _leave(self, cell: Mqd, *, save: bool) -> None:
        slot = self._seat.pop(cell)
        if save:
            cell.save(slot.vmid_register)
        slot.active = False

    @property
    def waiting(self) -> tuple[Mqd, ...]:
        """Queues that MES holds without a slot, first come first."""
        return tuple(self._waiting)

    # The driver loads slots itself (NOCPSCH)

    def load(self, cell: Mqd, pipe: int, queue: int, vmid: int) -> None:
        """Load a queue into the slot that the driver chose; ValueError when a queue sits in it."""
        slot = self.slots[pipe, queue]
        if slot.active:
            raise ValueError(f"slot {pipe}.{queue} is occupied")
        self._connect(slot, cell, vmid, by_driver=True)

    def unload(self, cell: Mqd, *, save: bool) -> None:
        """Dequeue one queue: its state is saved into the MQD, or dropped when it was reset."""
        self._leave(cell, save=save)

    def reset(self) -> None:
        """A GPU reset: every slot is as if never used."""
        for slot in self.slots.values():
            slot.mqd, slot.driver, slot.vmid, slot.active = None, None, 0, False
        self._seat.clear()
        self._waiting.clear()
        self._vmid_of.clear()
        self._process_of.clear()
        self._loop = ()

    # What can be read

    def mqd_image(self, cell: Mqd, xcc: int) -> Image:
        """The MQD in memory as it reads now, 2048 bytes: the driver's words under the firmware's."""
        image = bytearray(mqd.MQD_DWORDS * 4)
        driver = cell.driver
        driver.write(image, xcc)
        words = _words(self.generation, self.spec.schd_hit_at_map)
        if cell.connected_pipe is not None:
            _put(image, words.active, 1)
            if words.logic_xcc is not None and driver.aql and self.spec.logic_xcc is LogicXcc.PIPE:
                _put(image, words.logic_xcc, (cell.connected_pipe + xcc) % self.xccs)
        if cell.saved_rptr_dwords is not None:
            _put(image, words.rptr, cell.saved_rptr_dwords)
            _put(image, words.wptr, cell.saved_wptr_dwords)
            _put(image, words.eop_rptr, _EOP_RPTR_EMPTY)
            _put(image, words.eop_wptr, _eop_wptr(driver.eop_bytes))
            empty = cell.saved_rptr_dwords == cell.saved_wptr_dwords
            if empty:
                _or(image, words.status, words.idle)
            if cell.saved_vmid is not None:
                _put(image, words.vmid, cell.saved_vmid)
                _or(image, words.doorbell, words.doorbell_live)
                if empty:
                    _or(image, words.pq_control, words.pq_empty)
        if cell.saved_indirect is not None:
            _mark_indirect(image, cell.saved_indirect)
            _mark_run(image, cell.saved_indirect, cell.saved_rptr_dwords or 0, self.xccs if xcc == 0 else 0)
        return Image(mqd.compute(self.generation), bytes(image))

    def _registers(self, slot: Slot, xcc: int) -> bytes:
        image = bytearray(mqd.MQD_DWORDS * 4)
        words = _words(self.generation, self.spec.schd_hit_at_map)
        if slot.mqd is None or slot.driver is None:
            for dword, value in _RESET.items():
                _put(image, dword, value)
            _put(image, words.eop_rptr, _EOP_RPTR_EMPTY)
            _put(image, words.eop_wptr, _eop_wptr(0))
        else:
            slot.driver.write(image, xcc)
            empty = slot.mqd.rptr_dwords == slot.mqd.wptr_dwords or not slot.active
            _put(image, words.active, int(slot.active))
            _put(image, words.vmid, slot.vmid_register)
            _put(image, words.eop_rptr, _EOP_RPTR_EMPTY)
            _put(image, words.eop_wptr, _eop_wptr(slot.driver.eop_bytes))
            if empty:
                _or(image, words.pq_control, words.pq_empty)
                _or(image, words.status, words.idle)
            if slot.active:
                _or(image, words.doorbell, words.doorbell_live)
                _put(image, words.rptr, slot.mqd.rptr_dwords)
                _put(image, words.wptr, slot.mqd.wptr_dwords)
                if slot.mqd.indirect is not None:
                    _mark_indirect(image, slot.mqd.indirect)
            elif self.spec.unmap_clears:
                _and(image, words.doorbell, words.doorbell_kept)
            else:
                _or(image, words.doorbell, words.doorbell_live)
        return bytes(image[mqd.HQD_FIRST_DWORD * 4 : (mqd.HQD_FIRST_DWORD + mqd.HQD_DWORDS) * 4])

    def hqds(self) -> tuple[Hqd, ...]:
        """Registers of every slot of every XCC, XCC by XCC, pipe by pipe."""
        layout = mqd.compute(self.generation)
        return tuple(
            Hqd(xcc, 1, slot.pipe, slot.queue, Image(layout, self._registers(slot, xcc), mqd.HQD_FIRST_DWORD), SOURCE)
            for xcc in range(self.xccs)
            for slot in self.slots.values()
        )

    def hiqs(self, mec: int, pipe: int, queue: int) -> tuple[Hqd, ...]:
        """Registers of the HIQ of each XCC; empty when the node has none."""
        if self.hiq is None:
            return ()
        layout = mqd.hiq(self.generation)
        return tuple(
            Hqd(xcc, mec, pipe, queue, Image(layout, self._hiq_registers(self.hiq, xcc), mqd.HQD_FIRST_DWORD), SOURCE)
            for xcc in range(self.xccs)
        )

    def _hiq_registers(self, hiq: Hiq, xcc: int) -> bytes:
        image = bytearray(mqd.MQD_DWORDS * 4)
        hiq.driver.write(image, xcc)
        words = _words(self.generation, self.spec.schd_hit_at_map)
        _put(image, words.active, 1)
        read = hiq.wptr_dwords if hiq.stuck_dwords is None else hiq.stuck_dwords
        _put(image, words.rptr, read % hiq.ring_dwords)
        _put(image, words.wptr, hiq.wptr_dwords)
        if words.wptr == 182:
            _put(image, 183, hiq.wptr_dwords >> 32)
        _or(image, words.doorbell, words.doorbell_live)
        if read == hiq.wptr_dwords:
            _or(image, words.pq_control, words.pq_empty)
            _or(image, words.status, words.idle)
        _put(image, words.eop_rptr, _EOP_RPTR_EMPTY)
        _put(image, words.eop_wptr, _eop_wptr(hiq.driver.eop_bytes))
        if hiq.ib is not None:
            address, dwords = hiq.ib
            _put(image, words.ib_base, address)
            _put(image, words.ib_base + 1, address >> 32)
            _put(image, words.ib_rptr, dwords)
        if self.spec.hiq_opcode_history:
            _put(image, _HISTORY, hiq.opcodes)
        if self.spec.hiq_marks:
            _and(image, words.persistent, ~words.preload_req & 0xFFFFFFFF)
            _or(image, words.status, _HIQ_STATUS)
            if hiq.ib is not None:
                _or(image, words.ib_control, _HIQ_IB_READ)
            if (xcc == 0 and hiq.wptr_dwords) or hiq.ib is not None:
                _or(image, words.doorbell, words.doorbell_hit)
        return bytes(image[mqd.HQD_FIRST_DWORD * 4 : (mqd.HQD_FIRST_DWORD + mqd.HQD_DWORDS) * 4])


def _mark_indirect(image: bytearray, ran: Indirect) -> None:
    """The registers that an indirect buffer leaves: base, read pointer, and three whose names do not explain them."""
    for dword, value in ((146, ran.address), (147, ran.address >> 32), (148, ran.dwords), (157, 2)):
        _put(image, dword, value)
    _put(image, 158, ran.signal)
    _put(image, 159, ran.signal >> 32)
    _or(image, 160, 1 << 20)


def _mark_run(image: bytearray, ran: Indirect, rptr_dwords: int, pointers: int) -> None:
    """What the save of such a queue adds outside the registers; ``pointers``: read pointers kept, one an XCC."""
    for dword, value in ((1, 0x4000), (42, 1), (96, rptr_dwords // 16), (114, 3), (185, 1), (227, 1)):
        _put(image, dword, value)
    for dword, value in ((88, ran.began), (89, ran.began >> 32 | 1 << 31), (90, ran.ended), (91, ran.ended >> 32)):
        _put(image, dword, value)
    for at in range(pointers):
        _put(image, 320 + at, rptr_dwords)


def _fill_order(places: tuple[tuple[int, int], ...], order: SlotOrder) -> tuple[tuple[int, int], ...]:
    """The slots in the order in which queues take them."""
    if order is SlotOrder.DOWN_A_PIPE:
        return places
    by_pipe: dict[int, list[int]] = {}
    for pipe, queue in places:
        by_pipe.setdefault(pipe, []).append(queue)
    levels = max(map(len, by_pipe.values()))
    return tuple(
        (pipe, queues[level]) for level in range(levels) for pipe, queues in by_pipe.items() if level < len(queues)
    )


RLC_STEP = 0x160
RLC_RUNS = ((0x000, 0, 19), (0x0A0, 19, 6), (0x0BC, 25, 7), (0x100, 32, 12))
"""What debugfs shows of an RLC of v9.4.3: byte offset, first MQD dword it mirrors, registers [MI308X; facts §10.1]."""
ENGINE_BASES = (0x4E40, 0x6640, 0xE54C0, 0xE64C0, 0x104E40, 0x106640, 0x1E54C0, 0x1E64C0)
"""First register of RLC 0 of each SDMA engine of an MI308X [MI308X]; no other part was captured."""
_RLC_RESET = {0: 0x40000, 7: 0x403000, 9: 1, 10: 0x100, 17: 4, 27: 0xF, 30: 0x4000}
_RLC_LOADED = {7: 0x403000, 17: 4, 30: 0x4000}
_RB_ENABLE = 1
_DOORBELL_ENABLE = 1 << 28


class SdmaRlcs:
    """The SDMA queue slots (RLCs) of one node: a queue's slot is fixed by its engine and queue."""

    def __init__(self, engines: int, per_engine: int) -> None:
        self._engines = engines
        self._per_engine = per_engine
        self._last: dict[tuple[int, int], tuple[SdmaImage, int]] = {}
        self._running: set[tuple[int, int]] = set()

    def connect(self, queue: SdmaImage, vmid: int) -> None:
        """Load a queue into its RLC."""
        place = (queue.engine, queue.queue)
        self._last[place] = (queue, vmid)
        self._running.add(place)

    def disconnect(self, queue: SdmaImage) -> None:
        """Stop one RLC; its registers stay."""
        self._running.discard((queue.engine, queue.queue))

    def unmap(self) -> None:
        """Stop every RLC; their registers stay."""
        self._running.clear()

    def reset(self) -> None:
        """A GPU reset: every RLC is as if never used."""
        self._running.clear()
        self._last.clear()

    @property
    def running(self) -> frozenset[tuple[int, int]]:
        """``(engine, queue)`` of the RLCs that run."""
        return frozenset(self._running)

    def blocks(self, first_engine: int) -> tuple[SdmaRlc, ...]:
        """Registers of every RLC, for an MI308X whose engines from ``first_engine`` on belong to this node."""
        return tuple(
            SdmaRlc(engine, rlc, self._registers(ENGINE_BASES[first_engine + engine], engine, rlc), SOURCE)
            for engine in range(self._engines)
            for rlc in range(self._per_engine)
        )

    def _registers(self, base: int, engine: int, rlc: int) -> tuple[Run, ...]:
        words = [0] * 44
        last = self._last.get((engine, rlc))
        if last is None:
            for dword, value in _RLC_RESET.items():
                words[dword] = value
        else:
            queue, vmid = last
            words = list(queue.image().words[:44])
            for dword, value in _RLC_LOADED.items():
                words[dword] |= value
            words[0] |= vmid << 24
            if (engine, rlc) in self._running:
                words[0] |= _RB_ENABLE
                words[18] |= _DOORBELL_ENABLE
        at = base + rlc * RLC_STEP
        return tuple(
            Run(at + offset, struct.pack(f"<{count}I", *words[first : first + count]))
            for offset, first, count in RLC_RUNS
        )
