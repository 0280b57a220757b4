"""Packets: into the ring, complete, and where the time of their request went; copies on SDMA engines."""

# Numba types the engine; to mypy its records are Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from ringscope.engine.codes import (
    COMPLETE,
    COPY_END,
    ENDING,
    HOST,
    MAPPED,
    MES,
    REMAPPED,
    SENT,
    STEADY,
    UNMAPPED,
    WAITING,
    State,
)
from ringscope.engine.events import at, basis, draw, post
from ringscope.engine.jit import hot, jit
from ringscope.engine.pipes import may_start, signals_at


@hot
def wake_all(s: State) -> None:
    """A signal fell: whoever may have waited for it has to look."""
    g = s.g[0]
    g.engines_dirty = 1
    g.pipes_dirty = (1 << (g.xccs * g.pipes)) - 1


@hot
def ring_full(s: State, q: int) -> bool:
    """Whether a host thread has to wait before it may send to queue ``q``."""
    queue = s.queue[at(q)]
    return queue.first >= 0 and queue.write_index - s.packet[at(queue.first)].ring_index >= queue.ring_packets - 1


@jit
def wake_sender(s: State, q: int) -> None:
    """The host thread that has waited longest for a place in the ring goes on, if there is one now.

    One at a time: the next is woken when its packet is in the ring.
    """
    g = s.g[0]
    queue = s.queue[at(q)]
    t = queue.sender
    if t >= 0 and queue.sender_woken == 0 and not ring_full(s, q):
        queue.sender = s.thread[t].next_sender
        queue.sender_woken = 1
        post(s, g.now, HOST, t)


@hot
def send(s: State, p: int) -> None:
    """Packet ``p`` enters its queue's ring and the doorbell rings."""
    g = s.g[0]
    packet = s.packet[at(p)]
    q = packet.queue
    if q < 0:  # a signal from outside: nobody works on it
        packet.state = COMPLETE
        packet.done_at = g.now
        wake_all(s)
        return
    queue = s.queue[at(q)]
    packet.state = SENT
    packet.ring_index = queue.write_index
    queue.write_index += 1
    packet.next = -1
    packet.previous = queue.last
    packet.sent = g.now
    packet.first_at = -1
    packet.draws += 1
    packet.basis = basis(g.seed, p + 1, packet.draws)
    index = (draw(packet.basis, 0) * packet.times_n) >> 32
    packet.time = s.times[at(packet.times_at + index)]
    packet.jitter_ns = packet.time * packet.jitter // 1000 + 1
    slot_ns = queue.slot_ns
    save_ns = queue.save_ns
    if queue.engine < 0:
        if queue.state == UNMAPPED:
            slot_ns += g.now - queue.since
        elif queue.state != MAPPED:
            save_ns += g.now - queue.since
    packet.slot_at_sent = slot_ns
    packet.save_at_sent = save_ns
    if queue.last >= 0:
        s.packet[at(queue.last)].next = p
    else:
        queue.first = p
        queue.first_at = g.now
    queue.last = p
    if queue.sender >= 0:
        wake_sender(s, q)
    if queue.engine >= 0:
        g.engines_dirty = 1
        return
    packet.left = packet.workgroups + g.xccs
    for k in range(q * g.xccs, (q + 1) * g.xccs):
        share = s.share[at(k)]
        if share.head < 0:
            share.head = p
    if queue.state == MAPPED:
        g.pipes_dirty |= queue.pipes
    elif queue.state == UNMAPPED and queue.waiting < 0:
        g.wait_clock += 1
        queue.waiting = g.wait_clock
        g.schedule_dirty = 1


@hot
def charge(s: State, p: int, slot: int, save: int, run: int, room: int) -> None:
    """Charge the time since the request's last completion to what packet ``p`` went through, its end first."""
    g = s.g[0]
    packet = s.packet[at(p)]
    thread = s.thread[at(packet.thread)]
    rest = g.now - thread.cursor
    thread.cursor = g.now
    part = min(rest, run)
    thread.run += part
    rest -= part
    part = min(rest, room)
    thread.room += part
    rest -= part
    part = min(rest, save)
    thread.save += part
    rest -= part
    part = min(rest, packet.pipe_part)
    thread.pipe += part
    rest -= part
    part = min(rest, slot)
    thread.slot += part
    rest -= part
    part = min(rest, packet.barrier_part)
    thread.barrier += part
    rest -= part
    thread.host += rest


@hot
def complete(s: State, p: int) -> None:
    """Every XCC is done with packet ``p``: its signal falls, the ring's read index may move, the host may wake."""
    g = s.g[0]
    packet = s.packet[at(p)]
    q = packet.queue
    queue = s.queue[at(q)]
    in_ring = packet.state == SENT
    packet.state = COMPLETE
    packet.done_at = g.now
    g.packets += 1
    queue.done_packets += 1
    if not in_ring:  # a copy under way outlives its destroyed queue
        g.dropped -= 1
    else:
        before = packet.previous
        after = packet.next
        if before >= 0:
            s.packet[at(before)].next = after
        else:
            queue.first = after
            queue.first_at = g.now
        if after >= 0:
            s.packet[at(after)].previous = before
        else:
            queue.last = before
        if queue.sender >= 0:
            wake_sender(s, q)
    if queue.first < 0:
        queue.waiting = -1
        if g.scheduler == MES and queue.engine < 0:
            g.schedule_dirty = 1
    g.pipes_dirty |= queue.pipes
    if g.waits != 0:
        wake_all(s)
    if g.trace_on != 0:
        row = s.trace[g.trace_rows]
        g.trace_rows += 1
        row.packet = p
        row.queue = q
        row.sent = packet.sent
        row.execute = packet.execute_at
        row.first = packet.first_at
        row.done = g.now
    t = packet.thread
    if t < 0:
        return
    slot = queue.slot_ns - packet.slot_at_sent
    save = queue.save_ns - packet.save_at_sent
    executing = g.now - packet.execute_at
    if queue.engine < 0:
        executing -= queue.slot_ns - packet.slot_at_execute + queue.save_ns - packet.save_at_execute
    alone = packet.time * packet.rounds
    alone += alone * packet.jitter // 1000
    run = min(executing, alone)
    charge(s, p, slot, save, run, executing - run)
    thread = s.thread[at(t)]
    thread.left -= 1
    if thread.left == 0 and thread.state in (WAITING, ENDING):
        post(s, g.now + g.wake_ns, HOST, t)


@jit
def start_copy(s: State, e: int) -> None:
    """An idle SDMA engine takes the next packet of the next of its queues that has one."""
    g = s.g[0]
    engine = s.engine[e]
    if engine.packet >= 0 or (g.sdma == REMAPPED and g.phase != STEADY):
        return
    # Two passes over the engine's queues, which are linked in order: those after the last one served, then all.
    for second in range(2):
        q = engine.first_queue
        while q >= 0:
            queue = s.queue[at(q)]
            p = queue.first
            if (second == 1 or q > engine.turn) and p >= 0 and queue.active != 0 and may_start(s, p):
                packet = s.packet[at(p)]
                engine.packet = p
                engine.turn = q
                ready = max(packet.sent, queue.first_at)
                if packet.waits > 0:
                    ready = max(ready, signals_at(s, p))
                packet.execute_at = g.now
                packet.barrier_part = ready - packet.sent
                packet.pipe_part = g.now - ready
                packet.first_at = g.now
                post(s, g.now + packet.time, COPY_END, e)
                return
            q = queue.next_of_engine


@hot
def copy_end(s: State, e: int) -> int:
    """A copy is done; returns its packet."""
    g = s.g[0]
    engine = s.engine[e]
    p = engine.packet
    g.events += 1
    engine.busy_ns += s.packet[p].time
    engine.packet = -1
    g.engines_dirty = 1
    return p
