"""One question a module: a :class:`~ringscope.join.Case` in, an :class:`~ringscope.verdicts.answer.Answer` out.

A verdict knows neither files nor screens, only what was joined; so a capture, a virtual GPU and a simulation are
answered by the same lines. A verdict that the evidence cannot carry is ``undecided`` and says how to decide it; one
that the evidence does not touch at all is ``quiet`` besides, and reports leave it out until asked for all.

Each module has ``ASKS``, its :class:`~ringscope.verdicts.answer.Question`, and ``answer(case)``. Others add theirs
through the entry point group ``ringscope.verdicts`` (:mod:`ringscope.verdicts.plugins`).
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.verdicts import (
    active_runlist,
    bound,
    conservation,
    cu_mask,
    evicted,
    idle_mapped,
    measurement,
    oversubscribed,
    plugins,
    priority,
    priority_matters,
    queue_ids,
    queue_stuck,
    refused,
    registers,
    runlist_rate,
    runlists,
    saturated,
    shared_doorbell,
    shared_pipe,
    shared_queue,
    shared_slot,
)
from ringscope.verdicts.answer import Answers

QUESTIONS: tuple[plugins.Ask, ...] = (
    shared_queue.answer,
    shared_slot.answer,
    shared_pipe.answer,
    shared_doorbell.answer,
    oversubscribed.answer,
    refused.answer,
    idle_mapped.answer,
    queue_stuck.answer,
    evicted.answer,
    priority.answer,
    priority_matters.answer,
    cu_mask.answer,
    runlists.answer,
    runlist_rate.answer,
    active_runlist.answer,
    queue_ids.answer,
    saturated.answer,
    conservation.answer,
    bound.answer,
    registers.answer,
    measurement.answer,
)
"""The project's own questions, in the order a reader asks them."""


def answers(case: Case) -> Answers:
    """Every question, then those of plug-ins."""
    own = tuple(question(case) for question in QUESTIONS)
    return Answers((*own, *plugins.asked(case, frozenset(answer.id for answer in own))))
