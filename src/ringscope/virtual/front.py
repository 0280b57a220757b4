"""What the front ends of all rings work with, and the command processor that they belong to is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringscope.records import dataclass

if TYPE_CHECKING:
    from ringscope.virtual.kernels import Kernels
    from ringscope.virtual.record import Recorder

BATCH = 64
"""Most packets of one ring before others are looked at."""


@dataclass(slots=True, eq=False)
class Front:
    """Where kernels go, who is told of packets (nobody, mostly), and how many packets of a ring are taken in a turn.

    ``began`` is when the AQL packet at hand began, on the GPU's clock.
    """

    kernels: Kernels
    record: Recorder | None
    batch: int = BATCH
    began: int = 0
