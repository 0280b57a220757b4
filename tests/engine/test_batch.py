"""Jobs for a GPU: what they have room for. That they give the same runs is in ``test_cuda.py``."""

from types import ModuleType

import pytest

from ringscope.engine import codes
from ringscope.engine.batch import Gpu, Jobs
from ringscope.engine.run import Engine
from ringscope.errors import InputError

HORIZON = 30_000


def test_a_job_has_room_for_what_it_may_run(random_specs: ModuleType) -> None:
    for seed in range(40):
        spec = random_specs.random_spec(seed)
        job = Jobs().of(spec, HORIZON)
        engine = Engine(spec)
        engine.run(HORIZON)
        assert (engine.state.workgroup["packet"] >= 0).sum() <= job.pools[0]
    assert job.larger(codes.MORE_LOG).pools[-1] > job.pools[-1]


def test_without_a_gpu_one_line_says_so() -> None:
    with pytest.raises(InputError, match=r"leave out --cuda|pip install"):
        Gpu()
