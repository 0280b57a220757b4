"""Processes that come, work and are killed at any moment, on the virtual GPU without a supervisor: thousands of deaths.

What a process did until its death is a list of steps; a death may fall behind any of them. After every death the
machine must hold what the living hold and nothing more, and their packets must still be taken.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_worlds import FIRST_PID, Someone, world

from ringscope.parts.queue_types import IoctlQueueType
from ringscope.virtual import events
from ringscope.virtual.client import Client

ROUNDS = 60


LIFE: tuple[Callable[[Someone], object], ...] = (
    lambda who: None,
    Someone.export,
    Someone.create,
    Someone.submit,
    lambda who: who.create(IoctlQueueType.SDMA),
    Someone.create,
    Someone.wait,
    Someone.submit,
    Someone.take_over,
    Someone.mask,
    lambda who: who.world.gpu.rotate(),
    Someone.create,
    Someone.destroy,
    Someone.submit,
    lambda who: who.world.gpu.kfd.evict(who.client.pid),
    Someone.submit,
    lambda who: who.world.gpu.kfd.restore(who.client.pid),
    Someone.submit,
)
"""What a process does in its life; a death may fall behind every step."""


def worked(who: Someone) -> bool:
    """Whether every packet of a process that its queues hold was taken."""
    return all(who.rings[number].index == count for number, count in who.sent.items())


@pytest.mark.parametrize("gpu", ["mi210", "mi308x"])
def test_a_death_behind_any_step_leaves_nothing_and_disturbs_nobody(gpu: str) -> None:
    with world(gpu) as w:
        stays = w.born()
        for step in LIFE:
            step(stays)
        for last in range(len(LIFE)):
            who = w.born()
            for step in LIFE[: last + 1]:
                step(who)
            w.kill(who)
            w.check()
            stays.submit()
            w.settle()
            assert worked(stays)
            w.check_text()
        # Ids, doorbells and PASIDs come back: a newcomer gets what the first one got.
        assert len(w.people) == 1


def test_a_process_that_dies_while_it_opens_the_driver_leaves_no_descriptor() -> None:
    with world() as w:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(3):
            with pytest.raises(OSError):
                Client.open(FIRST_PID, 1, w.gpu.store)
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_wait_outlives_the_death_of_another() -> None:
    with world() as w:
        who, other = w.born(), w.born()
        results: list[int] = []
        now = 1_000_000_000
        event = who.client.events.create(events.SIGNAL, auto_reset=True)
        wait = events.Wait(os.getpid(), 1, [event], [], True, now, lambda _, result, error: results.append(result))
        assert not who.client.events.wait(wait, [0])
        w.gpu.wait(who.client, wait)
        w.kill(other)
        w.gpu.tick(now)
        assert results == [events.TIMEOUT]


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, len(LIFE))), min_size=20, max_size=80))
@settings(max_examples=40, deadline=None)
def test_lives_and_deaths_in_any_order(moves: list[tuple[int, int]]) -> None:
    with world() as w:
        people: dict[int, tuple[Someone, int]] = {}
        for name, what in moves:
            who, age = people.get(name) or (w.born(), 0)
            if what == len(LIFE) or age == len(LIFE):
                w.kill(who)
                people.pop(name, None)
                w.check()
            else:
                LIFE[age](who)
                people[name] = (who, age + 1)
        for who, _ in people.values():
            w.gpu.kfd.restore(who.client.pid)
        w.gpu._see_slots()
        w.settle()
        assert all(worked(who) for who, _ in people.values())
        w.check_text()


def test_half_of_sixteen_processes_are_killed_again_and_again() -> None:
    seed = random.Random(5)
    killed = 0
    with world() as w:
        for _ in range(ROUNDS):
            people = [w.born() for _ in range(16)]
            work = [who for who in people for _ in range(6)]
            seed.shuffle(work)
            doomed = set(map(id, seed.sample(people, 8)))
            deaths = {id(who): seed.randrange(6) for who in people if id(who) in doomed}
            age = dict.fromkeys(map(id, people), 0)
            for who in work:
                if who.client.pid not in w.people:
                    continue
                if id(who) in doomed and age[id(who)] == deaths[id(who)]:
                    w.kill(who)
                    killed += 1
                    continue
                who.create() if age[id(who)] < 5 else who.submit()
                age[id(who)] += 1
                w.gpu.processor.turn()
            assert len(w.people) == 8
            w.settle()
            assert all(worked(who) and len(who.rings) == 5 for who in w.people.values())
            w.check()
            for who in tuple(w.people.values()):
                w.kill(who)
    assert killed == 8 * ROUNDS
