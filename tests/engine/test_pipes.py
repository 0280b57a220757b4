"""What it costs a pipe to turn to another queue."""

import pytest

from ringscope.engine.run import Engine
from ringscope.engine.spec import Costs, HostThread, Machine, Packet, Queue, Source, Spec, constant


@pytest.mark.parametrize(("slots", "turns"), [((0, 0), 39), ((0, 1), 0)])
def test_a_pipe_pays_for_every_turn_to_another_queue(slots: tuple[int, ...], turns: int) -> None:
    """Two threads in closed loops, one packet each at a time: on one pipe they alternate, on two nobody turns."""

    def end(switch_ns: int) -> int:
        spec = Spec(
            Machine(cus=(4,), pipes=2, slots=slots),
            (Queue(rank=0), Queue(rank=1)),
            tuple(HostThread(q, (Packet(queue=q, time=constant(1000)),)) for q in (0, 1)),
            (Source(limit=20), Source(limit=20)),
            costs=Costs(packet_ns=2000, queue_switch_ns=switch_ns),
        )
        engine = Engine(spec)
        engine.run(1_000_000)
        assert len(engine.log) == 40
        return int(engine.log["done"].max())

    assert end(500) - end(0) == turns * 500
