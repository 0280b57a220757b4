"""One question a module: a :class:`~ringscope.join.Case` in, an :class:`~ringscope.verdicts.answer.Answer` out.

A verdict knows neither files nor screens, only what was joined; so a capture, a virtual GPU and a simulation are
answered by the same lines. A verdict that the evidence cannot carry is ``undecided`` and says how to decide it.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.verdicts import oversubscribed, priority, runlists, shared_doorbell, shared_queue, shared_slot
from ringscope.verdicts.answer import Answer

QUESTIONS = (
    shared_queue.answer,
    shared_slot.answer,
    shared_doorbell.answer,
    oversubscribed.answer,
    runlists.answer,
    priority.answer,
)


def answers(case: Case) -> tuple[Answer, ...]:
    """Every question, answered in the order a reader asks them."""
    return tuple(question(case) for question in QUESTIONS)
