"""The engine's text on a GPU: the same runs in Numba's CUDA simulator and on the CPU."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from ringscope.engine.batch import Ran
from ringscope.engine.run import Engine

SEEDS = (2, 3, 7)
HORIZON = 30_000
SCRIPT = f"""
import sys
sys.path.insert(0, sys.argv[1])
from dataclasses import replace
from random_specs import random_spec
from ringscope.engine.batch import Gpu, Jobs

gpu = Gpu()
make = Jobs()
jobs = [make.of(random_spec(seed), {HORIZON}) for seed in {SEEDS}]
for ran in gpu.run(jobs):
    print(ran.digest, len(ran.log))
# Pools that are too small are found out and made larger.
small = [replace(job, pools=(*job.pools[:-1], 2)) for job in jobs]
print([ran.digest for ran in gpu.run(small)])
"""


def alone(random_specs: ModuleType, seed: int) -> Ran:
    engine = Engine(random_specs.random_spec(seed))
    engine.run(HORIZON)
    return Ran(engine.state.g[0], engine.log)


def test_the_cuda_simulator_gives_the_same_runs(random_specs: ModuleType) -> None:
    expected = [alone(random_specs, seed) for seed in SEEDS]
    path = str(Path(random_specs.__file__ or "").parent)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT, path], capture_output=True, text=True, env=env, check=True)
    digests = [ran.digest for ran in expected]
    assert done.stdout.splitlines() == [*(f"{ran.digest} {len(ran.log)}" for ran in expected), repr(digests)]
    assert len(set(digests)) == len(SEEDS) and any(len(ran.log) for ran in expected)
