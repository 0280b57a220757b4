"""Published measurements that the defaults must give: sharing between two processes, the cost of a dispatch.

Row numbers are those of the collected measurements: M4 and M9 to M11 were taken on an MI50 (60 CUs, 40 waves a CU), M20
on a gfx90a.
"""

import pytest

from ringscope.engine.costs import costs_for
from ringscope.engine.policies import Dispatch, Policies
from ringscope.engine.run import Engine
from ringscope.engine.spec import (
    VGPR_UNITS_PER_SIMD,
    HostThread,
    Machine,
    Packet,
    Queue,
    Room,
    Source,
    Spec,
    constant,
)

VGPRS = 4 * VGPR_UNITS_PER_SIMD
MI50 = Machine(cus=(15,) * 4, cu=Room(40, VGPRS, 65536, 40))
COSTS = costs_for("gfx906", wake_ns=0)
BLACK_SCHOLES, EULER = 4.67, 1.27
# Neither program's registers are published: workgroups a CU of Black-Scholes (8 waves each), of euler3d's flux kernel
# and of its light ones (3 waves). The outcome does not hang on one choice.
OCCUPANCY = [(2, 3, 9), (2, 6, 9), (3, 4, 6), (3, 6, 6)]


def kernel(queue: int, workgroups: int, alone_us: float, waves: int, a_cu: int) -> Packet:
    """A kernel that takes ``alone_us`` on the idle device, from dispatch to dispatch."""
    a_cu = min(a_cu, 40 // waves)
    rounds = -(-workgroups // (60 * a_cu))
    time = (round(alone_us * 1000) - COSTS.packet_ns - COSTS.barrier_ns) // rounds
    return Packet(queue=queue, workgroups=workgroups, time=constant(time), need=Room(waves, VGPRS // a_cu, 0))


def programs(scholes: int, flux: int, light: int) -> list[tuple[Packet, ...]]:
    """M9: kernels of 3907 workgroups and 141 us, back to back. M10: a copy and seven kernels in 520 us."""
    black_scholes = (kernel(0, 3907, 140.8, 8, scholes),) * 64
    steps = [kernel(1, 1042, 30, 4, light), kernel(1, 1042, 25, 3, light)]
    for _ in range(3):
        steps += [kernel(1, 1042, 125, 3, flux), kernel(1, 1042, 30, 3, light)]
    return [black_scholes, tuple(steps)]


def mean_latency(requests: list[tuple[Packet, ...]], dispatch: Dispatch, until: int) -> list[float]:
    spec = Spec(
        MI50,
        (Queue(process=0, rank=0), Queue(process=1, rank=1)),
        tuple(HostThread(i, packets) for i, packets in enumerate(requests)),
        (Source(),) * len(requests),
        costs=COSTS,
        policies=Policies(dispatch=dispatch),
    )
    engine = Engine(spec)
    engine.run(until)
    log = engine.log
    return [
        float((rows["done"] - rows["arrival"]).mean())
        for i in range(len(requests))
        for rows in [log[log["thread"] == i]]
    ]


def slowdowns(occupancy: tuple[int, int, int], dispatch: Dispatch) -> tuple[float, float]:
    both = programs(*occupancy)
    alone = [mean_latency([packets], dispatch, 12_000_000)[0] for packets in both]
    assert alone[0] == pytest.approx(64 * 140.8e3, rel=0.03)
    assert alone[1] == pytest.approx(520e3, rel=0.03)
    together = mean_latency(both, dispatch, 60_000_000)
    return together[0] / alone[0], together[1] / alone[1]


@pytest.mark.parametrize("occupancy", OCCUPANCY)
def test_large_workgroups_against_small_ones(occupancy: tuple[int, int, int]) -> None:
    large, small = slowdowns(occupancy, Dispatch.FREE_SLOT)
    assert large == pytest.approx(BLACK_SCHOLES, rel=0.15)
    assert small == pytest.approx(EULER, rel=0.15)
    # M13 and M4: what one loses the other has; nothing is gained and nothing is lost.
    assert 1 / large + 1 / small == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize("dispatch", [Dispatch.EQUAL_SHARE, Dispatch.KERNEL])
@pytest.mark.parametrize("occupancy", OCCUPANCY[:2])
def test_neither_processor_sharing_nor_whole_kernels_in_turn_give_it(
    occupancy: tuple[int, int, int], dispatch: Dispatch
) -> None:
    large, small = slowdowns(occupancy, dispatch)
    assert abs(large / BLACK_SCHOLES - 1) > 0.3
    assert abs(small / EULER - 1) > 0.15


def test_two_equal_processes_share_equally_and_conserve_work() -> None:
    """M4: two closed loops of one model get equal shares; their sum is 1.06 of one alone."""
    model = tuple(kernel(0, 300, 60, 4, 5) for _ in range(20))
    other = tuple(kernel(1, 300, 60, 4, 5) for _ in range(20))
    alone = mean_latency([model], Dispatch.FREE_SLOT, 30_000_000)[0]
    first, second = mean_latency([model, other], Dispatch.FREE_SLOT, 60_000_000)
    assert first == pytest.approx(second, rel=0.05)
    assert 1.0 <= alone / first + alone / second <= 1.12


@pytest.mark.parametrize(("nominal_us", "measured_us"), [(5, 5.758), (50, 50.719)])
def test_a_dependent_dispatch_on_gfx90a_costs_three_quarters_of_a_microsecond(
    nominal_us: int, measured_us: float
) -> None:
    machine = Machine(cus=(13,) * 8, cu=Room(32, VGPRS, 65536, 32))
    packet = Packet(workgroups=1, time=constant(nominal_us * 1000))
    spec = Spec(
        machine,
        (Queue(),),
        (HostThread(0, (packet,) * 2000),),
        (Source(limit=1),),
        costs=costs_for("gfx90a", wake_ns=0),
    )
    engine = Engine(spec)
    engine.run(1_000_000_000)
    row = engine.log[0]
    assert (row["done"] - row["arrival"]) / 2000 / 1000 == pytest.approx(measured_us, abs=0.05)
