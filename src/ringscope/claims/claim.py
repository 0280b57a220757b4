"""What a claim of the ledger is: words, a way to check them, and a verdict that is computed and never kept.

A check looks at runs of the stack, at real captures and at the documents' own figures, and gives reasons
(:mod:`ringscope.claims.reason`), each for or against the claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ringscope.claims.lab import Lab
from ringscope.claims.reason import Bearing, Method, Reason, Verdict, settle
from ringscope.recording import Source
from ringscope.records import dataclass


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
        """Check the claim, once in a lab."""
        return lab.once(self, lambda: Finding(self, tuple(self.check(lab))))


def claim(
    number: str, document: str, line: int, text: str, *by: Method, overturned_by: str, decided_by: str = ""
) -> Callable[[Callable[[Lab], Iterator[Reason]]], Claim]:
    """Make a claim of the function that checks it."""

    def made(check: Callable[[Lab], Iterator[Reason]]) -> Claim:
        return Claim(number, Source(document, line), text, by, overturned_by, decided_by, check.__doc__ or "", check)

    return made
