"""The HIQ account: packet costs, the ring's end, and the search for an explanation."""

from hypothesis import given
from hypothesis import strategies as st

from ringscope.join.intervals import HIQ_RING_DWORDS, Step, _Plan, price


def dwords(steps: tuple[Step, ...]) -> int:
    return sum(step.dwords for step in steps)


def test_five_creations_from_empty_cost_72_dwords() -> None:
    assert dwords(price(0x2F, _Plan(5, 0, 0), active=0)) == 4 + 4 * 17


def test_five_destructions_to_empty_cost_81_dwords() -> None:
    assert dwords(price(0x2F, _Plan(0, 0, 5), active=5)) == 4 * 17 + 13


def test_process_death_takes_one_unmap_and_query() -> None:
    assert dwords(price(0, _Plan(0, 0, 0, exits=(5,)), active=5)) == 13
    assert dwords(price(0, _Plan(0, 0, 0, exits=(5,)), active=8)) == 17


def test_priority_streams_of_the_reference_log_cost_123_dwords() -> None:
    # utility queue, then four streams of which three are not NORMAL
    assert dwords(price(0, _Plan(5, 3, 0), active=0)) == 123


def test_real_machine_three_runs_in_a_row() -> None:
    # HIQ write pointers of the MI308X captures: 32, 64 and 16 streams, the second crosses the ring's end
    pointer, seen = 0x8FB, []
    for _ in range(3):
        pointer += dwords(price(pointer, _Plan(5, 0, 0), active=0))
        seen.append(pointer)
        pointer += dwords(price(pointer, _Plan(0, 0, 5), active=5))
        seen.append(pointer)
    assert seen == [0x943, 0x994, 0x9DC, 0xA2F, 0xA77, 0xAC8]


@given(st.integers(0, 4 * HIQ_RING_DWORDS), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_padding_is_the_only_thing_that_depends_on_where_the_pointer_stands(
    start: int, creates: int, updates: int, active: int
) -> None:
    plan = _Plan(creates, updates, creates + active)
    steps = price(start, plan, active)
    without = [step for step in steps if step.what != "nop"]
    assert sum(step.dwords for step in without) == sum(
        step.dwords for step in price(0, plan, active) if step.what != "nop"
    )
    assert {step.what: step.count for step in without} == {
        what: count
        for what, count in (("create", creates), ("update", updates), ("destroy", creates + active))
        if count
    }
