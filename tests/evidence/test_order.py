"""Snapshots without a common pointer go by the names that people give moments; labels tell all places apart."""

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from ringscope.evidence.draft import Draft
from ringscope.evidence.order import in_order, labels_of

PARTS = st.sampled_from(["a", "b", "run", "after", "before"])
PLACES = st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: PurePosixPath("/", *parts))


def named(*names: str, given: int = 0) -> list[Draft]:
    return [Draft(PurePosixPath(name), given) for name in names]


def test_moments_are_in_their_order_whatever_the_alphabet_says() -> None:
    ordered, (note,) = in_order(named("x/after", "x/during", "x/baseline"), {})
    assert [draft.place.name for draft in ordered] == ["baseline", "during", "after"]
    assert note.startswith("snapshots are in the order of their names")


def test_numbers_count_and_what_was_given_first_comes_first() -> None:
    ordered, _ = in_order(named("s10", "s9"), {})
    assert [draft.place.name for draft in ordered] == ["s9", "s10"]
    ordered, _ = in_order([*named("before", given=1), *named("after", given=0)], {})
    assert [draft.place.name for draft in ordered] == ["after", "before"]


def test_one_snapshot_needs_no_order() -> None:
    only = named("after")
    assert in_order(only, {}) == (only, ())


@given(st.lists(PLACES, min_size=1, max_size=6, unique=True))
def test_labels_are_the_shortest_ends_that_tell_places_apart(places: list[PurePosixPath]) -> None:
    labels = labels_of(places)
    assert len(set(labels)) == len(places)
    for place, label in zip(places, labels, strict=True):
        assert str(place).endswith(label)
    depth = max(len(PurePosixPath(label).parts) for label in labels)
    if depth > 1:
        shorter = [str(PurePosixPath(*place.parts[-(depth - 1) :])) for place in places]
        assert len(set(shorter)) < len(places)
