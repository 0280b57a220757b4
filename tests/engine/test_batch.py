"""Lots for a GPU: what they have room for. That they give the same runs is in ``test_cuda.py``."""

from types import ModuleType

import numpy as np
import pytest

from ringscope.engine.batch import Gpu, Lot
from ringscope.engine.frame import Frame
from ringscope.engine.run import Engine
from ringscope.errors import InputError

HORIZON = 30_000


def test_a_run_has_room_for_what_may_run(random_specs: ModuleType) -> None:
    for seed in range(40):
        spec = random_specs.random_spec(seed)
        frame = Frame(spec, list(range(len(spec.threads))))
        lot = Lot.of(frame, frame.own[None], np.array([HORIZON]), np.array([0]))
        engine = Engine(spec)
        engine.run(HORIZON)
        assert (engine.state.workgroup["packet"] >= 0).sum() <= lot.room[0, 0]
        assert not len(lot.targets) and not lot.numbers.size  # it differs from no other


def test_a_lot_sends_what_differs_and_nothing_else(random_specs: ModuleType) -> None:
    frame = Frame(random_specs.random_spec(3), list(range(len(random_specs.random_spec(3).threads))))
    numbers = np.repeat(frame.own[None], 3, axis=0)
    numbers[:, frame.cells[5]] = 7, 8, 9
    numbers[2, frame.times_at] = 1
    lot = Lot.of(frame, numbers, np.full(3, HORIZON), np.arange(3))
    assert lot.numbers.tolist() == [[7, frame.own[frame.times_at]], [8, frame.own[frame.times_at]], [9, 1]]
    assert len(lot.targets) == (np.isin(frame.cells, [frame.cells[5], frame.times_at])).sum()


def test_without_a_gpu_one_line_says_so() -> None:
    with pytest.raises(InputError, match=r"leave out --cuda|pip install"):
        Gpu()
