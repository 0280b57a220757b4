"""The notes' rates stand in two rooms that may not import each other: they must be the same."""

from ringscope.claims import figures
from ringscope.scenario.studies import notes


def test_rates_are_those_of_the_ledger() -> None:
    rates = {(rate.processes, rate.cus): rate for rate in notes.RATES}
    assert rates[1, 80].qps == figures.ONE_V5.low
    assert rates[1, 70].qps == figures.CUS_70.low
    assert rates[1, 60].qps == figures.CUS_60.low
    assert rates[2, 80].qps == figures.TWO_V5.low
    assert set(rates[2, 80].also) == {figures.TWO_V4_ES.low, figures.TWO_V5_SM.low}
    assert rates[2, 70].qps == figures.TWO_V5.low * (1 - figures.TWO_70_DROP.low / 100)
    assert rates[2, 60].qps == figures.TWO_V5.low * (1 - figures.TWO_60_DROP.low / 100)
    assert rates[4, 80].qps == figures.FOUR.low
    assert rates[6, 80].qps == figures.SIX_SM.low
    assert set(rates[6, 80].also) == {figures.SIX_V4.low, figures.SIX_V5_AR.low}
