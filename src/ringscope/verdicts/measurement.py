"""Can these samples mislead?

A snapshot shows one instant, an MQD an older one, and looking costs time: every packet that a level-4 log prints is
written by the thread that launches. What is known to mislead is named here, so that nobody builds on it.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.recording import Clock, Kind, Source
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Missing, Question, count, likely

ASKS = Question(
    "measurement",
    "Can these samples mislead?",
    "debugfs reads slot by slot; an MQD is saved at unmap; CLR prints packets from AMD_LOG_LEVEL 4 on",
    "the same result from a capture taken at another time and without the log",
)
_WHOLE = Missing("one moment, whole", "read mqds and hqds again, right after each other")
_LOAD = Missing("a snapshot under load", "read mqds and hqds while kernels run, not before the first one")


def _simulated(case: Case) -> bool:
    """Whether the case is a simulation: its snapshots are of one instant."""
    return any(event.clock is Clock.SIMULATED for recording in case.recordings for event in recording.events[:1])


def answer(case: Case) -> Answer:
    """Answer by going through what is known to mislead."""
    state = case.main
    found: list[tuple[str, Because]] = []
    missing: list[Missing] = []
    torn = state is not None and bool(state.unlisted)
    if state is not None and torn:
        text = "mqds and hqds are of two moments, or mqds is cut"
        what = f"{count(len(state.unlisted), 'slot')} of hqds hold queues that mqds does not list"
        found.append((text, Because(what, tuple(hqd.source for hqd in state.unlisted))))
        missing.append(_WHOLE)
    if state is not None and state.queues:
        hip = [q for q in state.queues if q.name.startswith("HIP") and q.written is not None]
        if hip and not any(queue.written for queue in hip):
            at = tuple(queue.evidence[-1] for queue in hip)
            text = "taken before any HIP packet ran"
            found.append(
                (text, Because(f"{state.snapshot.label}: {count(len(hip), 'HIP queue')} with write pointer 0", at))
            )
            missing.append(_LOAD)
        if not any(queue.live for queue in state.queues if queue.is_compute):
            at = tuple(queue.queue.source for queue in state.queues)
            found.append(("pointers are those of the last unmap", Because("no slot was captured for any queue", at)))
            missing.append(sources.HQDS)
        busy = [queue for queue in state.queues if queue.live and queue.waiting]
        if busy and not _simulated(case):
            at = tuple(queue.slots[0].hqd.source for queue in busy)
            found.append(
                (
                    "slots are read one after the other",
                    Because(f"{count(len(busy), 'queue')} moved while hqds was read", at),
                )
            )
    for recording in case.recordings:
        if "stamped_lines" in recording.counters and "dispatches" in recording.counters:
            median = recording.facts.get("launch_median_ns")
            cost = f"; launches take {median / 1000:g} µs in the median" if isinstance(median, int) else ""
            reason = Because(
                f"{recording.origin} has every packet (level 4 or more){cost}", (Source(recording.origin),)
            )
            found.append(("the log slowed the launches", reason))
            missing.append(Missing("the run's own speed", "AMD_LOG_LEVEL=3, which prints no packets, or none"))
    if len(case.states) == 1 and state is not None and state.queues:
        missing.append(sources.SECOND_SNAPSHOT)
    if found:
        text = "; ".join(dict.fromkeys(short for short, _ in found))
        sure = likely("known effects; how much each one changed is not measured")
        because = tuple(because for _, because in found)
        todo = "capture mqds and hqds again: counts of queues are too low here" if torn else ""
        return ASKS.yes(text, because, sure, missing=tuple(dict.fromkeys(missing)), todo=todo, finding=torn)
    told = any(True for recording in case.recordings for _ in recording.of(Kind.STREAM_CREATE, Kind.DISPATCH))
    if not told and (state is None or "mqds" not in state.snapshot.sources):
        return ASKS.undecided("nothing was measured", (sources.MQDS, sources.RUNTIME_LOG), quiet=True)
    at = tuple(device.source for device in state.snapshot.devices[:1]) if state else ()
    at = at or tuple(Source(recording.origin) for recording in case.recordings)
    reason = Because("nothing that is known to mislead was found", at)
    one = "; one snapshot is no rate" if len(case.states) == 1 else ""
    return ASKS.no(f"none of the known traps{one}", (reason,), likely("unknown ones remain"), missing=tuple(missing))
