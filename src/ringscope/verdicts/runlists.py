"""Were runlists sent while kernels ran?

The scheduler's only way to the firmware is the HIQ; its write pointer counts every dword. If queue creation and
destruction account for all of them between two snapshots, nothing is left for dispatches. A Recording that holds
runlists and queue changes is counted the same way.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.join.intervals import Interval, Step
from ringscope.parts.layout import Generation
from ringscope.recording import Kind, Recording, Source
from ringscope.records import dataclass
from ringscope.snapshot import Device
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Missing, Question, certain, count, likely

ASKS = Question(
    "runlists-while-running",
    "Runlists while kernels ran?",
    "execute_queues_cpsch: UNMAP_QUEUES 6 + QUERY_STATUS 7 + RUN_LIST 4 dwords per queue change; the dispatch "
    "path has no HIQ packet",
    "an interval in which the HIQ moves while no queue is created, updated, destroyed or evicted",
)
_KERNELS = Missing(
    "that kernels ran between these snapshots: debugfs does not say so",
    "give the program's AMD_LOG_LEVEL=3 log of the same run, or take a snapshot under load",
)
CHANGES = (
    Kind.QUEUE_CREATE,
    Kind.QUEUE_UPDATE,
    Kind.QUEUE_DESTROY,
    Kind.QUEUE_EVICT,
    Kind.QUEUE_RESTORE,
    Kind.CU_MASK,
)
"""What a runlist is sent for."""


def words(steps: tuple[Step, ...]) -> str:
    """An account in words: ``5 creates (72)``, with the dwords of each."""
    return " + ".join(
        f"{'' if step.seen else 'unseen '}{count(step.count, _noun(step.what))} ({step.dwords})" for step in steps
    )


def _noun(what: str) -> str:
    return "NOP" if what == "nop" else what


@dataclass(frozen=True)
class Counted:
    """Runlists of one Recording and the queue changes that account for them."""

    recording: Recording
    runlists: int
    changes: int
    dispatches: int

    @property
    def beyond(self) -> int:
        """Runlists that no queue change accounts for."""
        return max(0, self.runlists - self.changes)


def counted(case: Case) -> tuple[Counted, ...]:
    """Recordings that tell of runlists and of dispatches."""
    found = []
    for recording in case.recordings:
        runlists = recording.counters.get("runlists") or sum(1 for _ in recording.of(Kind.RUNLIST))
        dispatches = recording.counters.get("dispatches", 0) or sum(1 for _ in recording.of(Kind.DISPATCH))
        if dispatches and (runlists or "runlists" in recording.counters):
            found.append(Counted(recording, runlists, _changes_of(recording), dispatches))
    return tuple(found)


def _changes_of(recording: Recording) -> int:
    """Queue changes; a process that dies costs a runlist on every device of the machine, its own or not."""
    dead = {event.pid for event in recording.of(Kind.QUEUE_DESTROY)}
    devices = {event.attrs.get("gpu_id") for event in recording.of(Kind.RUNLIST)}
    seen = sum(1 for _ in recording.of(*CHANGES)) + len(dead) * max(0, len(devices) - 1)
    return max(seen, recording.counters.get("queue-changes", 0))


def without_runlists(case: Case) -> Device | None:
    """A device of the main state that MES schedules: it has no runlist at all."""
    devices = case.main.snapshot.devices if case.main else ()
    return next((device for device in devices if device.generation in (Generation.V11, Generation.V12)), None)


def answer(case: Case) -> Answer:
    """Answer from Recordings that count runlists, else from the HIQ accounts between neighbouring snapshots."""
    mes = without_runlists(case)
    if mes is not None:
        reason = Because(f"gpu {mes.gpu_id:x} is a GFX11 or later part", (mes.source,))
        return ASKS.no("MES schedules this part: it has no runlist", (reason,), certain("one MES call a queue change"))
    if recorded := counted(case):
        return _from_recordings(recorded)
    return _from_intervals(case)


def _from_recordings(recorded: tuple[Counted, ...]) -> Answer:
    because = tuple(
        Because(
            f"{one.recording.origin}: {count(one.runlists, 'runlist')}, {count(one.changes, 'queue change')}, "
            f"{count(one.dispatches, 'dispatch')}",
            tuple(event.source for event in one.recording.of(Kind.RUNLIST))[:3] or (Source(one.recording.origin),),
        )
        for one in recorded
    )
    sure = certain("runlists and queue changes were counted one by one")
    beyond = sum(one.beyond for one in recorded)
    if beyond:
        text = f"{count(beyond, 'runlist')} beyond those of queue changes"
        return ASKS.yes(
            text, because, sure, todo="find who changes queues: debugger, profiler, evictions", finding=True
        )
    total = sum(one.dispatches for one in recorded)
    return ASKS.no(f"{count(total, 'dispatch')}, no runlist but for queue changes", because, sure)


def _from_intervals(case: Case) -> Answer:
    accounts = case.intervals
    if not accounts:
        last = case.states[-1].snapshot if case.states else None
        if last and len(case.states) > 1 and any(device.hiqs for device in last.devices):
            reason = Because(
                "the write pointer of every HIQ is the same in all snapshots",
                tuple(device.hiqs[0].source for device in last.devices if device.hiqs),
            )
            sure = likely("that kernels ran in between is not shown")
            return ASKS.no("the HIQ did not move at all", (reason,), sure, missing=(_KERNELS,))
        return ASKS.undecided("one instant shows no movement", (sources.SECOND_SNAPSHOT,))
    because = tuple(_because(account) for account in accounts)
    open_accounts = [account for account in accounts if not account.exact]
    if open_accounts:
        left = sum(account.dwords for account in open_accounts)
        return ASKS.undecided(
            f"{left} HIQ dwords in {count(len(open_accounts), 'interval')} have no account",
            (Missing("what else used the HIQ", "snapshots closer together, and the kernel log of that time"),),
            because,
            finding=True,
        )
    guessed = sum(account.runlists_beyond_changes or 0 for account in accounts if account.guessed)
    if guessed:
        return ASKS.undecided(
            f"{count(guessed, 'queue operation')} happened between the snapshots unseen",
            (Missing("who did them: queues made and gone, updates, evictions", "snapshots closer together"),),
            because,
        )
    moved = ", then ".join(f"{account.dwords} = {_changes(account)}" for account in accounts)
    sure = likely("every HIQ dword is accounted for; that kernels ran in between is not shown")
    return ASKS.no(f"HIQ dwords: {moved}", because, sure, missing=(_KERNELS,))


def _changes(account: Interval) -> str:
    return " + ".join(count(step.count, _noun(step.what)) for step in account.steps)


def _because(account: Interval) -> Because:
    how = words(account.steps) if account.exact else "no account within reach"
    return Because(
        f"gpu {account.gpu_id:x}, {account.before} → {account.after}: HIQ write pointer {account.start:#x} → "
        f"{account.end:#x} = {account.dwords} dwords: {how}",
        account.sources,
    )
