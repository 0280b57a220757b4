import os
import signal
import threading
import time
from pathlib import Path

import pytest
from small_sweep import sweep

from ringscope.errors import InputError
from ringscope.scenario.sweep.shards import run_shards


def children() -> set[int]:
    text = "".join(path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return set(map(int, text.split()))


def test_rows_do_not_depend_on_the_workers() -> None:
    grid = sweep("run.seed=1..3", "process.service.count=1,2")
    numbers = range(grid.shards)
    before = children()
    alone = {shard.number: shard.rows for shard in run_shards(grid, numbers, 1)}
    shared = {shard.number: shard.rows for shard in run_shards(grid, numbers, 2)}
    assert alone == shared
    assert [point for number in numbers for point in alone[number]["point"]] == list(range(6))
    # The resource tracker of multiprocessing may stay; workers may not.
    assert len(children() - before) <= 1


def test_a_worker_that_dies_is_an_error_in_one_line() -> None:
    grid = sweep('run.horizon="200 ms"', "run.seed=1..200")
    before = children()

    def kill() -> None:
        while len(children() - before) < 2:  # the tracker, the worker
            time.sleep(0.05)
        for pid in children() - before:
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(InputError, match="a worker ended while it ran points"):
        list(run_shards(grid, range(grid.shards), 2))
    killer.join()
