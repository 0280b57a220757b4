"""The engine's text as device functions of ``numba.cuda``: the same run in Numba's CUDA simulator and on the CPU."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from ringscope.engine.run import Engine

SEEDS = (2, 3, 7)
HORIZON = 8_000
SCRIPT = f"""
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from numba import cuda
from random_specs import random_spec
from ringscope.engine import core
from ringscope.engine.state import State, build

@cuda.jit
def kernel(short, until, *arrays):
    short[0] = core.run(State(*arrays), until)

for seed in {SEEDS}:
    state = build(random_spec(seed), trace=True)
    short = np.full(1, -1)
    kernel[1, 1](short, {HORIZON}, *state)
    rows = state.trace[: int(state.g[0]["trace_rows"])]
    print(seed, int(short[0]), int(state.g[0]["events"]), [(int(r["packet"]), int(r["done"])) for r in rows])
"""


def test_the_cuda_simulator_gives_the_same_run(random_specs: ModuleType) -> None:
    expected = []
    for seed in SEEDS:
        engine = Engine(random_specs.random_spec(seed), trace=True)
        engine.run(HORIZON)
        rows = [(int(row["packet"]), int(row["done"])) for row in engine.trace]
        expected.append(f"{seed} 0 {engine.totals.events} {rows}")
    path = str(Path(random_specs.__file__ or "").parent)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    env |= {"NUMBA_ENABLE_CUDASIM": "1", "RINGSCOPE_ENGINE": "cuda"}
    done = subprocess.run([sys.executable, "-c", SCRIPT, path], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.splitlines() == expected
    assert any("(" in line for line in expected)
