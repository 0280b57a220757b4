"""What an experiment asks of the engine: the machine, its queues, the packets and the host threads that send them.

Everything is frozen and checked when built; a spec that exists can be run. Times are integer nanoseconds. Rows refer
to each other by index: a queue's process, a packet's queue, a host thread's packets.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from math import log

from ringscope.engine.policies import Policies, Scheduler
from ringscope.errors import InputError
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.records import dataclass, field

FIDELITY = (
    Behaviour(
        "engine.rounds",
        "a kernel's workgroups fill what a CU holds of waves, VGPRs, LDS and workgroups, and run in rounds",
        Standing.SOURCE,
        "gfx9 to gfx12",
        "ISA guides; checked against ceil(T / n) at every n",
        "tests/engine/test_analytic.py::test_a_kernel_takes_its_workgroups_in_rounds",
    ),
    Behaviour(
        "engine.xccs",
        "workgroups go to the XCCs in turn, from the logic XCC id on; all XCCs read the same ring",
        Standing.SOURCE,
        "gfx942, gfx950",
        "MI300 ISA guide; compute_current_logic_xcc_id in the captures",
        "tests/engine/test_core.py::test_same_completions_as_the_simpy_model",
    ),
    Behaviour(
        "engine.pipes",
        "a pipe is connected to one queue at a time, for a queue quantum while others wait",
        Standing.INFERRED,
        "all",
        "cp_hqd_quantum, AMD's hardware-queue documents; arbitration itself is not published",
        "tests/engine/test_core.py::test_every_instant_holds",
    ),
    Behaviour(
        "engine.bandwidth",
        "kernels that ask for more than all of the memory bandwidth stretch each other; off by default",
        Standing.UNKNOWN,
        "all",
        "no published law; one explicit term",
        "tests/scenario/test_build.py::test_a_kernel_alone_takes_what_the_scenario_says",
    ),
)

VGPR_UNITS_PER_SIMD = 720720
"""A SIMD's VGPRs in units that every limit of 1 to 16 waves divides, so that rounding loses no wave."""

MAX_CUS_PER_SE = 62
MAX_PIPES = 62


class SpecError(InputError):
    """A spec that cannot be run: says which row, and why."""


def _require(truth: bool, message: str) -> None:
    if not truth:
        raise SpecError(message)


@dataclass(frozen=True)
class Room:
    """Room of one CU, or the part of it that one workgroup needs.

    ``vgprs`` is in units of 1/720720 of a SIMD's registers (see :func:`vgpr_units`), ``lds`` in bytes.
    """

    waves: int
    vgprs: int
    lds: int
    workgroups: int = 1

    def __post_init__(self) -> None:
        for name, value, limit in (
            ("waves", self.waves, 0x7F),
            ("vgprs", self.vgprs, 0x7FFFFF),
            ("lds", self.lds, 0x7FFF << 7),
            ("workgroups", self.workgroups, 0x7F),
        ):
            _require(0 <= value <= limit, f"{name}: {value} is outside 0..{limit}")

    def holds(self, need: Room) -> int:
        """How many workgroups of ``need`` fit into this room at once."""
        pairs = (
            (self.waves, need.waves),
            (self.vgprs, need.vgprs),
            (self.lds // 128, -(-need.lds // 128)),
            (self.workgroups, need.workgroups),
        )
        return min(have // want for have, want in pairs if want)


def vgpr_units(waves: int, vgprs: int, per_simd: int = 512, granule: int = 8, waves_per_simd: int = 8) -> int:
    """VGPR units that ``waves`` waves of ``vgprs`` registers take, so that a SIMD holds ``per_simd // vgprs`` of them.

    ``per_simd`` and ``granule`` are registers per lane: 512 and 8 on gfx90a and gfx942, 256 and 4 before (ISA guides).
    """
    if vgprs == 0:
        return 0
    rounded = -(-vgprs // granule) * granule
    fit = min(per_simd // rounded, waves_per_simd)
    _require(fit > 0, f"a wave of {vgprs} VGPRs does not fit a SIMD of {per_simd}")
    return waves * -(-VGPR_UNITS_PER_SIMD // fit)


@dataclass(frozen=True)
class Machine:
    """One KFD node: what can run at the same time.

    ``cus`` lists the CUs of each shader engine of one XCC; all XCCs are alike. ``slots`` is the pipe of each hardware
    slot that user queues may have, in the order in which the firmware fills them; every XCC has the same slots.
    ``processes`` is how many processes may be mapped at once (VMIDs); ``sdma_engines`` copy one packet at a time each.
    """

    xccs: int = 1
    cus: tuple[int, ...] = (4,)
    cu: Room = Room(waves=32, vgprs=4 * VGPR_UNITS_PER_SIMD, lds=65536, workgroups=32)
    pipes: int = 4
    slots: tuple[int, ...] = tuple(range(4)) * 6
    processes: int = 13
    sdma_engines: int = 1
    scheduler: Scheduler = Scheduler.CPSCH

    def __post_init__(self) -> None:
        _require(self.xccs >= 1 and self.pipes >= 1, "a machine has at least one XCC and one pipe")
        _require(self.xccs * self.pipes <= MAX_PIPES, f"{self.xccs} XCCs x {self.pipes} pipes: at most {MAX_PIPES}")
        _require(self.xccs * len(self.cus) <= MAX_PIPES, f"at most {MAX_PIPES} shader engines on all XCCs")
        _require(bool(self.cus) and all(0 <= n <= MAX_CUS_PER_SE for n in self.cus), "CUs per shader engine: 0 to 62")
        _require(sum(self.cus) > 0, "a machine has at least one CU")
        _require(bool(self.slots) and all(0 <= p < self.pipes for p in self.slots), "a slot names a pipe that exists")
        _require(self.processes >= 1, "at least one process must fit")

    @property
    def compute_units(self) -> int:
        """CUs of all XCCs."""
        return self.xccs * sum(self.cus)


@dataclass(frozen=True)
class Costs:
    """What the machinery itself takes, in nanoseconds (``_ps``: picoseconds). The defaults are zero: nothing is free
    that a scenario does not say is free. Sourced values stand in :mod:`ringscope.engine.costs`.
    """

    packet_ns: int = 0  # CP takes up one AQL packet, before its workgroups may be placed
    barrier_ns: int = 0  # more of that when the packet has the barrier bit
    queue_switch_ns: int = 0  # a pipe turns to another queue than the one it served last
    launch_ps: int = 0  # a shader processor input (one an XCC) starts one workgroup after another
    queue_quantum_ns: int = 1_000_000  # cp_hqd_quantum: a pipe stays connected to one queue
    process_quantum_ns: int = 10_000_000  # an over-subscribed runlist: until the next share is mapped
    gang_quantum_ns: int = 1_000_000  # MES: until a running queue may be swapped for a waiting one
    save_ns: int = 0  # unmapping: fence and CWSR, whatever was running
    save_wave_ps: int = 0  # CWSR: more of that for every wave saved
    map_ns: int = 0  # mapping again
    restore_wave_ps: int = 0  # CWSR: more of that for every wave restored
    wake_ns: int = 0  # completion signal to the waiting host thread going on

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            _require(0 <= value < 1 << 40, f"{name}: {value} is not a time of 0 to 18 minutes")
        for name in ("queue_quantum_ns", "process_quantum_ns", "gang_quantum_ns"):
            _require(getattr(self, name) > 0, f"{name} must be above zero")


@dataclass(frozen=True)
class Times:
    """A distribution of times: equally likely nanoseconds, in rising order. One value is a constant."""

    quantiles: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        _require(bool(self.quantiles), "a distribution needs at least one time")
        _require(all(0 <= t < 1 << 40 for t in self.quantiles), "a time lies between 0 and 18 minutes")
        _require(all(a <= b for a, b in zip(self.quantiles, self.quantiles[1:], strict=False)), "times must rise")


@dataclass(frozen=True)
class Queue:
    """One KFD queue.

    ``rank`` orders the runlist (lowest first). ``slot`` is the queue's slot for life under NOCPSCH (index into
    :attr:`Machine.slots`), None elsewhere. ``cu_mask`` has one bit mask of CUs for every shader engine of every XCC
    (XCC-major), empty for all CUs. ``sdma_engine`` makes it a copy queue of that engine. A queue that is not
    ``active`` waits for a :class:`Control`. ``ring_packets`` is the ring's size: a host thread waits while all places
    but one are taken (CLR leaves one free), from the oldest packet that is not complete on.
    """

    process: int = 0
    rank: int = 0
    pipe_priority: int = 1
    queue_priority: int = 7
    slot: int | None = None
    cu_mask: tuple[int, ...] = ()
    sdma_engine: int | None = None
    active: bool = True
    ring_packets: int = 16384


class Op(IntEnum):
    """What a host thread does next: send a packet, or something of its own."""

    DISPATCH = 0
    BARRIER_AND = 1
    BARRIER_OR = 2
    COPY = 3
    SYNC = 4  # wait until everything sent so far is complete
    HOST = 5  # spend time


@dataclass(frozen=True)
class Packet:
    """One step of a request.

    ``time`` is the time of one workgroup (DISPATCH) or of the copy, drawn once a packet; ``jitter_permille`` adds up to
    that much to every single workgroup, evenly. ``host_ns`` is spent by the host thread first. ``after`` are steps of
    the same request (by index within it) that a barrier packet or a copy waits for. ``bandwidth_ppm`` is the share of
    the device's memory bandwidth that one running workgroup asks for: where more than all is asked for, a workgroup
    that starts is stretched in that proportion (off when 0).
    """

    op: Op = Op.DISPATCH
    queue: int = 0
    workgroups: int = 1
    time: Times = Times((1000,))
    jitter_permille: int = 0
    need: Room = Room(waves=1, vgprs=0, lds=0)
    barrier: bool = True
    after: tuple[int, ...] = ()
    host_ns: int = 0
    bandwidth_ppm: int = 0


class Arrival(IntEnum):
    """When a host thread's next request comes."""

    CLOSED = 0  # a think time after the last one was done
    OPEN = 1  # a drawn time after the last one came, done or not
    TRACE = 2  # at the listed times


@dataclass(frozen=True)
class Source:
    """Where requests come from; threads that share a source share its requests.

    ``times`` are think times (CLOSED) or the times between arrivals (OPEN); ``trace`` the arrival times (TRACE).
    ``limit`` ends the source after so many requests (None: never).
    """

    arrival: Arrival = Arrival.CLOSED
    times: Times = Times((0,))
    trace: tuple[int, ...] = ()
    start_ns: int = 0
    limit: int | None = None


@dataclass(frozen=True)
class HostThread:
    """Takes one request after another from its source and carries out its packets in order."""

    source: int
    packets: tuple[Packet, ...]


class Change(IntEnum):
    """What the driver is asked to do to a queue."""

    CREATE = 0
    DESTROY = 1
    UPDATE = 2
    EVICT = 3
    RESTORE = 4


@dataclass(frozen=True)
class Control:
    """A change of one queue at ``at_ns``; UPDATE writes both priorities.

    The last two hold under CPSCH: a change that ``joins`` goes with the one before it, in one runlist; without
    ``fenced`` the driver does not wait for the unmap, and ``Costs.save_ns`` is not spent.
    """

    at_ns: int
    change: Change
    queue: int
    pipe_priority: int = 1
    queue_priority: int = 7
    joins: bool = False
    fenced: bool = True


@dataclass(frozen=True)
class Spec:
    """One run, whole. ``seed`` decides every drawn time."""

    machine: Machine
    queues: tuple[Queue, ...]
    threads: tuple[HostThread, ...] = ()
    sources: tuple[Source, ...] = ()
    controls: tuple[Control, ...] = ()
    costs: Costs = field(default_factory=Costs)
    policies: Policies = field(default_factory=Policies)
    seed: int = 0

    def __post_init__(self) -> None:
        machine = self.machine
        _require(bool(self.queues), "a run needs at least one queue")
        _require(len(self.queues) <= 1 << 15, f"{len(self.queues)} queues: a run has at most {1 << 15}")
        _require(len(self.threads) <= 1 << 16, f"{len(self.threads)} host threads: a run has at most {1 << 16}")
        for index, queue in enumerate(self.queues):
            _check_queue(f"queue {index}", queue, machine)
        if machine.scheduler is Scheduler.NOCPSCH:
            taken = [queue.slot for queue in self.queues if queue.slot is not None]
            _require(len(set(taken)) == len(taken), "two queues hold the same slot")
        for index, thread in enumerate(self.threads):
            _require(0 <= thread.source < len(self.sources), f"thread {index}: no source {thread.source}")
            _require(bool(thread.packets), f"thread {index}: a request needs at least one packet")
            lasts = any(
                p.op is Op.DISPATCH or (p.op is Op.COPY and p.time.quantiles[0]) or p.host_ns for p in thread.packets
            )
            _require(lasts, f"thread {index}: a request must take some time")
            checked = set()
            for step, packet in enumerate(thread.packets):
                if id(packet) not in checked:
                    checked.add(id(packet))
                    check_packet(f"thread {index} step {step}", packet, self, len(thread.packets))
        for index, source in enumerate(self.sources):
            rises = all(a <= b for a, b in zip(source.trace, source.trace[1:], strict=False))
            _require(rises, f"source {index}: arrival times must rise")
        _require(
            all(a.at_ns <= b.at_ns for a, b in zip(self.controls, self.controls[1:], strict=False)),
            "controls must be in order of time",
        )
        _require(not self.controls or self.controls[0].at_ns > 0, "a control comes after time zero")
        joined = [a.at_ns == b.at_ns for a, b in zip(self.controls, self.controls[1:], strict=False) if b.joins]
        first = bool(self.controls) and self.controls[0].joins
        _require(all(joined) and not first, "a control joins the one before it, at the same time")
        for control in self.controls:
            _require(0 <= control.queue < len(self.queues), f"control at {control.at_ns}: no queue {control.queue}")


def _check_queue(where: str, queue: Queue, machine: Machine) -> None:
    _require(queue.process >= 0, f"{where}: a process is counted from 0")
    _require(0 <= queue.pipe_priority <= 2, f"{where}: pipe priority is 0, 1 or 2")
    _require(queue.ring_packets >= 2, f"{where}: a ring holds at least 2 packets")
    _require(0 <= queue.queue_priority <= 15, f"{where}: queue priority is 0 to 15")
    if queue.sdma_engine is not None:
        _require(0 <= queue.sdma_engine < machine.sdma_engines, f"{where}: no SDMA engine {queue.sdma_engine}")
        return
    if machine.scheduler is Scheduler.NOCPSCH:
        held = queue.slot is not None and 0 <= queue.slot < len(machine.slots)
        _require(held, f"{where}: under NOCPSCH every queue needs a slot")
    if queue.cu_mask:
        _require(len(queue.cu_mask) == machine.xccs * len(machine.cus), f"{where}: one mask for every shader engine")
        for xcc in range(machine.xccs):
            share = queue.cu_mask[xcc * len(machine.cus) : (xcc + 1) * len(machine.cus)]
            usable = any(mask & ((1 << n) - 1) for mask, n in zip(share, machine.cus, strict=True))
            _require(usable, f"{where}: the CU mask leaves no CU on XCC {xcc}")


def check_packet(where: str, packet: Packet, spec: Spec, steps: int) -> None:
    """Refuse what cannot be run; ``steps`` is how many packets the request has."""
    _require(packet.host_ns >= 0, f"{where}: host time is negative")
    if packet.op in (Op.SYNC, Op.HOST):
        return
    _require(0 <= packet.queue < len(spec.queues), f"{where}: no queue {packet.queue}")
    copies = spec.queues[packet.queue].sdma_engine is not None
    _require(copies == (packet.op is Op.COPY), f"{where}: copies go to SDMA queues and nothing else does")
    _require(len(packet.after) <= 5, f"{where}: a packet waits for at most 5 signals")
    _require(all(0 <= step < steps for step in packet.after), f"{where}: waits for a step that does not exist")
    if packet.op is Op.DISPATCH:
        _require(not packet.after, f"{where}: a dispatch waits by its barrier bit, not for signals")
        _require(1 <= packet.workgroups < 1 << 31, f"{where}: a dispatch has 1 to 2^31 - 1 workgroups")
        _require(spec.machine.cu.holds(packet.need) > 0, f"{where}: a workgroup does not fit an empty CU")
        _require(packet.need.waves > 0 and packet.need.workgroups == 1, f"{where}: a workgroup has at least one wave")
        _require(packet.time.quantiles[-1] < 1 << 31, f"{where}: a workgroup runs for at most 2 s")
        _require(0 <= packet.jitter_permille <= 1000, f"{where}: jitter is 0 to 1000 permille")
        _require(packet.time.quantiles[0] > 0, f"{where}: a workgroup takes at least 1 ns")


@lru_cache(maxsize=64)
def exponential(mean_ns: int, knots: int = 4096) -> Times:
    """The exponential distribution as ``knots`` equally likely times of this mean (cut at about nine times it)."""
    raw = [-log(1 - (i + 0.5) / knots) for i in range(knots)]
    scale = mean_ns * knots / sum(raw)
    return Times(tuple(max(1, round(scale * x)) for x in raw))


def constant(time_ns: int) -> Times:
    """Always ``time_ns``."""
    return Times((time_ns,))


def empirical(times_ns: Sequence[int]) -> Times:
    """Times drawn evenly from those measured."""
    return Times(tuple(sorted(times_ns)))
