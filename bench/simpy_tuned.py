"""The tests' SimPy model made fast, as a peer: no search that can be spared, one SimPy event for each of the engine's.

What every workgroup passes through is said again: a workgroup's end is an event with a callback and no process, a CU's
free room is one number, a pipe that found no room is asked again only when its shader engine gained some, and deciding
needs no event of its own. The rest (hosts, packets, slots) is the tests' model as it stands. So it plays what the
benchmark plays and no more: default policies, every queue in a slot, no bandwidth contention.
"""

from __future__ import annotations

import importlib.util
import sys
from heapq import heappush
from pathlib import Path
from typing import Any

from simpy.events import Event

from ringscope.engine.policies import Policies
from ringscope.engine.spec import Spec
from ringscope.engine.state import GUARDS, pack


def _oracle() -> Any:
    path = Path(__file__).parents[1] / "tests" / "engine" / "simpy_oracle.py"
    spec = importlib.util.spec_from_file_location("simpy_oracle", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


oracle = _oracle()


class End(Event):
    """A workgroup of ``job`` ends on CU ``c`` of a shader engine, which gives ``need`` back."""

    def __init__(self, model: Tuned, at: int, xcc: int, engine: int, c: int, need: int, job: Any) -> None:
        self.env = model.env
        self.callbacks = [model.ended]
        self._ok = True
        self._value = None
        self.place = xcc, engine, c, need, job
        heappush(model.env._queue, (at, oracle.WORKGROUP << 32, next(model.env._eid), self))


class Tuned(oracle.Model):  # type: ignore[misc, name-defined]
    """One run of a spec that keeps to what the module says."""

    def __init__(self, spec: Spec) -> None:
        assert spec.policies == Policies() and len(spec.queues) <= len(spec.machine.slots)
        super().__init__(spec)
        room = pack(spec.machine.cu)
        self.free = [[[room] * cus for cus in spec.machine.cus] for _ in range(spec.machine.xccs)]
        self.stride = max(spec.machine.cus)
        self.ses = len(spec.machine.cus)
        # By XCC and pipe: the shader engine that has no room for its workgroup, -1 when that is not known.
        self.full_at = [[-1] * spec.machine.pipes for _ in range(spec.machine.xccs)]
        self.shares = [
            [[self.slots[slot].shares[xcc] for slot in pipe.slots if self.slots[slot] is not None] for pipe in pipes]
            for xcc, pipes in enumerate(self.pipes)
        ]
        self.needs = [pack(job.need) for thread in self.threads for job in thread.jobs]
        self.orders = {n: [(*range(c, n), *range(c)) for c in range(self.stride)] for n in spec.machine.cus}

    def advance(self, pipe: Any) -> None:
        self.full_at[pipe.xcc][pipe.local] = -1
        for share in self.shares[pipe.xcc][pipe.local]:
            ring = share.ring
            if share.indexes or (ring and (not ring[0].step.barrier or share.queue.ring[0] is ring[0])):
                super().advance(pipe)
                return
        pipe.mode, pipe.queue = "idle", None

    def place_one(self, xcc: int) -> bool:
        """Place all that can be placed now, pipe by pipe in turn; so there is never another."""
        pipes = self.pipes[xcc]
        full_at = self.full_at[xcc]
        count = len(pipes)
        i = self.pipe_turn[xcc]
        failed = 0
        while failed < count:
            pipe = pipes[i]
            failed += 1
            if pipe.mode == "placing":
                share = pipe.queue.shares[xcc]
                engine = share.engine
                if full_at[i] != engine:
                    job = share.job
                    need = self.needs[job.number]
                    free = self.free[xcc][engine]
                    for c in self.orders[len(free)][self.cu_turn[xcc][engine]]:
                        if ((free[c] | GUARDS) - need) & GUARDS == GUARDS:
                            free[c] -= need
                            self.start_one(share, job, need, xcc, engine, c)
                            self.pipe_turn[xcc] = i + 1 if i + 1 < count else 0
                            if not share.indexes:
                                self.advance(pipe)
                            failed = 0
                            break
                    else:
                        full_at[i] = engine
            i += 1
            if i == count:
                i = 0
        return False

    def start_one(self, share: Any, job: Any, need: int, xcc: int, engine: int, c: int) -> None:
        """Start the next workgroup of ``job`` on a CU with room for it."""
        index = share.indexes.pop(0)
        time = job.time
        jitter = job.step.jitter_permille
        if jitter:
            drawn = oracle.draw(self.spec.seed, job.number + 1, job.draw, index + 1) >> 1
            time += drawn * (time * jitter // 1000 + 1) >> 31
        start = self.env._now
        launch = self.costs.launch_ps
        if launch:
            self.launch_ps[xcc] = max(self.launch_ps[xcc], start * 1000) + launch
            start = -(-self.launch_ps[xcc] // 1000)
        self.cu_turn[xcc][engine] = c + 1 if c + 1 < self.stride else 0
        share.engine = engine + 1 if engine + 1 < self.ses else 0
        End(self, start + time, xcc, engine, c, need, job)

    def ended(self, end: End) -> None:
        """A workgroup ends; with nothing else due now, who waited for its room has it at once."""
        xcc, engine, c, need, job = end.place
        self.events += 1
        self.free[xcc][engine][c] += need
        full_at = self.full_at[xcc]
        for i, full in enumerate(full_at):
            if full == engine:
                full_at[i] = -1
        job.open -= 1
        if job.open == 0:
            self.complete(job)
        elif not self.deciding:
            if self.env.peek() > self.env._now:
                self.place_one(xcc)
            else:
                self.touch()
