"""How far queues got between readings, by hand and as properties."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from machines import machine, progress

from ringscope.snapshot import Snapshot

PACKET = 16  # dwords


def at(fetched: int, written: int, mapped: bool = True, **more: int) -> Snapshot:
    """A machine whose second queue fetched and was given so many packets; its ring holds 16384 of them."""
    pointers = {"cp_hqd_pq_rptr": fetched * PACKET % (1 << 18), "cp_hqd_pq_wptr_lo": written * PACKET}
    return machine({40: [7, 7]}, mapped=mapped, saved={1: pointers}, live={1: pointers}, **more)  # type: ignore[arg-type]


def test_one_reading_tells_no_rate() -> None:
    once = progress(at(3, 5))
    queue = once.state.queues[0]
    assert (once.fetched_per_second(queue), once.still_ns(queue), queue.fetched) == (None, None, 3)
    assert once.hiq_dwords_per_second(once.state.snapshot.devices[0]) is None


def test_packets_fetched_a_second() -> None:
    twice = progress(at(3, 5), at(10, 12))
    assert twice.fetched_per_second(twice.state.queues[0]) == 7
    assert twice.fetched_per_second(twice.state.queues[1]) == 0
    assert not twice.still_since


def test_a_queue_is_still_since_the_first_reading_that_shows_its_place() -> None:
    seen = progress(at(2, 4), at(3, 5), at(3, 5), at(3, 9))
    assert [seen.still_ns(queue) for queue in seen.state.queues] == [2_000_000_000, None]
    assert not progress(at(3, 5), at(3, 5), at(4, 9)).still_since


def test_what_waits_without_a_slot_is_not_stuck() -> None:
    assert not progress(at(3, 5, mapped=False), at(3, 5, mapped=False)).still_since
    assert not progress(at(3, 5), at(3, 5, mapped=False)).still_since


def test_a_queue_that_came_since_tells_no_rate() -> None:
    both = progress(machine({41: [7]}), at(5, 5))
    assert [both.fetched_per_second(queue) for queue in both.state.queues] == [None, None]
    fewer = progress(at(9, 9), at(1, 1))  # another queue at the same ring and doorbell
    assert fewer.fetched_per_second(fewer.state.queues[0]) is None


def test_dwords_on_the_hiq() -> None:
    moved = progress(at(0, 0, write_pointer=100), at(0, 0, write_pointer=117))
    assert moved.hiq_dwords_per_second(moved.state.snapshot.devices[0]) == 17
    back = progress(at(0, 0, write_pointer=100), at(0, 0, write_pointer=1))
    assert back.hiq_dwords_per_second(back.state.snapshot.devices[0]) is None


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), min_size=2, max_size=5))
def test_rates_follow_the_packets_though_the_read_pointer_wraps(steps: list[tuple[int, int]]) -> None:
    fetched = written = 0
    states = []
    for take, give in steps:
        written += give
        fetched = min(fetched + take, written)
        written = min(written, fetched + 16383)
        states.append((fetched, written))
    seen = progress(*(at(*state) for state in states))
    queue = seen.state.queues[0]
    assert queue.fetched == fetched
    assert seen.fetched_per_second(queue) == fetched - states[-2][0]
    stuck = states[-1][0] == states[-2][0] and all(w > f for f, w in states[-2:])
    assert (queue.identity in seen.still_since) == stuck
