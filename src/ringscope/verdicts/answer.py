"""What a verdict says: the answer, why, what is missing, and what would overturn it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ringscope.recording import Source


class Verdict(Enum):
    """The answer to a yes-or-no question; the value is the word in JSON."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Because:
    """One piece of evidence in words, and where it was read."""

    text: str
    at: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Missing:
    """Evidence that the capture lacks, and the command or step that would get it."""

    what: str
    how: str


@dataclass(frozen=True)
class Answer:
    """One question answered.

    ``summary`` is the answer in a few words beside yes, no or undecided; ``rests_on`` names the driver function or
    rule behind it; ``finding`` says that the user should know (exit code 1); ``todo`` what to do about it.
    """

    id: str
    question: str
    verdict: Verdict
    summary: str
    because: tuple[Because, ...] = ()
    missing: tuple[Missing, ...] = ()
    overturned_by: str = ""
    rests_on: str = ""
    todo: str = ""
    finding: bool = False
