"""Room on CUs: which pipe places a workgroup next, on which CU, and what its end gives back."""

# Numba types the engine; to mypy its records are Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from ringscope.engine.codes import (
    EQUAL_SHARE,
    FREE_SLOT,
    IDLE,
    KERNEL,
    PIPE_PRIORITY,
    SE_STRICT,
    WORKGROUP_BITS,
    State,
)
from ringscope.engine.events import at, draw, drop_end, lowest, set_end
from ringscope.engine.jit import hot, jit
from ringscope.engine.pipes import set_mode
from ringscope.engine.state import GUARDS as _GUARDS

GUARDS = _GUARDS


@hot
def fits(free: int, need: int) -> bool:
    """Whether a CU's free room holds a workgroup's need."""
    return ((free | GUARDS) - need) & GUARDS == GUARDS


@hot
def next_pipe(s: State, xcc: int) -> int:
    """The pipe of the XCC whose turn it is to place a workgroup, -1 for none."""
    g = s.g[0]
    x = s.xcc[at(xcc)]
    mask = x.placing
    if g.dispatch == FREE_SLOT:
        mask &= ~x.blocked
    if mask == 0:
        return -1
    ahead = mask >> x.turn << x.turn
    first = lowest(ahead if ahead != 0 else mask)
    if mask & (mask - 1) == 0 or (g.priority < PIPE_PRIORITY and g.dispatch != EQUAL_SHARE):
        return first
    best = -1
    best_rank = -1
    i = first
    for _ in range(g.pipes):
        if (mask >> i) & 1:
            q = s.pipe[at(xcc * g.pipes + i)].queue
            rank = 0
            if g.priority >= PIPE_PRIORITY:
                rank = s.queue[at(q)].pipe_priority << 32
            if g.dispatch == EQUAL_SHARE:
                rank += (1 << 31) - s.share[at(q * g.xccs + xcc)].waves
            if rank > best_rank:
                best = i
                best_rank = rank
        i += 1
        if i == g.pipes:
            i = 0
    return best


@hot
def find_cu(s: State, i: int, k: int, need: int) -> int:
    """The CU (of its shader engine) for the next workgroup of pipe ``i`` and share ``k``; the share's turn is at it.

    When there is none: ``-2 - engine`` for the one shader engine that is waited for, -1 when any will do.
    """
    g = s.g[0]
    pipe = s.pipe[at(i)]
    share = s.share[at(k)]
    ses = g.ses
    mask = at(s.queue[at(pipe.queue)].mask)
    engine = share.engine_turn
    for _ in range(ses):
        e = pipe.xcc * ses + engine
        allowed = s.mask[mask, at(e)]
        if allowed != 0:
            se = s.se[at(e)]
            look = at(e * g.pipes + pipe.local)
            room = allowed & se.available & s.fresh[look]
            base = e * g.cus_stride
            turn = se.turn
            while room != 0:
                ahead = room >> turn << turn
                c = lowest(ahead if ahead != 0 else room)
                if fits(s.cu[at(base + c)], need):
                    share.engine_turn = engine
                    return c
                room &= ~(1 << c)
            s.fresh[look] = 0
            if g.placement == SE_STRICT:
                return -2 - engine
        engine += 1
        if engine == ses:
            engine = 0
    return -1


@hot
def known_full(s: State, i: int, k: int) -> bool:
    """Whether share ``k`` has to wait for the shader engine in turn, as pipe ``i`` knows without looking again."""
    g = s.g[0]
    pipe = s.pipe[at(i)]
    e = pipe.xcc * g.ses + s.share[at(k)].engine_turn
    allowed = s.mask[at(s.queue[at(pipe.queue)].mask), at(e)]
    return (
        g.placement == SE_STRICT
        and allowed != 0
        and allowed & s.se[at(e)].available & s.fresh[at(e * g.pipes + pipe.local)] == 0
    )


@hot
def place(s: State, xcc: int, k: int, p: int, c: int) -> None:
    """Start the next workgroup of share ``k`` (a saved one first), one of packet ``p``, on CU ``c`` of its engine."""
    g = s.g[0]
    share = s.share[at(k)]
    packet = s.packet[at(p)]
    if share.saved > 0:
        w = share.saved_list + 0
        group = s.workgroup[at(w)]
        share.saved_list = group.next
        share.saved -= 1
        g.saved_workgroups -= 1
        time = group.rest
    else:
        g.spares -= 1
        w = s.spare[at(g.spares)] + 0
        group = s.workgroup[at(w)]
        group.packet = p
        time = packet.time
        if packet.jitter > 0:
            time += ((draw(packet.basis, share.index + 1) >> 1) * packet.jitter_ns) >> 31
        if packet.first_at < 0:
            packet.first_at = g.now
        share.left -= 1
        share.index += g.xccs
        if share.left == 0:
            share.placed_at = g.now
        # Once, at its start: what a saved workgroup has left is stretched already.
        wanted = g.bandwidth_used + packet.bandwidth
        if g.bandwidth != 0 and wanted > 1_000_000 and packet.bandwidth > 0:
            time = time * min(wanted, 1 << 31) // 1_000_000
    if g.bandwidth != 0:
        g.bandwidth_used += packet.bandwidth
    start = g.now
    if g.launch_ps > 0:
        x = s.xcc[at(xcc)]
        x.launch_ps = max(x.launch_ps, g.now * 1000) + g.launch_ps
        start = (x.launch_ps + 999) // 1000
    set_end(s, w, (start + time) << WORKGROUP_BITS | w)
    need = packet.need
    share.running += 1
    share.waves += (need >> 8) & 0xFF
    engine = share.engine_turn
    e = xcc * g.ses + engine
    cu = e * g.cus_stride + c
    g.placed += 1
    group.order = g.placed
    group.cu = cu
    group.se = e
    group.share = k
    free = s.cu[at(cu)]
    if free == g.full:
        g.busy_cus += 1
        g.busy_cu_ns -= g.now
    free -= need
    s.cu[at(cu)] = free
    se = s.se[at(e)]
    se.available &= ~(int(not fits(free, g.least_need)) << c)
    # The next workgroup goes to the next CU of the next shader engine.
    c += 1
    se.turn = c if c < g.cus_stride else 0
    engine += 1
    share.engine_turn = engine if engine < g.ses else 0


@hot
def leave_cu(s: State, cu: int, e: int, need: int) -> None:
    """Give a workgroup's room on a CU of shader engine ``e`` back."""
    g = s.g[0]
    free = s.cu[at(cu)] + need
    s.cu[at(cu)] = free
    if free == g.full:
        g.busy_cus -= 1
        g.busy_cu_ns += g.now
    se = s.se[at(e)]
    bit = 1 << (cu - e * g.cus_stride)
    se.available |= bit
    x = s.xcc[at(se.xcc)]
    if x.placing != 0:
        for look in range(e * g.pipes, (e + 1) * g.pipes):
            s.fresh[at(look)] |= bit
        # Who waits for this engine, and for no more than this CU has now, looks again.
        waiters = se.waiters
        ready = 0
        while waiters != 0:
            local = lowest(waiters)
            waiters &= waiters - 1
            ready |= int(fits(free, s.pipe[at(se.xcc * g.pipes + local)].need)) << local
        x.blocked &= ~ready
        se.waiters &= ~ready
        if ready != 0 or g.dispatch == EQUAL_SHARE:
            g.xccs_dirty |= 1 << se.xcc


@hot
def workgroup_end(s: State, w: int) -> int:
    """A workgroup is done and its room free; returns the packet that this completes, else -1."""
    g = s.g[0]
    # What is read comes before the walk: its record is seldom near, and the walk goes on meanwhile.
    group = s.workgroup[at(w)]
    p = group.packet + 0
    cu = group.cu + 0
    e = group.se + 0
    k = group.share + 0
    packet = s.packet[at(p)]
    need = packet.need + 0
    drop_end(s, w)
    leave_cu(s, cu, e, need)
    group.packet = -1
    s.spare[at(g.spares)] = w
    g.spares += 1
    g.events += 1
    g.workgroups += 1
    share = s.share[at(k)]
    share.running -= 1
    share.waves -= (need >> 8) & 0xFF
    if g.bandwidth != 0:
        g.bandwidth_used -= packet.bandwidth
    packet.left -= 1
    if packet.left == 0:
        return p
    return -1


@jit
def look_again(s: State, i: int) -> None:
    """What pipe ``i`` knows of full CUs was for another need."""
    g = s.g[0]
    pipe = s.pipe[i]
    for e in range(pipe.xcc * g.ses, (pipe.xcc + 1) * g.ses):
        s.fresh[e * g.pipes + pipe.local] = -1


@hot
def place_workgroups(s: State, xcc: int) -> int:
    """Let the pipes of one XCC place workgroups until no rule allows another: then -1, or the pipe that needs work.

    ``xcc.placing`` has a bit for every pipe with a workgroup to place, ``xcc.blocked`` for those that found no room;
    ``se.waiters`` are the blocked ones that wait for that shader engine, ``s.fresh`` are the CUs of an engine that a
    pipe has to look at, because they may have gained room since it found none there.
    """
    g = s.g[0]
    x = s.xcc[at(xcc)]
    ses = g.ses
    while True:
        local = next_pipe(s, xcc)
        if local < 0 or (x.blocked >> local) & 1:
            return -1
        i = xcc * g.pipes + local
        pipe = s.pipe[at(i)]
        k = pipe.share + 0
        share = s.share[at(k)]
        p = s.workgroup[at(share.saved_list)].packet + 0 if share.saved > 0 else share.packet
        need = s.packet[at(p)].need
        if need != pipe.need:
            pipe.need = need
            look_again(s, i)
        c = find_cu(s, i, k, need)
        if c < 0:
            x.blocked |= 1 << local
            if c <= -2:
                s.se[at(xcc * ses - 2 - c)].waiters |= 1 << local
            else:
                for e in range(xcc * ses, xcc * ses + ses):
                    s.se[at(e)].waiters |= 1 << local
            if g.dispatch == FREE_SLOT:
                continue
            return -1
        place(s, xcc, k, p, c)
        over = share.saved == 0 and share.left == 0
        x.turn = local
        if g.dispatch != KERNEL or over:
            x.turn = local + 1 if local + 1 < g.pipes else 0
        if over:
            set_mode(s, i, IDLE)
            return i
        # Nearly always the pipe then waits, as it found out before: it does so without another round.
        if share.saved == 0 and share.packet == p and known_full(s, i, k):
            x.blocked |= 1 << local
            s.se[at(xcc * ses + share.engine_turn)].waiters |= 1 << local
