"""Are the figures per process or in total?

Work is conserved: on a device that one process saturates, n processes together cannot do much more than one alone.
So a figure that breaks this when read as "per process" must be a total. :func:`judge` applies the test to figures from
anywhere; :func:`answer` to a Recording that holds dispatches of several processes.
"""

from __future__ import annotations

from collections import Counter

from ringscope.errors import InputError
from ringscope.join import Case
from ringscope.join.dispatches import Kernel, kernels_of
from ringscope.recording import Recording
from ringscope.records import dataclass
from ringscope.verdicts.answer import Answer, Because, Missing, Question, certain, count, likely

ASKS = Question(
    "per-process",
    "Are the figures per process?",
    "conservation: n processes on a saturated device do no more than one alone, but for the bubbles they fill",
    "kernel traces of both runs that show one process leaving the device idle",
)
SHARING_GAIN = 0.10
"""How much more than one process alone several may do by filling its gaps: M4 and M11 of the measurements gained 6.5 %
and 0.3 %."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """One published figure: ``rate`` in any unit, measured with ``processes`` of them."""

    processes: int
    rate: float

    def __post_init__(self) -> None:
        if self.processes < 1 or self.rate < 0:
            raise InputError(f"a throughput of {self.rate} with {self.processes} processes")


def judge(alone: float, figures: tuple[Throughput, ...], *, saturated: bool = True) -> Answer:
    """Whether ``figures`` can be per process, given the rate of one process ``alone``.

    ``saturated`` says that one process alone fills the device; without it the test has no force. InputError for a rate
    alone that is not positive.
    """
    if alone <= 0:
        raise InputError(f"a rate of {alone} for one process alone", todo="give what one process does by itself")
    several = [figure for figure in figures if figure.processes > 1]
    because = tuple(
        Because(
            f"{figure.processes} processes at {figure.rate:g}: per process "
            f"{figure.processes * figure.rate / alone:.2f} of one alone, in total {figure.rate / alone:.2f}"
        )
        for figure in several
    )
    label = Missing("which of the two was measured", "state both: each process's rate and their sum")
    if not several:
        return ASKS.undecided("no figure of several processes", (label,))
    if not saturated:
        text = "one process alone leaves room, so both readings are possible"
        return ASKS.undecided(text, (label,), because)
    worst = max(figure.processes * figure.rate / alone for figure in several)
    if worst > 1 + SHARING_GAIN:
        if max(figure.rate / alone for figure in several) > 1 + SHARING_GAIN:
            text = "neither reading is possible on a device that one process saturates"
            return ASKS.undecided(text, (Missing("one consistent run", "measure alone and together anew"),), because)
        text = f"per process they would add up to {worst:.2g} times one alone: read them as totals"
        return ASKS.no(text, because, likely("one process alone was said to saturate the device"))
    text = "both readings are possible"
    return ASKS.undecided(text, (label,), because)


def together_and_alone(case: Case) -> tuple[tuple[Recording, tuple[Kernel, ...]] | None, ...]:
    """(a trace of several processes, a trace of one), the longest of each; None where there is none."""
    found: dict[bool, tuple[Recording, tuple[Kernel, ...]]] = {}
    for recording in case.recordings:
        kernels = tuple(kernel for kernel in kernels_of(recording) if kernel.pid is not None)
        several = len({kernel.pid for kernel in kernels}) > 1
        if len(kernels) > len(found.get(several, (None, ()))[1]):
            found[several] = recording, kernels
    return found.get(True), found.get(False)


def rate(kernels: tuple[Kernel, ...], span_ns: int) -> float:
    """Kernels per second."""
    return len(kernels) * 1e9 / span_ns if span_ns else 0.0


def span(kernels: tuple[Kernel, ...]) -> int:
    """From the first begin to the last end, ns."""
    return max(kernel.end_ns for kernel in kernels) - kernels[0].begin_ns


def _spoken(per_second: float) -> str:
    return f"{per_second:.0f}/s" if per_second >= 100 else f"{per_second:.3g}/s"


def answer(case: Case) -> Answer:
    """Answer from a trace of several processes, with each one's rate and their sum; logs that mix processes say no."""
    together, alone = together_and_alone(case)
    if together is None:
        return _mixed_logs(case)
    recording, kernels = together
    covered = span(kernels)
    per_pid = Counter(kernel.pid for kernel in kernels)
    each = ", ".join(
        f"{pid}: {_spoken(n * 1e9 / covered)}" for pid, n in sorted(per_pid.items(), key=lambda i: i[0] or 0)[:4]
    )
    total = rate(kernels, covered)
    text = f"{each}{' …' if len(per_pid) > 4 else ''}; {_spoken(total)} in total"
    at = (kernels[0].event.source, kernels[-1].event.source)
    because = [Because(f"{recording.origin}: {count(len(kernels), 'kernel')} of {count(len(per_pid), 'process')}", at)]
    if alone is not None:
        base = rate(alone[1], span(alone[1]))
        text += f" = {total / base:.0%} of one alone" if base else ""
        because.append(Because(f"{alone[0].origin}: {_spoken(base)} alone", (alone[1][0].event.source,)))
    return ASKS.yes(text, tuple(because), certain("every kernel of the trace names its process"))


def _mixed_logs(case: Case) -> Answer:
    for recording in case.recordings:
        pids = {event.pid for event in recording.events if event.pid is not None}
        launches = recording.counters.get("launches")
        if launches and len(pids) > 1:
            first = next(event for event in recording.events if event.pid is not None)
            reason = Because(
                f"{recording.origin}: lines of {len(pids)} processes, {launches} launches in all", (first.source,)
            )
            text = f"the log's {launches} launches are those of {len(pids)} processes together"
            return ASKS.no(text, (reason,), certain("launches are counted over the whole log"), quiet=True)
    need = Missing("a trace of several processes at once", "rocprofv3 --kernel-trace -o %pid% -- mpirun -n 2 ./app")
    return ASKS.undecided("no trace of several processes was given", (need,), quiet=True)
