"""The engine's text on a GPU: the same runs in Numba's CUDA simulator and on the CPU."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from ringscope.engine.batch import digest
from ringscope.engine.run import Engine

SEEDS = (2, 3, 7)
HORIZON = 30_000
SCRIPT = f"""
import sys
sys.path.insert(0, sys.argv[1])
from dataclasses import replace
import numpy as np
from random_specs import random_spec
from ringscope.engine.batch import Gpu, Lot, digest
from ringscope.engine.frame import Frame
from ringscope.engine.run import Totals

def lot(seed, place):
    spec = random_spec(seed)
    frame = Frame(spec, list(range(len(spec.threads))))
    return Lot.of(frame, frame.own[None], np.array([{HORIZON}]), np.array([place]))

gpu = Gpu()
lots = [lot(seed, place) for place, seed in enumerate({SEEDS})]
ran = gpu.run(lots)
for run, row in enumerate(ran.g):
    print(digest(ran.log_of(run), Totals.of(row)), len(ran.log_of(run)))
# Pools that are too small are found out and made larger; results stand at their places.
small = [replace(lot, room=np.minimum(lot.room, [9, 1 << 20, 2]), places=2 - lot.places) for lot in lots]
ran = gpu.run(small)
print([digest(ran.log_of(2 - run), Totals.of(ran.g[2 - run])) for run in range(3)])
"""


TREE = """
from typing import NamedTuple, Any
import numpy as np
from numba import cuda
from ringscope.engine import tiles
from ringscope.engine.codes import NEVER
from ringscope.engine.state import GLOBAL, tournament

class State(NamedTuple):
    g: Any
    ends: Any

@cuda.jit
def turn(g, ends, who, keys):
    for i in range(len(who)):
        tiles.drop_end(State(g, ends), who[i])
        if keys[i] != NEVER:
            tiles.set_end(State(g, ends), who[i], keys[i])

random = np.random.default_rng(1)
for groups in 1, 2, 5, 100, 3000:
    inner, leaves = tournament(groups)
    g, ends = np.zeros(1, GLOBAL), np.full((-(-(3 + inner + leaves) // 4), 4), NEVER)
    g["first_leaf"] = 3 + inner
    who = random.integers(0, groups, 60)
    keys = np.where(random.random(60) < 0.3, NEVER, random.integers(0, 1 << 40, 60))
    turn[1, 1](g, ends, who, keys)
    flat, expected = ends.ravel(), np.full(leaves, NEVER)
    for w, key in zip(who, keys):
        expected[w] = key
    assert (flat[:3] == NEVER).all() and (flat[3 + inner : 3 + inner + leaves] == expected).all()
    assert all(flat[node] == flat[4 * node - 8 : 4 * node - 4].min() for node in range(3, 3 + inner))
"""


def alone(random_specs: ModuleType, seed: int) -> Engine:
    engine = Engine(random_specs.random_spec(seed))
    engine.run(HORIZON)
    return engine


def test_the_tree_of_ends_holds_the_least_of_each_four() -> None:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, "-c", TREE], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr


def test_the_cuda_simulator_gives_the_same_runs(random_specs: ModuleType) -> None:
    expected = [alone(random_specs, seed) for seed in SEEDS]
    path = str(Path(random_specs.__file__ or "").parent)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT, path], capture_output=True, text=True, env=env, check=True)
    digests = [digest(engine.log, engine.totals) for engine in expected]
    lengths = [len(engine.log) for engine in expected]
    said = [f"{one} {length}" for one, length in zip(digests, lengths, strict=True)]
    assert done.stdout.splitlines() == [*said, repr(digests)]
    assert len(set(digests)) == len(SEEDS) and any(lengths)
