"""Hardware slots: taking and leaving them, preempting what runs, and the changes that a driver makes to a queue."""

# Numba types the engine; to mypy its records are Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from ringscope.engine.codes import (
    CREATE,
    DESTROY,
    EVICT,
    IDLE,
    MAPPED,
    RESTORE,
    TAKING,
    UNMAPPED,
    State,
)
from ringscope.engine.compute_units import leave_cu
from ringscope.engine.events import drop_end, end_of, is_running
from ringscope.engine.jit import jit
from ringscope.engine.packets import wake_sender
from ringscope.engine.pipes import set_mode


@jit
def set_queue_state(s: State, q: int, state: int) -> None:
    """Change a queue's state and account for the time spent in the old one."""
    g = s.g[0]
    queue = s.queue[q]
    spent = g.now - queue.since
    if queue.state == UNMAPPED:
        queue.slot_ns += spent
    elif queue.state != MAPPED:
        queue.save_ns += spent
    queue.state = state
    queue.since = g.now
    if g.trace_on != 0:
        note_residence(s, q, queue.slot, state)


@jit
def note_residence(s: State, q: int, slot: int, state: int) -> None:
    """Keep that a queue changed its state; queue -1: that a runlist was sent."""
    g = s.g[0]
    row = s.residence[g.residence_rows]
    g.residence_rows += 1
    row.at = g.now
    row.queue = q
    row.slot = slot
    row.state = state


@jit
def free_slot(s: State, q: int) -> int:
    """The first free slot, if the process of queue ``q`` has a VMID or one is free; else -1."""
    g = s.g[0]
    used = 0
    for process in range(g.processes):
        if s.process[process].mapped > 0:
            used += 1
    if s.process[s.queue[q].process].mapped == 0 and used >= g.vmids:
        return -1
    for slot in range(g.slots):
        if s.slot[slot] < 0:
            return slot
    return -1


@jit
def take_slot(s: State, q: int, slot: int) -> None:
    """Queue ``q`` gets a slot (the same one on every XCC) and its process a VMID."""
    g = s.g[0]
    queue = s.queue[q]
    s.slot[slot] = q
    queue.slot = slot
    for pipe in range(g.pipes):
        for turn in range(g.pipe_slots):
            if s.pipe_slot[pipe, turn] == slot:
                queue.pipe = pipe
                queue.turn = turn
    for xcc in range(g.xccs):
        queue.pipes |= 1 << (xcc * g.pipes + queue.pipe)
    process = s.process[queue.process]
    if process.mapped == 0:
        process.mapped_at = g.now
    process.mapped += 1
    g.slots_used += 1
    g.slot_ns -= g.now


@jit
def leave_slot(s: State, q: int) -> None:
    """Queue ``q`` gives its slot back."""
    g = s.g[0]
    queue = s.queue[q]
    s.slot[queue.slot] = -1
    queue.slot = -1
    queue.pipes = 0
    s.process[queue.process].mapped -= 1
    g.slots_used -= 1
    g.slot_ns += g.now


@jit
def in_order(s: State, first: int, n: int) -> int:
    """Sort the first ``n`` workgroups of a list by the order in which they were placed; returns the new first one."""
    width = 1
    while width < n:
        head = -1
        tail = -1
        a = first
        left = n
        while left > 0:
            b = a
            in_a = min(width, left)
            for _ in range(in_a):
                b = s.workgroup[b].next + 0
            in_b = min(width, left - in_a)
            left -= in_a + in_b
            while in_a + in_b > 0:
                if in_b == 0 or (in_a > 0 and s.workgroup[a].order < s.workgroup[b].order):
                    w = a
                    a = s.workgroup[a].next + 0
                    in_a -= 1
                else:
                    w = b
                    b = s.workgroup[b].next + 0
                    in_b -= 1
                if tail < 0:
                    head = w
                else:
                    s.workgroup[tail].next = w
                tail = w
            a = b
        s.workgroup[tail].next = a
        first = head
        width *= 2
    return first


@jit
def stop_workgroups(s: State, q: int) -> None:
    """Stop every running workgroup of queue ``q`` with the time it has left.

    They stay on their CUs until the save is over (:func:`release`), in the order in which they were placed and before
    those still saved from an earlier preemption.
    """
    g = s.g[0]
    running = 0
    for k in range(q * g.xccs, (q + 1) * g.xccs):
        running += s.share[k].running
    g.saved_workgroups += running
    w = 0
    while running > 0:
        group = s.workgroup[w]
        if is_running(s, w) and s.packet[group.packet].queue == q:
            packet = s.packet[group.packet]
            share = s.share[group.share]
            group.rest = end_of(s, w) - g.now
            drop_end(s, w)
            group.next = share.saved_list
            share.saved_list = w
            g.bandwidth_used -= packet.bandwidth
            running -= 1
        w += 1
    for k in range(q * g.xccs, (q + 1) * g.xccs):
        share = s.share[k]
        share.saved_list = in_order(s, share.saved_list + 0, share.running + 0)
        share.saved += share.running
        share.running = 0
        share.waves = 0


@jit
def freeze(s: State, q: int) -> int:
    """Preempt queue ``q``: its workgroups stop and it loses its pipes; returns its waves.

    A packet being taken up is taken up again later.
    """
    g = s.g[0]
    queue = s.queue[q]
    waves = 0
    for xcc in range(g.xccs):
        share = s.share[q * g.xccs + xcc]
        waves += share.waves
        i = xcc * g.pipes + queue.pipe
        pipe = s.pipe[i]
        if pipe.queue == q:
            if pipe.mode == TAKING:
                share.head = share.packet
            set_mode(s, i, IDLE)
            pipe.queue = -1
            pipe.fetched_at = -1
            g.pipes_dirty |= 1 << i
        if pipe.connected == q:
            pipe.connected = -1
            pipe.turn = 0
    if waves > 0:
        stop_workgroups(s, q)
        g.preemptions += 1
        g.saved_waves += waves
    return waves


@jit
def release(s: State, q: int) -> None:
    """The save of queue ``q`` is over: its workgroups leave their CUs."""
    g = s.g[0]
    for k in range(q * g.xccs, (q + 1) * g.xccs):
        w = s.share[k].saved_list
        while w >= 0:
            group = s.workgroup[w]
            if group.cu >= 0:
                leave_cu(s, group.cu + 0, group.se + 0, s.packet[group.packet].need)
                group.cu = -1
            w = group.next + 0


@jit
def saved_waves(s: State, q: int) -> int:
    """Waves of queue ``q`` that a restore has to load."""
    g = s.g[0]
    waves = 0
    for k in range(q * g.xccs, (q + 1) * g.xccs):
        w = s.share[k].saved_list
        while w >= 0:
            group = s.workgroup[w]
            waves += (s.packet[group.packet].need >> 8) & 0xFF
            w = group.next + 0
    return waves


@jit
def drop_queue(s: State, q: int) -> None:
    """A destroyed queue's packets and saved workgroups are gone; nobody is told."""
    g = s.g[0]
    queue = s.queue[q]
    for k in range(q * g.xccs, (q + 1) * g.xccs):
        share = s.share[k]
        w = share.saved_list
        while w >= 0:
            group = s.workgroup[w]
            group.packet = -1
            s.spare[g.spares] = w
            g.spares += 1
            w = group.next + 0
        g.saved_workgroups -= share.saved
        share.saved_list = -1
        share.saved = 0
        share.left = 0
        share.head = -1
    p = queue.first
    while p >= 0:
        g.dropped += 1
        s.packet[p].state = 0
        p = s.packet[p].next
    queue.first = -1
    queue.last = -1
    queue.waiting = -1
    wake_sender(s, q)


@jit
def apply_control(s: State, c: int) -> None:
    """Write what the driver was asked to change into the queue."""
    control = s.control[c]
    q = control.queue
    queue = s.queue[q]
    change = control.change
    if change in (CREATE, RESTORE):
        queue.active = 1
    elif change == EVICT:
        queue.active = 0
    elif change == DESTROY:
        queue.active = 0
        drop_queue(s, q)
    else:
        queue.pipe_priority = control.pipe_priority
        queue.queue_priority = control.queue_priority
