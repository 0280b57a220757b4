"""How well each modelled behaviour is known: the words that modules annotate themselves with.

A module whose code stands for something that hardware, firmware, driver or runtime does carries a ``FIDELITY`` tuple;
:mod:`ringscope.fidelity` collects them into the table that users print.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Standing(Enum):
    """What a behaviour rests on, best first."""

    CAPTURED = "captured"
    SOURCE = "source"
    CALIBRATED = "calibrated"
    INFERRED = "inferred"
    UNKNOWN = "unknown"

    @property
    def meaning(self) -> str:
        """The standing in words."""
        return _MEANINGS[self]


_MEANINGS = {
    Standing.CAPTURED: "checked byte by byte or line by line against real captures, logs or programs",
    Standing.SOURCE: "checked against the source or documents of driver, runtime or firmware interface",
    Standing.CALIBRATED: "a figure or rule chosen so that published measurements come out",
    Standing.INFERRED: "follows from neighbouring facts; no source states it",
    Standing.UNKNOWN: "nobody has published it; the default is a choice",
}


class Behaviour(NamedTuple):
    """One row of the fidelity table.

    ``name`` is ``area.behaviour``. ``setting`` is the value of a named switch, empty for what cannot be switched;
    ``holds_for`` the parts and versions; ``test`` the test that holds it, as ``tests/…/test_x.py::test_y``.
    """

    name: str
    says: str
    standing: Standing
    holds_for: str
    source: str
    test: str
    setting: str = ""
