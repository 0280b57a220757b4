"""Host threads: who waits for a place in a full ring, and where that time is charged."""

from ringscope.engine.run import Engine
from ringscope.engine.spec import HostThread, Machine, Packet, Queue, Room, Source, Spec, constant


def test_a_thread_waits_for_a_place_in_the_ring_behind_those_that_wait_already() -> None:
    one = Packet(time=constant(1000), need=Room(1, 0, 0))
    spec = Spec(
        Machine(cus=(1,), cu=Room(1, 0, 0, 1)),
        (Queue(ring_packets=3),),
        (HostThread(0, (one,) * 10), HostThread(1, (one,))),
        (Source(limit=1), Source(start_ns=10, limit=1)),
    )
    engine = Engine(spec, trace=True)
    engine.run(20_000)
    # Two places: the first thread's third packet goes in at 1000, the second thread's at 2000.
    sent = {int(row["packet"]): int(row["sent"]) for row in engine.trace}
    assert [sent[packet] for packet in (0, 1, 2, 10, 3)] == [0, 0, 1000, 2000, 3000]
    second = engine.log[engine.log["thread"] == 1][0]
    assert (int(second["host"]), int(second["run"]), int(second["done"])) == (1990, 1000, 4000)


def test_a_ring_that_is_never_full_changes_nothing() -> None:
    def log(ring_packets: int) -> bytes:
        thread = HostThread(0, (Packet(time=constant(500)),) * 8)
        engine = Engine(Spec(Machine(), (Queue(ring_packets=ring_packets),), (thread,), (Source(),)))
        engine.run(50_000)
        return engine.log.tobytes()

    assert log(9) == log(16384)
