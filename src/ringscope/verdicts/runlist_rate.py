"""Are runlists sent all the time, and how many per second?

Each runlist takes every queue of the device off its slot and puts it back. A program at work sends none; a burst at
start and end is normal. A rate needs times: a Recording whose events carry a clock.
"""

from __future__ import annotations

from collections import Counter

from ringscope.join import Case
from ringscope.recording import Clock, Event, Kind, Recording
from ringscope.verdicts.answer import Answer, Because, Missing, Question, certain, count, likely
from ringscope.verdicts.runlists import CHANGES, without_runlists

ASKS = Question(
    "runlist-rate",
    "Are runlists sent all the time?",
    "execute_queues_cpsch unmaps and maps every queue of the device for each queue change",
    "the same count over a longer time that falls below one a second",
)
STEADY_PER_SECOND = 1.0
"""More than this over a second or longer is no start-up burst; chosen, not measured."""
SHORTEST_NS = 1_000_000_000
PARTS, MANY_PARTS = 10, 5
"""All the time: runlists in so many of the ten parts of a run. Making queues at its start and destroying them at its
end fills a few; chosen, not measured."""
_NEED = Missing(
    "times: no recording holds runlists with a clock",
    "ringscope exec --record run -- ./app, or trace execute_queues_cpsch: trace-cmd record -p function "
    "-l execute_queues_cpsch",
)


def _span(recording: Recording) -> tuple[int, int, list[Event]] | None:
    """(time covered in ns, parts of it with a runlist, runlists) of a recording with one real clock; None without."""
    runlists = [event for event in recording.of(Kind.RUNLIST) if event.clock is not Clock.UNKNOWN]
    if not runlists:
        return None
    times = [event.time_ns for event in recording.events if event.clock is runlists[0].clock]
    first, span = min(times), max(times) - min(times)
    return span, len({min(PARTS * (event.time_ns - first) // (span or 1), PARTS - 1) for event in runlists}), runlists


def answer(case: Case) -> Answer:
    """Answer from the recording with the most runlists."""
    mes = without_runlists(case)
    if mes is not None:
        reason = Because(f"gpu {mes.gpu_id:x} is scheduled by MES", (mes.source,))
        return ASKS.no("MES has no runlist", (reason,), certain("one MES call a queue change"), quiet=True)
    spans = [(recording, *found) for recording in case.recordings if (found := _span(recording))]
    if not spans:
        return ASKS.undecided("nothing here counts runlists over time", (_NEED,), quiet=True)
    recording, span_ns, parts, runlists = max(spans, key=lambda item: len(item[3]))
    at = tuple(event.source for event in runlists[:3])
    if span_ns < SHORTEST_NS:
        text = f"{count(len(runlists), 'runlist')} in {span_ns / 1e6:.1f} ms: too short for a rate"
        return ASKS.undecided(text, (Missing("a second of it", "record for longer"),), (Because(text, at),))
    rate = len(runlists) / (span_ns / 1e9)
    causes = Counter(event.kind.value for event in recording.of(*CHANGES)).most_common(3)
    why = ", ".join(count(number, cause) for cause, number in causes) or "no queue change in sight"
    text = f"{rate:.2g} per second over {span_ns / 1e9:.3g} s, in {parts} of its {PARTS} parts"
    because = (Because(f"{recording.origin}: {count(len(runlists), 'runlist')}; {why}", at),)
    if rate > STEADY_PER_SECOND and parts >= MANY_PARTS:
        todo = "keep streams and queues instead of making them anew; look for evictions, debuggers and profilers"
        return ASKS.yes(text, because, likely("a longer run may dilute a burst"), todo=todo, finding=True)
    return ASKS.no(text, because, certain("runlists were counted one by one"))
