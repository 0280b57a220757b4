"""Schedulers: who sits in the slots. CPSCH walks a runlist for the whole device, MES and NOCPSCH map single queues."""

# Numba types the engine; to mypy its records are Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from ringscope.engine.codes import (
    BUSY_FIRST,
    CONTROL,
    CPSCH,
    DEVICE,
    DEVICE_MAPPING,
    DEVICE_SAVING,
    LIST_END,
    MAPPED,
    MAPPED_ALL,
    MAPPING,
    MES,
    NEVER,
    NOCPSCH,
    PROCESS_HOLDS,
    QUEUE_STEP,
    SAVED,
    SAVING,
    STEADY,
    TICK,
    UNMAPPED,
    State,
)
from ringscope.engine.events import post
from ringscope.engine.jit import jit
from ringscope.engine.slots import (
    apply_control,
    free_slot,
    freeze,
    leave_slot,
    note_residence,
    release,
    saved_waves,
    set_queue_state,
    take_slot,
)


# ---- CPSCH: one runlist for the whole device ------------------------------------------------------------------
@jit
def unmap_all(s: State) -> None:
    """Preempt every mapped queue; MAPPED_ALL follows when the next share of the runlist is in."""
    g = s.g[0]
    waves = 0
    for slot in range(g.slots):
        q = s.slot[slot]
        if q >= 0:
            waves += freeze(s, q)
            set_queue_state(s, q, SAVING)
    g.phase = DEVICE_SAVING
    fence = g.save_ns
    if g.in_control >= 0 and s.control[g.in_control].fenced == 0:
        fence = 0
    post(s, g.now + fence + waves * g.save_wave_ps // 1000, DEVICE, SAVED)


@jit
def next_in_runlist(s: State, after: int) -> int:
    """The active compute queue with the lowest rank above ``after``, -1 at the end of the list."""
    best = -1
    best_rank = 0
    for q in range(s.g[0].queues):
        queue = s.queue[q]
        if queue.active != 0 and queue.engine < 0 and queue.rank > after and (best < 0 or queue.rank < best_rank):
            best = q
            best_rank = queue.rank + 0
    return best


@jit
def take_share(s: State, busy: int, wrap: int) -> bool:
    """Map queues from the runlist while slots and VMIDs last; whether that reached the end of what is allowed.

    ``busy`` 1 or 0 takes only queues with or without packets, -1 any. The walk starts after rank ``g.cursor``.
    """
    g = s.g[0]
    start = g.cursor + 0
    at = start
    wrapped = 0
    while True:
        q = next_in_runlist(s, at)
        if q < 0 or (wrapped == 1 and s.queue[q].rank > start):
            if wrapped == 1 or wrap == 0:
                return True
            wrapped = 1
            at = -1
            continue
        queue = s.queue[q]
        at = queue.rank + 0
        if queue.slot >= 0 or (busy >= 0 and (queue.first >= 0) != (busy == 1)):
            continue
        slot = free_slot(s, q)
        if slot < 0:
            return False
        take_slot(s, q, slot)
        if busy != 0:
            g.share = at


@jit
def choose_share(s: State) -> None:
    """Give slots to the next share of the runlist, and keep where the one after it begins."""
    g = s.g[0]
    g.share = g.cursor
    busy = -1
    wrap = int(g.rotation != LIST_END)
    if g.idle == BUSY_FIRST:
        busy = 1
        wrap = 1
    if take_share(s, busy, wrap) and busy == 1:
        take_share(s, busy - 1, wrap)
    # With LIST_END the list starts again where nothing was left to take.
    if g.idle != BUSY_FIRST and g.rotation == LIST_END and next_in_runlist(s, g.share) < 0:
        g.share = -1
    g.cursor = g.share


@jit
def map_share(s: State) -> None:
    """Load the next share of the runlist; MAPPED_ALL follows when its queues are restored."""
    g = s.g[0]
    choose_share(s)
    waves = 0
    for slot in range(g.slots):
        q = s.slot[slot]
        if q >= 0:
            waves += saved_waves(s, q)
            set_queue_state(s, q, MAPPING)
    g.phase = DEVICE_MAPPING
    post(s, g.now + g.map_ns + waves * g.restore_wave_ps // 1000, DEVICE, MAPPED_ALL)


@jit
def over_subscribed(s: State) -> bool:
    """Whether some active compute queue is not in a slot."""
    g = s.g[0]
    for q in range(g.queues):
        queue = s.queue[q]
        if queue.active != 0 and queue.engine < 0 and queue.slot < 0:
            return True
    return False


@jit
def share_mapped(s: State) -> None:
    """The runlist's share is loaded: its queues run, for a process quantum where others wait."""
    g = s.g[0]
    g.events += 1
    g.phase = STEADY
    g.engines_dirty = 1
    for slot in range(g.slots):
        q = s.slot[slot]
        if q >= 0:
            set_queue_state(s, q, MAPPED)
            g.pipes_dirty |= s.queue[q].pipes
    g.tick_at = -1
    if over_subscribed(s):
        g.tick_at = g.now + g.process_quantum_ns
        post(s, g.tick_at, DEVICE, TICK)


# ---- MES and NOCPSCH: single queues ------------------------------------------------------------------------------
@jit
def map_queue(s: State, q: int, slot: int) -> None:
    """Load one queue into a slot."""
    g = s.g[0]
    take_slot(s, q, slot)
    s.queue[q].waiting = -1
    set_queue_state(s, q, MAPPING)
    post(s, g.now + g.map_ns + saved_waves(s, q) * g.restore_wave_ps // 1000, QUEUE_STEP, 2 * q + 1)


@jit
def unmap_queue(s: State, q: int) -> None:
    """Preempt one queue."""
    g = s.g[0]
    waves = freeze(s, q)
    set_queue_state(s, q, SAVING)
    post(s, g.now + g.save_ns + waves * g.save_wave_ps // 1000, QUEUE_STEP, 2 * q)


@jit
def queue_step(s: State, index: int) -> None:
    """One queue is saved or mapped."""
    g = s.g[0]
    q = index >> 1
    queue = s.queue[q]
    g.events += 1
    if index & 1:
        set_queue_state(s, q, MAPPED)
        queue.mapped_at = g.now
        g.pipes_dirty |= queue.pipes
    else:
        release(s, q)
        leave_slot(s, q)
        set_queue_state(s, q, UNMAPPED)
        if queue.first >= 0 and queue.waiting < 0:
            g.wait_clock += 1
            queue.waiting = g.wait_clock
    g.schedule_dirty = 1
    control_single(s)


@jit
def control_single(s: State) -> None:
    """Carry out the changes that are due, each once its queue is at rest; the others are not disturbed."""
    g = s.g[0]
    while True:
        n = g.control_next + 0
        if n >= g.controls or s.control[n].at > g.now:
            return
        q = s.control[n].queue + 0
        state = s.queue[q].state
        if state == MAPPED:
            unmap_queue(s, q)
            return
        if state != UNMAPPED:
            return
        g.control_next = n + 1
        apply_control(s, n)
        queue = s.queue[q]
        if queue.engine >= 0:
            g.engines_dirty = 1
            continue
        if queue.active != 0 and (queue.slot_fixed >= 0 or queue.first >= 0) and queue.waiting < 0:
            g.wait_clock += 1
            queue.waiting = g.wait_clock
        g.schedule_dirty = 1


@jit
def longest_waiting(s: State) -> int:
    """The active unmapped queue with work that has waited longest, -1 for none."""
    best = -1
    for q in range(s.g[0].queues):
        queue = s.queue[q]
        if (
            queue.waiting >= 0
            and queue.state == UNMAPPED
            and queue.active != 0
            and (best < 0 or queue.waiting < s.queue[best].waiting)
        ):
            best = q
    return best


@jit
def may_lose_slot(s: State, process: int) -> bool:
    """Whether a process's quantum is over, or one of its own queues waits; always, where only gangs have quanta."""
    g = s.g[0]
    if g.gangs != PROCESS_HOLDS or s.process[process].mapped_at + g.process_quantum_ns <= g.now:
        return True
    for q in range(g.queues):
        queue = s.queue[q]
        if queue.process == process and queue.waiting >= 0 and queue.state == UNMAPPED and queue.active != 0:
            return True
    return False


@jit
def longest_mapped(s: State, idle: int, before: int) -> int:
    """The mapped queue (an idle one only, when asked) that was mapped first, if no later than ``before``; else -1."""
    best = -1
    for q in range(s.g[0].queues):
        queue = s.queue[q]
        if (
            queue.slot >= 0
            and queue.state == MAPPED
            and queue.mapped_at <= before
            and (idle == 0 or queue.first < 0)
            and (idle == 1 or may_lose_slot(s, queue.process))
            and (best < 0 or queue.mapped_at < s.queue[best].mapped_at)
        ):
            best = q
    return best


@jit
def schedule_gangs(s: State) -> None:
    """MES maps waiting queues while slots and VMIDs last, idle queues giving way at once; NOCPSCH uses fixed slots."""
    g = s.g[0]
    while True:
        q = longest_waiting(s)
        if q < 0:
            return
        if g.scheduler == NOCPSCH:
            map_queue(s, q, s.queue[q].slot_fixed)
            continue
        slot = free_slot(s, q)
        if slot >= 0:
            map_queue(s, q, slot)
            continue
        victim = longest_mapped(s, 1, g.now)
        if victim >= 0:
            freeze(s, victim)
            leave_slot(s, victim)
            set_queue_state(s, victim, UNMAPPED)
            continue
        if g.tick_at < 0:
            g.tick_at = g.now + g.gang_quantum_ns
            post(s, g.tick_at, DEVICE, TICK)
        return


@jit
def swap_gangs(s: State) -> None:
    """A gang quantum ends: as many queues as wait are preempted, those mapped longest first, if they had a quantum."""
    g = s.g[0]
    g.events += 1
    g.tick_at = -1
    waiting = 0
    for q in range(g.queues):
        queue = s.queue[q]
        if queue.waiting >= 0 and queue.state == UNMAPPED and queue.active != 0:
            waiting += 1
    for _ in range(waiting):
        q = longest_mapped(s, 0, g.now - g.gang_quantum_ns)
        if q < 0:
            break
        g.rotations += 1
        unmap_queue(s, q)
    if waiting > 0:
        g.tick_at = g.now + g.gang_quantum_ns
        post(s, g.tick_at, DEVICE, TICK)


# ---- the device --------------------------------------------------------------------------------------------------
@jit
def device_step(s: State, what: int) -> None:
    """CPSCH goes on: a save or a mapping is over, the process quantum ends, the driver is asked for a change."""
    g = s.g[0]
    if what == SAVED:
        g.events += 1
        for slot in range(g.slots):
            q = s.slot[slot]
            if q >= 0:
                release(s, q)
                leave_slot(s, q)
                set_queue_state(s, q, UNMAPPED)
        if g.in_control >= 0:
            for c in range(g.in_control, g.control_next):
                apply_control(s, c)
            g.in_control = -1
            g.engines_dirty = 1
            g.cursor = -1  # a new runlist is walked from its start
            g.runlists += 1
            if g.trace_on != 0:
                note_residence(s, -1, -1, 0)
        else:
            g.rotations += 1
        map_share(s)
        return
    if what == MAPPED_ALL:
        share_mapped(s)
    elif what == TICK:
        if g.scheduler == MES:
            swap_gangs(s)
            return
        if g.phase != STEADY or g.tick_at != g.now:
            return
        g.events += 1
        g.tick_at = -1
        unmap_all(s)
        return
    if what == CONTROL and g.scheduler != CPSCH:
        control_single(s)
        return
    # The driver makes one change after another, each when the last runlist is in.
    n = g.control_next + 0
    if g.phase == STEADY and n < g.controls and s.control[n].at <= g.now:
        g.in_control = n
        n += 1
        while n < g.controls and s.control[n].joins != 0:
            n += 1
        g.control_next = n
        unmap_all(s)


@jit
def start_slots(s: State) -> None:
    """Time zero: active queues are in their slots."""
    g = s.g[0]
    g.cursor = -1
    if g.scheduler == CPSCH:
        map_share(s)
        g.events_held = 0
        s.heap[0] = NEVER
        share_mapped(s)
        return
    for _ in range(g.queues):
        q = next_in_runlist(s, g.cursor)
        if q < 0:
            break
        g.cursor = s.queue[q].rank
        slot = s.queue[q].slot_fixed
        if g.scheduler == MES:
            slot = free_slot(s, q)
        if slot >= 0:
            take_slot(s, q, slot)
            set_queue_state(s, q, MAPPED)
