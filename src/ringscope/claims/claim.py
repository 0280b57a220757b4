"""What a claim of the ledger is: words, a way to check them, and a verdict that is computed and never kept.

A check looks at runs of the stack, at real captures and at the documents' own figures, and gives :class:`Reason`
records, each for or against the claim. :func:`settle` makes the verdict of them by one rule for all claims.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import TYPE_CHECKING

from ringscope.recording import Source
from ringscope.records import dataclass

if TYPE_CHECKING:
    from ringscope.claims.lab import Lab


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


@dataclass(frozen=True)
class Finding:
    """A claim checked: its reasons in the order of the check, and the verdict that they make."""

    claim: Claim
    reasons: tuple[Reason, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict, of :func:`settle`."""
        return settle(self.reasons)

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods that were in fact used, in order."""
        return tuple(dict.fromkeys(reason.method for reason in self.reasons))

    @property
    def figures(self) -> str:
        """The reason that decides, in a line: the first clash, else the first for and the first against."""

        def first(*bearings: Bearing) -> list[str]:
            return [reason.text for reason in self.reasons if reason.bearing in bearings][:1]

        pair = first(Bearing.FOR) + first(Bearing.AGAINST)
        return "; but ".join(first(Bearing.CLASH) or pair or first(Bearing.BESIDE))


@dataclass(frozen=True)
class Claim:
    """One statement of the research notes, and how to check it.

    Attributes:
        id: A01 to A55 are of note 1 (many doorbells) and its companions, B01 to B29 of note 2 (stream priority).
        said_at: where the notes say so; without a line where only the document is known.
        text: the statement in our words.
        by: methods that the check may use; empty where only hardware can tell.
        overturned_by: what would prove the verdict wrong.
        decided_by: the command on hardware that would decide it; empty where the check decides.
        how: what the check does, in a sentence.
        check: finds out; yields its reasons.
    """

    id: str
    said_at: Source
    text: str
    by: tuple[Method, ...]
    overturned_by: str
    decided_by: str
    how: str
    check: Callable[[Lab], Iterator[Reason]]

    def examine(self, lab: Lab) -> Finding:
        """Check the claim now."""
        return Finding(self, tuple(self.check(lab)))


def claim(
    number: str, document: str, line: int, text: str, *by: Method, overturned_by: str, decided_by: str = ""
) -> Callable[[Callable[[Lab], Iterator[Reason]]], Claim]:
    """Make a claim of the function that checks it."""

    def made(check: Callable[[Lab], Iterator[Reason]]) -> Claim:
        return Claim(number, Source(document, line), text, by, overturned_by, decided_by, check.__doc__ or "", check)

    return made
