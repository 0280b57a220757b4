from ringscope.recording import Clock, Kind
from ringscope.stack.journal import TICK_NS, Journal


def test_layers_share_one_order_and_are_told_apart() -> None:
    journal = Journal(pid=7)
    hip, thunk = journal.of("hip"), journal.of("thunk")
    hip(Kind.STREAM_CREATE, stream=1)
    thunk(Kind.QUEUE_CREATE, qid=0)
    hip(Kind.STREAM_DESTROY, stream=1)
    assert [event.time_ns for event in journal.events] == [0, TICK_NS, 2 * TICK_NS]
    assert [event.kind for event in journal.layer("hip")] == [Kind.STREAM_CREATE, Kind.STREAM_DESTROY]
    recording = journal.recording("thunk")
    assert (recording.origin, recording.facts["pid"], len(recording.events)) == ("thunk", 7, 1)
    assert {(event.clock, event.pid) for event in journal.events} == {(Clock.UNKNOWN, 7)}
