"""The engine beside SimPy on the same model: events a second, cost of an event by size, time to a first result.

All run the very same spec. SimPy's model (tests/engine/simpy_oracle.py) is the one that the tests hold against the
engine, written to be read, with full searches; the peer is the same model tuned (:mod:`bench.simpy_tuned`), which must
finish the same requests at the same instants.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import Row
from bench.simpy_tuned import Tuned, oracle
from ringscope.engine.costs import costs_for
from ringscope.engine.run import Engine
from ringscope.engine.spec import HostThread, Machine, Packet, Queue, Room, Source, Spec, constant

ROOT = Path(__file__).parents[1]
EVENTS = 500_000
ROUNDS = 25
BASE = "80 CUs, 8 queues"


def spec_of(cus: int, queues: int, *, xccs: int = 1, ses: int = 4) -> Spec:
    """Processes of up to four queues in closed loops of mixed kernels, enough to keep every CU busy."""
    machine = Machine(xccs=xccs, cus=(cus // xccs // ses,) * ses, cu=Room(32, 0, 65536, 32))
    shapes = [(cus, 20_000, 4), (2 * cus, 12_000, 4), (cus // 2, 30_000, 8), (4 * cus, 9_000, 2)]
    threads = tuple(
        HostThread(
            q,
            tuple(
                Packet(queue=q, workgroups=max(1, n), time=constant(t), need=Room(waves, 0, 0), jitter_permille=200)
                for n, t, waves in shapes
            ),
        )
        for q in range(queues)
    )
    rows = tuple(Queue(process=q // 4, rank=q) for q in range(queues))
    return Spec(machine, rows, threads, (Source(times=constant(5_000)),) * queues, costs=costs_for("gfx942"))


def horizon_of(spec: Spec) -> int:
    """Simulated nanoseconds that have :data:`EVENTS` events."""
    horizon = 200_000
    while True:
        engine = Engine(spec)
        engine.run(horizon)
        if engine.totals.events > EVENTS:
            return horizon
        horizon *= 2


def per_event(specs: dict[str, Spec]) -> dict[str, float]:
    """Nanoseconds an event of each, building excluded, in processor time: the best of :data:`ROUNDS`.

    They take turns, for the clock of a shared machine goes up and down by half within seconds.
    """
    horizons = {name: horizon_of(spec) for name, spec in specs.items()}
    best = dict.fromkeys(specs, float("inf"))
    for _ in range(ROUNDS):
        for name, spec in specs.items():
            engine = Engine(spec)
            begun = time.process_time()
            engine.run(horizons[name])
            best[name] = min(best[name], (time.process_time() - begun) / engine.totals.events * 1e9)
    return best


def simpy_per_event(spec: Spec, horizon: int, model: Any) -> float:
    """Nanoseconds that a SimPy model takes for one of the same events, in a run that ends in the same requests."""
    engine = Engine(spec)
    engine.run(horizon)
    best = float("inf")
    for _ in range(3):
        peer = model(spec)
        begun = time.process_time()
        peer.run(horizon)
        best = min(best, time.process_time() - begun)
    assert [row[4] for row in peer.log] == engine.log["done"].tolist(), "not the same run"
    return best / engine.totals.events * 1e9


def process(cache: str, *words: str) -> float:
    """Wall seconds of a whole ``ringscope`` process."""
    env = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": os.pathsep.join(sys.path)}
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "ringscope", *words], env=env, check=True, capture_output=True)
    return time.perf_counter() - begun


def run() -> list[Row]:
    """Measure."""
    base = spec_of(80, 8, xccs=4)
    sizes = {
        "4 CUs, 8 queues": spec_of(4, 8),
        "80 CUs, 1 queue": spec_of(80, 1, xccs=4),
        BASE: base,
        "80 CUs, 256 queues": spec_of(80, 256, xccs=4),
        "304 CUs, 8 queues": spec_of(304, 8, xccs=8),
        "1216 CUs, 8 queues": spec_of(1216, 8, xccs=8),
        "1216 CUs, 256 queues": spec_of(1216, 256, xccs=8),
    }
    costs = per_event(sizes)
    ours = costs[BASE]
    plain = simpy_per_event(base, 500_000, oracle.Model)
    tuned = simpy_per_event(base, 2_000_000, Tuned)
    rows = [
        Row(
            "events/s, 80 CUs on 4 XCCs, 8 queues",
            f"{1e3 / ours:.1f} M",
            f"SimPy, tuned: {1e3 / tuned:.3f} M",
            f"{tuned / ours:.0f}x",
            "> 15 M, > 60x",
        ),
        Row("", "", f"SimPy, the tests' model, written to be read: {1e3 / plain:.3f} M", f"{plain / ours:.0f}x"),
    ]
    rows += [Row(f"ns an event, {name}", f"{cost:.0f}", "", f"{cost / ours:.2f}x") for name, cost in costs.items()]
    spread = max(costs.values()) / min(costs.values())
    rows.append(Row("most to least costly event", f"{spread:.2f}x", "", "", "< 1.6x"))
    scenario = str(ROOT / "examples" / "fork-join.toml")
    with tempfile.TemporaryDirectory() as cache:
        rows.append(Row("first compile, whole process", f"{process(cache, 'warmup'):.1f} s"))
        cached = min(process(cache, "simulate", scenario) for _ in range(7))
        rows.append(Row("first result, compiled before", f"{cached:.2f} s", "", "", "< 1.2 s"))
    return rows
