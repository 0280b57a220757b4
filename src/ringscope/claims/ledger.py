"""All claims, by id."""

from __future__ import annotations

from ringscope.claims import documents, doorbells, priority, queue_ids, registers, scheduler, slots, streams, throughput
from ringscope.claims.claim import Claim

_THEMES = (queue_ids, doorbells, scheduler, slots, streams, priority, registers, throughput, documents)

CLAIMS: dict[str, Claim] = {
    claim.id: claim
    for claim in sorted(
        (value for theme in _THEMES for value in vars(theme).values() if isinstance(value, Claim)),
        key=lambda claim: claim.id,
    )
}
"""Every claim of both notes, in the order of the ids."""
