"""A user's own rules: what they change, what they must not, and that a built-in rule given back changes no byte."""

import hashlib
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from ringscope.engine import native
from ringscope.engine.policies import Placement, Scheduler
from ringscope.engine.rules import (
    Rules,
    fits,
    has_work,
    longest_mapped,
    longest_waiting,
    next_pipe,
    next_queue,
)
from ringscope.engine.run import Engine
from ringscope.engine.spec import Costs, HostThread, Machine, Packet, Queue, Room, Source, Spec, constant

HORIZON = 200_000
SHORT = 20_000
# Compiling takes half a minute: one set of rules is compiled, the others run as plain Python.


def pipes_in_turn(s: Any, xcc: int) -> int:
    """A user's own function that asks the built-in rule."""
    return next_pipe(s, xcc)


BUILT_IN = Rules(connect=next_queue, dispatch=pipes_in_turn, evict=longest_mapped)


def lowest_first(s: Any, i: int) -> int:
    """Pipe i serves the lowest-numbered queue of its slots that has work: the others starve."""
    pipe = s.pipe[i]
    best = -1
    for turn in range(s.g[0].pipe_slots):
        slot = s.pipe_slot[pipe.local, turn]
        if slot >= 0 and s.slot[slot] >= 0:
            q = s.slot[slot]
            if has_work(s, q, pipe.xcc) and (best < 0 or q < best):
                best = q
    return best


def first_cu_with_room(s: Any, i: int, q: int, need: int) -> int:
    """The CUs in order, whatever their shader engine."""
    g = s.g[0]
    first = s.pipe[i].xcc * g.ses * g.cus_stride
    for cu in range(first, first + g.ses * g.cus_stride):
        if fits(s.cu[cu], need):
            return cu
    return -1


def engines_in_turn(s: Any, i: int, q: int, need: int) -> int:
    """Both placements said once more, by a full search and without what a pipe remembers."""
    g = s.g[0]
    xcc = s.pipe[i].xcc
    engine = s.share[q * g.xccs + xcc].engine_turn
    for _ in range(g.ses):
        e = xcc * g.ses + engine
        allowed = s.mask[s.queue[q].mask, e]
        for k in range(g.cus_stride):
            c = (s.se[e].turn + k) % g.cus_stride
            if (allowed >> c) & 1 and fits(s.cu[e * g.cus_stride + c], need):
                return int(e * g.cus_stride + c)
        if allowed != 0 and g.placement == Placement.SE_STRICT:
            return -1
        engine = (engine + 1) % g.ses
    return -1


def out_of_bounds(s: Any, i: int) -> int:
    return 1_000_000


def digest(spec: Spec, rules: Rules | None, horizon: int = HORIZON) -> str:
    engine = Engine(spec, trace=True, rules=rules)
    engine.run(horizon)
    return hashlib.sha256(engine.log.tobytes() + engine.trace.tobytes() + repr(engine.totals).encode()).hexdigest()


def two_queues_on_a_pipe() -> Spec:
    """Both busy for good; by turns of a queue quantum they share the pipe."""

    def packets(q: int) -> tuple[Packet, ...]:
        return (Packet(queue=q, workgroups=8, time=constant(1000), need=Room(1, 0, 0), barrier=False),) * 50

    return Spec(
        Machine(cus=(2, 2), cu=Room(4, 0, 0, 4), pipes=1, slots=(0, 0)),
        (Queue(0, 0), Queue(1, 1)),
        (HostThread(0, packets(0)), HostThread(1, packets(1))),
        (Source(), Source()),
        costs=Costs(queue_quantum_ns=5_000),
    )


def test_a_rule_decides_which_queue_a_pipe_serves() -> None:
    def done(rules: Rules | None) -> list[int]:
        engine = Engine(two_queues_on_a_pipe(), rules=rules)
        engine.run(300_000)
        return [int(n) for n in engine.state.queue["done_packets"]]

    shared = done(None)
    assert abs(shared[0] - shared[1]) <= 10
    starved = done(Rules(connect=lowest_first, compiled=False))
    assert starved[0] > 1.8 * shared[0]
    assert starved[1] < 0.2 * shared[1]


@pytest.mark.parametrize("scheduler", Scheduler)
def test_built_in_rules_given_as_a_users_change_no_byte(scheduler: Scheduler, random_specs: ModuleType) -> None:
    for seed in range(60_000, 60_025):
        spec = random_specs.random_spec(seed, scheduler)
        assert digest(spec, BUILT_IN) == digest(spec, None), seed


def test_the_uncompiled_text_gives_the_same_bytes(random_specs: ModuleType) -> None:
    for seed in (2, 3, 7, 11, 60_001):
        spec = random_specs.random_spec(seed)
        assert digest(spec, Rules(compiled=False), SHORT) == digest(spec, None, SHORT), seed
    spec = random_specs.random_spec(60_003, Scheduler.MES)
    rules = Rules(connect=next_queue, dispatch=next_pipe, map_next=longest_waiting, evict=longest_mapped)
    assert digest(spec, replace(rules, compiled=False), SHORT) == digest(spec, None, SHORT)


@pytest.mark.parametrize("placement", Placement)
def test_a_placement_said_by_a_user_is_the_built_in_one(placement: Placement, random_specs: ModuleType) -> None:
    """What pipes know of full engines and CUs saves searches and changes no byte."""
    differs = 0
    for seed in range(61_000, 61_012):
        spec: Spec = random_specs.random_spec(seed)
        spec = replace(spec, policies=replace(spec.policies, placement=placement))
        usual = digest(spec, None, SHORT)
        assert digest(spec, Rules(place=engines_in_turn, compiled=False), SHORT) == usual, seed
        differs += digest(spec, Rules(place=first_cu_with_room, compiled=False), SHORT) != usual
    assert differs > 0


def test_a_rule_may_choose_who_is_mapped_and_who_gives_way() -> None:
    """Over-subscribed, three queues for one slot: the rule never lets the last one in."""

    def never_the_last(s: Any) -> int:
        q = longest_waiting(s)
        if q == s.g[0].queues - 1:
            return -1
        return q

    def by_turns(s: Any) -> int:
        q = (s.g[0].cursor + 1) % 2
        return q if s.queue[q].slot < 0 else -1

    def done(scheduler: Scheduler, rules: Rules | None) -> list[int]:
        spec = Spec(
            Machine(pipes=1, slots=(0,), scheduler=scheduler),
            tuple(Queue(q, q) for q in range(3)),
            tuple(HostThread(q, (Packet(queue=q, time=constant(1000)),)) for q in range(3)),
            (Source(),) * 3,
            costs=Costs(gang_quantum_ns=5_000, process_quantum_ns=5_000),
        )
        engine = Engine(spec, rules=rules)
        engine.run(HORIZON)
        return [int(n) for n in engine.state.queue["done_packets"]]

    assert min(done(Scheduler.MES, None)) > 0
    mes = done(Scheduler.MES, Rules(map_next=never_the_last, evict=longest_mapped, compiled=False))
    assert mes[2] == 0 and min(mes[:2]) > 0
    assert min(done(Scheduler.CPSCH, None)) > 0
    cpsch = done(Scheduler.CPSCH, Rules(map_next=by_turns, compiled=False))
    assert cpsch[2] == 0 and min(cpsch[:2]) > 0


def test_what_a_rule_must_not_choose_counts_as_none() -> None:
    engine = Engine(two_queues_on_a_pipe(), rules=Rules(connect=out_of_bounds, compiled=False))
    engine.run(HORIZON)
    assert engine.totals.workgroups == 0


def test_own_rules_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = native.engine()
    monkeypatch.setattr(native, "_keep", None)  # would be called
    assert BUILT_IN.run is not engine
    assert native.engine() is engine
