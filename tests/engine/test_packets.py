"""Copies while the runlist is replaced, under either reading."""

import pytest

from ringscope.engine.policies import Policies, Sdma
from ringscope.engine.run import Engine
from ringscope.engine.spec import (
    Change,
    Control,
    Costs,
    HostThread,
    Machine,
    Op,
    Packet,
    Queue,
    Source,
    Spec,
    constant,
)


@pytest.mark.parametrize(("sdma", "started"), [(Sdma.UNTOUCHED, 30), (Sdma.REMAPPED, 0)])
def test_copies_while_the_runlist_is_replaced(sdma: Sdma, started: int) -> None:
    spec = Spec(
        Machine(),
        (Queue(), Queue(rank=1, active=False), Queue(sdma_engine=0)),
        (HostThread(0, (Packet(Op.COPY, 2, time=constant(100)),)),),
        (Source(),),
        controls=(Control(5_050, Change.CREATE, 1),),
        costs=Costs(save_ns=1000, map_ns=2000),
        policies=Policies(sdma=sdma),
    )
    engine = Engine(spec, trace=True)
    engine.run(10_000)
    first = engine.trace["first"]
    assert int(((first > 5_050) & (first < 8_050)).sum()) == started
    assert int((first == 5_000).sum()) == 1  # the one under way ends
    assert int((first >= 8_050).sum()) >= 19
