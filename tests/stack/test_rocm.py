import pytest

from ringscope.errors import InputError
from ringscope.parts.fidelity import Standing
from ringscope.stack import rocm
from ringscope.stack.rocm import RocmVersion, ThunkPriority


@pytest.mark.parametrize(("text", "name"), [("7.0", "7.0"), ("6.4.3", "6.4"), ("develop", "develop")])
def test_versions_are_read(text: str, name: str) -> None:
    assert str(RocmVersion.parse(text)) == name


@pytest.mark.parametrize("text", ["", "seven", "7", "7.0-rc", "7.0\n", "4.4", "-1.0", "9" * 5000])
def test_others_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as error:
        RocmVersion.parse(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("table", rocm.RULES.values(), ids=rocm.RULES)
def test_eras_are_in_order_and_reach_back_to_the_oldest_release(table: tuple[rocm.Era[object], ...]) -> None:
    assert table[0].since == rocm.OLDEST
    bounds = [bound for era in table for bound in (era.since, era.until)]
    assert bounds == sorted(bounds)
    assert all(era.source for era in table)


def test_high_changed_with_6_2_and_what_nobody_measured_says_so() -> None:
    assert RocmVersion((6, 1)).value(rocm.HIGH) is ThunkPriority.MAXIMUM
    assert RocmVersion((6, 2)).value(rocm.HIGH) is ThunkPriority.HIGH
    assert not RocmVersion((6, 4)).inferred(rocm.TEARDOWN)
    assert RocmVersion((6, 1)).inferred(rocm.TEARDOWN)


def test_what_was_measured_or_logged_stands_higher_than_what_was_read() -> None:
    standing = {behaviour.source: behaviour.standing for behaviour in rocm.FIDELITY}
    eras = {era.source for table in rocm.RULES.values() for era in table}
    assert standing.keys() == eras
    for source, found in standing.items():
        assert (found is Standing.CAPTURED) == ("measured" in source or "log" in source)
    assert {Standing.CAPTURED, Standing.SOURCE} == set(standing.values())
