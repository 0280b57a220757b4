"""Claims about how the notes came to their results."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from ringscope.claims import doorbells, scheduler, slots
from ringscope.claims.claim import claim
from ringscope.claims.figures import NOTE_1, NOTE_2
from ringscope.claims.lab import Lab
from ringscope.claims.reason import Method, Reason, Verdict
from ringscope.recording import Kind, Source

STACK, ARITHMETIC = Method.STACK, Method.ARITHMETIC

CALLED_VERIFIED = {
    slots.all_zero: 106,
    slots.proves_dynamic: 158,
    doorbells.one_each: 164,
    scheduler.costs_qps: 197,
    scheduler.hiq_costs: 215,
    slots.no_sharing: 235,
}
"""Statements that note 1 marks as verified by its log, and the line that does."""


@claim(
    "A53",
    NOTE_1,
    147,
    "The conclusions are verified 100 % by real logs.",
    Method.STACK,
    overturned_by="an A/B run of each bottleneck that the note calls verified",
)
def all_verified(lab: Lab) -> Iterator[Reason]:
    """What became of the statements that the note calls verified."""
    found = {claim.id: claim.examine(lab).verdict for claim in CALLED_VERIFIED}
    held = [name for name, verdict in found.items() if verdict is Verdict.CONFIRMED]
    words = ", ".join(f"{name} {verdict.value}" for name, verdict in found.items())
    yield STACK.judge(
        len(held) == len(found),
        f"{len(held)} of {len(found)} statements called verified hold: {words}",
        *(Source(NOTE_1, line) for line in CALLED_VERIFIED.values()),
    )


CREATED, UPDATED = date(2026, 1, 19), date(2025, 1, 20)
EXPERIMENT, TRACE = date(2025, 1, 13), date(2026, 1, 20)


@claim(
    "A54",
    NOTE_1,
    7,
    "The experiment was on 2025-01-13 and the verification on 2025-01-20.",
    ARITHMETIC,
    overturned_by="files of the experiment dated 2025",
)
def dates(lab: Lab) -> Iterator[Reason]:
    """The dates that the note gives of itself and of its trace."""
    yield ARITHMETIC.agree(
        CREATED <= UPDATED,
        f"created {CREATED}, last updated {UPDATED}",
        Source(NOTE_1, 445),
        Source(NOTE_1, 446),
    )
    yield ARITHMETIC.agree(
        TRACE.year == EXPERIMENT.year, f"the trace file of the verification is dated {TRACE}", Source(NOTE_1, 109)
    )


@claim(
    "B26",
    NOTE_2,
    162,
    "dmesg shows it: grep for 'create queue', 'priority' or 'doorbell'.",
    STACK,
    overturned_by="a kernel log of a default driver with such a line",
)
def dmesg(lab: Lab) -> Iterator[Reason]:
    """The kernel's messages while processes make queues of two priorities, more than fit."""
    run = lab.run(*((-1, 1) * 4,) * 3)
    said = [str(event.attrs["message"]) for event in run.kfd.events if "message" in event.attrs]
    hits = [line for line in said if any(word in line.lower() for word in ("create queue", "priority", "doorbell"))]
    queues = len(run.events(Kind.QUEUE_CREATE))
    yield STACK.judge(
        bool(hits),
        f"{queues} queues created, {len(said)} kernel message, {len(hits)} with those words",
        Source(NOTE_2, 162),
    )
    yield STACK.note("the driver's lines on queues are debug prints, off by default; mqds shows the priorities")
