"""As much of a scenario as there is time for."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.scenario.bounded import bounded, round_down
from ringscope.scenario.schema import Scenario, parse


def scenario(replications: int = 1) -> Scenario:
    text = f"""
    kernel = [{{ name = "k", workgroups = 8, duration = "20 us" }}]
    process = [{{ request = ["k*2"], think = "10 us" }}]
    run = {{ horizon = "4096 us", warmup = "1 ms", replications = {replications} }}
    """
    return parse(text, "x", Path())


def test_what_plays_in_time_is_played_whole() -> None:
    built = bounded(scenario(3), 10, clock=lambda: 0.0)
    assert built.scenario == scenario(3)


def test_what_does_not_is_cut_to_a_round_horizon() -> None:
    """A clock on which every look takes a second: steps of 1, 2, 4 and 8 us of the horizon, then time is up."""
    seconds = itertools.count()
    cut = bounded(scenario(5), 20, clock=lambda: float(next(seconds))).scenario
    assert cut.horizon_ns == round_down(15_000 * 20 // 6) == 50_000
    assert (cut.replications, cut.warmup_ns) == (1, 5_000)


def test_replications_go_first() -> None:
    built = bounded(scenario(1000), 1, clock=iter([0.0, 0.0, *[0.1] * 50, 0.1]).__next__)
    assert built.scenario.horizon_ns == scenario().horizon_ns
    assert built.scenario.replications == 10


def test_it_can_be_stopped() -> None:
    def stop(_: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        bounded(scenario(), 10, stop)


@given(st.integers(0, 10**18))
def test_round_numbers(number: int) -> None:
    rounded = round_down(number)
    assert rounded <= max(number, 1) < rounded * 2.5
    assert str(rounded).rstrip("0") in ("1", "2", "5")
