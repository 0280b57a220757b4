"""Running the shards of a sweep on several cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar, cast

from ringscope.errors import InputError
from ringscope.records import dataclass
from ringscope.scenario.sweep.points import Sweep
from ringscope.scenario.sweep.results import Columns

T = TypeVar("T")
_AHEAD = 2
"""Shards that a worker has at once, so that it waits for nobody when it is done with one."""


@dataclass(frozen=True)
class Shard:
    """A finished shard: its number, a row a point, and the seconds it took its worker.

    None of these where they tell nothing of other shards.
    """

    number: int
    rows: Columns
    seconds: float | None


def run_shard(sweep: Sweep, number: int) -> Shard:
    """Run the points of a shard, here."""
    begun = time.perf_counter()
    return Shard(number, sweep.rows(sweep.shard(number)), time.perf_counter() - begun)


def run_shards(sweep: Sweep, numbers: Iterable[int], workers: int) -> Iterator[Shard]:
    """Run the shards and give each as it finishes; rows do not depend on ``workers``.

    Raises:
        InputError: a worker died.
    """
    if workers == 1:
        return (run_shard(sweep, number) for number in numbers)
    return on_all_cores(run_shard, sweep, numbers, workers)


def on_all_cores(task: Callable[[Sweep, int], T], sweep: Sweep, numbers: Iterable[int], workers: int) -> Iterator[T]:
    """What ``task`` makes of every shard, as it comes.

    Each worker is a process of its own and ends when this one does, however it ends.

    Raises:
        InputError: a worker died.
    """
    # A server that has read the engine forks the workers: reading it takes a second of a core, once and not for each.
    # No worker holds another's pipe, so that its own pipe's end tells it that this process is gone.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ringscope.scenario.sweep.ready"])
    left = iter(numbers)
    busy: dict[Connection, list[int]] = {}
    processes = []

    def more(pipe: Connection) -> None:
        while len(busy[pipe]) < _AHEAD and (number := next(left, None)) is not None:
            busy[pipe].append(number)
            pipe.send(number)

    try:
        for number in left:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, task), daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
            busy[ours] = [number]
            if len(processes) == workers:
                break
        for pipe, (number,) in busy.items():  # a large sweep waits for its worker to take it, and by now all are coming
            _send(pipe, sweep)
            _send(pipe, number)
        while busy:
            for pipe in cast("list[Connection]", wait(list(busy))):
                try:
                    done: T = pipe.recv()
                    busy[pipe].pop(0)
                    more(pipe)
                except (EOFError, ConnectionError):
                    points = sweep.shard(busy[pipe][0])
                    what = f"a worker ended while it ran points {points[0]} to {points[-1]} (out of memory?)"
                    raise InputError(what, todo="run again: what is finished is kept") from None
                if not busy[pipe]:
                    del busy[pipe]
                    pipe.close()
                yield done
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _send(pipe: Connection, what: object) -> None:
    """Send; that a worker is gone shows when its answer is awaited."""
    with suppress(ConnectionError):
        pipe.send(what)


def _work(pipe: Connection, task: Callable[[Sweep, int], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        sweep: Sweep = pipe.recv()
        while True:
            pipe.send(task(sweep, pipe.recv()))
    except (EOFError, ConnectionError):
        return


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
