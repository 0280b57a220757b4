"""A small scenario for the tests of sweeps."""

from pathlib import Path

from ringscope.scenario.sweep.axes import Axis
from ringscope.scenario.sweep.points import Sweep

SMALL = """\
name = "small"
[[kernel]]
name = "attention"
workgroups = 80
duration = "40 us"
[[process]]
name = "service"
request = ["attention*4"]
[run]
horizon = "1 ms"
"""


def sweep(*over: str, samples: int = 0, seed: int = 0, text: str = SMALL) -> Sweep:
    """A sweep of the small scenario (or ``text``)."""
    return Sweep(text, "small.toml", Path(), tuple(map(Axis.parse, over)), samples, seed)
