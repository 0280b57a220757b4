from hypothesis import given
from hypothesis import strategies as st

from ringscope.scenario.sweep.front import front

Point = tuple[float, float]


def beats(a: Point, b: Point) -> bool:
    return a[0] <= b[0] and a[1] <= b[1] and a != b


@given(st.lists(st.tuples(st.integers(0, 8).map(float), st.integers(0, 8).map(float)), max_size=40))
def test_the_front_is_what_nothing_beats(points: list[Point]) -> None:
    best = front(points)
    unbeaten = {p for p in points if not any(beats(other, p) for other in points)}
    assert {points[i] for i in best} == unbeaten and len(best) == len(unbeaten)
    assert all(points.index(points[i]) == i for i in best)
    assert [points[i] for i in best] == sorted(points[i] for i in best)
