"""Who is stopped by a queue that changes."""

import pytest

pytest.importorskip("numba")

from ringscope.scenario.studies import mes_vs_cpsch
from ringscope.scenario.studies.study import Desk


def test_a_change_of_a_queue_stops_bystanders_under_cpsch_only() -> None:
    for gpu, hurt in (("mi308x", True), ("navi31", False)):
        still, moving = (mes_vs_cpsch._p99(Desk(), gpu, 1, 0, changes)[0] for changes in (0, 500))
        assert (moving > 1.05 * still) is hurt


def test_the_conclusion_follows_the_figures() -> None:
    worse = {(scheduler, load): 5.0 for scheduler in ("CPSCH", "MES") for load in mes_vs_cpsch.BUSY}
    said = list(mes_vs_cpsch._conclusion(worse, {"CPSCH": 1.0, "MES": 1.0}))
    assert all("no difference" in sentence for sentence in said[:-1])
    assert said[-1] == "queue changes hurt no bystander"
