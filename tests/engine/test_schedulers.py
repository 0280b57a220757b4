"""MES: how long a process keeps its slot under either reading of the two quanta."""

from ringscope.engine.policies import Gangs, Policies, Scheduler
from ringscope.engine.run import Engine
from ringscope.engine.spec import Costs, HostThread, Machine, Packet, Queue, Source, Spec, constant


def rotations(gangs: Gangs, owners: tuple[int, int]) -> int:
    """Two busy queues on one slot, of one process or of two."""
    spec = Spec(
        Machine(pipes=1, slots=(0,), scheduler=Scheduler.MES),
        tuple(Queue(owner, rank) for rank, owner in enumerate(owners)),
        tuple(HostThread(q, (Packet(queue=q, time=constant(700)),) * 2) for q in (0, 1)),
        (Source(), Source()),
        costs=Costs(gang_quantum_ns=1_000, process_quantum_ns=10_000),
        policies=Policies(gangs=gangs),
    )
    engine = Engine(spec)
    engine.run(100_000)
    return engine.totals.rotations


def test_a_process_may_keep_its_slot_for_its_own_quantum() -> None:
    often = rotations(Gangs.GANG_QUANTUM, (0, 1))
    seldom = rotations(Gangs.PROCESS_QUANTUM, (0, 1))
    assert 80 <= often <= 100
    assert 8 <= seldom <= 10
    assert rotations(Gangs.PROCESS_QUANTUM, (0, 0)) == rotations(Gangs.GANG_QUANTUM, (0, 0)) == often
