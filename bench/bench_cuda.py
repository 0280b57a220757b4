"""10^5 small scenarios on one NVIDIA GPU and on all cores of its host, and whether all runs agree.

The scenarios are points of a sweep over a simulated millisecond of an MI308X: one to four processes, ten dependent
kernels a request, of few workgroups (8 to 64) or of many (80 to 320). Three figures of the GPU stand beside the host's:
its kernels alone and all from the built points to the logs in the host's memory, both beside the engine on all cores;
and the whole sweep, building and results and all, beside the whole sweep of the host.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from bench import Row
from bench.bench_sweep import SCENARIO
from ringscope.engine.batch import Gpu, digest
from ringscope.engine.run import Totals
from ringscope.errors import InputError
from ringscope.records import replace
from ringscope.scenario.sweep import gpu as on_gpu
from ringscope.scenario.sweep.axes import Axis
from ringscope.scenario.sweep.gpu import pack
from ringscope.scenario.sweep.points import Sweep
from ringscope.scenario.sweep.shards import Shard, on_all_cores, run_shards

FAMILIES = {"few workgroups": "8..64:8", "many workgroups": "80..320:80"}
POINTS = int(os.environ.get("RINGSCOPE_BENCH_POINTS", "100000"))
"""Fewer where the GPU is Numba's simulator."""


def sweep(workgroups: str) -> Sweep:
    over = (
        "process.service.count=1..4",
        f"kernel.attention.workgroups={workgroups}",
        "process.service.think=0..100 us",
    )
    return Sweep(SCENARIO, "bench", Path(), tuple(map(Axis.parse, over)), POINTS)


def _on_cpu(whole: Sweep, number: int) -> tuple[int, float, int, list[str]]:
    """The shard, seconds in the engine, its events, a digest a run."""
    seconds, events, digests = 0.0, 0, []
    for at in whole.shard(number):
        point = whole.builder.point(whole.values(at))
        engine = point.engine(0)
        begun = time.perf_counter()
        engine.run(point.scenario.horizon_ns)
        seconds += time.perf_counter() - begun
        events += engine.totals.events
        digests.append(digest(engine.log, engine.totals))
    return number, seconds, events, digests


Run = Callable[[Sweep, Iterable[int], int], Iterator[Shard]]


def _whole(run: Run, one: Sweep, cores: int) -> tuple[float, dict[int, bytes]]:
    """Points a second of a whole sweep, from starting its workers to its last row, at best; and its rows by shard."""
    best = 0.0
    for _ in range(3):
        begun = time.perf_counter()
        shards = list(run(one, range(one.shards), cores))
        best = max(best, one.points / (time.perf_counter() - begun))
    rows = {shard.number: [shard.rows[name] for name in shard.rows if name != "refused"] for shard in shards}
    return best, {number: b"".join(np.asarray(column).tobytes() for column in mine) for number, mine in rows.items()}


def run() -> list[Row]:
    cores = len(os.sched_getaffinity(0))
    try:
        gpu = Gpu()
    except InputError as error:
        return [Row("an NVIDIA GPU", str(error))]
    rows = []
    for name, workgroups in FAMILIES.items():
        one = sweep(workgroups)
        _on_cpu(one, 0)
        alone = [_on_cpu(one, number) for number in range(0, one.shards, max(1, one.shards // 4))]
        core = sum(part[1] for part in alone) / sum(len(part[3]) for part in alone)
        ran = sorted(on_all_cores(_on_cpu, one, range(one.shards), cores))
        events = sum(part[2] for part in ran)
        all_cores = sum(part[1] for part in ran) / cores
        begun = time.perf_counter()
        packs = sorted(on_all_cores(pack, one, range(one.shards), cores), key=lambda packed: packed.number)
        building = time.perf_counter() - begun
        lots, at = [], 0
        for packed in packs:
            lots += [replace(lot, places=lot.places + at) for lot in packed.lots]
            at += packed.runs
        first = time.perf_counter()
        gpu.run([replace(packs[0].lots[0], places=np.arange(len(packs[0].lots[0].places)))])
        first = time.perf_counter() - first
        walls, kernels = [], []
        for _ in range(3):
            before, begun = gpu.seconds, time.perf_counter()
            found = gpu.run(lots)
            walls.append(time.perf_counter() - begun)
            kernels.append(gpu.seconds - before)
        there = [digest(found.log_of(run), Totals.of(row)) for run, row in enumerate(found.g)]
        here = [one for part in ran for one in part[3]]
        hashed = hashlib.sha256("".join(there).encode()).hexdigest()[:16]
        sent = np.mean([lot.numbers.nbytes / len(lot.until_ns) for lot in lots])
        best, kernel = min(walls), min(kernels)
        host_sweep, host_rows = _whole(run_shards, one, cores)
        gpu_sweep, gpu_rows = _whole(on_gpu.run_shards, one, cores)

        def rate(seconds: float, ended: int = events) -> tuple[str, str]:
            return f"{POINTS / seconds:.0f} runs/s", f"{ended / seconds / 1e6:.0f} M events/s"

        held = f"{gpu.bytes_per_run / 1024:.1f} KiB a run"
        equal = "equal" if there == here and host_rows == gpu_rows else "DIFFERENT"
        rows += [
            Row(f"{name}: {POINTS} runs of {events / POINTS:.0f} events", held, f"{sent:.0f} B of them sent"),
            Row(f"{name}: engine, one core", *rate(core * POINTS)),
            Row(f"{name}: engine, {cores} cores", *rate(all_cores)),
            Row(f"{name}: {gpu.name}, kernels alone", *rate(kernel), f"{all_cores / kernel:.1f}"),
            Row(f"{name}: {gpu.name}, all but building", *rate(best), f"{all_cores / best:.1f}", "above 3"),
            Row(f"{name}: whole sweep, {cores} cores", f"{host_sweep:.0f} points/s"),
            Row(f"{name}: whole sweep, {gpu.name}", f"{gpu_sweep:.0f} points/s", "", f"{gpu_sweep / host_sweep:.1f}"),
            Row(f"{name}: completion hash {hashed}", equal, f"{len(there)} runs and {POINTS} rows compared"),
            Row(f"{name}: building the runs, {cores} cores", f"{building:.1f} s", f"{first:.1f} s first launch"),
        ]
    return rows
