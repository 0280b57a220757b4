"""Running the shards of a sweep on a Ray cluster that is there already."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ringscope.errors import InputError
from ringscope.records import replace
from ringscope.scenario.sweep.points import Sweep
from ringscope.scenario.sweep.shards import Shard, run_shard

_ANSWER_S = 5.0


class Cluster:
    """A Ray cluster; its nodes need the same ringscope, and its extra ``ray``."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def run_shards(self, sweep: Sweep, numbers: Iterable[int]) -> Iterator[Shard]:
        """Run the shards and give each as it finishes; the rows are those of a local run.

        Raises:
            InputError: a task failed, or the cluster is gone.
        """
        ray = self._ray
        # A task runs in a folder of its own.
        here = ray.put(replace(sweep, folder=sweep.folder.resolve()))
        task = ray.remote(run_shard)
        left = iter(numbers)
        busy: list[Any] = []
        try:
            while True:
                # Twice as many as run at once, so that no worker waits for this process.
                while len(busy) < 2 * self.workers and (number := next(left, None)) is not None:
                    busy.append(task.remote(here, number))
                if not busy:
                    return
                done, busy = ray.wait(busy)
                yield from ray.get(done)
        except ray.exceptions.RayError as error:
            why = next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
            what = f"a task of the Ray cluster failed: {why.strip()}"
            raise InputError(what, todo="run again: what is finished is kept") from None


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """The cluster at ``address`` (host:port, ray://host:port), else at RAY_ADDRESS, else one on this machine.

    Raises:
        InputError: Ray is missing or no cluster answers.
    """
    try:
        import ray  # noqa: PLC0415
    except ImportError as error:
        raise InputError("--ray needs Ray", todo="pip install 'ringscope[ray]'") from error
    where = address or os.environ.get("RAY_ADDRESS") or "auto"
    try:
        host, colon, port = where.removeprefix("ray://").rpartition(":")
        if colon:  # Ray itself would try for a minute and more
            socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
        ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        todo = "start one with 'ray start --head', or name its address with --ray (and RAY_AUTH_TOKEN, where it asks)"
        raise InputError("no Ray cluster answers", where, todo) from error
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()
