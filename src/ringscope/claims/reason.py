"""What speaks for a claim or against it, and the verdict that reasons make together."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from ringscope.recording import Source
from ringscope.records import dataclass


class Verdict(Enum):
    """What became of a claim; the value is the word in JSON."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    PARTLY = "partly"
    INCONSISTENT = "inconsistent"
    UNDECIDED = "undecided"


class Bearing(Enum):
    """What a reason says of the claim."""

    FOR = "for"
    AGAINST = "against"
    CLASH = "clash"  # the documents' own figures contradict each other
    BESIDE = "beside"  # worth knowing, decides nothing


class Method(Enum):
    """How something was found out; the value is the word in JSON."""

    STACK = "stack run"
    SIMULATION = "simulation"
    CAPTURE = "real capture"
    ARITHMETIC = "arithmetic"

    def judge(self, holds: bool, text: str, *at: Source) -> Reason:
        """A reason for the claim, or against it."""
        return Reason(Bearing.FOR if holds else Bearing.AGAINST, self, text, at)

    def agree(self, holds: bool, text: str, *at: Source) -> Reason:
        """A reason for the claim, or a clash of the documents' own figures."""
        return Reason(Bearing.FOR if holds else Bearing.CLASH, self, text, at)

    def note(self, text: str, *at: Source) -> Reason:
        """Something beside the point that the reader should know."""
        return Reason(Bearing.BESIDE, self, text, at)


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing found out, in words with its figures, and where it was read."""

    bearing: Bearing
    method: Method
    text: str
    at: tuple[Source, ...] = ()


def settle(reasons: Iterable[Reason]) -> Verdict:
    """The verdict that reasons make.

    Documents that contradict themselves are ``inconsistent``, whatever else is found; reasons for and against are
    ``partly``; no reason either way is ``undecided``.
    """
    bearings = {reason.bearing for reason in reasons}
    if Bearing.CLASH in bearings:
        return Verdict.INCONSISTENT
    if Bearing.FOR in bearings:
        return Verdict.PARTLY if Bearing.AGAINST in bearings else Verdict.CONFIRMED
    return Verdict.REFUTED if Bearing.AGAINST in bearings else Verdict.UNDECIDED
