from pathlib import Path

import numpy as np
import pytest

from ringscope.scenario.build import build
from ringscope.scenario.outcome import Outcome, simulate
from ringscope.scenario.schema import parse
from ringscope.scenario.sweep.results import EACH, Asked, Runs, names, plain, read_out, results

TEXT = """\
[[kernel]]
name = "attention"
workgroups = 80
duration = "40 us"
[[process]]
name = "one"
count = 2
request = ["attention*2"]
[[process]]
name = "two"
arrival = "poisson"
interval = "200 us"
request = ["attention"]
[run]
horizon = "1 ms"
warmup = "300 us"
"""


def outcome(replications: int, seed: int, text: str = TEXT) -> Outcome:
    more = f"replications = {replications}\nseed = {seed}\n"
    return simulate(build(parse(text + more, "s.toml", Path())))


@pytest.mark.parametrize("replications", [1, 3])
def test_results_are_those_of_the_outcome(replications: int) -> None:
    one = outcome(replications, 5)
    found = results(one)
    assert tuple(found) == names(["one", "two"])
    assert found["requests_per_s"] == one.per_second.mean
    assert (found["cu_busy"], found["slots_used"]) == (one.cu_busy.mean, one.slots_used.mean)
    assert found["events"] == sum(total.events for total in one.totals) / replications
    assert found["requests"] == sum(share.requests for share in one.shares) > 0
    assert sum(value for name, value in found.items() if name.endswith("_share")) == pytest.approx(1)
    for share in one.shares:
        got = [found[f"{share.kind.name}.{name}"] for name in EACH]
        assert got == [share.per_second.mean, pytest.approx(share.mean_ns), share.p50_ns, share.p99_ns]


def test_many_points_at_once_give_what_each_gives_alone() -> None:
    quiet = TEXT.replace('"40 us"', '"2 ms"')
    every = [outcome(1, 1), outcome(3, 2), outcome(1, 3, quiet), outcome(2, 4, quiet), outcome(1, 9)]
    totals = [totals for one in every for totals in one.totals]
    logs = [log for one in every for log in one.logs]
    counted = {
        name: np.array([getattr(one, name) for one in totals])
        for name in ("busy_cu_ns", "slot_ns", "runlists", "rotations", "preemptions", "events")
    }
    runs = Runs(counted, np.concatenate(logs), np.cumsum([len(log) for log in logs]))
    found = read_out([Asked.of(one.built.scenario, one.built) for one in every], runs, ["one", "two"])
    for at, one in enumerate(every):
        assert {name: plain(values[at]) for name, values in found.items()} == results(one)
    assert np.isnan(found["p99_ns"][2:4]).all()
