"""Driving the engine from outside: doorbells, signals and changes give what the same things inside give."""

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from ringscope.engine import codes
from ringscope.engine.policies import Scheduler
from ringscope.engine.run import Engine
from ringscope.engine.spec import (
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
    SpecError,
    Times,
    constant,
)
from ringscope.engine.state import LOG, TRACE, build

HORIZON = 200_000


@pytest.mark.parametrize("scheduler", Scheduler)
def test_doorbells_and_changes_give_the_run_that_host_threads_gave(
    scheduler: Scheduler, random_specs: ModuleType
) -> None:
    rang = 0
    for seed in range(50_000, 50_060):
        spec: Spec = random_specs.random_spec(seed, scheduler)
        plain = tuple(
            replace(
                thread,
                packets=tuple(
                    replace(packet, jitter_permille=0, after=(), time=Times(packet.time.quantiles[-1:]))
                    for packet in thread.packets
                    if packet.op in (Op.DISPATCH, Op.COPY)
                ),
            )
            for thread in spec.threads
        )
        # Rings are never full: from outside nobody waits for a place in one.
        spec = replace(spec, threads=plain, queues=tuple(replace(queue, ring_packets=16384) for queue in spec.queues))
        inside = Engine(spec, trace=True)
        inside.run(HORIZON)
        packets = [packet for thread in plain for packet in thread.packets]
        sent = [(int(row["sent"]), int(row["packet"])) for row in inside.trace]
        done = sorted((int(row["sent"]), int(row["queue"]), int(row["done"])) for row in inside.trace)
        open_now = [
            (int(row["sent"]), index) for index, row in enumerate(inside.state.packet) if int(row["state"]) == 1
        ]
        if len({(at, packets[p].queue) for at, p in sent + open_now}) != len(sent + open_now) or inside.totals.dropped:
            continue  # two packets in one queue at one instant: their order is the threads'
        outside = Engine(replace(spec, threads=(), sources=(), controls=()), trace=True)
        for control in spec.controls:
            outside.change(control)
        for at, p in sorted(sent + open_now):
            outside.run(max(outside.now, at - 1))
            outside.doorbell(packets[p], at)
        outside.run(HORIZON)
        assert sorted((int(r["sent"]), int(r["queue"]), int(r["done"])) for r in outside.trace) == done, seed
        rang += len(done)
    assert rang > 100


def test_signals_hold_barrier_packets_and_copies_back() -> None:
    spec = Spec(
        Machine(cus=(2,), cu=Room(4, 0, 0, 4)),
        (Queue(), Queue(rank=1), Queue(sdma_engine=0)),
        costs=Costs(packet_ns=10),
    )
    engine = Engine(spec)
    first, second = engine.signal(), engine.signal()
    both = engine.doorbell(Packet(Op.BARRIER_AND, 0), signals=(first, second))
    either = engine.doorbell(Packet(Op.BARRIER_OR, 1), signals=(first, second))
    copy = engine.doorbell(Packet(Op.COPY, 2, time=constant(500)), signals=(either,))
    kernel = engine.doorbell(Packet(Op.DISPATCH, 0, 4, constant(100)))
    engine.run(1000)
    assert engine.done_at(both) is None and engine.done_at(either) is None
    engine.fire(first, 2000)
    engine.fire(second, 3000)
    engine.run(10_000)
    assert [engine.done_at(p) for p in (first, second, both, either, copy, kernel)] == [
        2000,
        3000,
        3010,
        2010,
        2510,
        3120,
    ]
    for number in (first, second, both, either, copy, kernel):
        engine.forget(number)
    assert engine.doorbell(Packet(Op.DISPATCH, 0)) in (first, second, both, either, copy, kernel)


def test_a_queue_comes_and_goes_from_outside() -> None:
    costs = Costs(save_ns=100, map_ns=50)
    engine = Engine(Spec(Machine(), (Queue(), Queue(rank=1, active=False)), costs=costs))
    waits = engine.doorbell(Packet(queue=1, time=constant(10)))
    engine.run(1000)
    assert engine.done_at(waits) is None
    engine.change(Control(0, Change.CREATE, 1))
    engine.run(1200)
    assert engine.done_at(waits) == 1160
    engine.change(Control(0, Change.DESTROY, 1))
    engine.run(2000)
    assert engine.totals.runlists == 2
    assert [int(q) for q in engine.state.slot if q >= 0] == [0]


def test_smaller_workgroups_than_before_find_their_room() -> None:
    engine = Engine(Spec(Machine(cus=(1,), cu=Room(8, 0, 0, 8)), (Queue(), Queue(rank=1))))
    engine.doorbell(Packet(queue=0, workgroups=1, need=Room(5, 0, 0), time=constant(100)))
    small = engine.doorbell(Packet(queue=1, workgroups=3, need=Room(1, 0, 0), time=constant(10)), 1)
    engine.run(1000)
    assert engine.done_at(small) == 11


def test_what_is_refused() -> None:
    engine = Engine(Spec(Machine(), (Queue(),)))
    engine.run(100)
    with pytest.raises(SpecError, match="past"):
        engine.doorbell(Packet(), 50)
    with pytest.raises(SpecError, match="no queue 7"):
        engine.change(Control(200, Change.EVICT, 7))
    with pytest.raises(SpecError, match="not complete"):
        engine.forget(engine.signal())
    with pytest.raises(SpecError, match="goes from"):
        engine.run(50)


def test_a_run_too_large_for_its_event_keys_is_refused() -> None:
    with pytest.raises(SpecError, match="at most 32768"):
        Spec(Machine(), (Queue(),) * 32769)
    thread = HostThread(0, (Packet(),))
    with pytest.raises(SpecError, match="at most 65536"):
        Spec(Machine(), (Queue(),), (thread,) * 65537, (Source(),))


def test_room_is_asked_for_before_it_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # Eight queues whose packets all end in the same instants: rows come in bursts.
    kernel = Packet(queue=0, workgroups=1, time=constant(1_000))
    threads = tuple(HostThread(q, (replace(kernel, queue=q),)) for q in range(8))
    queues = tuple(Queue(process=q, rank=q) for q in range(8))
    spec = Spec(Machine(cus=(8,), cu=Room(32, 0, 0, 32)), queues, threads, (Source(times=constant(0)),) * 8)
    plain = Engine(spec, trace=True)
    plain.run(200_000)
    assert len(plain.trace) == len(plain.log) > 500

    counted = {codes.MORE_LOG: ("log", "log_rows"), codes.MORE_TRACE: ("trace", "trace_rows")}
    grown: list[int] = []
    grow = Engine._grow

    def checked(engine: Engine, short: int) -> None:
        name, rows = counted[short]
        assert engine.state.g[0][rows] <= getattr(engine.state, name).size, f"{name} was written past its end"
        grown.append(short)
        grow(engine, short)

    monkeypatch.setattr(Engine, "_grow", checked)
    state = build(spec, True)
    # Space behind the arrays that belongs to nobody, so that a failure is a failure and not a crash.
    tight = Engine(spec, state=state._replace(log=np.zeros(64, LOG)[:4], trace=np.zeros(64, TRACE)[:4]))
    tight.run(200_000)
    assert set(grown) == set(counted)
    assert tight.log.tobytes() == plain.log.tobytes() and tight.trace.tobytes() == plain.trace.tobytes()
