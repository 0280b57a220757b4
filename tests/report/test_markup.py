"""Text made harmless, figures as people write them, bars as long as they say."""

import re

import pytest

from ringscope.report.markup import at, bar, bullets, clipped, duration, estimate, figure, visible


def test_visible_spells_out_what_cannot_be_seen() -> None:
    assert visible("a\u2066b\u200fc\0\ud800") == "a\\u2066b\\u200fc\\u0000\\ud800"
    assert visible("vectorAdd<float>(μ) 名") == "vectorAdd&lt;float&gt;(μ) 名"


@pytest.mark.parametrize(
    ("ns", "text"), [(0, "0 ns"), (999, "999 ns"), (13520, "13.52 µs"), (2_000_000_000, "2 s"), (0.25, "0.25 ns")]
)
def test_durations(ns: float, text: str) -> None:
    assert duration(ns) == text


@pytest.mark.parametrize(("value", "text"), [(0.12345, "0.1235"), (9999.4, "9999"), (1234567.0, "1235000"), (12, "12")])
def test_figures_have_no_exponent(value: float, text: str) -> None:
    assert figure(value) == text


def test_an_estimate_has_its_interval_where_there_is_one() -> None:
    assert estimate({"mean": 0.9961, "ci95": 0.00123}, 100) == "99.61 ± 0.12"
    assert estimate({"mean": 7.0, "ci95": None}) == "7"


def test_places_are_named_once_and_only_so_many() -> None:
    assert at([]) == ""
    assert at(["a:1", "a:1"]) == " <cite><bdi>a:1</bdi></cite>"
    assert at([f"a:{n}" for n in range(9)]).endswith("<bdi>a:5</bdi> and 3 more</cite>")
    assert len(clipped("x" * 2000)) < 900


def test_bars_are_as_long_as_their_share_of_the_whole() -> None:
    drawn = bar([("run", 24), ("slot", 36)], 60, limit=24)
    assert re.findall(r'class=(\w+) x="([\d.]+)" width="([\d.]+)"', drawn) == [
        ("run", "0.0", "400.0"),
        ("slot", "400.0", "600.0"),
    ]
    assert "M400.0 " in drawn
    assert 'width="0.0"' in bar([("run", 0)], 0, limit=0)


def test_an_empty_list_has_no_title() -> None:
    assert bullets("Notes", []) == []
