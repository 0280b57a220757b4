"""Pipes: which queue each serves, for how long, and the packets that it takes up."""

# Numba types the engine; to mypy its records are Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from ringscope.engine.codes import (
    BARRIER_OR,
    COMPLETE,
    FULL_PRIORITY,
    IDLE,
    MAPPED,
    PACKET_TAKEN,
    PLACING,
    QUANTUM,
    SWITCHING,
    TAKING,
    State,
)
from ringscope.engine.events import at, post
from ringscope.engine.jit import hot, jit


@jit
def signals_met(s: State, p: int) -> bool:
    """Whether the signals that packet ``p`` waits for let it be taken up."""
    packet = s.packet[p]
    met = 0
    for k in range(packet.waits):
        if s.packet[s.waits[p, k]].state == COMPLETE:
            met += 1
    if packet.op == BARRIER_OR:
        return met > 0
    return met == packet.waits


@jit
def signals_at(s: State, p: int) -> int:
    """When the signals that packet ``p`` waits for let it go."""
    either = s.packet[p].op == BARRIER_OR
    at = -1
    for k in range(s.packet[p].waits):
        other = s.packet[s.waits[p, k]]
        if other.state == COMPLETE:
            t = other.done_at
            if at < 0 or (either and t < at) or (not either and t > at):
                at = t
    return at


@hot
def may_start(s: State, p: int) -> bool:
    """Whether the packet's barrier bit and the signals it waits for let it be taken up."""
    packet = s.packet[at(p)]
    if packet.barrier != 0 and s.queue[at(packet.queue)].first != p:
        return False
    return packet.waits == 0 or signals_met(s, p)


@hot
def has_work(s: State, q: int, xcc: int) -> bool:
    """Whether a pipe of this XCC connected to the queue would have something to do."""
    if s.queue[at(q)].state != MAPPED:
        return False
    share = s.share[at(q * s.g[0].xccs + xcc)]
    if share.saved > 0 or share.left > 0:
        return True
    return share.head >= 0 and may_start(s, share.head)


@hot
def next_queue(s: State, i: int) -> int:
    """The queue that pipe ``i`` (of all XCCs) serves next; -1 for none.

    It stays with its queue until that has no work or the quantum is over; then the slots take turns, by queue priority
    where that has an effect.
    """
    g = s.g[0]
    pipe = s.pipe[at(i)]
    held = pipe.connected
    best = -1
    best_priority = -1
    held_priority = -1
    n = g.pipe_slots
    turn = pipe.turn
    for _ in range(n):
        turn += 1
        if turn >= n:
            turn -= n
        slot = s.pipe_slot[at(pipe.local), at(turn)]
        if slot < 0:
            continue
        q = s.slot[at(slot)]
        if q < 0:
            continue
        priority = 0
        if g.priority == FULL_PRIORITY:
            priority = s.queue[at(q)].queue_priority
        if (priority > best_priority or q == held) and has_work(s, q, pipe.xcc):
            if q == held:
                held_priority = priority
            if priority > best_priority:
                best = q
                best_priority = priority
    if best >= 0 and held_priority >= best_priority and g.now < pipe.quantum_at:
        return held
    return best


@hot
def set_mode(s: State, i: int, mode: int) -> None:
    """Change what pipe ``i`` does; one that stops or starts placing gives others, or itself, a chance to."""
    pipe = s.pipe[at(i)]
    if PLACING in (mode, pipe.mode):
        x = s.xcc[at(pipe.xcc)]
        bit = 1 << pipe.local
        x.placing &= ~bit
        x.blocked &= ~bit
        if mode == PLACING:
            x.placing |= bit
            pipe.need = -1
        s.g[0].xccs_dirty |= 1 << pipe.xcc
    pipe.mode = mode


@hot
def advance(s: State, i: int) -> None:
    """Give pipe ``i`` something to do: saved or waiting workgroups to place, or a packet to take up."""
    g = s.g[0]
    pipe = s.pipe[at(i)]
    q = next_queue(s, i)
    pipe.queue = q
    if q < 0:
        set_mode(s, i, IDLE)
        return
    queue = s.queue[at(q)]
    if q != pipe.connected or g.now >= pipe.quantum_at:
        pipe.connected = q
        pipe.turn = queue.turn
        pipe.quantum_at = g.now + g.queue_quantum_ns
        if pipe.quantum_event < 0:
            pipe.quantum_event = pipe.quantum_at
            post(s, pipe.quantum_at, QUANTUM, i)
    cost = 0
    if pipe.served >= 0 and pipe.served != q:
        cost = g.queue_switch_ns
    pipe.served = q
    pipe.share = q * g.xccs + pipe.xcc
    share = s.share[at(pipe.share)]
    mode = TAKING
    if share.saved > 0 or share.left > 0:
        mode = SWITCHING
        if cost == 0:
            mode = PLACING
    else:
        p = share.head
        packet = s.packet[at(p)]
        share.packet = p
        share.head = packet.next
        ready = max(packet.sent, share.placed_at)
        cost += g.packet_ns
        if packet.barrier != 0:
            cost += g.barrier_ns
            ready = max(ready, queue.first_at)
        if packet.waits > 0:
            ready = max(ready, signals_at(s, p))
        share.ready_at = ready
    set_mode(s, i, mode)
    if mode != PLACING:
        pipe.fetched_at = g.now + cost
        post(s, g.now + cost, PACKET_TAKEN, i)


@hot
def packet_taken(s: State, i: int) -> int:
    """Pipe ``i`` has read a packet: its XCC's share of the workgroups may now be placed.

    Returns the packet if that completes it, else -1.
    """
    g = s.g[0]
    pipe = s.pipe[at(i)]
    if pipe.fetched_at != g.now:  # preempted meanwhile
        return -1
    pipe.fetched_at = -1
    g.events += 1
    if pipe.mode == SWITCHING:
        set_mode(s, i, PLACING)
        return -1
    q = pipe.queue
    queue = s.queue[at(q)]
    share = s.share[at(pipe.share)]
    p = share.packet
    packet = s.packet[at(p)]
    packet.execute_at = g.now
    packet.slot_at_execute = queue.slot_ns
    packet.save_at_execute = queue.save_ns
    waited = g.now - packet.sent - (queue.slot_ns - packet.slot_at_sent) - (queue.save_ns - packet.save_at_sent)
    barrier = min(waited, max(0, share.ready_at - packet.sent))
    packet.barrier_part = barrier
    packet.pipe_part = waited - barrier
    left = 0
    if packet.workgroups > pipe.xcc:
        left = (packet.workgroups - pipe.xcc + g.xccs - 1) // g.xccs
    share.left = left
    share.index = pipe.xcc
    g.pipes_dirty |= 1 << i
    if left == 0:
        share.placed_at = g.now
        set_mode(s, i, IDLE)
    else:
        set_mode(s, i, PLACING)
    packet.left -= 1
    if packet.left == 0:
        return p
    return -1


@hot
def quantum_over(s: State, i: int) -> None:
    """Pipe ``i`` may turn to another queue, if its quantum was not begun anew meanwhile."""
    g = s.g[0]
    pipe = s.pipe[at(i)]
    pipe.quantum_event = -1
    g.events += 1
    if pipe.connected >= 0:
        if pipe.quantum_at > g.now:
            pipe.quantum_event = pipe.quantum_at
            post(s, pipe.quantum_at, QUANTUM, i)
        elif pipe.mode == PLACING:
            g.pipes_dirty |= 1 << i
