"""Streams of the runtime's log, and the queue each maps to."""

from asking import log, recorded, ring, told
from machines import machine

from ringscope.join import case_of
from ringscope.join.queues import join_queues
from ringscope.join.streams import HSA_PRIORITY, streams_of
from ringscope.recording import Kind


def test_a_stream_meets_its_queue_by_the_ring() -> None:
    queues = join_queues(machine({500: [7, 7, 11]}))
    found = streams_of((log([(1, ring(500, 1), 1), (2, ring(500, 2), 2), (3, 0x1000, 0)]),), queues)
    assert [(s.stream, s.queue.name if s.queue else None, HSA_PRIORITY[s.priority or 0]) for s in found] == [
        (1, "HIP #1", "normal"),
        (2, "HIP #2", "high"),
        (3, None, "low"),
    ]
    assert [(s.recording, s.source.line) for s in found] == [("app.log", 1), ("app.log", 2), ("app.log", 3)]


def test_a_ring_is_of_one_process_where_the_log_names_it() -> None:
    queues = join_queues(machine({500: [7]}))
    found = streams_of(
        (recorded(*(told(Kind.STREAM_CREATE, pid=pid, stream=pid, ring_base=ring(500, 0)) for pid in (500, 501))),),
        queues,
    )
    assert [(s.pid, s.queue is not None) for s in found] == [(500, True), (501, False)]


def test_a_handle_used_again_is_the_later_stream_and_one_without_handle_is_none() -> None:
    again = recorded(
        told(Kind.STREAM_CREATE, stream=1, priority=0),
        told(Kind.STREAM_CREATE, stream="?", priority=1),
        told(Kind.STREAM_CREATE, stream=2, priority=1),
        told(Kind.STREAM_CREATE, stream=1, priority=2),
    )
    assert [(s.stream, s.priority, s.ring_base) for s in streams_of((again, again), ())] == 2 * [
        (1, 2, None),
        (2, 1, None),
    ]


def test_a_case_tells_streams_of_its_main_state() -> None:
    streams = case_of((machine({500: [7]}), machine({})), (log([(1, ring(500, 0), 1)]),)).streams
    assert [stream.queue.name for stream in streams if stream.queue] == ["ROCr internal"]
    assert [stream.queue for stream in case_of((), (log([(1, ring(500, 0), 1)]),)).streams] == [None]
