"""The engine: every rule of the model, as functions over :class:`ringscope.engine.state.State`.

An instant has two halves. First everything that is due happens, in the order of the event keys: workgroups end,
packets are taken up, copies end, host threads act, doorbells ring, queues are mapped, quanta end. Then, once, the
schedulers decide (:func:`settle`): which queues get slots, which copy starts, which queue each pipe connects to, which
workgroup goes to which CU. So no outcome depends on the order in which events were posted or records were taken.

An event is one int64, ``time << 21 | kind << 18 | id``. A workgroup or a packet that was preempted leaves its event in
the heap; it is known as stale by its time and passed over.
"""

# Numba types the engine; to mypy its records are Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Any

from ringscope.engine.jit import entry, hot, jit
from ringscope.engine.state import GUARDS as _GUARDS
from ringscope.engine.state import ID_BITS, TIME_SHIFT

State = Any  # ringscope.engine.state.State, as Numba sees it: a tuple of record arrays

GUARDS = _GUARDS
KIND_SHIFT = ID_BITS
ID_MASK = (1 << ID_BITS) - 1

# Kinds of events, in the order in which those of one instant happen.
WORKGROUP_END = 0
PACKET_TAKEN = 1
COPY_END = 2
HOST = 3
DOORBELL = 4
QUEUE_STEP = 5  # id: 2 x queue, + 1 when it is mapped, + 0 when it is saved
QUANTUM = 6
DEVICE = 7
SAVED, MAPPED_ALL, TICK, CONTROL = 0, 1, 2, 3  # ids of DEVICE

# Schedulers and policies, as in policies.py.
CPSCH, NOCPSCH, MES = 0, 1, 2
FREE_SLOT, IN_ORDER, KERNEL, EQUAL_SHARE = 0, 1, 2, 3
SE_STRICT = 0
PIPE_PRIORITY, FULL_PRIORITY = 1, 2
LIST_END = 1
BUSY_FIRST = 1

# A queue: unmapped, on its way into or out of a slot, or mapped.
UNMAPPED, SAVING, MAPPING, MAPPED = 0, 1, 2, 3
# A pipe: without work, taking up a packet, placing workgroups.
IDLE, TAKING, PLACING = 0, 1, 2
# The device, while a runlist is loaded or replaced.
STEADY, DEVICE_SAVING, DEVICE_MAPPING = 0, 1, 2
RUNNING, BEING_SAVED, KEPT = 1, 2, 3
SENT, COMPLETE = 1, 2
DISPATCH, BARRIER_AND, BARRIER_OR, COPY, SYNC, HOST_TIME = 0, 1, 2, 3, 4, 5
CLOSED, OPEN, TRACE = 0, 1, 2
CREATE, DESTROY, UPDATE, EVICT, RESTORE = 0, 1, 2, 3, 4
# A host thread: between requests, sending, waiting within a request, waiting for its end, without further requests.
ASLEEP, SENDING, WAITING, ENDING, OVER = 0, 1, 2, 3, 4

# Why the engine stopped; anything but DONE asks for more room and is then continued.
DONE, MORE_EVENTS, MORE_WORKGROUPS, MORE_LOG, MORE_TRACE, MORE_RESIDENCE = 0, 1, 2, 3, 4, 5


# ---- events: a 4-ary heap (half the levels of a binary one, and the children share a cache line) -------------------
@jit
def sift_up(heap: State, i: int, key: int) -> None:
    """Put ``key`` where the hole at ``i`` is, or above it."""
    while i > 0:
        up = (i - 1) >> 2
        if heap[up] <= key:
            break
        heap[i] = heap[up]
        i = up
    heap[i] = key


@jit
def drop_first(heap: State, n: int) -> None:
    """Take the first of ``n + 1`` keys out.

    The hole sinks to the bottom before the last key is put in: that one nearly always belongs there, and how far a
    hole sinks is easier to foresee for a processor than where a key stops.
    """
    i = 0
    c = 1
    while c + 3 < n:
        least = c + (heap[c + 1] < heap[c])
        other = c + 2 + (heap[c + 3] < heap[c + 2])
        least = other if heap[other] < heap[least] else least
        heap[i] = heap[least]
        i = least
        c = 4 * i + 1
    if c < n:
        least = c
        for k in range(c + 1, n):
            if heap[k] < heap[least]:
                least = k
        heap[i] = heap[least]
        i = least
    sift_up(heap, i, heap[n])


@hot
def post(s: State, at: int, kind: int, index: int) -> None:
    """Add an event."""
    g = s.g[0]
    n = g.events_held + 0
    g.events_held = n + 1
    sift_up(s.heap, n, at << TIME_SHIFT | kind << KIND_SHIFT | index)


@hot
def draw(seed: int, a: int, b: int, c: int) -> int:
    """32 bits that depend on the arguments alone, so that a drawn time is the same whatever the schedule."""
    h = (seed * 73856093 + a * 19349663 + b * 83492791 + c * 2654435761) & 0xFFFFFFFF
    h ^= h >> 16
    h = (h * 0x45D9F3B) & 0xFFFFFFFF
    h ^= h >> 15
    h = (h * 0x2C1B3C6D) & 0xFFFFFFFF
    return h ^ (h >> 16)


# ---- what a pipe may take up ----------------------------------------------------------------------------------------
@jit
def may_start(s: State, p: int) -> bool:
    """Whether the packet's barrier bit and the signals it waits for let it be taken up."""
    packet = s.packet[p]
    if packet.barrier != 0 and s.queue[packet.queue].first != p:
        return False
    n = packet.waits
    if n == 0:
        return True
    met = 0
    for k in range(n):
        if s.packet[s.waits[p, k]].state == COMPLETE:
            met += 1
    if packet.op == BARRIER_OR:
        return met > 0
    return met == n


@jit
def has_work(s: State, q: int, xcc: int) -> bool:
    """Whether a pipe of this XCC connected to the queue would have something to do."""
    if s.queue[q].state != MAPPED:
        return False
    share = s.share[q * s.g[0].xccs + xcc]
    if share.saved > 0 or share.left > 0:
        return True
    head = share.head
    return head >= 0 and may_start(s, head)


@jit
def connect(s: State, i: int) -> int:
    """The queue that pipe ``i`` (of all XCCs) serves next; -1 for none.

    It stays with its queue until that has no work or the quantum is over; then the slots take turns, by queue priority
    where that has an effect.
    """
    g = s.g[0]
    pipe = s.pipe[i]
    xcc = i // g.pipes
    local = i - xcc * g.pipes
    best = -1
    best_turn = -1
    best_priority = -1
    n = g.pipe_slots
    turn = pipe.turn
    for k in range(1, n + 1):
        at = turn + k
        if at >= n:
            at -= n
        slot = s.pipe_slot[local, at]
        if slot < 0:
            continue
        q = s.slot[slot]
        if q < 0:
            continue
        priority = 0
        if g.priority == FULL_PRIORITY:
            priority = s.queue[q].queue_priority
        if priority > best_priority and has_work(s, q, xcc):
            best = q
            best_turn = at
            best_priority = priority
    if best < 0:
        return -1
    held = pipe.connected
    fresh = held >= 0 and held != best and g.now < pipe.quantum_at and has_work(s, held, xcc)
    if fresh and (g.priority != FULL_PRIORITY or s.queue[held].queue_priority >= best_priority):
        return held + 0
    if best != held or g.now >= pipe.quantum_at:
        pipe.connected = best
        pipe.turn = best_turn
        pipe.quantum_at = g.now + g.queue_quantum_ns
        if pipe.quantum_event < 0:
            pipe.quantum_event = pipe.quantum_at
            post(s, pipe.quantum_at, QUANTUM, i)
    return best


@jit
def advance(s: State, i: int) -> None:
    """Give pipe ``i`` something to do: saved or waiting workgroups to place, or a packet to take up."""
    g = s.g[0]
    pipe = s.pipe[i]
    q = connect(s, i)
    pipe.queue = q
    if q < 0:
        set_mode(s, i, IDLE)
        return
    share = s.share[q * g.xccs + i // g.pipes]
    if share.saved > 0 or share.left > 0:
        set_mode(s, i, PLACING)
        return
    p = share.head + 0
    packet = s.packet[p]
    share.packet = p
    share.head = packet.next
    ready = max(packet.sent + 0, share.placed_at + 0)
    cost = g.packet_ns + 0
    if packet.barrier != 0:
        cost += g.barrier_ns
        ready = max(ready, s.queue[q].first_at + 0)
    if packet.waits > 0:
        ready = max(ready, signals_at(s, p))
    share.ready_at = ready
    set_mode(s, i, TAKING)
    pipe.fetched_at = g.now + cost
    post(s, g.now + cost, PACKET_TAKEN, i)


@jit
def signals_at(s: State, p: int) -> int:
    """When the signals that packet ``p`` waits for let it go."""
    either = s.packet[p].op == BARRIER_OR
    at = -1
    for k in range(s.packet[p].waits):
        other = s.packet[s.waits[p, k]]
        if other.state == COMPLETE:
            t = other.done_at + 0
            if at < 0 or (either and t < at) or (not either and t > at):
                at = t
    return at


@jit
def packet_taken(s: State, i: int) -> None:
    """Pipe ``i`` has read a packet: its XCC's share of the workgroups may now be placed."""
    g = s.g[0]
    pipe = s.pipe[i]
    if pipe.mode != TAKING or pipe.fetched_at != g.now:
        g.stale += 1
        return
    g.events += 1
    pipe.fetched_at = -1
    xcc = i // g.pipes
    q = pipe.queue + 0
    queue = s.queue[q]
    share = s.share[q * g.xccs + xcc]
    p = share.packet + 0
    packet = s.packet[p]
    packet.execute_at = g.now
    packet.slot_at_execute = queue.slot_ns
    packet.save_at_execute = queue.save_ns
    waited = g.now - packet.sent - (queue.slot_ns - packet.slot_at_sent) - (queue.save_ns - packet.save_at_sent)
    barrier = min(waited, max(0, share.ready_at - packet.sent))
    packet.barrier_part = barrier
    packet.pipe_part = waited - barrier
    share.left = 0
    if packet.workgroups > xcc:
        share.left = (packet.workgroups - xcc + g.xccs - 1) // g.xccs
    share.index = xcc
    g.pipes_dirty |= 1 << i
    if share.left == 0:
        share.placed_at = g.now
        set_mode(s, i, IDLE)
    else:
        set_mode(s, i, PLACING)
    packet.left -= 1
    if packet.left == 0:
        complete(s, p)


# ---- CU room -----------------------------------------------------------------------------------------------------
@hot
def first_fit(s: State, base: int, room: int, need: int) -> int:
    """The lowest CU whose bit is set in ``room`` and which has room for ``need``; -1 for none."""
    c = base
    while room & 0xFF == 0:
        if room == 0:
            return -1
        room >>= 8
        c += 8
    while room != 0:
        if room & 1 and ((s.cu[c] | GUARDS) - need) & GUARDS == GUARDS:
            return c
        room >>= 1
        c += 1
    return -1


@hot
def find_cu(s: State, k: int, xcc: int, bit: int, mask: int, need: int) -> int:
    """A CU of the XCC on which the next workgroup of share ``k`` fits; leaves its shader engine in the share.

    When there is none: ``-2 - engine`` for the one shader engine that is waited for, -1 when any will do. A shader
    engine remembers in ``known`` which pipes (``bit``) found no room in it, so that they look only at CUs freed since.
    """
    g = s.g[0]
    ses = g.ses
    engine = s.share[k].engine_turn + 0
    for _ in range(ses):
        e = xcc * ses + engine
        allowed = s.mask[mask, e]
        if allowed != 0:
            se = s.se[e]
            if se.looked & bit == 0:
                room = allowed & se.available
                base = e * g.cus_stride
                if se.known & bit:
                    room &= se.freed
                cu = -1
                if room & (room - 1) == 0 and room == se.freed:
                    if room != 0 and ((s.cu[base + se.last_freed] | GUARDS) - need) & GUARDS == GUARDS:
                        cu = base + se.last_freed
                else:
                    turn = se.turn + 0
                    cu = first_fit(s, base + turn, room >> turn, need)
                    if cu < 0:
                        cu = first_fit(s, base, room & ((1 << turn) - 1), need)
                if cu >= 0:
                    s.share[k].engine_turn = engine
                    return cu
                se.known |= bit
                se.looked |= bit
            if g.placement == SE_STRICT:
                return -2 - engine
        engine += 1
        if engine == ses:
            engine = 0
    return -1


@hot
def place(s: State, k: int, xcc: int, cu: int) -> None:
    """Start the next workgroup of share ``k`` (saved ones first) on ``cu``."""
    g = s.g[0]
    share = s.share[k]
    if share.saved > 0:
        w = share.saved_list + 0
        group = s.workgroup[w]
        share.saved_list = group.next
        share.saved -= 1
        g.saved_workgroups -= 1
        packet = s.packet[group.packet]
        time = group.end + 0
    else:
        w = g.free_workgroup + 0
        if w >= 0:
            g.free_workgroup = s.workgroup[w].next
        else:
            w = g.top_workgroup + 0
            g.top_workgroup = w + 1
        group = s.workgroup[w]
        p = share.packet + 0
        packet = s.packet[p]
        time = packet.time + 0
        if packet.jitter > 0:
            h = draw(g.seed, p + 1, packet.draw, share.index + 1)
            time += ((h >> 1) * (time * packet.jitter // 1000 + 1)) >> 31
        if packet.first_at < 0:
            packet.first_at = g.now
        share.left -= 1
        share.index += g.xccs
        group.packet = p
        group.share = k
        if share.left == 0:
            share.placed_at = g.now
        # Once, at its start: what a saved workgroup has left is stretched already.
        wanted = g.bandwidth_used + packet.bandwidth
        if g.bandwidth != 0 and wanted > 1_000_000 and packet.bandwidth > 0:
            time = time * min(wanted, 1 << 31) // 1_000_000
    if g.bandwidth != 0:
        g.bandwidth_used += packet.bandwidth
    start = g.now + 0
    if g.launch_ps > 0:
        x = s.xcc[xcc]
        x.launch_ps = max(x.launch_ps + 0, g.now * 1000) + g.launch_ps
        start = (x.launch_ps + 999) // 1000
    need = packet.need + 0
    group.start = start
    group.end = start + time
    group.cu = cu
    group.state = RUNNING
    other = s.workgroup[k].next + 0
    group.previous = k
    group.next = other
    s.workgroup[other].previous = w
    s.workgroup[k].next = w
    share.running += 1
    share.waves += (need >> 8) & 0xFF
    if s.cu[cu] == g.full:
        g.busy_cu_ns += g.busy_cus * (g.now - g.busy_since)
        g.busy_since = g.now
        g.busy_cus += 1
    free = s.cu[cu] - need
    s.cu[cu] = free
    engine = share.engine_turn + 0
    e = xcc * g.ses + engine
    c = cu - e * g.cus_stride
    group.engine = e
    group.xcc = xcc
    se = s.se[e]
    if ((free | GUARDS) - g.least_need) & GUARDS != GUARDS:
        se.available &= ~(1 << c)
    # The next workgroup goes to the next CU of the next shader engine.
    c += 1
    se.turn = c if c < g.cus_stride else 0
    engine += 1
    share.engine_turn = engine if engine < g.ses else 0
    post(s, start + time, WORKGROUP_END, w)


@hot
def leave_cu(s: State, w: int, need: int) -> None:
    """Give workgroup ``w``'s room back."""
    g = s.g[0]
    group = s.workgroup[w]
    cu = group.cu
    e = group.engine + 0
    xcc = group.xcc + 0
    free = s.cu[cu] + need
    s.cu[cu] = free
    se = s.se[e]
    bit = 1 << (cu - e * g.cus_stride)
    se.available |= bit
    se.freed |= bit
    se.looked = 0
    se.last_freed = cu - e * g.cus_stride
    x = s.xcc[xcc]
    x.last_freed = e - xcc * g.ses
    x.freed |= 1 << x.last_freed
    g.xccs_dirty |= 1 << xcc
    g.xcc_dirty = xcc
    if free == g.full:
        g.busy_cu_ns += g.busy_cus * (g.now - g.busy_since)
        g.busy_since = g.now
        g.busy_cus -= 1


@hot
def place_workgroups(s: State, xcc: int) -> None:
    """Let the pipes of one XCC place workgroups until no rule allows another.

    ``xcc.placing`` has a bit for every pipe with a workgroup to place, ``xcc.blocked`` for those that found no room;
    ``se.waiters`` are the blocked ones that wait for that shader engine.
    """
    g = s.g[0]
    x = s.xcc[xcc]
    n = g.pipes
    ses = g.ses
    freed = x.freed + 0
    only = xcc * ses + x.last_freed
    if freed & (freed - 1) != 0:
        for e in range(xcc * ses, xcc * ses + ses):
            if s.se[e].freed != 0:
                x.blocked &= ~s.se[e].waiters
                s.se[e].waiters = 0
    elif freed != 0:
        x.blocked &= ~s.se[only].waiters
        s.se[only].waiters = 0
    while x.placing != 0:
        best = next_to_place(s, xcc)
        if best < 0 or (x.blocked >> best) & 1:
            break
        i = xcc * n + best
        bit = 1 << best
        pipe = s.pipe[i]
        q = pipe.queue + 0
        k = q * g.xccs + xcc
        share = s.share[k]
        if share.saved > 0:
            need = s.packet[s.workgroup[share.saved_list].packet].need + 0
        else:
            need = s.packet[share.packet].need + 0
        if need != pipe.need:
            pipe.need = need
            for e in range(xcc * ses, xcc * ses + ses):
                s.se[e].known &= ~bit
                s.se[e].looked &= ~bit
        cu = find_cu(s, k, xcc, bit, s.queue[q].mask, need)
        if cu < 0:
            x.blocked |= bit
            if cu <= -2:
                s.se[xcc * ses - 2 - cu].waiters |= bit
            else:
                for e in range(xcc * ses, xcc * ses + ses):
                    s.se[e].waiters |= bit
            if g.dispatch == FREE_SLOT:
                continue
            break
        place(s, k, xcc, cu)
        over = share.saved == 0 and share.left == 0
        if g.dispatch != KERNEL or over:
            x.turn = best + 1 if best + 1 < n else 0
        else:
            x.turn = best
        if over:
            advance(s, i)
    # Who did not look at the CUs that were freed does not know any more whether his shader engine is full.
    x.freed = 0
    if freed & (freed - 1) == 0:
        if freed != 0:
            s.se[only].freed = 0
            s.se[only].known &= s.se[only].looked
    else:
        for e in range(xcc * ses, xcc * ses + ses):
            se = s.se[e]
            if se.freed != 0:
                se.freed = 0
                se.known &= se.looked


@hot
def next_to_place(s: State, xcc: int) -> int:
    """The pipe of the XCC whose turn it is to place a workgroup, -1 for none."""
    g = s.g[0]
    x = s.xcc[xcc]
    n = g.pipes
    i = x.turn + 0
    mask = x.placing + 0
    if g.dispatch == FREE_SLOT:
        mask &= ~x.blocked
        if g.priority < PIPE_PRIORITY:
            if mask == 0:
                return -1
            while (mask >> i) & 1 == 0:
                i += 1
                if i == n:
                    i = 0
            return i
    best = -1
    best_rank = -1
    for _ in range(n):
        if (mask >> i) & 1:
            q = s.pipe[xcc * n + i].queue + 0
            rank = 0
            if g.priority >= PIPE_PRIORITY:
                rank = s.queue[q].pipe_priority << 32
            if g.dispatch == EQUAL_SHARE:
                rank += (1 << 31) - s.share[q * g.xccs + xcc].waves
            if rank > best_rank:
                best = i
                best_rank = rank
        i += 1
        if i == n:
            i = 0
    return best


@jit
def set_mode(s: State, i: int, mode: int) -> None:
    """Change what pipe ``i`` does; one that stops or starts placing gives others, or itself, a chance to."""
    g = s.g[0]
    pipe = s.pipe[i]
    xcc = i // g.pipes
    x = s.xcc[xcc]
    bit = 1 << (i - xcc * g.pipes)
    if mode == PLACING:
        x.placing |= bit
        x.blocked &= ~bit
        pipe.need = -1
        g.xccs_dirty |= 1 << xcc
        g.xcc_dirty = xcc
    elif pipe.mode == PLACING:
        x.placing &= ~bit
        x.blocked &= ~bit
        g.xccs_dirty |= 1 << xcc
        g.xcc_dirty = xcc
    pipe.mode = mode


@hot
def workgroup_end(s: State, w: int) -> None:
    """A workgroup is done: its room is free, and the last one completes its packet."""
    g = s.g[0]
    group = s.workgroup[w]
    if group.state != RUNNING or group.end != g.now:
        g.stale += 1
        return
    g.events += 1
    g.workgroups += 1
    p = group.packet + 0
    k = group.share + 0
    packet = s.packet[p]
    share = s.share[k]
    group.state = 0
    after = group.next + 0
    before = group.previous + 0
    s.workgroup[before].next = after
    s.workgroup[after].previous = before
    group.next = g.free_workgroup
    g.free_workgroup = w
    need = packet.need + 0
    waves = (need >> 8) & 0xFF
    share.running -= 1
    share.waves -= waves
    s.queue[packet.queue].wave_ns += waves * (g.now - group.start)
    if g.bandwidth != 0:
        g.bandwidth_used -= packet.bandwidth
    leave_cu(s, w, need)
    packet.left -= 1
    if packet.left == 0:
        complete(s, p)


# ---- packets ----------------------------------------------------------------------------------------------------
@jit
def wake_pipes(s: State, q: int) -> None:
    """The queue's pipe has to look again, on every XCC."""
    g = s.g[0]
    queue = s.queue[q]
    if queue.slot >= 0:
        for xcc in range(g.xccs):
            g.pipes_dirty |= 1 << (xcc * g.pipes + queue.pipe)


@jit
def wake_all(s: State) -> None:
    """A signal fell: whoever may have waited for it has to look."""
    g = s.g[0]
    g.engines_dirty = 1
    for i in range(g.xccs * g.pipes):
        g.pipes_dirty |= 1 << i


@jit
def send(s: State, p: int) -> None:
    """Packet ``p`` enters its queue's ring and the doorbell rings."""
    g = s.g[0]
    packet = s.packet[p]
    q = packet.queue + 0
    if q < 0:  # a signal from outside: nobody works on it
        packet.state = COMPLETE
        packet.done_at = g.now
        wake_all(s)
        return
    queue = s.queue[q]
    packet.state = SENT
    packet.next = -1
    packet.previous = queue.last
    packet.sent = g.now
    packet.first_at = -1
    packet.draw += 1
    index = (draw(g.seed, p + 1, packet.draw, 0) * packet.times_n) >> 32
    packet.time = s.times[packet.times_at + index]
    slot_ns = queue.slot_ns + 0
    save_ns = queue.save_ns + 0
    if queue.engine < 0:
        if queue.state == UNMAPPED:
            slot_ns += g.now - queue.since
        elif queue.state != MAPPED:
            save_ns += g.now - queue.since
    packet.slot_at_sent = slot_ns
    packet.save_at_sent = save_ns
    if queue.last >= 0:
        s.packet[queue.last].next = p
    else:
        queue.first = p
        queue.first_at = g.now
    queue.last = p
    if queue.engine >= 0:
        g.engines_dirty = 1
        return
    packet.left = packet.workgroups + g.xccs
    for xcc in range(g.xccs):
        share = s.share[q * g.xccs + xcc]
        if share.head < 0:
            share.head = p
    if queue.state == MAPPED:
        wake_pipes(s, q)
    elif queue.state == UNMAPPED and queue.waiting < 0:
        g.wait_clock += 1
        queue.waiting = g.wait_clock
        g.schedule_dirty = 1


@jit
def charge(s: State, p: int, slot: int, save: int, run: int, room: int) -> None:
    """Charge the time since the request's last completion to what packet ``p`` went through, its end first."""
    g = s.g[0]
    packet = s.packet[p]
    thread = s.thread[packet.thread]
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
    part = min(rest, packet.pipe_part + 0)
    thread.pipe += part
    rest -= part
    part = min(rest, slot)
    thread.slot += part
    rest -= part
    part = min(rest, packet.barrier_part + 0)
    thread.barrier += part
    rest -= part
    thread.host += rest


@jit
def complete(s: State, p: int) -> None:
    """Every XCC is done with packet ``p``: its signal falls, the ring's read index may move, the host may wake."""
    g = s.g[0]
    packet = s.packet[p]
    q = packet.queue + 0
    queue = s.queue[q]
    in_ring = packet.state == SENT
    packet.state = COMPLETE
    packet.done_at = g.now
    g.packets += 1
    queue.done_packets += 1
    if not in_ring:  # a copy under way outlives its destroyed queue
        g.dropped -= 1
    else:
        before = packet.previous + 0
        after = packet.next + 0
        if before >= 0:
            s.packet[before].next = after
        else:
            queue.first = after
            queue.first_at = g.now
        if after >= 0:
            s.packet[after].previous = before
        else:
            queue.last = before
    if queue.first < 0:
        queue.waiting = -1
        if g.scheduler == MES and queue.engine < 0:
            g.schedule_dirty = 1
    if queue.engine < 0:
        wake_pipes(s, q)
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
    if packet.thread < 0:
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
    thread = s.thread[packet.thread]
    thread.left -= 1
    if thread.left == 0 and thread.state in (WAITING, ENDING):
        post(s, g.now + g.wake_ns, HOST, packet.thread)


# ---- copies ------------------------------------------------------------------------------------------------------
@jit
def start_copy(s: State, e: int) -> None:
    """An idle SDMA engine takes the next packet of the next of its queues that has one."""
    g = s.g[0]
    engine = s.engine[e]
    if engine.packet >= 0:
        return
    # Two passes over the engine's queues, which are linked in order: those after the last one served, then all.
    for second in range(2):
        q = engine.first_queue + 0
        while q >= 0:
            queue = s.queue[q]
            p = queue.first + 0
            if (second == 1 or q > engine.turn) and p >= 0 and queue.active != 0 and may_start(s, p):
                packet = s.packet[p]
                engine.packet = p
                engine.turn = q
                ready = max(packet.sent + 0, queue.first_at + 0)
                if packet.waits > 0:
                    ready = max(ready, signals_at(s, p))
                packet.execute_at = g.now
                packet.barrier_part = ready - packet.sent
                packet.pipe_part = g.now - ready
                packet.first_at = g.now
                post(s, g.now + packet.time, COPY_END, e)
                return
            q = queue.next_of_engine + 0


@jit
def copy_end(s: State, e: int) -> None:
    """A copy is done."""
    g = s.g[0]
    engine = s.engine[e]
    p = engine.packet + 0
    g.events += 1
    engine.busy_ns += s.packet[p].time
    engine.packet = -1
    g.engines_dirty = 1
    complete(s, p)


# ---- host threads ------------------------------------------------------------------------------------------------
@jit
def next_request(s: State, t: int) -> None:
    """Thread ``t`` takes its source's next request and sleeps until that comes."""
    g = s.g[0]
    thread = s.thread[t]
    source = s.source[thread.source]
    n = source.taken + 0
    if source.limit >= 0 and n >= source.limit:
        thread.state = OVER
        return
    source.taken = n + 1
    # A think time belongs to the thread, a time between arrivals to the source.
    who = t + 1
    which = thread.requests + 0
    if source.arrival != CLOSED:
        who = thread.source + 1
        which = n
    drawn = s.times[source.times_at + ((draw(g.seed, -who, which, 1) * source.times_n) >> 32)]
    if source.arrival == CLOSED:
        at = max(g.now + 0, source.start + 0)
        if thread.requests > 0:
            at += drawn
    elif source.arrival == OPEN:
        source.next_at += drawn
        at = source.next_at + 0
    else:
        at = s.times[source.trace_at + n]
    thread.requests += 1
    thread.state = ASLEEP
    thread.arrival = at
    post(s, max(at, g.now), HOST, t)


@jit
def host(s: State, t: int) -> None:
    """Thread ``t`` goes on with its request."""
    g = s.g[0]
    g.events += 1
    thread = s.thread[t]
    if thread.state == ENDING:
        request_done(s, t)
        return
    if thread.state == ASLEEP:
        thread.step = thread.first
        thread.left = 0
        thread.cursor = thread.arrival
        thread.host = 0
        thread.slot = 0
        thread.barrier = 0
        thread.pipe = 0
        thread.save = 0
        thread.room = 0
        thread.run = 0
        for p in range(thread.first, thread.last):
            s.packet[p].state = 0
        thread.begun = g.now
        thread.state = SENDING
    elif thread.state == WAITING:
        thread.state = SENDING
        thread.step += 1
    else:
        p = thread.step + 0
        op = s.packet[p].op
        if op == SYNC:
            if thread.left > 0:
                thread.state = WAITING
                return
        elif op != HOST_TIME:
            thread.left += 1
            send(s, p)
        thread.step += 1
    if thread.step < thread.last:
        post(s, g.now + s.packet[thread.step].host_ns, HOST, t)
    elif thread.left > 0:
        thread.state = ENDING
    else:
        request_done(s, t)


@jit
def request_done(s: State, t: int) -> None:
    """The thread knows that its request is done; what the packets did not account for was the host's."""
    g = s.g[0]
    thread = s.thread[t]
    row = s.log[g.log_rows]
    g.log_rows += 1
    row.thread = t
    row.request = thread.requests - 1
    row.arrival = thread.arrival
    row.start = thread.begun
    row.done = g.now
    row.host = thread.host + g.now - thread.cursor
    row.slot = thread.slot
    row.barrier = thread.barrier
    row.pipe = thread.pipe
    row.save = thread.save
    row.room = thread.room
    row.run = thread.run
    next_request(s, t)


# ---- slots: what all schedulers share -----------------------------------------------------------------------------
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
        note_residence(s, q, queue.slot + 0, state)


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
def use_slots(s: State, change: int) -> None:
    """Keep the time integral of occupied slots."""
    g = s.g[0]
    g.slot_ns += g.slots_used * (g.now - g.slots_since)
    g.slots_since = g.now
    g.slots_used += change


@jit
def take_slot(s: State, q: int, slot: int) -> None:
    """Queue ``q`` gets a slot (the same one on every XCC) and its process a VMID."""
    queue = s.queue[q]
    s.slot[slot] = q
    queue.slot = slot
    queue.pipe = pipe_of(s, slot)
    s.process[queue.process].mapped += 1
    use_slots(s, 1)


@jit
def leave_slot(s: State, q: int) -> None:
    """Queue ``q`` gives its slot back."""
    queue = s.queue[q]
    s.slot[queue.slot] = -1
    queue.slot = -1
    s.process[queue.process].mapped -= 1
    use_slots(s, -1)


@jit
def pipe_of(s: State, slot: int) -> int:
    """The pipe that a slot belongs to."""
    g = s.g[0]
    for pipe in range(g.pipes):
        for k in range(g.pipe_slots):
            if s.pipe_slot[pipe, k] == slot:
                return pipe
    return -1


@jit
def freeze(s: State, q: int) -> int:
    """Stop every workgroup of queue ``q`` with the time it has left, and take its pipes from it; returns its waves.

    The workgroups stay on their CUs until the save is over (:func:`release`). They are kept in the order in which they
    were placed, before those still saved from an earlier preemption. A packet being taken up is taken up again later.
    """
    g = s.g[0]
    queue = s.queue[q]
    waves = 0
    for xcc in range(g.xccs):
        k = q * g.xccs + xcc
        share = s.share[k]
        w = s.workgroup[k].next + 0
        while w != k:
            group = s.workgroup[w]
            packet = s.packet[group.packet]
            each = (packet.need >> 8) & 0xFF
            queue.wave_ns += each * max(0, g.now - group.start)
            if g.bandwidth != 0:
                g.bandwidth_used -= packet.bandwidth
            group.end -= g.now
            group.state = BEING_SAVED
            waves += each
            after = group.next + 0
            group.next = share.saved_list
            share.saved_list = w
            w = after
        share.saved += share.running
        g.saved_workgroups += share.running
        s.workgroup[k].next = k
        s.workgroup[k].previous = k
        share.running = 0
        share.waves = 0
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
        g.preemptions += 1
        g.saved_waves += waves
    return waves


@jit
def release(s: State, q: int) -> None:
    """The save of queue ``q`` is over: its workgroups leave their CUs."""
    g = s.g[0]
    for xcc in range(g.xccs):
        w = s.share[q * g.xccs + xcc].saved_list + 0
        while w >= 0:
            group = s.workgroup[w]
            if group.state == BEING_SAVED:
                leave_cu(s, w, s.packet[group.packet].need)
                group.state = KEPT
            w = group.next + 0


@jit
def saved_waves(s: State, q: int) -> int:
    """Waves of queue ``q`` that a restore has to load."""
    g = s.g[0]
    waves = 0
    for xcc in range(g.xccs):
        w = s.share[q * g.xccs + xcc].saved_list + 0
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
    for xcc in range(g.xccs):
        share = s.share[q * g.xccs + xcc]
        w = share.saved_list + 0
        while w >= 0:
            group = s.workgroup[w]
            after = group.next + 0
            group.state = 0
            group.next = g.free_workgroup
            g.free_workgroup = w
            w = after
        g.saved_workgroups -= share.saved
        share.saved_list = -1
        share.saved = 0
        share.left = 0
        share.head = -1
    p = queue.first + 0
    while p >= 0:
        g.dropped += 1
        s.packet[p].state = 0
        p = s.packet[p].next + 0
    queue.first = -1
    queue.last = -1
    queue.waiting = -1


@jit
def apply_control(s: State, c: int) -> None:
    """Write what the driver was asked to change into the queue."""
    control = s.control[c]
    q = control.queue + 0
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


# ---- CPSCH: one runlist for the whole device --------------------------------------------------------------------
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
    fence = g.save_ns + 0
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
        used = 0
        for process in range(g.processes):
            if s.process[process].mapped > 0:
                used += 1
        slot = 0
        while slot < g.slots and s.slot[slot] >= 0:
            slot += 1
        if slot == g.slots or (s.process[queue.process].mapped == 0 and used >= g.vmids):
            return False
        take_slot(s, q, slot)
        if busy != 0:
            g.share = at


@jit
def map_share(s: State) -> None:
    """Load the next share of the runlist; MAPPED_ALL follows when its queues are restored."""
    g = s.g[0]
    g.share = g.cursor
    if g.idle == BUSY_FIRST:
        if take_share(s, 1, 1):
            take_share(s, 0, 1)
    else:
        take_share(s, -1, int(g.rotation != LIST_END))
    # With LIST_END the list starts again where nothing was left to take.
    if g.idle != BUSY_FIRST and g.rotation == LIST_END and next_in_runlist(s, g.share) < 0:
        g.share = -1
    g.cursor = g.share
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
            for c in range(g.in_control + 0, g.control_next + 0):
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
        g.events += 1
        g.phase = STEADY
        for slot in range(g.slots):
            q = s.slot[slot]
            if q >= 0:
                set_queue_state(s, q, MAPPED)
                wake_pipes(s, q)
        g.tick_at = -1
        if over_subscribed(s):
            g.tick_at = g.now + g.process_quantum_ns
            post(s, g.tick_at, DEVICE, TICK)
    elif what == TICK:
        if g.scheduler == MES:
            swap_gangs(s)
            return
        if g.phase != STEADY or g.tick_at != g.now:
            g.stale += 1
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
        wake_pipes(s, q)
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
        queue = s.queue[q]
        if g.scheduler == NOCPSCH:
            map_queue(s, q, queue.slot_fixed)
            continue
        used = 0
        for process in range(g.processes):
            if s.process[process].mapped > 0:
                used += 1
        slot = 0
        while slot < g.slots and s.slot[slot] >= 0:
            slot += 1
        if slot < g.slots and (s.process[queue.process].mapped > 0 or used < g.vmids):
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


# ---- the run -------------------------------------------------------------------------------------------------------
@jit
def decide_rarely(s: State) -> None:
    """What is to be decided when more than CU room has changed."""
    g = s.g[0]
    if g.schedule_dirty != 0:
        g.schedule_dirty = 0
        if g.scheduler != CPSCH:
            schedule_gangs(s)
    if g.engines_dirty != 0:
        g.engines_dirty = 0
        for e in range(g.engines):
            start_copy(s, e)
    # Counting by range keeps the index a plain int64 for Numba, which would compile a second version for a literal 0.
    dirty = g.pipes_dirty + 0
    if dirty != 0:
        g.pipes_dirty = 0
        for i in range(g.xccs * g.pipes):
            if (dirty >> i) & 1:
                mode = s.pipe[i].mode
                if mode == IDLE or (mode == PLACING and g.now >= s.pipe[i].quantum_at):
                    advance(s, i)


@jit
def place_everywhere(s: State, dirty: int) -> None:
    """Place workgroups on several XCCs in the same instant."""
    for xcc in range(s.g[0].xccs):
        if (dirty >> xcc) & 1:
            place_workgroups(s, xcc)


@hot
def settle(s: State) -> None:
    """The second half of an instant: everyone who decides, decides once."""
    g = s.g[0]
    g.pending = 0
    if g.schedule_dirty + g.engines_dirty + g.pipes_dirty != 0:
        decide_rarely(s)
    dirty = g.xccs_dirty + 0
    g.xccs_dirty = 0
    if dirty & (dirty - 1) != 0:
        place_everywhere(s, dirty)
    elif dirty != 0:
        place_workgroups(s, g.xcc_dirty + 0)


@jit
def start(s: State) -> None:
    """Time zero: active queues are in their slots, threads take their first requests, changes are noted."""
    g = s.g[0]
    g.cursor = -1
    if g.scheduler == CPSCH:
        map_share(s)
        g.events_held = 0
        device_step(s, MAPPED_ALL)
    else:
        for _ in range(g.queues):
            q = next_in_runlist(s, g.cursor)
            if q < 0:
                break
            g.cursor = s.queue[q].rank
            slot = s.queue[q].slot_fixed + 0
            if g.scheduler == MES:
                used = 0
                for process in range(g.processes):
                    if s.process[process].mapped > 0:
                        used += 1
                slot = 0
                while slot < g.slots and s.slot[slot] >= 0:
                    slot += 1
                if slot == g.slots or (s.process[s.queue[q].process].mapped == 0 and used >= g.vmids):
                    continue
            take_slot(s, q, slot)
            set_queue_state(s, q, MAPPED)
    g.events = 0
    for c in range(g.controls):
        post(s, s.control[c].at, DEVICE, CONTROL)
    for t in range(g.threads):
        next_request(s, t)


@entry
def run(s: State, until: int) -> int:
    """Go on until every event up to ``until`` (inclusive) has happened; returns DONE or what there is too little of.

    After more room was given the run is continued by the same call; nothing is done twice.
    """
    g = s.g[0]
    if g.started == 0:
        g.started = 1
        start(s)
    n = s.heap.size
    while True:
        if g.events_held > 0:
            key = s.heap[0]
            at = key >> TIME_SHIFT
        else:
            key = 0
            at = until + 1
        if g.pending != 0 and at != g.now:
            # What one settling can add at most: a workgroup on all free room, one event for each pipe and engine …
            if n - g.events_held < g.resident + 2 * g.xccs * g.pipes + g.engines + g.queues + 2:
                return MORE_EVENTS
            if s.workgroup.size - g.queues * g.xccs - g.saved_workgroups < g.resident:
                return MORE_WORKGROUPS
            settle(s)
            continue
        if at > until:
            g.now = max(g.now, until)
            return DONE
        # … and one event: few rows, except that a change may drop or map every queue.
        if n - g.events_held < g.queues + 4:
            return MORE_EVENTS
        if s.log.size - g.log_rows < 2:
            return MORE_LOG
        if g.trace_on != 0 and s.trace.size - g.trace_rows < 2:
            return MORE_TRACE
        # An event and the settling after it change a queue's state twice each at most.
        if g.trace_on != 0 and s.residence.size - g.residence_rows < 4 * g.queues + 1:
            return MORE_RESIDENCE
        g.events_held -= 1
        drop_first(s.heap, g.events_held + 0)
        g.now = at
        g.pending = 1
        kind = (key >> KIND_SHIFT) & 7
        index = key & ID_MASK
        if kind == WORKGROUP_END:
            workgroup_end(s, index)
        elif kind == PACKET_TAKEN:
            packet_taken(s, index)
        elif kind == HOST:
            host(s, index)
        elif kind == COPY_END:
            copy_end(s, index)
        elif kind == DOORBELL:
            g.events += 1
            send(s, index)
        elif kind == QUEUE_STEP:
            queue_step(s, index)
        elif kind == QUANTUM:
            pipe = s.pipe[index]
            pipe.quantum_event = -1
            g.events += 1
            if pipe.connected >= 0:
                if pipe.quantum_at > g.now:
                    pipe.quantum_event = pipe.quantum_at
                    post(s, pipe.quantum_at, QUANTUM, index)
                elif pipe.mode == PLACING:
                    g.pipes_dirty |= 1 << index
        else:
            device_step(s, index)
