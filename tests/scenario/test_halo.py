"""The halo exchange: who stands beside whom, who waits for whom, and what that makes of over-subscription."""

import pytest

pytest.importorskip("numba")

from hypothesis import given
from hypothesis import strategies as st

from ringscope.engine.spec import Op, Packet
from ringscope.scenario import halo
from ringscope.scenario.halo import Exchange, grid, neighbours
from ringscope.scenario.studies.study import MS, Desk


@given(st.integers(1, 200))
def test_a_grid_holds_every_rank_and_neighbours_are_mutual(ranks: int) -> None:
    columns, rows = grid(ranks)
    assert columns * rows == ranks and columns <= rows
    for which in (0, 1):
        pairs = {(rank, other) for rank in range(ranks) for other in neighbours(rank, columns, rows)[which]}
        assert all(0 <= other < ranks for _, other in pairs)
        assert pairs == {(other, rank) for rank, other in pairs}
    assert sum(len(side) for rank in range(ranks) for side in neighbours(rank, columns, rows)) == 2 * (
        (columns - 1) * rows + (rows - 1) * columns
    )


def test_a_prime_number_of_ranks_stands_in_a_line() -> None:
    assert grid(11) == (1, 11)
    assert neighbours(5, 1, 11) == ([], [4, 6])
    assert grid(12) == (3, 4)


@pytest.mark.parametrize("exchange", Exchange)
def test_an_iteration_sends_what_the_program_sends(exchange: Exchange) -> None:
    kernel = Packet()
    program = halo.Program(exchange, [kernel] * 4, [kernel] * 4, [kernel] * 4)
    program.iteration()
    kernels = sum(packet.op is Op.DISPATCH for packet in program.packets)
    waits = sum(packet.op is Op.BARRIER_AND for packet in program.packets)
    # 2 x 2 ranks: each has a stencil, two borders, and one neighbour on each of two sides.
    expected = {
        Exchange.HOST: (4 * (1 + 2 + 1 + 1), 8),
        Exchange.DEVICE: (4 * (1 + 2 + 1 + 1) + 8, 8 + 8),
        Exchange.BARRIER: (4 * (1 + 4 + 2), 0),
    }
    assert (kernels, waits) == expected[exchange]


def test_neighbours_that_must_read_cost_more_than_neighbours_that_must_have_packed() -> None:
    desk = Desk()
    host, device = (halo.iteration_ns(desk, exchange, 8, 4) for exchange in (Exchange.HOST, Exchange.DEVICE))
    assert host > 5 * halo.iteration_ns(desk, Exchange.HOST, 8, 1)
    assert device > 1.3 * host


def test_a_barrier_waits_for_the_last_share_of_the_runlist() -> None:
    quantum = 10 * MS
    two, three = (halo.iteration_ns(Desk(), Exchange.BARRIER, *shape) for shape in ((8, 4), (12, 4)))
    assert two == pytest.approx(quantum, rel=0.15)  # 40 queues: whoever is left out now is mapped next
    assert three == pytest.approx(2 * quantum, rel=0.15)  # 60 queues: two quanta pass until all were mapped


def test_the_order_of_the_race_changes_little_where_all_meet() -> None:
    built = halo.launch(Desk(), 8, 4)
    forward, backward = (
        halo._iteration_ns(Desk(), built, Exchange.BARRIER, order) for order in (list(range(8)), list(range(7, -1, -1)))
    )
    assert forward == pytest.approx(backward, rel=0.05)
