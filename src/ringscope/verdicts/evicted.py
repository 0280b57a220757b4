"""Was a queue evicted or preempted, by what, and for how long?

The driver takes a process's queues off the hardware when its memory moves (TTM, userptr, SVM), on suspend, for a
debugger, and puts them back later. Its log and trace say when; debugfs shows an evicted queue only as one without a
slot.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.recording import Clock, Event, Kind, Source
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Missing, Question, certain, count, weak
from ringscope.verdicts.oversubscribed import beyond_vmids
from ringscope.verdicts.shared_slot import free_slots

ASKS = Question(
    "evicted",
    "Was a queue evicted or preempted?",
    "evict_process_queues_cpsch and restore_process_queues_cpsch: reference-counted, one runlist each",
    "a trace of kfd_evict_process_worker and kfd_restore_process_worker without an event",
)
_TRACE = Missing("the evictions", "sudo trace-cmd record -e amdkfd ./app; trace-cmd report > kfd.ftrace")
_TODO = "see who moves memory at that time: too little VRAM, userptr buffers that change, a second process"
KERNEL_KINDS = (Kind.QUEUE_EVICT, Kind.QUEUE_RESTORE, Kind.OVERSUBSCRIBED, Kind.HANG, Kind.RESET, Kind.KERNEL_MESSAGE)
"""Events that only a kernel's log or trace, or a model of the kernel, holds."""


def answer(case: Case) -> Answer:
    """Answer from eviction events; without any, from active queues that hold no slot."""
    evicted = [event for recording in case.recordings for event in recording.of(Kind.QUEUE_EVICT)]
    if evicted:
        return _told(case, evicted)
    state = case.main
    counted = _counted(case)
    if any(ms for _, ms, _ in counted):
        because = tuple(
            Because(f"process {pid}: out of the hardware for {ms} ms since it began (evicted_ms in sysfs)", (source,))
            for pid, ms, source in counted
            if ms
        )
        text = f"{sum(ms for _, ms, _ in counted)} ms in {count(len(because), 'process')}"
        return ASKS.yes(text, because, certain("the driver counts it"), missing=(_TRACE,), todo=_TODO, finding=True)
    away = []
    if state is not None:
        for device in state.snapshot.devices:
            if device.hqds and free_slots(device) > 0 and not beyond_vmids(state, device):
                away += [q for q in state.on(device) if q.is_compute and q.active and q.mapped == "none"]
    if away:
        because = tuple(
            Because(f"gpu {q.gpu_id:x} {q.name} of process {q.pid} has a ring, no slot, and slots are free", q.evidence)
            for q in away
        )
        text = f"{count(len(away), 'queue')} without a slot while slots are free"
        sure = weak("a queue between two mappings looks the same")
        return ASKS.yes(text, because, sure, missing=(_TRACE, sources.KERNEL_LOG), finding=True)
    if counted:
        reason = Because("evicted_ms is 0 in sysfs", tuple(source for _, _, source in counted))
        return ASKS.no("the driver counts none", (reason,), certain("the driver counts it"))
    kernel = [r for r in case.recordings if any(True for _ in r.of(*KERNEL_KINDS, Kind.RUNLIST))]
    if kernel:
        at = tuple(next(r.of(*KERNEL_KINDS, Kind.RUNLIST)).source for r in kernel)
        reason = Because("the kernel's events hold no eviction", at)
        return ASKS.no(
            "the kernel tells of none", (reason,), weak("a short eviction is not always logged"), missing=(_TRACE,)
        )
    return ASKS.undecided("no kernel log or trace was given", (_TRACE, sources.KERNEL_LOG), quiet=True)


def _counted(case: Case) -> list[tuple[int, int, Source]]:
    """(pid, milliseconds on all devices, where) of each process whose sysfs statistics the main state has."""
    found = []
    for process in case.main.snapshot.processes if case.main else ():
        times = [value for key, value in process.usage.items() if key.endswith("/evicted_ms")]
        if times:
            found.append((process.pid, sum(times), process.source))
    return found


def _key(event: Event) -> tuple[object, ...]:
    return event.pid, event.attrs.get("pasid"), event.attrs.get("gpu_id"), event.attrs.get("qid")


def _told(case: Case, evicted: list[Event]) -> Answer:
    restored: dict[tuple[object, ...], list[Event]] = {}
    for recording in case.recordings:
        for event in recording.of(Kind.QUEUE_RESTORE):
            restored.setdefault(_key(event), []).append(event)
    because = []
    lengths = []
    open_ended = 0
    for event in evicted:
        back = next(
            (r for r in restored.get(_key(event), ()) if r.clock is event.clock and r.time_ns >= event.time_ns), None
        )
        how_long = "not restored in this log"
        if back is not None:
            restored[_key(event)].remove(back)
            how_long = "length unknown"
            if event.clock is not Clock.UNKNOWN:
                lengths.append(back.time_ns - event.time_ns)
                how_long = f"{lengths[-1] / 1e6:.1f} ms"
        else:
            open_ended += 1
        reason = event.attrs.get("reason", "cause not logged")
        because.append(
            Because(f"{_who(event)}: {how_long}; {reason}", (event.source, *((back.source,) if back else ())))
        )
    text = count(len(evicted), "eviction")
    if lengths:
        text += f", {sum(lengths) / 1e6:.1f} ms in all, the longest {max(lengths) / 1e6:.1f} ms"
    if open_ended:
        text += f", {open_ended} not restored"
    return ASKS.yes(
        text,
        tuple(because),
        certain("the kernel logged them"),
        todo=_TODO,
        finding=True,
    )


def _who(event: Event) -> str:
    if event.pid is not None:
        who = f"process {event.pid}"
    elif "pasid" in event.attrs:
        who = f"PASID {event.attrs['pasid']}"
    else:
        who = "a process"
    return f"queue {event.attrs['qid']} of {who}" if "qid" in event.attrs else f"all queues of {who}"
