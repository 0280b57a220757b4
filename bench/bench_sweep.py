"""What a point of a sweep costs beside the engine's own part of it, and what a second worker brings.

The points are small: one to four processes on an MI308X for a millisecond, ten dependent kernels a request, some ten
thousand events. A busy machine shows in the second worker's gain; the other figures are CPU time.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from bench import Row
from ringscope.engine import native, state
from ringscope.scenario.build import build
from ringscope.scenario.schema import parse
from ringscope.scenario.sweep.axes import Axis
from ringscope.scenario.sweep.points import Sweep
from ringscope.scenario.sweep.shards import run_shards
from ringscope.scenario.sweep.templates import once_played

SCENARIO = """
[[kernel]]
name = "attention"
workgroups = 80
duration = "40 us"
[[process]]
name = "service"
request = ["attention*10"]
submit = "5 us"
[run]
horizon = "1 ms"
"""
OVER = ("process.service.count=1..4", "kernel.attention.workgroups=80..320:80", "process.service.think=0..100 us")
POINTS = 1500


def sweep(samples: int) -> Sweep:
    return Sweep(SCENARIO, "bench", Path(), tuple(map(Axis.parse, OVER)), samples)


def run() -> list[Row]:
    points = sweep(POINTS)
    some = range(0, POINTS, 5)
    in_engine = 0.0
    engine: Any = native
    real = engine.engine
    run = real()

    def timed(*words: Any) -> Any:
        nonlocal in_engine
        begun = time.process_time()
        short = run(*words)
        in_engine += time.process_time() - begun
        return short

    points.rows(some)  # templates are made, the engine is compiled
    engine.engine = lambda: timed
    try:
        begun = time.process_time()
        events = sum(points.rows(some)["events"])
        each = (time.process_time() - begun) / len(some)
    finally:
        engine.engine = real
    in_engine /= len(some)
    begun = time.process_time()
    for block in points.built(some, points.columns(some))[0]:
        for numbers in block.numbers:
            block.template.frame.state(numbers)
    building = (time.process_time() - begun) / len(some)
    begun = time.process_time()
    for number in some:
        text = points.text.replace('name = "service"', f'name = "service"\ncount = {1 + number % 4}')
        state.build(build(parse(text, "bench", Path()), once_played).spec)
    anew = (time.process_time() - begun) / len(some)
    wall = {workers: _wall(points, workers) for workers in (1, 2)}
    return [
        Row(
            f"a point of {events / len(some):.0f} events, CPU",
            f"{each * 1e3:.2f} ms",
            f"{in_engine * 1e3:.2f} ms (engine)",
            f"{each / in_engine:.2f}",
            "below 2",
        ),
        Row(
            "building a point of a structure that is known, CPU",
            f"{building * 1e3:.2f} ms",
            f"{anew * 1e3:.2f} ms (from the file)",
            f"{building / anew:.2f}",
        ),
        Row("10^5 such points on two cores, from that", f"{each * 1e5 / 2 / 60:.1f} min", goal="minutes"),
        Row(
            f"{POINTS} points, two workers",
            f"{POINTS / wall[2]:.0f} points/s",
            f"{POINTS / wall[1]:.0f} points/s (one worker)",
            f"{wall[1] / wall[2]:.2f}",
            "above 1.8",
        ),
    ]


def _wall(points: Sweep, workers: int) -> float:
    """Seconds from the first finished shard of each worker on, so that starting a worker does not count."""
    shards = run_shards(points, range(points.shards), workers)
    warm = [next(shards) for _ in range(2 * workers)]
    begun = time.perf_counter()
    done = sum(len(shard.rows["point"]) for shard in shards)
    return (time.perf_counter() - begun) * POINTS / done if warm else 0.0
