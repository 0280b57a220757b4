from dataclasses import replace

import pytest

from ringscope.engine.frame import Frame
from ringscope.engine.policies import Dispatch, Placement, Policies
from ringscope.engine.run import Engine
from ringscope.engine.spec import (
    Arrival,
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
)
from ringscope.engine.state import build

NEED = Room(waves=1, vgprs=0, lds=0)


def spec(groups: int, time: int, think: int, seed: int, policies: Policies, costs: Costs) -> Spec:
    """Two threads of one kind and one of another."""
    queues = tuple(Queue(process=n) for n in range(3))
    requests = []
    for queue in range(3):
        kernel = Packet(Op.DISPATCH, queue, workgroups=groups + queue // 2, time=Times((time,)), need=NEED)
        requests.append((kernel, kernel, Packet(Op.BARRIER_AND, queue, after=(1,), host_ns=think)))
    sources = (Source(Arrival.OPEN, Times((think + 1, time + 5000))), Source(times=Times((think,)), limit=groups))
    threads = tuple(HostThread(queue // 2, request) for queue, request in enumerate(requests))
    return Spec(Machine(cus=(3, 2)), queues, threads, sources, costs=costs, policies=policies, seed=seed)


RUNS = [
    spec(7, 900, 50, 1, Policies(), Costs()),
    spec(70, 1300, 900, 9, Policies(dispatch=Dispatch.KERNEL, placement=Placement.SE_SKIP), Costs(packet_ns=70)),
    spec(1, 4000, 4001, 1 << 32, Policies(), Costs(launch_ps=5, save_ns=1)),
]


def test_numbers_give_the_state_that_is_built() -> None:
    frame = Frame(RUNS[0], [0, 0, 1])
    for run in (*RUNS, RUNS[0]):
        requests = [run.threads[0].packets, run.threads[2].packets]
        numbers = frame.numbers(run.policies, run.costs, run.seed, requests, run.sources)
        mine, plain = frame.state(numbers), build(run)
        assert [a.tobytes() for a in mine] == [b.tobytes() for b in plain]
        ours, theirs = Engine(RUNS[0], state=mine), Engine(run)
        ours.run(90_000)
        theirs.run(90_000)
        assert ours.log.tobytes() == theirs.log.tobytes() and ours.totals == theirs.totals
        assert len(ours.log)


def test_what_a_frame_refuses() -> None:
    frame = Frame(RUNS[0], [0, 0, 1])
    bad = replace(RUNS[0].threads[0].packets[0], time=Times((0,)))
    with pytest.raises(SpecError, match="takes at least 1 ns"):
        frame.numbers(Policies(), Costs(), 0, [(bad, bad, bad), RUNS[0].threads[2].packets], RUNS[0].sources)
    waiting = HostThread(0, (Packet(Op.HOST, host_ns=5),))
    with pytest.raises(ValueError, match="depends on their numbers"):
        Frame(replace(RUNS[0], threads=(waiting,)), [0])
