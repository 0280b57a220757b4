"""What the engine must do, said a second time as SimPy processes: objects, full searches, no shortcut.

Written from the rules (reference notes and the docstrings of ``engine/policies.py`` and ``engine/spec.py``), not from
the engine's text. Everything that takes time is a process here: a workgroup, a pipe taking up a packet, a copy, a host
thread, the driver replacing a runlist, the firmware swapping a gang. Everything that is decided is decided at the end
of an instant by :meth:`Model.decide`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy
from simpy.events import Event

from ringscope.engine.policies import Dispatch, Gangs, Idle, Placement, Priority, Rotation, Scheduler, Sdma
from ringscope.engine.spec import Arrival, Change, Op, Room, Spec

# The order of what is due at one instant; deciding comes last.
WORKGROUP, PACKET, COPY, HOST, DOORBELL, QUEUE, QUANTUM, DEVICE, DECIDE = range(1, 10)
Steps = Generator[Event, Any, None]


class Due(Event):
    """A time-out that takes its place among others of its instant by kind and number, not by who asked first."""

    def __init__(self, env: Any, at: int, kind: int, number: int = 0) -> None:
        super().__init__(env)
        self._ok = True
        self._value = None
        env.schedule(self, priority=kind << 32 | number, delay=at - env.now)


def draw(seed: int, a: int, b: int, c: int) -> int:
    """The 32 bits that every drawn time comes from."""
    low = 0xFFFFFFFF
    h = ((seed & low) * 73856093 + a * 19349663 + b * 83492791 + c * 2654435761) & low
    h = ((h ^ h >> 16) * 0x45D9F3B) & low
    h = ((h ^ h >> 15) * 0x2C1B3C6D) & low
    return h ^ h >> 16


class Compute:
    """A CU and who is on it."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.groups: list[Group] = []

    def fits(self, need: Room) -> bool:
        def granules(lds: int) -> int:
            return -(-lds // 128)

        inside = [group.job.need for group in self.groups]
        return (
            sum(n.waves for n in inside) + need.waves <= self.room.waves
            and sum(n.vgprs for n in inside) + need.vgprs <= self.room.vgprs
            and sum(granules(n.lds) for n in inside) + granules(need.lds) <= granules(self.room.lds)
            and len(inside) + 1 <= self.room.workgroups
        )


class Job:
    """A packet in a ring."""

    def __init__(self, number: int, step: Any, thread: Thread | None) -> None:
        self.number = number  # of the packet among all threads' packets
        self.step = step
        self.thread = thread
        self.need: Room = step.need
        self.time = 0
        self.draw = 0
        self.done = False
        self.open = 0
        self.sent = 0
        self.place = 0  # in the ring


class Group:
    """A workgroup, running or saved."""

    def __init__(self, job: Job, share: Share, time: int) -> None:
        self.job = job
        self.share = share
        self.rest = time
        self.end = 0
        self.life = 0  # counts preemptions, so that a process of an earlier life knows
        self.cu: Compute | None = None


class Share:
    """What one XCC has of one queue."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.ring: list[Job] = []  # not taken up here yet
        self.job: Job | None = None
        self.indexes: list[int] = []  # workgroups of ``job`` not placed yet
        self.running: list[Group] = []  # in the order of placing
        self.saved: list[Group] = []
        self.engine = 0  # whose turn it is among the shader engines


class Queue:
    """A KFD queue."""

    def __init__(self, number: int, spec: Any, xccs: int) -> None:
        self.number = number
        self.spec = spec
        self.active = spec.active
        self.pipe_priority = spec.pipe_priority
        self.queue_priority = spec.queue_priority
        self.ring: list[Job] = []  # not complete
        self.written = 0
        self.senders: list[tuple[Event, int]] = []
        self.woken = False
        self.shares = [Share(self) for _ in range(xccs)]
        self.slot: int | None = None
        self.state = "unmapped"
        self.waiting: int | None = None
        self.mapped_at = 0


class Pipe:
    """One pipe of one XCC."""

    def __init__(self, xcc: int, local: int, slots: list[int]) -> None:
        self.xcc = xcc
        self.local = local
        self.slots = slots
        self.mode = "idle"
        self.queue: Queue | None = None
        self.connected: Queue | None = None
        self.served: Queue | None = None
        self.turn = 0
        self.quantum_at = 0
        self.life = 0


class Thread:
    """A host thread."""

    def __init__(self, number: int, spec: Any) -> None:
        self.number = number
        self.spec = spec
        self.jobs: list[Job] = []
        self.open = 0
        self.wake: Event | None = None


class Model:
    """One run of a spec. ``log`` has (thread, request, arrival, start, done); ``packets`` has (packet, sent, done)."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.machine = spec.machine
        self.costs = spec.costs
        self.policies = spec.policies
        self.env: Any = simpy.Environment(0)
        xccs = self.machine.xccs
        self.cus = [[[Compute(self.machine.cu) for _ in range(n)] for n in self.machine.cus] for _ in range(xccs)]
        self.cu_turn = [[0] * len(self.machine.cus) for _ in range(xccs)]
        self.pipe_turn = [0] * xccs
        self.launch_ps = [0] * xccs
        self.queues = [Queue(i, queue, xccs) for i, queue in enumerate(spec.queues)]
        self.compute = [queue for queue in self.queues if queue.spec.sdma_engine is None]
        self.slots: list[Queue | None] = [None] * len(self.machine.slots)
        of_pipe = [[s for s, p in enumerate(self.machine.slots) if p == pipe] for pipe in range(self.machine.pipes)]
        self.most = max(map(len, of_pipe))
        self.pipes = [[Pipe(x, p, of_pipe[p]) for p in range(self.machine.pipes)] for x in range(xccs)]
        self.engine_job: list[Job | None] = [None] * self.machine.sdma_engines
        self.engine_turn = [0] * self.machine.sdma_engines
        self.threads = [Thread(i, thread) for i, thread in enumerate(spec.threads)]
        self.taken = [0] * len(spec.sources)
        self.next_at = [source.start_ns for source in spec.sources]
        self.bandwidth = 0
        self.phase = "steady"
        self.cursor = -1
        self.changes = list(spec.controls)
        self.tick_at: int | None = None
        self.mapped_since: dict[int, int] = {}
        self.clock = 0
        self.deciding = False
        self.log: list[tuple[int, int, int, int, int]] = []
        self.packets: list[tuple[int, int, int]] = []
        self.events = 0
        number = 0
        for thread in self.threads:
            for step in thread.spec.packets:
                thread.jobs.append(Job(number, step, thread))
                number += 1
        self.begin()

    def due(self, later: int, kind: int, number: int = 0) -> Due:
        return Due(self.env, self.env.now + later, kind, number)

    def run(self, until: int) -> None:
        self.env.run(until=Due(self.env, until, 100))

    # -- starting -------------------------------------------------------------------------------------------------
    def begin(self) -> None:
        listed = sorted((q for q in self.compute if q.active), key=lambda q: q.spec.rank)
        if self.machine.scheduler is Scheduler.CPSCH:
            self.load_share()
            for queue in self.mapped():
                queue.state = "mapped"
            self.arm_tick()
        else:
            for queue in listed:
                slot = queue.spec.slot
                if self.machine.scheduler is Scheduler.MES:
                    slot = self.slot_for(queue)
                if slot is not None:
                    self.take_slot(queue, slot)
                    queue.state = "mapped"
        for control in self.changes:
            self.env.process(self.control(Due(self.env, control.at_ns, DEVICE, 3)))
        for thread in self.threads:
            self.env.process(self.host(thread))

    # -- deciding -------------------------------------------------------------------------------------------------
    def touch(self) -> None:
        """Something happened: decide at the end of this instant."""
        if not self.deciding:
            self.deciding = True
            Due(self.env, self.env.now, DECIDE).callbacks.append(lambda _: self.decide())

    def decide(self) -> None:
        self.deciding = False
        if self.machine.scheduler is not Scheduler.CPSCH:
            self.schedule_single()
        for engine in range(self.machine.sdma_engines):
            self.start_copy(engine)
        for row in self.pipes:
            for pipe in row:
                if pipe.mode == "idle" or (pipe.mode == "placing" and self.env.now >= pipe.quantum_at):
                    self.advance(pipe)
        for xcc in range(self.machine.xccs):
            while self.place_one(xcc):
                pass

    def may_start(self, job: Job) -> bool:
        queue = self.queues[job.step.queue]
        if job.step.barrier and queue.ring[0] is not job:
            return False
        if not job.step.after:
            return True
        assert job.thread is not None
        met = [job.thread.jobs[i].done for i in job.step.after]
        return any(met) if job.step.op is Op.BARRIER_OR else all(met)

    def has_work(self, queue: Queue, xcc: int) -> bool:
        share = queue.shares[xcc]
        if queue.state != "mapped":
            return False
        return bool(share.saved or share.indexes or (share.ring and self.may_start(share.ring[0])))

    def advance(self, pipe: Pipe) -> None:
        pipe.mode, pipe.queue = "idle", None
        queue = self.connect(pipe)
        if queue is None:
            return
        pipe.queue = queue
        share = queue.shares[pipe.xcc]
        cost = self.costs.queue_switch_ns if pipe.served not in (None, queue) else 0
        pipe.served = queue
        if share.saved or share.indexes:
            pipe.mode = "switching" if cost else "placing"
            if cost:
                self.env.process(self.switch(pipe, self.due(cost, PACKET)))
        else:
            pipe.mode = "taking"
            share.job = share.ring.pop(0)
            cost += self.costs.packet_ns + (self.costs.barrier_ns if share.job.step.barrier else 0)
            self.env.process(self.take_up(pipe, share, share.job, self.due(cost, PACKET)))

    def connect(self, pipe: Pipe) -> Queue | None:
        full = self.policies.priority is Priority.FULL
        in_turn: list[tuple[int, Queue]] = []
        for k in range(1, self.most + 1):
            position = (pipe.turn + k) % self.most
            queue = self.slots[pipe.slots[position]] if position < len(pipe.slots) else None
            if queue is not None and self.has_work(queue, pipe.xcc):
                in_turn.append((position, queue))
        if not in_turn:
            return None
        level = max(queue.queue_priority for _, queue in in_turn) if full else 0
        position, best = next((p, q) for p, q in in_turn if not full or q.queue_priority == level)
        held = pipe.connected
        fresh = self.env.now < pipe.quantum_at
        ready = held is not None and fresh and any(q is held for _, q in in_turn)
        if held is not None and ready and (not full or held.queue_priority >= level):
            return held
        if held is not best or not fresh:
            pipe.connected, pipe.turn = best, position
            pipe.quantum_at = self.env.now + self.costs.queue_quantum_ns
            self.env.process(self.quantum(self.due(self.costs.queue_quantum_ns, QUANTUM)))
        return best

    def quantum(self, due: Due) -> Steps:
        yield due
        self.touch()

    def switch(self, pipe: Pipe, due: Due) -> Steps:
        life = pipe.life
        yield due
        if pipe.life == life:
            pipe.mode = "placing"
            self.touch()

    def take_up(self, pipe: Pipe, share: Share, job: Job, due: Due) -> Steps:
        life = pipe.life
        yield due
        if pipe.life != life:
            return
        self.events += 1
        groups = job.step.workgroups if job.step.op is Op.DISPATCH else 0
        share.indexes = list(range(pipe.xcc, groups, self.machine.xccs))
        pipe.mode = "placing" if share.indexes else "idle"
        self.finish_part(job)
        self.touch()

    # -- CU room --------------------------------------------------------------------------------------------------
    def place_one(self, xcc: int) -> bool:
        """Let the pipe whose turn it is place one workgroup; False when nobody may."""
        pipes = self.pipes[xcc]
        order = [(self.pipe_turn[xcc] + k) % len(pipes) for k in range(len(pipes))]
        waiting = [i for i in order if pipes[i].mode == "placing"]
        if self.policies.priority is not Priority.NONE:
            waiting.sort(key=lambda i: -self._queue(pipes[i]).pipe_priority)
        if self.policies.dispatch is Dispatch.EQUAL_SHARE:

            def held(i: int) -> int:
                return sum(group.job.need.waves for group in self._queue(pipes[i]).shares[xcc].running)

            none = self.policies.priority is Priority.NONE
            waiting.sort(key=lambda i: (0 if none else -self._queue(pipes[i]).pipe_priority, held(i)))
        for i in waiting:
            share = self._queue(pipes[i]).shares[xcc]
            need = (share.saved[0].job if share.saved else self._job(share)).need
            found = self.find(share, xcc, need)
            if found is None:
                if self.policies.dispatch is Dispatch.FREE_SLOT:
                    continue
                return False
            self.start_group(share, xcc, *found)
            over = not share.saved and not share.indexes
            stay = self.policies.dispatch is Dispatch.KERNEL and not over
            self.pipe_turn[xcc] = i if stay else (i + 1) % len(pipes)
            if over:
                self.advance(pipes[i])
            return True
        return False

    @staticmethod
    def _queue(pipe: Pipe) -> Queue:
        assert pipe.queue is not None
        return pipe.queue

    @staticmethod
    def _job(share: Share) -> Job:
        assert share.job is not None
        return share.job

    def find(self, share: Share, xcc: int, need: Room) -> tuple[int, int] | None:
        engines = self.cus[xcc]
        mask = share.queue.spec.cu_mask
        for k in range(len(engines)):
            engine = (share.engine + k) % len(engines)
            allowed = mask[xcc * len(engines) + engine] if mask else -1
            usable = [c for c in range(len(engines[engine])) if allowed >> c & 1]
            if not usable:
                continue
            turn = self.cu_turn[xcc][engine]
            for c in sorted(usable, key=lambda c: (c < turn, c)):
                if engines[engine][c].fits(need):
                    return engine, c
            if self.policies.placement is Placement.SE_STRICT:
                return None
        return None

    def start_group(self, share: Share, xcc: int, engine: int, c: int) -> None:
        resumed = bool(share.saved)
        if resumed:
            group = share.saved.pop(0)
        else:
            job = self._job(share)
            index = share.indexes.pop(0)
            time = job.time
            if job.step.jitter_permille:
                most = time * job.step.jitter_permille // 1000
                time += (draw(self.spec.seed, job.number + 1, job.draw, index + 1) >> 1) * (most + 1) >> 31
            group = Group(job, share, time)
        step = group.job.step
        self.bandwidth += step.bandwidth_ppm
        if not resumed and self.bandwidth > 1_000_000 and step.bandwidth_ppm:
            group.rest = group.rest * self.bandwidth // 1_000_000
        start = self.env.now
        if self.costs.launch_ps:
            self.launch_ps[xcc] = max(self.launch_ps[xcc], start * 1000) + self.costs.launch_ps
            start = -(-self.launch_ps[xcc] // 1000)
        group.end = start + group.rest
        group.cu = self.cus[xcc][engine][c]
        group.cu.groups.append(group)
        share.running.append(group)
        stride = max(self.machine.cus)
        self.cu_turn[xcc][engine] = (c + 1) % stride
        share.engine = (engine + 1) % len(self.cus[xcc])
        self.env.process(self.workgroup(group, Due(self.env, group.end, WORKGROUP)))

    def workgroup(self, group: Group, due: Due) -> Steps:
        life = group.life
        yield due
        if group.life != life:
            return
        self.events += 1
        assert group.cu is not None
        group.cu.groups.remove(group)
        group.share.running.remove(group)
        self.bandwidth -= group.job.step.bandwidth_ppm
        self.finish_part(group.job)
        self.touch()

    # -- packets --------------------------------------------------------------------------------------------------
    def send(self, job: Job) -> None:
        queue = self.queues[job.step.queue]
        job.done = False
        job.draw += 1
        job.place = queue.written
        queue.written += 1
        job.sent = self.env.now
        times = job.step.time.quantiles
        job.time = times[draw(self.spec.seed, job.number + 1, job.draw, 0) * len(times) >> 32]
        queue.ring.append(job)
        if queue.spec.sdma_engine is None:
            job.open = self.machine.xccs + (job.step.workgroups if job.step.op is Op.DISPATCH else 0)
            for share in queue.shares:
                share.ring.append(job)
            if queue.state == "unmapped":
                self.wait(queue)
        self.touch()

    @staticmethod
    def full(queue: Queue) -> bool:
        return bool(queue.ring) and queue.written - queue.ring[0].place >= queue.spec.ring_packets - 1

    def wake_sender(self, queue: Queue) -> None:
        if queue.senders and not queue.woken and not self.full(queue):
            queue.woken = True
            event, number = queue.senders.pop(0)
            event.succeed(self.due(0, HOST, number))

    def wait(self, queue: Queue) -> None:
        if queue.waiting is None:
            self.clock += 1
            queue.waiting = self.clock

    def finish_part(self, job: Job) -> None:
        job.open -= 1
        if job.open == 0:
            self.complete(job)

    def complete(self, job: Job) -> None:
        queue = self.queues[job.step.queue]
        job.done = True
        self.packets.append((job.number, job.sent, self.env.now))
        if job in queue.ring:
            queue.ring.remove(job)
            self.wake_sender(queue)
        if not queue.ring:
            queue.waiting = None
        thread = job.thread
        assert thread is not None
        thread.open -= 1
        if thread.open == 0 and thread.wake is not None:
            wake, thread.wake = thread.wake, None
            wake.succeed(self.due(self.costs.wake_ns, HOST, thread.number))
        self.touch()

    # -- copies ---------------------------------------------------------------------------------------------------
    def start_copy(self, engine: int) -> None:
        held = self.policies.sdma is Sdma.REMAPPED and self.phase != "steady"
        if self.engine_job[engine] is not None or held:
            return
        mine = [q for q in self.queues if q.spec.sdma_engine == engine]
        turn = self.engine_turn[engine]
        for queue in [q for q in mine if q.number > turn] + mine:
            if queue.active and queue.ring and self.may_start(queue.ring[0]):
                self.engine_turn[engine] = queue.number
                self.engine_job[engine] = queue.ring[0]
                self.env.process(self.copy(engine, queue.ring[0], self.due(queue.ring[0].time, COPY, engine)))
                return

    def copy(self, engine: int, job: Job, due: Due) -> Steps:
        yield due
        self.events += 1
        self.engine_job[engine] = None
        self.complete(job)

    # -- host threads ---------------------------------------------------------------------------------------------
    def host(self, thread: Thread) -> Steps:
        number = thread.number
        source = self.spec.sources[thread.spec.source]
        request = 0
        while True:
            nth = self.taken[thread.spec.source]
            limit = len(source.trace) if source.arrival is Arrival.TRACE else source.limit
            if source.limit is not None and limit is not None:
                limit = min(limit, source.limit)
            if limit is not None and nth >= limit:
                return
            self.taken[thread.spec.source] += 1
            times = source.times.quantiles
            if source.arrival is Arrival.CLOSED:
                pause = times[draw(self.spec.seed, -(number + 1), request, 1) * len(times) >> 32]
                arrival = max(self.env.now, source.start_ns) + (pause if request else 0)
            elif source.arrival is Arrival.OPEN:
                gap = times[draw(self.spec.seed, -(thread.spec.source + 1), nth, 1) * len(times) >> 32]
                self.next_at[thread.spec.source] += gap
                arrival = self.next_at[thread.spec.source]
            else:
                arrival = source.trace[nth]
            yield Due(self.env, max(arrival, self.env.now), HOST, number)
            self.events += 1
            begun = self.env.now
            for job in thread.jobs:
                job.done = False
            for job in thread.jobs:
                yield Due(self.env, self.env.now + job.step.host_ns, HOST, number)
                self.events += 1
                if job.step.op is Op.SYNC:
                    yield from self.wait_for_packets(thread)
                elif job.step.op is not Op.HOST:
                    queue = self.queues[job.step.queue]
                    if queue.senders or queue.woken or self.full(queue):
                        turn = self.env.event()
                        queue.senders.append((turn, number))
                        due = yield turn
                        yield due
                        self.events += 1
                        queue.woken = False
                    thread.open += 1
                    self.send(job)
                    self.wake_sender(queue)
            yield from self.wait_for_packets(thread)
            self.log.append((number, request, arrival, begun, int(self.env.now)))
            request += 1

    def wait_for_packets(self, thread: Thread) -> Steps:
        if thread.open:
            thread.wake = self.env.event()
            due = yield thread.wake
            yield due
            self.events += 1

    # -- slots ----------------------------------------------------------------------------------------------------
    def mapped(self) -> list[Queue]:
        return [queue for queue in self.slots if queue is not None]

    def slot_for(self, queue: Queue) -> int | None:
        """The first free slot, if a VMID is free for the queue's process or it has one."""
        processes = {other.spec.process for other in self.mapped()}
        if None not in self.slots:
            return None
        if queue.spec.process not in processes and len(processes) >= self.machine.processes:
            return None
        return self.slots.index(None)

    def take_slot(self, queue: Queue, slot: int) -> None:
        assert self.slots[slot] is None, "a slot holds one queue"
        if queue.spec.process not in {other.spec.process for other in self.mapped()}:
            self.mapped_since[queue.spec.process] = int(self.env.now)
        self.slots[slot] = queue
        queue.slot = slot

    def leave_slot(self, queue: Queue) -> None:
        assert queue.slot is not None
        self.slots[queue.slot] = None
        queue.slot = None
        queue.state = "unmapped"

    def freeze(self, queue: Queue) -> int:
        """Stop the queue's workgroups where they are; returns the waves that have to be saved."""
        assert queue.slot is not None
        waves = 0
        for xcc, share in enumerate(queue.shares):
            for group in share.running:
                group.life += 1
                group.rest = group.end - int(self.env.now)
                waves += group.job.need.waves
                self.bandwidth -= group.job.step.bandwidth_ppm
            share.saved = share.running + share.saved
            share.running = []
            pipe = self.pipes[xcc][self.machine.slots[queue.slot]]
            if pipe.queue is queue:
                if pipe.mode == "taking":
                    share.ring.insert(0, self._job(share))
                pipe.mode, pipe.queue = "idle", None
                pipe.life += 1
            if pipe.connected is queue:
                pipe.connected, pipe.turn = None, 0
        return waves

    def off_cus(self, queue: Queue) -> None:
        for share in queue.shares:
            for group in share.saved:
                if group.cu is not None:
                    group.cu.groups.remove(group)
                    group.cu = None

    def saved_waves(self, queue: Queue) -> int:
        return sum(group.job.need.waves for share in queue.shares for group in share.saved)

    def apply(self, control: Any) -> None:
        queue = self.queues[control.queue]
        if control.change is Change.UPDATE:
            queue.pipe_priority, queue.queue_priority = control.pipe_priority, control.queue_priority
        else:
            queue.active = control.change in (Change.CREATE, Change.RESTORE)
        if control.change is Change.DESTROY:
            queue.ring = []
            queue.waiting = None
            self.wake_sender(queue)
            for share in queue.shares:
                share.ring, share.indexes, share.saved = [], [], []
        self.touch()

    def control(self, due: Due) -> Steps:
        yield due
        if self.machine.scheduler is Scheduler.CPSCH:
            self.next_change()
        else:
            self.change_single()
        self.touch()

    # -- CPSCH ----------------------------------------------------------------------------------------------------
    def next_change(self) -> None:
        if self.phase == "steady" and self.changes and self.changes[0].at_ns <= self.env.now:
            together = [self.changes.pop(0)]
            while self.changes and self.changes[0].joins:
                together.append(self.changes.pop(0))
            self.start_replacing(together)

    def start_replacing(self, controls: list[Any]) -> None:
        self.phase = "saving"
        self.leaving = self.mapped()
        waves = sum(self.freeze(queue) for queue in self.leaving)
        for queue in self.leaving:
            queue.state = "saving"
        fence = self.costs.save_ns if all(control.fenced for control in controls[:1]) else 0
        due = self.due(fence + waves * self.costs.save_wave_ps // 1000, DEVICE, 0)
        self.env.process(self.replace_runlist(controls, due))

    def replace_runlist(self, controls: list[Any], due: Due) -> Steps:
        """The driver's changes (or, without one, the end of a process quantum), from preemption to mapped again."""
        yield due
        for queue in self.leaving:
            self.off_cus(queue)
            self.leave_slot(queue)
        for control in controls:
            self.apply(control)
            self.cursor = -1
        self.load_share()
        self.phase = "mapping"
        waves = sum(self.saved_waves(queue) for queue in self.mapped())
        for queue in self.mapped():
            queue.state = "mapping"
        self.touch()
        yield self.due(self.costs.map_ns + waves * self.costs.restore_wave_ps // 1000, DEVICE, 1)
        self.phase = "steady"
        for queue in self.mapped():
            queue.state = "mapped"
        self.arm_tick()
        self.next_change()
        self.touch()

    def arm_tick(self) -> None:
        self.tick_at = None
        if any(queue.active and queue.slot is None for queue in self.compute):
            self.tick_at = int(self.env.now) + self.costs.process_quantum_ns
            self.env.process(self.process_quantum(self.tick_at, self.due(self.costs.process_quantum_ns, DEVICE, 2)))

    def process_quantum(self, at: int, due: Due) -> Steps:
        yield due
        if self.phase == "steady" and self.tick_at == at:
            self.start_replacing([])
            self.touch()

    def load_share(self) -> None:
        """Give slots to the next queues of the runlist, as far as slots and VMIDs go."""
        listed = sorted((q for q in self.compute if q.active), key=lambda q: q.spec.rank)
        later = [q for q in listed if q.spec.rank > self.cursor]
        earlier = [q for q in listed if q.spec.rank <= self.cursor]
        if self.policies.idle is Idle.BUSY_FIRST:
            around = later + earlier
            order = [q for q in around if q.ring] + [q for q in around if not q.ring]
        elif self.policies.rotation is Rotation.LIST_END:
            order = later
        else:
            order = later + earlier
        last = self.cursor
        for queue in order:
            slot = self.slot_for(queue)
            if slot is None:
                break
            self.take_slot(queue, slot)
            if self.policies.idle is not Idle.BUSY_FIRST or queue.ring:
                last = queue.spec.rank
        to_end = self.policies.idle is not Idle.BUSY_FIRST and self.policies.rotation is Rotation.LIST_END
        if to_end and not any(q.spec.rank > last for q in listed):
            last = -1
        self.cursor = last

    # -- MES and NOCPSCH ------------------------------------------------------------------------------------------
    def schedule_single(self) -> None:
        while True:
            waiting = [q for q in self.compute if q.active and q.state == "unmapped" and q.waiting is not None]
            if not waiting:
                return
            queue = min(waiting, key=lambda q: q.waiting or 0)
            static = self.machine.scheduler is Scheduler.NOCPSCH
            slot = queue.spec.slot if static else self.slot_for(queue)
            if slot is not None:
                self.take_slot(queue, slot)
                queue.state, queue.waiting = "mapping", None
                cost = self.costs.map_ns + self.saved_waves(queue) * self.costs.restore_wave_ps // 1000
                self.env.process(self.map_queue(queue, self.due(cost, QUEUE, 2 * queue.number + 1)))
                continue
            idle = [q for q in self.mapped() if q.state == "mapped" and not q.ring]
            if idle:
                victim = min(idle, key=lambda q: (q.mapped_at, q.number))
                self.freeze(victim)
                self.leave_slot(victim)
                continue
            if self.tick_at is None:
                self.start_gang_quantum()
            return

    def map_queue(self, queue: Queue, due: Due) -> Steps:
        yield due
        queue.state = "mapped"
        queue.mapped_at = int(self.env.now)
        self.change_single()
        self.touch()

    def unmap_queue(self, queue: Queue, due: Due) -> Steps:
        yield due
        self.off_cus(queue)
        self.leave_slot(queue)
        if queue.ring:
            self.wait(queue)
        self.change_single()
        self.touch()

    def start_unmap(self, queue: Queue) -> None:
        waves = self.freeze(queue)
        queue.state = "saving"
        cost = self.costs.save_ns + waves * self.costs.save_wave_ps // 1000
        self.env.process(self.unmap_queue(queue, self.due(cost, QUEUE, 2 * queue.number)))

    def start_gang_quantum(self) -> None:
        self.tick_at = int(self.env.now) + self.costs.gang_quantum_ns
        self.env.process(self.gang_quantum(self.due(self.costs.gang_quantum_ns, DEVICE, 2)))

    def may_lose_slot(self, process: int) -> bool:
        over = self.env.now - self.mapped_since[process] >= self.costs.process_quantum_ns
        waits = any(
            q.active and q.state == "unmapped" and q.waiting is not None
            for q in self.compute
            if q.spec.process == process
        )
        return self.policies.gangs is Gangs.GANG_QUANTUM or over or waits

    def gang_quantum(self, due: Due) -> Steps:
        yield due
        self.tick_at = None
        waiting = sum(q.active and q.state == "unmapped" and q.waiting is not None for q in self.compute)
        for _ in range(waiting):
            old = [
                q
                for q in self.mapped()
                if q.state == "mapped"
                and q.mapped_at <= self.env.now - self.costs.gang_quantum_ns
                and self.may_lose_slot(q.spec.process)
            ]
            if old:
                self.start_unmap(min(old, key=lambda q: (q.mapped_at, q.number)))
        if waiting:
            self.start_gang_quantum()
        self.touch()

    def change_single(self) -> None:
        while self.changes and self.changes[0].at_ns <= self.env.now:
            queue = self.queues[self.changes[0].queue]
            if queue.state == "mapped":
                self.start_unmap(queue)
                return
            if queue.state != "unmapped":
                return
            self.apply(self.changes.pop(0))
            static = self.machine.scheduler is Scheduler.NOCPSCH
            if queue.spec.sdma_engine is None and queue.active and (static or queue.ring):
                self.wait(queue)
