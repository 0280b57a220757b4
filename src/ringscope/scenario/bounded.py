"""How much of a scenario can be played while somebody waits."""

from __future__ import annotations

import time
from collections.abc import Callable

from ringscope.engine.run import Engine
from ringscope.records import replace
from ringscope.scenario.build import Built, build
from ringscope.scenario.schema import Scenario

FIRST_STEPS = 4096
"""The first step of the probe is this small a part of the horizon."""

PROBE = 0.25
"""Share of the budget that goes into finding out how fast the scenario plays."""


def bounded(
    scenario: Scenario,
    budget_s: float,
    tell: Callable[[float], None] = lambda _: None,
    clock: Callable[[], float] = time.thread_time,
) -> Built:
    """The scenario, built, with no more replications and no longer a horizon than play within ``budget_s``.

    Time is this thread's, and horizons that are cut are a 1, 2 or 5 of their decade, so that the same scenario gives
    the same ones nearly always, whatever else the machine does. Replications go before the horizon does. ``tell`` is
    told now and then how much of the horizon has been tried.
    """
    built = build(scenario)
    engine = Engine(built.spec)
    horizon_ns = scenario.horizon_ns
    step = max(horizon_ns // FIRST_STEPS, 1)
    begun = clock()
    while engine.now < horizon_ns and clock() - begun < budget_s * PROBE:
        engine.run(min(engine.now + step, horizon_ns))
        tell(engine.now / horizon_ns)
        step *= 2
    within = engine.now * budget_s / max(clock() - begun, 1e-9)
    if within >= horizon_ns * scenario.replications:
        return built
    if within >= horizon_ns:
        return build(replace(scenario, replications=max(int(within // horizon_ns), 1)))
    cut = min(round_down(int(within)), horizon_ns)
    return build(replace(scenario, replications=1, horizon_ns=cut, warmup_ns=min(scenario.warmup_ns, cut // 10)))


def round_down(number: int) -> int:
    """The largest 1, 2 or 5 times a power of ten that is not above ``number`` (1 at least)."""
    power = int("1" + "0" * (len(str(max(number, 1))) - 1))
    return next(factor * power for factor in (5, 2, 1) if factor == 1 or factor * power <= number)
