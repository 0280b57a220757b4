"""Did queue creation fail, and which resource ran out?

CREATE_QUEUE has many reasons to refuse and few errnos to say so. The kernel's log and the recordings of a virtual GPU
name the check that failed; the errno alone leaves a choice.
"""

from __future__ import annotations

import errno
from collections import Counter

from ringscope.join import Case
from ringscope.recording import Event, Kind
from ringscope.snapshot import QueueType
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Missing, Question, certain, count, likely
from ringscope.verdicts.evicted import KERNEL_KINDS

ASKS = Question(
    "creation-failed",
    "Did queue creation fail?",
    "kfd_ioctl_create_queue, pqm_create_queue, create_queue_cpsch: each check and its errno",
    "the same program creating the same queues without the error",
)

WHAT_RAN_OUT = {
    "queue-id": ("queue ids of the process (1024)", "destroy queues the process no longer uses"),
    "queues": ("queues per process or device", "lower GPU_MAX_HW_QUEUES; 127 a process and device, 255 on gfx942/950"),
    "doorbell": ("doorbells of the process's slice", "fewer queues a process, or fewer processes on this device"),
    "vmid": ("VMIDs (NOCPSCH, one a process)", "fewer processes on this device, or sched_policy=0"),
    "slot": ("hardware slots (NOCPSCH: no rotation)", "fewer queues on this device, or sched_policy=0"),
    "sdma": ("SDMA queues of the engines", "fewer processes that copy, or HSA_ENABLE_SDMA=0"),
    "gws": ("the cooperative queue, one a device and process", "one cooperative launcher at a time"),
    "memory": ("GPU memory for MQD or save area", "free VRAM or GTT; look at rlimit and cgroup"),
    "argument": ("nothing: the arguments were refused", "check ring size, alignment and priority of the caller"),
}
"""Resource of a QUEUE_REFUSED event: what it is, and what to do."""

_BY_ERRNO = {
    errno.ENOMEM: "sdma, memory or queue-id",
    errno.ENOSPC: "queues, or vmid under NOCPSCH",
    errno.EPERM: "queues of the device, or sched_policy=1 at its limit",
    errno.EBUSY: "slot under NOCPSCH, or gws",
    errno.EINVAL: "argument",
}


def answer(case: Case) -> Answer:
    """Answer from refusals in recordings; a snapshot cannot show a queue that was never made."""
    refused = [
        event
        for recording in case.recordings
        for event in recording.of(Kind.QUEUE_REFUSED, Kind.IOCTL)
        if event.kind is Kind.QUEUE_REFUSED or (event.attrs.get("name") == "CREATE_QUEUE" and event.attrs.get("errno"))
    ]
    if not refused:
        kernel = [r for r in case.recordings if any(True for _ in r.of(*KERNEL_KINDS, Kind.QUEUE_CREATE))]
        if not kernel:
            return ASKS.undecided(
                "no log that would tell was given", (sources.KERNEL_LOG, sources.RUNTIME_LOG), quiet=True
            )
        at = tuple(next(r.of(*KERNEL_KINDS, Kind.QUEUE_CREATE)).source for r in kernel)
        text = "no refusal is logged"
        return ASKS.no(text, (Because(text, at),), likely("a runtime may swallow an error"), quiet=True)
    because = tuple(Because(_words(event), (event.source,)) for event in refused)
    # The kernel names the resource in one line and reports the failed ioctl in another: count the former alone.
    named = [str(event.attrs["resource"]) for event in refused if "resource" in event.attrs]
    if named:
        first = WHAT_RAN_OUT.get(named[0], (named[0], ""))
        sure = certain("the check that failed is named")
        text = f"{count(len(named), 'time')}: {first[0]}"
        return ASKS.yes(text, because, sure, todo=first[1], finding=True)
    why = next((str(event.attrs["why"]) for event in refused if "why" in event.attrs), None)
    if why is not None:
        sure = certain("the check that failed is named")
        todo = "ask for what the check allows; ringscope check says it before a launch"
        return ASKS.yes(f"{count(len(refused), 'time')}: {why}", because, sure, todo=todo, finding=True)
    if full := _full(case):
        resource, reasons = full
        text = f"{count(len(refused), 'time')}: {WHAT_RAN_OUT[resource][0]}, to judge by what is held"
        sure = likely("the limit is reached in the capture; the errno alone does not name it")
        return ASKS.yes(text, because + reasons, sure, todo=WHAT_RAN_OUT[resource][1], finding=True)
    need = Missing(
        "which check failed", "sudo dmesg > kernel.log, or echo 'module amdgpu +p' > dynamic_debug/control first"
    )
    text = f"{count(len(refused), 'time')}, the cause is not named"
    return ASKS.yes(text, because, likely("an errno has several causes"), missing=(need,), finding=True)


def _full(case: Case) -> tuple[str, tuple[Because, ...]] | None:
    """A resource whose limit the main state has reached, with the counts; None when none has."""
    state = case.main
    for device in state.snapshot.devices if state else ():
        queues = state.on(device) if state else []
        where = f"gpu {device.gpu_id:x}"
        engines = device.properties.get("num_sdma_engines", 0) * device.properties.get("num_sdma_queues_per_engine", 0)
        sdma = [queue for queue in queues if queue.queue.type is QueueType.SDMA]
        if sdma and 0 < engines <= len(sdma):
            at = tuple(queue.queue.source for queue in sdma)
            return "sdma", (Because(f"{where}: {len(sdma)} of {engines} SDMA queues are held", at),)
        most = {part.queues_per_process for part, _ in (state.parts(device) if state else ())}
        for pid, held in Counter(queue.pid for queue in queues).items():
            if len(most) == 1 and held >= min(most):
                at = tuple(queue.queue.source for queue in queues if queue.pid == pid)
                return "queues", (Because(f"{where}: process {pid} holds {held} queues of {min(most)}", at),)
    return None


def _words(event: Event) -> str:
    number = _errno(event)
    words = f"process {event.pid}" if event.pid is not None else "a process"
    if number is not None:
        words += f": {errno.errorcode.get(number, number)}"
    resource = event.attrs.get("resource")
    if resource is not None:
        return f"{words}: out of {WHAT_RAN_OUT.get(str(resource), (str(resource),))[0]}"
    if "why" in event.attrs:
        return f"{words}: {event.attrs['why']}"
    return words if number is None else f"{words}: {_BY_ERRNO.get(number, 'cause unknown')}"


def _errno(event: Event) -> int | None:
    """The errno, positive; the kernel logs it negative."""
    number = event.attrs.get("errno")
    return abs(number) if isinstance(number, int) else None
