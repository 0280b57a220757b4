"""Were runlists sent while kernels ran?

The scheduler's only way to the firmware is the HIQ; its write pointer counts every dword. If queue creation and
destruction account for all of them between two snapshots, nothing is left for dispatches.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.join.intervals import Interval, Step
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Missing, Verdict

ID = "runlists-while-running"
QUESTION = "Were runlists sent while kernels ran?"
RESTS_ON = (
    "execute_queues_cpsch: UNMAP_QUEUES 6 + QUERY_STATUS 7 + RUN_LIST 4 dwords per queue change; the dispatch "
    "path has no HIQ packet"
)
OVERTURNED_BY = "an interval in which the HIQ moves while no queue is created, updated, destroyed or evicted"
_KERNELS = Missing(
    "that kernels ran between these snapshots: debugfs does not say so",
    "give the program's AMD_LOG_LEVEL=3 log of the same run, or take a snapshot under load",
)


def words(steps: tuple[Step, ...]) -> str:
    """An account in words: ``5 creates (72)``, with the dwords of each."""
    plural = {"process exit": "process exits", "nop": "NOPs"}
    return " + ".join(
        f"{step.count} {'unseen ' if not step.seen else ''}"
        f"{plural.get(step.what, step.what + 's') if step.count != 1 else step.what} ({step.dwords})"
        for step in steps
    )


def answer(case: Case) -> Answer:
    """Answer from the HIQ accounts between neighbouring snapshots."""
    accounts = case.intervals
    if not accounts:
        if len(case.states) > 1 and any(device.hiqs for device in case.states[-1].snapshot.devices):
            return Answer(
                ID,
                QUESTION,
                Verdict.NO,
                "the HIQ did not move at all",
                (Because("the write pointer of every HIQ is the same in all snapshots"),),
                (_KERNELS,),
                OVERTURNED_BY,
                RESTS_ON,
            )
        return Answer(
            ID, QUESTION, Verdict.UNDECIDED, "one instant shows no movement", missing=(sources.SECOND_SNAPSHOT,)
        )
    because = tuple(_because(account) for account in accounts)
    open_accounts = [account for account in accounts if not account.exact]
    guessed = [account for account in accounts if account.guessed]
    if open_accounts:
        left = sum(account.dwords for account in open_accounts)
        return Answer(
            ID,
            QUESTION,
            Verdict.UNDECIDED,
            f"{left} HIQ dwords in {len(open_accounts)} intervals have no account",
            because,
            (Missing("what else used the HIQ", "snapshots closer together, and the kernel log of that time"),),
            OVERTURNED_BY,
            RESTS_ON,
            finding=True,
        )
    if guessed:
        count = sum(account.runlists_beyond_changes or 0 for account in guessed)
        return Answer(
            ID,
            QUESTION,
            Verdict.UNDECIDED,
            f"{count} queue operations happened between the snapshots unseen",
            because,
            (Missing("who did them: queues made and gone, updates, evictions", "snapshots closer together"),),
            OVERTURNED_BY,
            RESTS_ON,
        )
    moved = ", then ".join(f"{account.dwords} dwords = {_changes(account)}" for account in accounts)
    return Answer(
        ID,
        QUESTION,
        Verdict.NO,
        f"HIQ moved {moved}; nothing is left for dispatches",
        because,
        (_KERNELS,),
        OVERTURNED_BY,
        RESTS_ON,
    )


def _changes(account: Interval) -> str:
    return " + ".join(
        f"{step.count} {step.what}{'s' if step.count != 1 else ''}" for step in account.steps if step.what != "nop"
    ) + "".join(f" + {step.count} NOP" for step in account.steps if step.what == "nop")


def _because(account: Interval) -> Because:
    how = words(account.steps) if account.exact else "no account within reach"
    return Because(
        f"gpu {account.gpu_id:x}, {account.before} → {account.after}: HIQ write pointer {account.start:#x} → "
        f"{account.end:#x} = {account.dwords} dwords: {how}",
        account.sources,
    )
