"""What a verdict says: the answer, how sure it is, why, what is missing, and what would overturn it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TypedDict, Unpack

from ringscope.recording import Source
from ringscope.records import dataclass
from ringscope.tabular import Row, Tabular


class Verdict(Enum):
    """The answer to a yes-or-no question; the value is the word in JSON."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Confidence:
    """How sure an answer is, in a word (``certain``, ``likely``, ``weak``), and why it is no surer or less sure."""

    word: str
    why: str


def certain(why: str) -> Confidence:
    """Counted or read from registers: only a forged or torn capture could make it otherwise."""
    return Confidence("certain", why)


def likely(why: str) -> Confidence:
    """The evidence points one way, and another cause is known that would look the same."""
    return Confidence("likely", why)


def weak(why: str) -> Confidence:
    """The evidence leans one way; look again before acting on it."""
    return Confidence("weak", why)


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
    """One question answered; made by a :class:`Question`.

    ``summary`` is the answer in a few words beside yes, no or undecided; ``confidence`` is None when undecided;
    ``rests_on`` names the driver function or rule behind it; ``finding`` says that the user should know (exit code 1);
    ``todo`` what to do about it; ``quiet`` that nothing in this evidence bears on the question.
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
    confidence: Confidence | None = None
    quiet: bool = False


class _Rest(TypedDict, total=False):
    """What any answer may say besides; see :class:`Answer`."""

    todo: str
    finding: bool
    quiet: bool


class _More(_Rest, total=False):
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class Question:
    """A yes-or-no question: its ``id`` in JSON, its text, and what every answer to it rests on.

    ``rests_on`` names the driver function or fact; ``overturned_by`` what evidence would prove the answer wrong.
    """

    id: str
    text: str
    rests_on: str
    overturned_by: str

    def yes(self, summary: str, because: tuple[Because, ...], confidence: Confidence, **more: Unpack[_More]) -> Answer:
        """Yes."""
        return self._answer(Verdict.YES, summary, because, confidence, **more)

    def no(self, summary: str, because: tuple[Because, ...], confidence: Confidence, **more: Unpack[_More]) -> Answer:
        """No."""
        return self._answer(Verdict.NO, summary, because, confidence, **more)

    def undecided(
        self, summary: str, missing: tuple[Missing, ...], because: tuple[Because, ...] = (), **more: Unpack[_Rest]
    ) -> Answer:
        """The evidence cannot say; ``missing`` is what would decide it."""
        return self._answer(Verdict.UNDECIDED, summary, because, None, missing=missing, **more)

    def _answer(
        self,
        verdict: Verdict,
        summary: str,
        because: tuple[Because, ...],
        confidence: Confidence | None,
        **more: Unpack[_More],
    ) -> Answer:
        return Answer(
            self.id,
            self.text,
            verdict,
            summary,
            because,
            overturned_by=self.overturned_by,
            rests_on=self.rests_on,
            confidence=confidence,
            **more,
        )


class Answers(tuple[Answer, ...], Tabular):
    """Every question's answer, in the order in which people ask."""

    __slots__ = ()

    def records(self) -> Iterator[Row]:
        """A row an answer."""
        for answer in self:
            yield {
                "question": answer.question,
                "answer": answer.verdict.value,
                "summary": answer.summary,
                "confidence": answer.confidence.word if answer.confidence else None,
                "finding": int(answer.finding),
                "rests_on": answer.rests_on,
            }


def count(number: int, name: str) -> str:
    """``1 queue``, ``2 queues``, ``2 processes``: a number with its noun."""
    if number == 1:
        return f"1 {name}"
    if name.endswith("y") and name[-2] not in "aeiou":
        return f"{number} {name[:-1]}ies"
    return f"{number} {name}{'es' if name.endswith(('ss', 'ch')) else 's'}"
