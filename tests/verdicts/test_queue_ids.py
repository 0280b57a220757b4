from dataclasses import replace

from asking import NO, UNDECIDED, ask
from machines import machine


def test_doorbells_that_count_from_zero_whatever_the_id() -> None:
    found = ask("queue-id", machine({500: [7] * 3, 501: [7] * 2}))
    assert (found.verdict, found.summary) == (NO, "doorbells count from 0 in each process")


def test_ids_side_by_side_with_doorbells_are_certain() -> None:
    snapshot = machine({54: [7] * 2})
    (process,) = snapshot.processes
    named = replace(process, queues=tuple(replace(q, qid=216 + k) for k, q in enumerate(process.queues)))
    found = ask("queue-id", replace(snapshot, processes=(named,)))
    assert (found.verdict, found.confidence and found.confidence.word) == (NO, "certain")
    assert "queue id 216, doorbell id 1" in found.because[1].text


def test_no_queue() -> None:
    assert ask("queue-id", machine({})).verdict is UNDECIDED


def test_doorbells_with_gaps_say_nothing_of_ids() -> None:
    found = ask("queue-id", machine({500: [7] * 3}, doorbell_step=4))
    assert (found.verdict, found.summary) == (NO, "no register holds the id")
