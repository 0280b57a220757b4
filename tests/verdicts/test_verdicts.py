"""Every verdict tells a faulty machine from its healthy twin, and says undecided when it cannot."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from machines import machine, slot

from ringscope.join import case_of
from ringscope.recording import Event, Kind, Recording, Source
from ringscope.snapshot import Snapshot
from ringscope.verdicts import QUESTIONS, answers
from ringscope.verdicts.answer import Answer, Verdict


def ask(question: str, *snapshots: Snapshot, recordings: Sequence[Recording] = ()) -> Answer:
    (found,) = (a for a in answers(case_of(snapshots, tuple(recordings))) if a.id == question)
    return found


def log(streams: list[tuple[int, int, int]]) -> Recording:
    """A runtime log: (stream, ring, HSA priority)."""
    return Recording(
        "app.log",
        tuple(
            Event(i, Kind.STREAM_CREATE, {"stream": s, "ring_base": r, "priority": p}, Source("app.log", i + 1))
            for i, (s, r, p) in enumerate(streams)
        ),
    )


def ring(pid: int, number: int) -> int:
    return 0x7F00_0000_0000 + pid * 0x1000_0000 + number * 0x100_0000


HEALTHY = machine({500: [7, 7, 7, 7, 7]})
CROWDED = machine({pid: [7, 7, 7, 7, 7] for pid in range(500, 505)})


def test_slots() -> None:
    assert ask("shared-slot", HEALTHY).verdict is Verdict.NO
    crowded = ask("shared-slot", CROWDED)
    assert (crowded.verdict, crowded.finding) == (Verdict.YES, True)
    assert "1 active queue without a slot" in crowded.summary
    assert ask("shared-slot", machine({500: [7]}, mapped=False)).verdict is Verdict.UNDECIDED
    assert ask("shared-slot", machine({500: [7]}, sources=("mqds",))).verdict is Verdict.UNDECIDED
    assert ask("shared-slot", machine({})).verdict is Verdict.NO


def test_doorbells() -> None:
    assert ask("shared-doorbell", HEALTHY).verdict is Verdict.NO
    same = ask("shared-doorbell", machine({500: [7, 7]}, doorbell_step=0))
    assert (same.verdict, same.finding) == (Verdict.YES, True)
    assert "0x1000" in same.because[0].text


def test_same_doorbell_id_in_two_processes_is_no_sharing() -> None:
    assert ask("shared-doorbell", machine({500: [7, 7], 501: [7, 7]})).verdict is Verdict.NO


def test_over_subscription_by_queues_begins_at_25() -> None:
    four = {pid: [7] * 5 for pid in range(500, 504)}
    assert ask("over-subscribed", machine({**four, 600: [7] * 4})).verdict is Verdict.NO
    over = ask("over-subscribed", machine({**four, 600: [7] * 5}))
    assert over.verdict is Verdict.YES
    assert "25 of 24 queues" in over.summary


def test_over_subscription_by_processes_begins_at_14() -> None:
    assert ask("over-subscribed", machine({pid: [7] for pid in range(13)})).verdict is Verdict.NO
    over = ask("over-subscribed", machine({pid: [7] for pid in range(14)}))
    assert over.verdict is Verdict.YES
    assert "14 of 13 processes" in over.summary


def test_the_kernels_own_warning_decides() -> None:
    warning = Recording("kernel.log", (Event(0, Kind.OVERSUBSCRIBED, {"limit": "processes"}, Source("kernel.log", 7)),))
    found = ask("over-subscribed", HEALTHY, recordings=[warning])
    assert found.verdict is Verdict.YES
    assert str(found.because[0].at[0]) == "kernel.log:7"


def test_runlists() -> None:
    steady = [
        machine({}, label="a", write_pointer=8),
        machine({500: [7, 7]}, label="b", write_pointer=29),
        machine({500: [7, 7]}, label="c", write_pointer=29),
    ]
    assert ask("runlists-while-running", *steady).verdict is Verdict.NO
    busy = [*steady[:2], machine({500: [7, 7]}, label="c", write_pointer=29 + 170)]
    found = ask("runlists-while-running", *busy)
    assert found.verdict is Verdict.UNDECIDED
    assert "10 queue operations" in found.summary
    odd = [*steady[:2], machine({500: [7, 7]}, label="c", write_pointer=29 + 5)]
    assert ask("runlists-while-running", *odd).finding
    assert ask("runlists-while-running", HEALTHY).verdict is Verdict.UNDECIDED


def test_priority() -> None:
    assert ask("priority-arrived", machine({500: [7, 11, 0]})).summary == "0 → LOW, 7 → MEDIUM, 11 → HIGH"
    plain = ask("priority-arrived", HEALTHY)
    assert plain.verdict is Verdict.YES
    assert plain.missing
    high = log([(0xA, ring(500, 1), 2)])
    assert ask("priority-arrived", machine({500: [7, 11]}), recordings=[high]).verdict is Verdict.YES
    lost = ask("priority-arrived", machine({500: [7, 7]}), recordings=[high])
    assert (lost.verdict, lost.finding) == (Verdict.NO, True)


def test_priority_registers_that_disagree_are_a_finding() -> None:
    snapshot = machine({500: [7]}, xccs=1)
    image = snapshot.processes[0].queues[0].mqds[0].image
    device = replace(snapshot.devices[0], hqds=(slot(0, 0, 2, image, 1, cp_hqd_pipe_priority=0),))
    assert ask("priority-arrived", replace(snapshot, devices=(device,))).verdict is Verdict.NO


def test_streams_sharing_a_queue() -> None:
    assert ask("shared-queue", HEALTHY).verdict is Verdict.UNDECIDED
    shared = ask("shared-queue", recordings=[log([(1, 0x1000, 1), (2, 0x1000, 1)])])
    assert (shared.verdict, shared.summary) == (Verdict.YES, "2 streams on 1 queue")
    apart = ask("shared-queue", recordings=[log([(1, 0x1000, 1), (2, 0x2000, 1)])])
    assert apart.verdict is Verdict.NO


@pytest.mark.parametrize("question", QUESTIONS)
def test_nothing_known_is_undecided_and_says_how_to_decide(question: object) -> None:
    found = question(case_of(()))  # type: ignore[operator]
    assert found.verdict is Verdict.UNDECIDED
    assert found.missing and all(item.how for item in found.missing)


def test_every_decided_answer_says_why_and_what_would_overturn_it() -> None:
    for snapshot in (HEALTHY, CROWDED):
        for found in answers(case_of((snapshot,))):
            if found.verdict is not Verdict.UNDECIDED:
                assert found.because and found.overturned_by and found.rests_on, found.id
                assert all(item.at for item in found.because), found.id
