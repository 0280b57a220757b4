"""10^5 small runs on one NVIDIA GPU, on one core and on all cores of its host, and whether all agree.

The scenarios are points of a sweep over a simulated millisecond of an MI308X: one to four processes, ten dependent
kernels a request, of few workgroups (8 to 64) or of many (80 to 320). Building them is the same work for both and not
counted; the GPU's figure has everything from the built runs to their logs in the host's memory.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from bench import Row
from bench.bench_sweep import SCENARIO
from ringscope.engine.batch import Gpu, Job, Jobs, Ran
from ringscope.engine.run import Engine
from ringscope.errors import InputError
from ringscope.scenario.build import build, play
from ringscope.scenario.sweep.axes import Axis
from ringscope.scenario.sweep.points import Sweep

FAMILIES = {"few workgroups": "8..64:8", "many workgroups": "80..320:80"}
POINTS = 100_000
_play = lru_cache(maxsize=64)(play)


def sweep(workgroups: str) -> Sweep:
    over = (
        "process.service.count=1..4",
        f"kernel.attention.workgroups={workgroups}",
        "process.service.think=0..100 us",
    )
    return Sweep(SCENARIO, "bench", Path(), tuple(map(Axis.parse, over)), POINTS)


def _jobs(workgroups: str, points: range) -> tuple[float, list[Job]]:
    whole = sweep(workgroups)
    begun = time.process_time()
    jobs, make = [], Jobs()
    for point in points:
        scenario = whole.scenario(point)
        jobs.append(make.of(build(scenario, _play).spec, scenario.horizon_ns))
    return time.process_time() - begun, jobs


def _on_cpu(workgroups: str, points: range) -> tuple[float, int, list[str]]:
    """Seconds in the engine, its events, a digest a run."""
    whole = sweep(workgroups)
    seconds, events, digests = 0.0, 0, []
    for point in points:
        scenario = whole.scenario(point)
        engine = Engine(build(scenario, _play).spec)
        begun = time.perf_counter()
        engine.run(scenario.horizon_ns)
        seconds += time.perf_counter() - begun
        events += engine.totals.events
        digests.append(Ran(engine.state.g[0], engine.log).digest)
    return seconds, events, digests


def run() -> list[Row]:
    cores = len(os.sched_getaffinity(0))
    cuts = [range(at, min(at + 250, POINTS)) for at in range(0, POINTS, 250)]
    rows = []
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        try:
            gpu = Gpu()
        except InputError as error:
            return [Row("an NVIDIA GPU", str(error))]
        for name, workgroups in FAMILIES.items():
            _on_cpu(workgroups, range(20))
            alone, events_alone, _ = _on_cpu(workgroups, range(0, POINTS, POINTS // 500))
            ran = pool.starmap(_on_cpu, [(workgroups, cut) for cut in cuts], chunksize=1)
            events = sum(part[1] for part in ran)
            all_cores = sum(part[0] for part in ran) / cores
            begun = time.perf_counter()
            built = pool.starmap(_jobs, [(workgroups, cut) for cut in cuts], chunksize=1)
            building = time.perf_counter() - begun
            jobs = [job for _, part in built for job in part]
            first = time.perf_counter()
            gpu.run(jobs[:64])
            first = time.perf_counter() - first
            walls, kernels = [], []
            for _ in range(3):
                before, begun = gpu.seconds, time.perf_counter()
                found = gpu.run(jobs)
                walls.append(time.perf_counter() - begun)
                kernels.append(gpu.seconds - before)
            there = [one.digest for one in found]
            here = [digest for part in ran for digest in part[2]]
            whole = hashlib.sha256("".join(there).encode()).hexdigest()[:16]
            size = np.mean([job.changed.nbytes + job.values.nbytes for job in jobs])
            best, kernel = min(walls), min(kernels)

            def rate(seconds: float, runs: int = POINTS, ended: int = events) -> tuple[str, str]:
                return f"{ended / seconds / 1e6:.0f} M events/s", f"{runs / seconds:.0f} runs/s"

            held, sent = f"{gpu.bytes_per_run / 1024:.1f} KiB a run", f"{size / 1024:.1f} KiB of them sent"
            equal = "equal" if there == here else "DIFFERENT"
            rows += [
                Row(f"{name}: {POINTS} runs of {events / POINTS:.0f} events", held, sent),
                Row(f"{name}: one core", *rate(alone, 500, events_alone)),
                Row(f"{name}: {cores} cores", *rate(all_cores)),
                Row(f"{name}: {gpu.name}, all of it", *rate(best), f"{all_cores / best:.1f}", "above 3"),
                Row(f"{name}: {gpu.name}, in kernels", *rate(kernel), f"{all_cores / kernel:.1f}"),
                Row(f"{name}: completion hash {whole}", equal, f"{len(there)} runs compared"),
                Row(f"{name}: building the runs, all cores", f"{building:.1f} s", f"{first:.1f} s first launch"),
            ]
    return rows
