import os
import signal
import threading
import time
from pathlib import Path

import pytest
from small_sweep import sweep

from ringscope.errors import InputError
from ringscope.scenario.sweep.results import plain
from ringscope.scenario.sweep.shards import run_shards


def children(pid: int) -> set[int]:
    text = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return set(map(int, text.split()))


def workers() -> set[int]:
    """Of the server that forks them, which is a child of this process."""
    return {worker for child in children(os.getpid()) for worker in children(child)}


def test_rows_do_not_depend_on_the_workers() -> None:
    grid = sweep("run.seed=1..3", "process.service.count=1,2")
    numbers = range(grid.shards)
    alone, shared = (
        {shard.number: {name: list(map(plain, values)) for name, values in shard.rows.items()} for shard in shards}
        for shards in (run_shards(grid, numbers, 1), run_shards(grid, numbers, 2))
    )
    assert alone == shared
    assert [point for number in numbers for point in alone[number]["point"]] == list(range(6))
    assert not workers()


def test_a_worker_that_dies_is_an_error_in_one_line() -> None:
    grid = sweep('run.horizon="200 ms"', "run.seed=1..200")

    def kill() -> None:
        while not (found := workers()):
            time.sleep(0.05)
        os.kill(min(found), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(InputError, match="a worker ended while it ran points"):
        list(run_shards(grid, range(grid.shards), 2))
    killer.join()
