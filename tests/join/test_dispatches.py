from asking import kernels, recorded, told
from hypothesis import given
from hypothesis import strategies as st

from ringscope.join.dispatches import Kernel, Occupation, kernels_of, occupation
from ringscope.recording import Kind

EVENT = told(Kind.DISPATCH)


def kernel(begin: int, length: int, workgroups: int | None) -> Kernel:
    return Kernel(begin, begin + length, 1, None, workgroups, EVENT)


def test_kernels_in_order_of_their_beginning_with_their_workgroups() -> None:
    run = recorded(*kernels(2, 10, 20, 2, workgroups=3), *kernels(1, 0, 10, 1))
    found = kernels_of(run)
    assert [(k.pid, k.begin_ns, k.workgroups) for k in found] == [(1, 0, 320), (2, 10**7, 3), (2, 15 * 10**6, 3)]


def test_a_dispatch_without_times_or_sizes() -> None:
    run = recorded(
        told(Kind.DISPATCH),
        told(Kind.DISPATCH, begin=5),
        told(Kind.DISPATCH, end=5),
        told(Kind.DISPATCH, begin="soon", end=5),
        told(Kind.DISPATCH, begin=5, end=3),
        told(Kind.DISPATCH, begin=1, end=2, grid=9),
    )
    (only,) = kernels_of(run)
    assert only.workgroups is None
    assert occupation((only,), 80).filled_ns == 0


def test_sizes_by_dimension() -> None:
    def groups(grid: str, workgroup: str) -> int | None:
        (only,) = kernels_of(recorded(told(Kind.DISPATCH, begin=1, end=2, grid=grid, workgroup=workgroup)))
        return only.workgroups

    assert groups("1024,10,1", "256,4,1") == groups("1024x10x1", "256x4x1") == 4 * 3
    assert groups("1024", "256,4,1") is None
    assert groups("wide", "256") is None
    assert groups("1024", "0") is None


def test_side_by_side_kernels_fill_what_each_alone_does_not() -> None:
    pair = (kernel(0, 100, 50), kernel(50, 100, 50))
    full = occupation(pair, 80)
    assert (full.span_ns, full.busy_ns, full.filled_ns) == (150, 150, 50)
    assert occupation((), 80) == Occupation(0, 0, 0)
    assert (occupation((), 80).busy, occupation((), 80).filled) == (0.0, 0.0)
    later = occupation((kernel(1000, 100, 80), kernel(1300, 100, 79)), 80)
    assert (later.span_ns, later.busy_ns, later.filled_ns) == (400, 200, 100)
    assert (later.busy, later.filled) == (0.5, 0.25)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**4), st.integers(0, 500)), min_size=1, max_size=40))
def test_filled_is_never_more_than_busy_nor_busy_more_than_the_span(rows: list[tuple[int, int, int]]) -> None:
    full = occupation(tuple(sorted((kernel(*row) for row in rows), key=lambda k: k.begin_ns)), 80)
    assert 0 <= full.filled_ns <= full.busy_ns <= full.span_ns
    assert full.busy_ns <= sum(length for _, length, _ in rows)
