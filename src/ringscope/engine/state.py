"""What is, while a run goes on: structured NumPy arrays, sized to the spec, that the compiled engine reads and writes.

A CU's free room and a workgroup's need are one int64 each: 16 bits LDS (128 bytes a unit), 24 bits VGPR units, 8 bits
waves, 8 bits workgroups; the top bit of each field stays clear, so that ``((free | GUARDS) - need) & GUARDS`` still
equals ``GUARDS`` exactly when every field is large enough.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ringscope.engine.codes import NEVER
from ringscope.engine.policies import Placement
from ringscope.engine.spec import Arrival, Machine, Op, Packet, Room, Source, Spec, SpecError

GUARDS = 1 << 55 | 1 << 39 | 1 << 15 | 1 << 7
WAVES_SHIFT = 8

PARTS = ("host", "slot", "barrier", "pipe", "save", "room", "run")
"""Where a request's time goes, in the order of the ``parts`` columns of :data:`LOG`."""

Array = npt.NDArray[Any]


def _record(names: str, kind: str = "i8") -> np.dtype[np.void]:
    # Aligned: a GPU would load the fields of any other record byte by byte.
    return np.dtype([(name, kind) for name in names.split()], align=True)


GLOBAL = _record(
    # what every workgroup reads or writes
    "now pending events workgroups spares placed busy_cus busy_cu_ns xccs_dirty pipes_dirty first_leaf "
    "xccs ses cus_stride pipes full least_need launch_ps bandwidth bandwidth_used seed dispatch placement priority "
    # the rest of the spec
    "slots pipe_slots queues processes vmids engines threads controls scheduler rotation idle sdma gangs waits "
    "packet_ns barrier_ns queue_switch_ns queue_quantum_ns process_quantum_ns gang_quantum_ns save_ns save_wave_ps "
    "map_ns restore_wave_ps wake_ns resident trace_on "
    # of the run
    "started events_held phase cursor share tick_at control_next in_control wait_clock engines_dirty schedule_dirty "
    "saved_workgroups "
    # results
    "packets preemptions saved_waves runlists rotations dropped slot_ns slots_used log_rows trace_rows "
    "residence_rows"
)
PACKET = _record(
    # what every workgroup reads or writes
    "left queue need time jitter jitter_ns basis first_at bandwidth "
    # the rest of the spec
    "op thread workgroups times_at times_n draws barrier waits host_ns rounds ring_index "
    # of the run: state 0 not sent, 1 in the ring, 2 complete
    "state next previous sent slot_at_sent save_at_sent execute_at slot_at_execute save_at_execute "
    "barrier_part pipe_part done_at"
)
# ``pipes`` has a bit for every pipe (of all XCCs) that may serve the queue in its slot, ``turn`` is the slot's among
# those of its pipe. ``sender`` is the first host thread that waits for a place in the ring.
QUEUE = _record(
    "process rank pipe_priority queue_priority slot_fixed mask engine next_of_engine ring_packets "
    "state slot pipe turn pipes active first last first_at mapped_at waiting slot_ns save_ns since done_packets "
    "write_index sender last_sender sender_woken"
)
# One queue on one XCC. ``left`` workgroups of ``packet`` are not placed yet, ``index`` is the next one's.
SHARE = _record("saved left index packet engine_turn running waves head saved_list placed_at ready_at")
PIPE = _record("queue share need mode xcc local connected served turn quantum_at quantum_event fetched_at")
XCC = _record("placing blocked turn launch_ps")
ENGINE = _record("packet turn first_queue busy_ns")
SHADER_ENGINE = _record("available turn waiters xcc")
PROCESS = _record("mapped mapped_at")
THREAD = _record(
    "source first last step state requests left next_sender arrival begun cursor host slot barrier pipe save room run"
)
SOURCE = _record("arrival times_at times_n trace_at trace_n start limit taken next_at")
CONTROL = _record("at change queue pipe_priority queue_priority joins fenced")
# ``packet`` -1: free. Running ones have their end in ``State.ends``; of saved ones ``rest`` is left, ``next`` follows
# in their share's list, and ``cu`` is -1 once they have left it.
WORKGROUP = np.dtype(
    [("order", "i8"), ("rest", "i8"), ("next", "i4"), ("packet", "i4"), ("share", "i4"), ("cu", "i2"), ("se", "i2")],
    align=True,
)
FREE = np.array((0, 0, -1, -1, 0, -1, 0), WORKGROUP)
LOG = _record("thread request arrival start done host slot barrier pipe save room run")
TRACE = _record("packet queue sent execute first done")
# A queue's state and slot (of every XCC; -1: none) from then on; queue -1: a runlist was sent.
RESIDENCE = _record("at queue slot state")


class State(NamedTuple):
    """Every array of one run; the dtypes of this module say what is in them. Nothing is padded.

    ``fresh`` has the bit mask of CUs that a pipe has to look at, by shader engine and pipe; ``ends`` the tournament of
    ends (:mod:`ringscope.engine.events`), ``spare`` the numbers of free workgroup records, last freed last.
    """

    g: Array
    packet: Array
    waits: Array
    queue: Array
    share: Array
    pipe: Array
    pipe_slot: Array
    slot: Array
    xcc: Array
    se: Array
    cu: Array
    fresh: Array
    mask: Array
    engine: Array
    process: Array
    thread: Array
    source: Array
    times: Array
    control: Array
    workgroup: Array
    ends: Array
    spare: Array
    heap: Array
    log: Array
    trace: Array
    residence: Array


def pack(room: Room) -> int:
    """``room`` as one int64; LDS is rounded up to 128 bytes."""
    return -(-room.lds // 128) << 40 | room.vgprs << 16 | room.waves << WAVES_SHIFT | room.workgroups


def unpack(need: int) -> tuple[int, int, int]:
    """Waves, VGPR units and LDS bytes of a packed need."""
    return need >> WAVES_SHIFT & 0xFF, need >> 16 & 0xFFFFFF, (need >> 40) * 128


class Distributions:
    """All distributions of a spec laid end to end, equal ones once."""

    def __init__(self) -> None:
        self.values: list[int] = []
        self.places: dict[tuple[int, ...], int] = {}

    def place(self, quantiles: tuple[int, ...]) -> tuple[int, int]:
        """Where it lies, and how many times it has."""
        if quantiles not in self.places:
            self.places[quantiles] = len(self.values)
            self.values.extend(quantiles)
        return self.places[quantiles], len(quantiles)


def ceil_div(a: int, b: int) -> int:
    """``a / b``, rounded up."""
    return -(-a // b)


def rounds(machine: Machine, packet: Packet, cu_mask: tuple[int, ...], placement: Placement) -> int:
    """How many times over a packet alone fills the CUs that its queue may use, on the XCC where that takes longest."""
    each = machine.cu.holds(packet.need)
    if each == 0:
        raise SpecError("a workgroup does not fit an empty CU")
    ses = len(machine.cus)
    longest = 0
    for xcc in range(machine.xccs if cu_mask else 1):  # all are alike, and the first has the most workgroups
        masks = cu_mask[xcc * ses : (xcc + 1) * ses] or (-1,) * ses
        cus = [n for n in ((m & ((1 << c) - 1)).bit_count() for m, c in zip(masks, machine.cus, strict=True)) if n]
        share = max(0, packet.workgroups - xcc + machine.xccs - 1) // machine.xccs
        if placement is Placement.SE_STRICT:  # shader engines get equal shares, so the poorest one decides
            longest = max(longest, ceil_div(ceil_div(share, len(cus)), each * min(cus)))
        else:
            longest = max(longest, ceil_div(share, each * sum(cus)))
    return longest


def _rounds(spec: Spec, packet: Packet) -> int:
    return rounds(spec.machine, packet, spec.queues[packet.queue].cu_mask, spec.policies.placement)


def build(spec: Spec, trace: bool = False, log_rows: int = 1024) -> State:
    """The state at time zero: every active queue known, nothing sent yet."""
    machine = spec.machine
    xccs, ses, stride = machine.xccs, len(machine.cus), max(machine.cus)
    times = Distributions()
    packets = [packet for thread in spec.threads for packet in thread.packets]
    needs = [packet.need for packet in packets if packet.op is Op.DISPATCH]
    resident = _resident(spec, needs)
    slots_of = [[i for i, pipe in enumerate(machine.slots) if pipe == p] for p in range(machine.pipes)]
    pipe_slots = max(map(len, slots_of))
    masks: dict[tuple[int, ...], int] = {}
    everything = tuple((1 << n) - 1 for _ in range(xccs) for n in machine.cus)
    masks[everything] = 0
    for queue in spec.queues:
        if queue.cu_mask:
            masks.setdefault(tuple(m & e for m, e in zip(queue.cu_mask, everything, strict=True)), len(masks))

    def zeros(count: int, dtype: Any) -> Array:
        return np.zeros(max(count, 1), dtype)

    process_count = 1 + max(queue.process for queue in spec.queues)
    inner, size = tournament(resident)
    state = State(
        g=zeros(1, GLOBAL),
        packet=zeros(len(packets), PACKET),
        waits=np.full((max(len(packets), 1), 5), -1, np.int64),
        queue=zeros(len(spec.queues), QUEUE),
        share=zeros(len(spec.queues) * xccs, SHARE),
        pipe=zeros(xccs * machine.pipes, PIPE),
        pipe_slot=np.full((machine.pipes, pipe_slots), -1, np.int64),
        slot=np.full(len(machine.slots), -1, np.int64),
        xcc=zeros(xccs, XCC),
        se=zeros(xccs * ses, SHADER_ENGINE),
        cu=np.zeros(xccs * ses * stride, np.int64),
        fresh=np.full(xccs * ses * machine.pipes, -1, np.int64),
        mask=np.array(list(masks), np.int64),
        engine=zeros(machine.sdma_engines, ENGINE),
        process=zeros(process_count, PROCESS),
        thread=zeros(len(spec.threads), THREAD),
        source=zeros(len(spec.sources), SOURCE),
        times=np.zeros(0, np.int64),
        control=zeros(len(spec.controls), CONTROL),
        workgroup=_full(size, FREE),
        ends=_full(3 + inner + size, np.int64(NEVER)),
        spare=np.arange(size, dtype=np.int32)[::-1].copy(),
        heap=np.full(
            64
            + 4 * len(spec.threads)
            + len(spec.controls)
            + 2 * len(spec.queues)
            + 4 * xccs * machine.pipes
            + machine.sdma_engines,
            NEVER,
            np.int64,
        ),
        log=zeros(max(log_rows, len(spec.threads) + 1), LOG),
        trace=zeros(log_rows + len(packets) if trace else 1, TRACE),
        residence=zeros(log_rows + 8 * len(spec.queues) if trace else 1, RESIDENCE),
    )
    g = state.g[0]
    for name, value in (
        ("xccs", xccs),
        ("ses", ses),
        ("cus_stride", stride),
        ("pipes", machine.pipes),
        ("slots", len(machine.slots)),
        ("pipe_slots", pipe_slots),
        ("queues", len(spec.queues)),
        ("processes", process_count),
        ("vmids", machine.processes),
        ("engines", machine.sdma_engines),
        ("threads", len(spec.threads)),
        ("controls", len(spec.controls)),
        ("scheduler", machine.scheduler),
        ("seed", spec.seed & 0xFFFFFFFF),
        ("resident", resident),
        ("trace_on", int(trace)),
        ("bandwidth", int(any(packet.bandwidth_ppm for packet in packets))),
        ("waits", int(any(packet.after for packet in packets))),
        ("first_leaf", 3 + inner),
        ("spares", size),
        ("tick_at", -1),
        ("in_control", -1),
        ("least_need", pack(_least(needs))),
    ):
        g[name] = value
    for name in spec.costs.__dataclass_fields__:
        g[name] = getattr(spec.costs, name)
    for name in spec.policies.__dataclass_fields__:
        g[name] = getattr(spec.policies, name)
    for pipe, slots in enumerate(slots_of):
        state.pipe_slot[pipe, : len(slots)] = slots
    free = pack(machine.cu)
    for xcc in range(xccs):
        for se, cus in enumerate(machine.cus):
            first = (xcc * ses + se) * stride
            state.cu[first : first + cus] = free
            state.se[xcc * ses + se]["available"] = (1 << cus) - 1
            state.se[xcc * ses + se]["xcc"] = xcc
    g["full"] = free
    _fill_queues(state, spec, masks, everything)
    _fill_threads(state, spec, times)
    for row, control in zip(state.control, spec.controls, strict=False):
        row["at"] = control.at_ns
        row["change"] = control.change
        row["queue"] = control.queue
        row["pipe_priority"] = control.pipe_priority
        row["queue_priority"] = control.queue_priority
        row["joins"] = control.joins
        row["fenced"] = control.fenced
    return state._replace(times=np.array(times.values or [0], np.int64))


def _full(size: int, value: Any) -> Array:
    """``size`` times ``value``, from the start of a cache line on: neither a record nor four nodes lie across two."""
    raw = np.empty(size * value.itemsize + 63, np.uint8)
    first = -raw.ctypes.data % 64
    array: Array = raw[first : first + size * value.itemsize].view(value.dtype)
    array[:] = value
    return array


def _least(needs: list[Room]) -> Room:
    """What every workgroup needs at least: a CU without that is full for all of them."""
    if not needs:
        return Room(1, 0, 0, 1)
    return Room(
        min(need.waves for need in needs), min(need.vgprs for need in needs), min(need.lds for need in needs), 1
    )


def tournament(workgroups: int) -> tuple[int, int]:
    """Inner nodes and leaves of a tree for so many workgroups; every inner node has four children."""
    inner = ceil_div(workgroups - 1, 3)
    return inner, 3 * inner + 1


def more_workgroups(state: State, workgroups: int) -> State:
    """``state`` with room for so many workgroups; nothing that is there moves."""
    old = state.workgroup.size
    inner, size = tournament(workgroups)
    workgroup = _full(size, FREE)
    workgroup[:old] = state.workgroup
    ends = _full(3 + inner + size, np.int64(NEVER))
    g = state.g[0]
    ends[3 + inner : 3 + inner + old] = state.ends[g["first_leaf"] : g["first_leaf"] + old]
    for node in range(2 + inner, 2, -1):
        ends[node] = ends[4 * node - 8 : 4 * node - 4].min()
    free = state.spare[: g["spares"]]
    spare = np.concatenate([np.arange(size - 1, old - 1, -1), free, np.zeros(old - free.size)]).astype(np.int32)
    g["first_leaf"] = 3 + inner
    g["spares"] += size - old
    return state._replace(workgroup=workgroup, ends=ends, spare=spare)


def _resident(spec: Spec, needs: list[Room]) -> int:
    """The most workgroups that can be on CUs at once."""
    return spec.machine.compute_units * spec.machine.cu.holds(_least(needs))


def _fill_queues(state: State, spec: Spec, masks: dict[tuple[int, ...], int], everything: tuple[int, ...]) -> None:
    for name in ("first", "last", "slot", "pipe", "engine", "next_of_engine", "slot_fixed", "waiting", "sender"):
        state.queue[name] = -1
    for name in ("head", "packet", "saved_list"):
        state.share[name] = -1
    pipes = spec.machine.pipes
    state.pipe["xcc"] = np.arange(state.pipe.size) // pipes
    state.pipe["local"] = np.arange(state.pipe.size) % pipes
    for name in ("queue", "connected", "served", "quantum_event", "fetched_at"):
        state.pipe[name] = -1
    state.engine["packet"] = -1
    state.engine["first_queue"] = -1
    for index, queue in reversed(list(enumerate(spec.queues))):
        row = state.queue[index]
        row["process"] = queue.process
        row["rank"] = queue.rank
        row["pipe_priority"] = queue.pipe_priority
        row["queue_priority"] = queue.queue_priority
        row["ring_packets"] = queue.ring_packets
        row["active"] = int(queue.active)
        if queue.cu_mask:
            row["mask"] = masks[tuple(m & e for m, e in zip(queue.cu_mask, everything, strict=True))]
        if queue.slot is not None:
            row["slot_fixed"] = queue.slot
        if queue.sdma_engine is not None:
            row["engine"] = queue.sdma_engine
            row["next_of_engine"] = state.engine[queue.sdma_engine]["first_queue"]
            state.engine[queue.sdma_engine]["first_queue"] = index


def fill_packet(row: Any, spec: Spec, packet: Packet) -> None:
    """Write a packet into its row, but for who sends it, its times and what it waits for."""
    row["op"] = packet.op
    row["queue"] = packet.queue
    row["workgroups"] = packet.workgroups if packet.op is Op.DISPATCH else 0
    row["jitter"] = packet.jitter_permille
    row["need"] = pack(packet.need)
    row["barrier"] = int(packet.barrier)
    row["waits"] = len(packet.after)
    row["host_ns"] = packet.host_ns
    row["bandwidth"] = packet.bandwidth_ppm
    row["rounds"] = _rounds(spec, packet) if packet.op is Op.DISPATCH else 1
    row["next"] = -1


def fill_source(row: Any, source: Source, times: Distributions) -> None:
    """Write a source into its row."""
    row["arrival"] = source.arrival
    row["times_at"], row["times_n"] = times.place(source.times.quantiles)
    row["start"] = source.start_ns
    row["next_at"] = source.start_ns
    row["limit"] = -1 if source.limit is None else source.limit
    if source.arrival is Arrival.TRACE:
        row["trace_at"], row["trace_n"] = times.place(source.trace or (0,))
        row["limit"] = len(source.trace) if source.limit is None else min(source.limit, len(source.trace))


def _fill_threads(state: State, spec: Spec, times: Distributions) -> None:
    at = 0
    filled: dict[int, Array] = {}
    for index, thread in enumerate(spec.threads):
        state.thread[index]["source"] = thread.source
        state.thread[index]["first"] = at
        state.thread[index]["last"] = at + len(thread.packets)
        for step, packet in enumerate(thread.packets):
            row = state.packet[at + step]
            if id(packet) not in filled:
                filled[id(packet)] = row
                fill_packet(row, spec, packet)
                row["times_at"], row["times_n"] = times.place(packet.time.quantiles)
            state.packet[at + step] = filled[id(packet)]
            row["thread"] = index
            state.waits[at + step, : len(packet.after)] = [at + other for other in packet.after]
        at += len(thread.packets)
    for row, source in zip(state.source, spec.sources, strict=False):
        fill_source(row, source, times)
