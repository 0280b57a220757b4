"""Host threads: requests come, their packets are sent in order, ends are waited for."""

from __future__ import annotations

from ringscope.engine.codes import (
    ASLEEP,
    CLOSED,
    ENDING,
    HOST,
    HOST_TIME,
    OPEN,
    OVER,
    RING_FULL,
    SENDING,
    SYNC,
    WAITING,
    State,
)
from ringscope.engine.events import at, basis, draw, post
from ringscope.engine.jit import hot, jit
from ringscope.engine.packets import ring_full


@jit
def next_request(s: State, t: int) -> None:
    """Thread ``t`` takes its source's next request and sleeps until that comes."""
    g = s.g[0]
    thread = s.thread[at(t)]
    source = s.source[at(thread.source)]
    n = source.taken
    if source.limit >= 0 and n >= source.limit:
        thread.state = OVER
        return
    source.taken = n + 1
    # A think time belongs to the thread, a time between arrivals to the source.
    who = t + 1
    which = thread.requests
    if source.arrival != CLOSED:
        who = thread.source + 1
        which = n
    drawn = s.times[at(source.times_at + ((draw(basis(g.seed, -who, which), 1) * source.times_n) >> 32))]
    if source.arrival == CLOSED:
        arrival = max(g.now, source.start)
        if thread.requests > 0:
            arrival += drawn
    elif source.arrival == OPEN:
        source.next_at += drawn
        arrival = source.next_at
    else:
        arrival = s.times[at(source.trace_at + n)]
    thread.requests += 1
    thread.state = ASLEEP
    thread.arrival = arrival
    post(s, max(arrival, g.now), HOST, t)


@jit
def begin_request(s: State, t: int) -> None:
    """Thread ``t`` has its request: nothing of it is sent yet, nothing charged."""
    thread = s.thread[at(t)]
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
        s.packet[at(p)].state = 0
    thread.begun = s.g[0].now


@jit
def wait_for_ring(s: State, t: int, q: int) -> None:
    """Thread ``t`` waits for a place in the ring of queue ``q``, behind those that wait already."""
    queue = s.queue[q]
    thread = s.thread[at(t)]
    thread.state = RING_FULL
    thread.next_sender = -1
    if queue.sender >= 0:
        s.thread[queue.last_sender].next_sender = t
    else:
        queue.sender = t
    queue.last_sender = t


@hot
def host(s: State, t: int) -> int:
    """Thread ``t`` goes on with its request; returns the packet that it sends now, -1 for none."""
    g = s.g[0]
    g.events += 1
    thread = s.thread[at(t)]
    if thread.state == ENDING:
        request_done(s, t)
        return -1
    p = -1
    if thread.state == ASLEEP:
        begin_request(s, t)
    elif thread.state == WAITING:
        thread.step += 1
    else:
        packet = s.packet[at(thread.step)]
        if packet.op == SYNC:
            if thread.left > 0:
                thread.state = WAITING
                return -1
        elif packet.op != HOST_TIME:
            queue = s.queue[at(packet.queue)]
            if thread.state == RING_FULL:
                queue.sender_woken = 0
            elif queue.sender >= 0 or queue.sender_woken != 0 or ring_full(s, packet.queue):
                wait_for_ring(s, t, packet.queue)
                return -1
            thread.left += 1
            p = thread.step
        thread.step += 1
    thread.state = SENDING
    if thread.step < thread.last:
        post(s, g.now + s.packet[at(thread.step)].host_ns, HOST, t)
    elif thread.left > 0:
        thread.state = ENDING
    else:
        request_done(s, t)
    return p


@jit
def request_done(s: State, t: int) -> None:
    """The thread knows that its request is done; what the packets did not account for was the host's."""
    g = s.g[0]
    thread = s.thread[at(t)]
    row = s.log[at(g.log_rows)]
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
