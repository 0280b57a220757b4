"""The cliff at the slots."""

import pytest

pytest.importorskip("numba")

from ringscope.engine.policies import Idle
from ringscope.scenario.studies import over_subscription
from ringscope.scenario.studies.study import Desk


def test_the_cliff_is_at_the_slots_and_its_depth_is_the_idle_queues() -> None:
    inside, queues, over = over_subscription.iteration_ns(Desk(), 8, 2, Idle.HOLD)
    assert (queues, over) == (24, False)
    beyond, queues, over = over_subscription.iteration_ns(Desk(), 8, 4, Idle.HOLD)
    assert (queues, over) == (40, True)
    assert beyond > 10 * inside
    assert over_subscription.iteration_ns(Desk(), 8, 4, Idle.BUSY_FIRST)[0] < 0.9 * beyond
