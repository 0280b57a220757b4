"""Is ``active_runlist`` a bottleneck?

The flag says that a runlist is loaded. ``map_queues_cpsch`` returns early when it is set, but every caller unmaps
first, in the same critical section, which clears it. And only queue changes come here at all: no dispatch does. So it
can cost time at most while queues change, and nothing while kernels run.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.recording import Source
from ringscope.verdicts import runlists
from ringscope.verdicts.answer import Answer, Because, Missing, Question, Verdict, certain, likely

ASKS = Question(
    "active-runlist",
    "Is active_runlist a bottleneck?",
    "map_queues_cpsch and its callers execute_queues_cpsch and update_queue_locked: unmap clears the flag, then map",
    "a faster run with the check removed, or a HIQ that moves while no queue changes",
)
BLOCKED = "map_queues_blocked"
"""Counter of early returns: KFD's ``scheduler_stats`` in patched drivers, and the stack's variants."""
_STATS = Missing(
    "whether the scheduler waits", "sudo cat /sys/kernel/debug/kfd/scheduler_stats (patched drivers), or perf trace -s"
)
_UNSURE = likely("by the driver's code")


def answer(case: Case) -> Answer:
    """Answer from the runlists seen: where none is sent while kernels run, the flag is not even looked at."""
    blocked = [r for r in case.recordings if r.counters.get(BLOCKED)]
    if blocked:
        total = sum(recording.counters[BLOCKED] for recording in blocked)
        because = tuple(
            Because(f"{BLOCKED} = {recording.counters[BLOCKED]}", (Source(recording.origin),)) for recording in blocked
        )
        return ASKS.yes(
            f"{total} map requests returned early",
            because,
            likely("the real driver never maps without unmapping first"),
            todo="look for a changed driver: something maps while a runlist is loaded",
            finding=True,
        )
    sent = runlists.answer(case)
    if sent.verdict is Verdict.NO:
        if runlists.without_runlists(case):
            return ASKS.no("MES schedules this part: the flag is unused", sent.because, certain("MES has no runlist"))
        return ASKS.no("the flag is looked at only when queues change", sent.because, sent.confidence or _UNSURE)
    if sent.verdict is Verdict.YES:
        return ASKS.undecided("runlists are sent while kernels run", (_STATS,), sent.because)
    return ASKS.undecided(sent.summary, sent.missing, sent.because)
