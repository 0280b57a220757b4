from dataclasses import fields, replace

import pytest

from ringscope.engine.costs import COSTS, costs_for
from ringscope.engine.policies import Scheduler
from ringscope.engine.run import Engine
from ringscope.engine.spec import Costs, HostThread, Machine, Packet, Queue, Room, Source, Spec, constant


def _busy(costs: Costs) -> bytes:
    """Completions on a device with more busy queues than slots, two of them on one pipe, under CPSCH and under MES."""
    packet = Packet(workgroups=30, time=constant(400_000), need=Room(waves=4, vgprs=0, lds=0))
    logs = b""
    for scheduler in (Scheduler.CPSCH, Scheduler.MES):
        spec = Spec(
            Machine(cus=(2,), cu=Room(8, 0, 0, 4), pipes=1, slots=(0, 0), processes=2, scheduler=scheduler),
            tuple(Queue(process=n, rank=n) for n in range(3)),
            tuple(HostThread(n, (replace(packet, queue=n), replace(packet, queue=n))) for n in range(3)),
            tuple(Source() for _ in range(3)),
            costs=costs,
        )
        engine = Engine(spec)
        engine.run(60_000_000)
        assert engine.totals.preemptions > 0
        logs += engine.log.tobytes()
    return logs


@pytest.mark.parametrize("name", [field.name for field in fields(Costs)])
def test_every_cost_is_charged(name: str) -> None:
    costs = costs_for("gfx942")
    dearer = replace(costs, **{name: 3 * getattr(costs, name) + 1_000})
    assert _busy(dearer) != _busy(costs)


def test_the_longest_match_of_a_gfx_name_counts() -> None:
    assert costs_for("gfx1151").packet_ns == 790
    assert costs_for("gfx1100").packet_ns == 1270
    assert costs_for("gfx942").packet_ns == 340
    assert costs_for("gfx942", packet_ns=1).packet_ns == 1


def test_every_row_says_what_it_rests_on() -> None:
    assert [row.name for row in COSTS if not (row.source and row.holds_for)] == []
    assert {row.name for row in COSTS} == {field.name for field in fields(Costs)}
