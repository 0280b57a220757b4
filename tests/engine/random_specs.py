"""Random specs that reach every rule of the model: all schedulers, policies, kinds of packets, arrivals and changes."""

from __future__ import annotations

import random
from dataclasses import replace

from ringscope.engine.policies import Dispatch, Gangs, Idle, Placement, Policies, Priority, Rotation, Scheduler, Sdma
from ringscope.engine.spec import (
    Arrival,
    Change,
    Control,
    Costs,
    HostThread,
    Machine,
    Op,
    Packet,
    Queue,
    Room,
    Source,
    Spec,
    Times,
)


def random_spec(seed: int, scheduler: Scheduler | None = None) -> Spec:
    """A small spec, whole and different for every seed."""
    r = random.Random(seed)
    if scheduler is None:
        scheduler = r.choice(list(Scheduler))
    machine = Machine(
        xccs=r.choice([1, 1, 2, 3]),
        cus=tuple(r.choice([1, 2, 3, 4]) for _ in range(r.choice([1, 2, 4]))),
        cu=Room(r.choice([4, 8]), 1000, 4096, r.choice([4, 8])),
        pipes=(pipes := r.choice([1, 2, 4])),
        slots=tuple(r.sample(range(pipes), pipes)) * r.choice([1, 2]) + (0,) * r.choice([0, 1]),
        processes=r.choice([1, 2, 8]),
        sdma_engines=2,
        scheduler=scheduler,
    )
    most = len(machine.slots) if scheduler is Scheduler.NOCPSCH else 10
    count = r.randint(1, most)
    free = r.sample(range(len(machine.slots)), count) if scheduler is Scheduler.NOCPSCH else []
    ranks = r.sample(range(20), count)
    queues = [
        Queue(
            process=r.randrange(4),
            rank=ranks[i],
            pipe_priority=r.randrange(3),
            queue_priority=r.choice([0, 7, 11, 15]),
            slot=free[i] if free else None,
            cu_mask=_mask(r, machine) if r.random() < 0.3 else (),
            active=r.random() < 0.9,
            ring_packets=r.choice([16384, 16384, 2, 3]),
        )
        for i in range(count)
    ]
    copies = [len(queues) + i for i in range(r.choice([0, 0, 1, 3]))]
    queues += [Queue(process=0, sdma_engine=r.randrange(2), ring_packets=r.choice([16384, 2])) for _ in copies]
    sources = tuple(_source(r) for _ in range(r.randint(1, 5)))
    threads = tuple(HostThread(r.randrange(len(sources)), _request(r, count, copies)) for _ in range(r.randint(1, 8)))
    return Spec(
        machine=machine,
        queues=tuple(queues),
        threads=threads,
        sources=sources,
        controls=_controls(r, len(queues)) if r.random() < 0.5 else (),
        costs=Costs(
            packet_ns=r.choice([0, 100, 700]),
            barrier_ns=r.choice([0, 50]),
            queue_switch_ns=r.choice([0, 0, 900]),
            launch_ps=r.choice([0, 0, 400, 30_000]),
            queue_quantum_ns=r.choice([2_000, 10_000, 50_000]),
            process_quantum_ns=r.choice([5_000, 20_000, 60_000]),
            gang_quantum_ns=r.choice([5_000, 20_000]),
            save_ns=r.choice([0, 1000, 5000]),
            save_wave_ps=r.choice([0, 40_000]),
            map_ns=r.choice([0, 2000]),
            restore_wave_ps=r.choice([0, 30_000]),
            wake_ns=r.choice([0, 0, 3000]),
        ),
        policies=Policies(
            dispatch=r.choice(list(Dispatch)),
            placement=r.choice(list(Placement)),
            priority=r.choice(list(Priority)),
            rotation=r.choice(list(Rotation)),
            idle=r.choice(list(Idle)),
            sdma=r.choice(list(Sdma)),
            gangs=r.choice(list(Gangs)),
        ),
        seed=seed,
    )


def _mask(r: random.Random, machine: Machine) -> tuple[int, ...]:
    while True:
        mask = tuple(r.randrange(16) for _ in range(machine.xccs) for _ in machine.cus)
        shares = [mask[x * len(machine.cus) : (x + 1) * len(machine.cus)] for x in range(machine.xccs)]
        if all(any(m & ((1 << n) - 1) for m, n in zip(share, machine.cus, strict=True)) for share in shares):
            return mask


def _times(r: random.Random, low: int) -> Times:
    return Times(tuple(sorted(r.randint(low, 4000) for _ in range(r.choice([1, 1, 3])))))


def _source(r: random.Random) -> Source:
    arrival = r.choice(list(Arrival))
    return Source(
        arrival=arrival,
        times=Times((r.choice([0, 1000, 20_000]),)) if arrival is Arrival.CLOSED else Times((500, 5000, 30_000)),
        trace=tuple(sorted(r.randrange(200_000) for _ in range(8))) if arrival is Arrival.TRACE else (),
        start_ns=r.choice([0, 0, 777]),
        limit=r.choice([None, None, 5]),
    )


def _request(r: random.Random, compute: int, copies: list[int]) -> tuple[Packet, ...]:
    steps: list[Packet] = []
    for i in range(r.randint(0, 6)):
        after = tuple(r.sample(range(i), min(i, r.randint(1, 2)))) if i else ()
        after = tuple(step for step in after if steps[step].op not in (Op.SYNC, Op.HOST))
        kind = r.random()
        if kind < 0.1:
            steps.append(Packet(Op.SYNC))
        elif kind < 0.2:
            steps.append(Packet(Op.HOST, host_ns=r.choice([0, 900])))
        elif kind < 0.35 and copies:
            steps.append(Packet(Op.COPY, r.choice(copies), time=_times(r, 1), barrier=r.random() < 0.5, after=after))
        elif kind < 0.5 and after:
            op = r.choice([Op.BARRIER_AND, Op.BARRIER_OR])
            steps.append(Packet(op, r.randrange(compute), barrier=r.random() < 0.5, after=after))
        else:
            steps.append(_dispatch(r, compute))
    return (*steps, _dispatch(r, compute))


def _dispatch(r: random.Random, compute: int) -> Packet:
    return Packet(
        Op.DISPATCH,
        r.randrange(compute),
        workgroups=r.choice([1, 2, 5, 17, 40]),
        time=_times(r, 200),
        jitter_permille=r.choice([0, 0, 250]),
        need=Room(r.choice([1, 1, 2, 4]), r.choice([0, 100, 400]), r.choice([0, 100, 1024])),
        barrier=r.random() < 0.6,
        host_ns=r.choice([0, 0, 300]),
        bandwidth_ppm=r.choice([0, 0, 0, 200_000]),
    )


def _controls(r: random.Random, queues: int) -> tuple[Control, ...]:
    times = sorted(r.randint(1, 200_000) for _ in range(r.randint(1, 6)))
    changes = [
        Control(t, r.choice(list(Change)), r.randrange(queues), r.randrange(3), r.choice([0, 7, 15])) for t in times
    ]
    # Some go together in one runlist, some without a fence.
    for n, control in enumerate(changes):
        if n and r.random() < 0.3:
            changes[n] = replace(control, at_ns=changes[n - 1].at_ns, joins=True)
        elif r.random() < 0.3:
            changes[n] = replace(control, fenced=False)
    return tuple(changes)
