"""Slots over time: whose queue was in which slot, from whatever a source tells of it."""

from typing import Any

from asking import recorded, told
from hypothesis import given
from hypothesis import strategies as st

from ringscope.recording import Event, Kind, Recording

MS = 1_000_000


def stays(*events: Event) -> list[tuple[str, int, int, int, int]]:
    return [
        (stay.name, stay.begin_ns, stay.running_ns, stay.leaving_ns, stay.end_ns)
        for stay in recorded(*events).residencies()
    ]


def test_a_stay_has_its_mapping_and_its_save() -> None:
    slot: dict[str, Any] = {"gpu_id": 9, "pipe": 1, "queue": 2}
    come = told(Kind.QUEUE_MAP, at=1, pid=7, qid=3, duration_ns=20, **slot)
    leave = told(Kind.QUEUE_UNMAP, at=5, pid=7, qid=3, duration_ns=30, **slot)
    assert stays(come, leave) == [("qid 3 of 7", MS, MS + 20, 5 * MS, 5 * MS + 30)]
    (stay,) = recorded(come, leave).residencies()
    assert (stay.slot, stay.event) == ((9, 1, 2), come)


def test_a_stay_ends_with_the_next_one_the_queue_or_the_process() -> None:
    events = [
        told(Kind.QUEUE_MAP, at=1, pid=7, qid=0, pipe=0, queue=2),
        told(Kind.QUEUE_MAP, at=1, pid=7, qid=1, pipe=1, queue=2),
        told(Kind.QUEUE_MAP, at=1, pid=8, qid=0, pipe=2, queue=2),
        told(Kind.QUEUE_MAP, at=1, qid=4, pipe=3, queue=2),
        told(Kind.QUEUE_MAP, at=2, pid=8, qid=1, pipe=0, queue=2),
        told(Kind.QUEUE_DESTROY, at=3, pid=7, qid=1),
        told(Kind.PROCESS_EXIT, at=4, pid=8),
        told(Kind.RUNLIST, at=9),
    ]
    assert [(name, end // MS) for name, _, _, _, end in stays(*events)] == [
        ("qid 0 of 7", 2),
        ("qid 1 of 7", 3),
        ("qid 0 of 8", 4),
        ("qid 1 of 8", 4),
        ("qid 4", 9),
    ]


def test_what_names_no_slot_or_runs_backwards_is_no_stay() -> None:
    assert stays(told(Kind.QUEUE_MAP, qid=1), told(Kind.QUEUE_MAP, qid=1, pipe="x", queue=0)) == []
    late, early = told(Kind.QUEUE_MAP, at=5, pipe=0, queue=0), told(Kind.QUEUE_MAP, at=1, pipe=0, queue=0)
    assert [begin // MS for _, begin, *_ in stays(late, early)] == [1]


kinds = st.sampled_from([Kind.QUEUE_MAP, Kind.QUEUE_UNMAP, Kind.QUEUE_DESTROY, Kind.PROCESS_EXIT, Kind.RUNLIST])
small = st.integers(0, 2)


@given(st.lists(st.tuples(kinds, small, small, small, st.integers(-5, 50)), max_size=30))
def test_stays_of_one_slot_never_overlap(rows: list[tuple[Kind, int, int, int, int]]) -> None:
    events = tuple(
        told(kind, at=at, pid=pid, qid=qid, pipe=pipe, queue=0, duration_ns=lasted * 10_000)
        for at, (kind, pid, qid, pipe, lasted) in enumerate(rows)
    )
    last: dict[tuple[int, int, int], int] = {}
    for stay in Recording("r", events).residencies():
        assert last.get(stay.slot, 0) <= stay.begin_ns <= stay.running_ns <= stay.leaving_ns <= stay.end_ns
        last[stay.slot] = stay.end_ns
