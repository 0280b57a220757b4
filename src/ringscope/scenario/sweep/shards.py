"""Running the shards of a sweep on several cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import cast

from ringscope.errors import InputError
from ringscope.records import dataclass
from ringscope.scenario.sweep.points import Row, Sweep


@dataclass(frozen=True)
class Shard:
    """A finished shard: its number, a row a point, and the seconds it took its worker."""

    number: int
    rows: list[Row]
    seconds: float


def run_shards(sweep: Sweep, numbers: Iterable[int], workers: int) -> Iterator[Shard]:
    """Run the shards and give each as it finishes; rows do not depend on ``workers``.

    Each of several workers is a process of its own and ends when this one does, however it ends.

    Raises:
        InputError: a worker died.
    """
    if workers == 1:
        yield from (run_shard(sweep, number) for number in numbers)
        return
    # Spawned, so that a worker holds no other worker's pipe: its own pipe's end then tells it that the parent is gone.
    context = multiprocessing.get_context("spawn")
    left = iter(numbers)
    busy: dict[Connection, int] = {}
    processes = []
    try:
        for number in left:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, sweep, os.getpid()), daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
            busy[ours] = number
            ours.send(number)
            if len(processes) == workers:
                break
        while busy:
            for pipe in cast("list[Connection]", wait(list(busy))):
                number = busy.pop(pipe)
                try:
                    shard: Shard = pipe.recv()
                    if (following := next(left, None)) is None:
                        pipe.close()
                    else:
                        pipe.send(following)
                        busy[pipe] = following
                except (EOFError, ConnectionError):
                    points = sweep.shard(number)
                    what = f"a worker ended while it ran points {points[0]} to {points[-1]} (out of memory?)"
                    raise InputError(what, todo="run again: what is finished is kept") from None
                yield shard
    finally:
        for process in processes:
            process.terminate()
            process.join()


def run_shard(sweep: Sweep, number: int) -> Shard:
    """Run the points of a shard, here."""
    begun = time.perf_counter()
    rows = [sweep.row(point) for point in sweep.shard(number)]
    return Shard(number, rows, time.perf_counter() - begun)


def _work(pipe: Connection, sweep: Sweep, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    try:
        while True:
            number = pipe.recv()
            begun = time.perf_counter()
            rows = []
            for point in sweep.shard(number):
                if os.getppid() != parent:
                    return
                rows.append(sweep.row(point))
            pipe.send(Shard(number, rows, time.perf_counter() - begun))
    except (EOFError, ConnectionError):
        return
