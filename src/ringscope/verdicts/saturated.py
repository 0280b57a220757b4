"""Are the CUs saturated?

A trace of kernels with their sizes tells how much of the time a kernel ran, and whether there was a workgroup for
every CU. It cannot tell how hard a CU worked: one wave per CU looks like forty.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.join.dispatches import Kernel, kernels_of, occupation
from ringscope.recording import Recording
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Missing, Question, count, likely, weak
from ringscope.verdicts.cu_mask import cus_of

ASKS = Question(
    "saturated",
    "Are the CUs saturated?",
    "a kernel of T workgroups on n CUs takes ceil(T / n) rounds at one workgroup a CU; fewer than n leave CUs empty",
    "SQ_BUSY_CYCLES and SQ_WAVES counters that say otherwise",
)
FULL, HALF = 0.9, 0.5
"""Share of the time from which the answer is yes, and below which it is no; between them it is open."""
FEWEST = 10
"""Kernels below which a share of time says nothing; chosen."""
_COUNTERS = Missing("how full each CU was", "rocprofv3 --pmc SQ_BUSY_CYCLES SQ_WAVES GRBM_GUI_ACTIVE -- ./app")


def answer(case: Case) -> Answer:
    """Answer from the trace with the most kernels."""
    found = busiest(case)
    if found is None:
        return ASKS.undecided("no trace of kernels was given", (sources.DISPATCH_TRACE,), quiet=True)
    recording, gpu, kernels = found
    if len(kernels) < FEWEST:
        text = f"{count(len(kernels), 'kernel')} {'was' if len(kernels) == 1 else 'were'} traced: too few to tell"
        return ASKS.undecided(text, (sources.DISPATCH_TRACE,), (Because(text, (kernels[0].event.source,)),))
    cus = device_cus(case, gpu)
    full = occupation(kernels, cus)
    sized = all(kernel.workgroups is not None for kernel in kernels)
    at = (kernels[0].event.source, kernels[-1].event.source)
    text = f"a kernel ran {full.busy:.0%} of {full.span_ns / 1e6:.4g} ms"
    because: tuple[Because, ...] = (Because(f"{recording.origin}: {count(len(kernels), 'kernel')}; {text}", at),)
    if full.busy < HALF:
        return ASKS.no(text, because, likely("from the first kernel's begin to the last one's end"))
    if not cus or not sized:
        need = sources.TOPOLOGY if not cus else sources.DISPATCH_TRACE
        return ASKS.undecided(f"{text}; how many CUs that filled is not known", (need, _COUNTERS), because)
    text += f", with a workgroup for every of {cus} CUs {full.filled:.0%}"
    because = (Because(f"{recording.origin}: {count(len(kernels), 'kernel')}; {text}", at),)
    if full.filled >= FULL:
        return ASKS.yes(
            text, because, weak("enough workgroups; how full each CU was is not seen"), missing=(_COUNTERS,)
        )
    if full.filled < HALF:
        return ASKS.no(text, because, likely("workgroups were counted, from first begin to last end"))
    return ASKS.undecided(text, (_COUNTERS,), because)


def busiest(case: Case) -> tuple[Recording, int | None, tuple[Kernel, ...]] | None:
    """The recording and device with the most kernels."""
    groups: list[tuple[Recording, int | None, tuple[Kernel, ...]]] = []
    for recording in case.recordings:
        kernels = kernels_of(recording)
        devices = {kernel.device for kernel in kernels}
        groups += [(recording, device, tuple(k for k in kernels if k.device == device)) for device in devices]
    return max(groups, key=lambda group: (len(group[2]), group[0].origin, group[1] or 0), default=None)


def device_cus(case: Case, gpu: int | None) -> int | None:
    """CUs of a traced device, by gpu_id or node; where the trace names neither, of the only one there is."""
    devices = case.main.snapshot.devices if case.main else ()
    if gpu is not None:
        return next((cus_of(device) for device in devices if gpu in (device.gpu_id, device.node)), None)
    counts = {cus_of(device) for device in devices}
    return counts.pop() if len(counts) == 1 else None
