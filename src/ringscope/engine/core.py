"""The run: what is due happens, then everyone who decides, decides once.

An instant has two halves. First everything that is due happens, in the order of the event keys: workgroups end,
packets are taken up, copies end, host threads act, doorbells ring, queues are mapped, quanta end. Then, once, the
schedulers decide (:func:`settle`): which queues get slots, which copy starts, which queue each pipe connects to, which
workgroup goes to which CU. So no outcome depends on the order in which events were posted or records were taken.

The rules stand in the rooms beside this one: :mod:`.events`, :mod:`.pipes`, :mod:`.compute_units`, :mod:`.packets`,
:mod:`.host`, :mod:`.slots` and :mod:`.schedulers`, all over :class:`ringscope.engine.state.State`. A workgroup or a
packet costs no call: what every packet passes through is ``hot``, and stands in one place only.
"""

# Numba types the engine; to mypy its records are Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from ringscope.engine.codes import (
    CONTROL,
    COPY_END,
    CPSCH,
    DEVICE,
    DONE,
    DOORBELL,
    HOST,
    ID_BITS,
    IDLE,
    KIND_BITS,
    MORE_EVENTS,
    MORE_LOG,
    MORE_RESIDENCE,
    MORE_TRACE,
    MORE_WORKGROUPS,
    PACKET_TAKEN,
    PLACING,
    QUANTUM,
    QUEUE_STEP,
    TIME_SHIFT,
    WORKGROUP_BITS,
    State,
)
from ringscope.engine.compute_units import place_workgroups, workgroup_end
from ringscope.engine.events import at, drop_first, lowest, next_end, post
from ringscope.engine.host import host, next_request
from ringscope.engine.jit import hot, jit
from ringscope.engine.packets import complete, copy_end, send, start_copy
from ringscope.engine.pipes import advance, packet_taken, quantum_over
from ringscope.engine.schedulers import device_step, queue_step, schedule_gangs, start_slots

WORKGROUP_MASK = (1 << WORKGROUP_BITS) - 1
ID_MASK = (1 << ID_BITS) - 1
KIND_MASK = (1 << KIND_BITS) - 1


@jit
def decide_slots(s: State) -> None:
    """Who gets a slot, which copy starts."""
    g = s.g[0]
    if g.schedule_dirty != 0:
        g.schedule_dirty = 0
        if g.scheduler != CPSCH:
            schedule_gangs(s)
    if g.engines_dirty != 0:
        g.engines_dirty = 0
        for e in range(g.engines):
            start_copy(s, e)


@hot
def settle(s: State) -> bool:
    """The second half of an instant: everyone who decides, decides once; whether any did but who places workgroups.

    A pipe that has placed its last workgroup looks for more to do before any other pipe of its XCC places one.
    """
    g = s.g[0]
    g.pending = 0
    decided = g.schedule_dirty + g.engines_dirty != 0
    if decided:
        decide_slots(s)
    while True:
        while g.pipes_dirty != 0:
            decided = True
            i = lowest(g.pipes_dirty)
            g.pipes_dirty &= g.pipes_dirty - 1
            pipe = s.pipe[at(i)]
            if pipe.mode == IDLE or (pipe.mode == PLACING and g.now >= pipe.quantum_at):
                advance(s, i)
        if g.xccs_dirty == 0:
            return decided
        xcc = lowest(g.xccs_dirty)
        i = place_workgroups(s, xcc)
        if i < 0:
            g.xccs_dirty &= ~(1 << xcc)
        else:
            g.pipes_dirty = 1 << i


@jit
def start(s: State) -> None:
    """Time zero: active queues are in their slots, threads take their first requests, changes are noted."""
    g = s.g[0]
    start_slots(s)
    g.events = 0
    for c in range(g.controls):
        post(s, s.control[c].at, DEVICE, CONTROL)
    for t in range(g.threads):
        next_request(s, t)


@jit
def rare(s: State, kind: int, index: int) -> None:
    """What does not happen with every packet."""
    if kind == QUANTUM:
        quantum_over(s, index)
    elif kind == QUEUE_STEP:
        queue_step(s, index)
    elif kind == DEVICE:
        device_step(s, index)


@hot
def too_little(s: State) -> int:
    """What there may be too little of for one more event and settling, else DONE.

    What these can add at most: an event for each pipe, engine and queue, a workgroup on all free room, a row of the log
    and of the trace, and two changes of every queue's state, in the event and in settling.
    """
    g = s.g[0]
    if g.events_held > s.heap.size - 2 * g.xccs * g.pipes - g.engines - 2 * g.queues - 8:
        return MORE_EVENTS
    if g.saved_workgroups > s.workgroup.size - g.resident:
        return MORE_WORKGROUPS
    if g.log_rows > s.log.size - 2:
        return MORE_LOG
    if g.trace_on != 0 and g.trace_rows > s.trace.size - 2:
        return MORE_TRACE
    if g.trace_on != 0 and g.residence_rows > s.residence.size - 4 * g.queues - 1:
        return MORE_RESIDENCE
    return DONE


@jit
def run(s: State, until: int) -> int:
    """Go on until every event up to ``until`` (inclusive) has happened; returns DONE or what there is too little of.

    After more room was given the run is continued by the same call; nothing is done twice.
    """
    g = s.g[0]
    if g.started == 0:
        g.started = 1
        start(s)
    grown = True  # ends of workgroups and placing others add nothing
    while True:
        end = next_end(s)
        key = s.heap[0]
        due = min(end >> WORKGROUP_BITS, key >> TIME_SHIFT)
        if grown:
            grown = False
            short = too_little(s)
            if short != DONE:
                return short
        if g.pending != 0 and due != g.now:
            grown = settle(s)
            continue
        if due > until:
            g.now = max(g.now, until)
            return DONE
        g.now = due
        g.pending = 1
        done = -1
        sent = -1
        if due == end >> WORKGROUP_BITS:
            done = workgroup_end(s, end & WORKGROUP_MASK)
        else:
            grown = True
            g.events_held -= 1
            drop_first(s.heap, g.events_held)
            kind = (key >> ID_BITS) & KIND_MASK
            index = key & ID_MASK
            if kind == PACKET_TAKEN:
                done = packet_taken(s, index)
            elif kind == HOST:
                sent = host(s, index)
            elif kind == COPY_END:
                done = copy_end(s, index)
            elif kind == DOORBELL:
                g.events += 1
                sent = index
            else:
                rare(s, kind, index)
        if done >= 0:
            grown = True
            complete(s, done)
        if sent >= 0:
            send(s, sent)
