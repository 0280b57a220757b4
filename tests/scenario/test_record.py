"""A simulated run is answered by the same verdicts as a capture and a trace."""

from functools import cache
from pathlib import Path

import pytest
from asking import NO, YES

pytest.importorskip("numba")

from ringscope.engine.run import Engine
from ringscope.join import case_of
from ringscope.join.dispatches import kernels_of
from ringscope.recording import Clock, Kind, Recording
from ringscope.scenario.build import Built, build
from ringscope.scenario.record import Fullness, Names, recording
from ringscope.scenario.schema import load
from ringscope.snapshot import Snapshot
from ringscope.verdicts import answers
from ringscope.verdicts.answer import Answer

EXAMPLES = Path(__file__).parents[2] / "examples"


@cache
def run(name: str) -> tuple[Built, Recording, Snapshot]:
    """An example, its recording, and what its machine shows at the end."""
    built = build(load(EXAMPLES / f"{name}.toml"))
    engine = Engine(built.spec, trace=True)
    engine.run(min(built.scenario.horizon_ns, 200_000_000))
    return built, recording(Names.of(built), engine), built.snapshot(engine.state, "end")


def asked(name: str) -> dict[str, Answer]:
    _, recorded, snapshot = run(name)
    return {answer.id: answer for answer in answers(case_of((snapshot,), (recorded,)))}


def test_every_dispatch_is_there_with_its_process_time_and_size() -> None:
    built, recorded, _ = run("two-processes")
    dispatches = list(recorded.of(Kind.DISPATCH))
    assert len(dispatches) == recorded.counters["dispatches"] > 100
    assert {event.pid for event in dispatches} == {member.pid for member in built.members}
    assert {event.clock for event in dispatches} == {Clock.SIMULATED}
    assert {kernel.workgroups for kernel in kernels_of(recorded)} <= {
        kernel.workgroups for kernel in built.scenario.kernels.values()
    }
    assert [event.attrs["end"] for event in dispatches] == sorted(int(event.attrs["end"]) for event in dispatches)


def test_copies_are_told_apart() -> None:
    _, recorded, _ = run("fork-join")
    assert sum(1 for _ in recorded.of(Kind.COPY)) > 0


@pytest.mark.parametrize("name", ["over-subscribed", "coming-and-going", "two-processes"])
def test_slots_are_held_as_long_as_the_engine_counts(name: str) -> None:
    built = build(load(EXAMPLES / f"{name}.toml"))
    engine = Engine(built.spec, trace=True)
    engine.run(100_000_000)
    recorded = recording(Names.of(built), engine, Fullness.of(engine))
    stays = recorded.residencies()
    assert sum(stay.end_ns - stay.begin_ns for stay in stays) == engine.totals.slot_ns
    assert sum(1 for _ in recorded.of(Kind.RUNLIST)) == engine.totals.runlists
    assert len({(s.pipe, s.queue) for s in stays}) <= len(built.slots)
    assert {event.attrs["xcc"] for event in recorded.of(Kind.OCCUPANCY)} == set(range(built.node.xccs))
    assert all(0 <= int(event.attrs["cus"]) <= built.node.cus for event in recorded.of(Kind.OCCUPANCY))


def test_a_saturated_device_sends_no_runlist_for_its_dispatches() -> None:
    found = asked("two-processes")
    assert found["saturated"].verdict is YES
    assert found["runlists-while-running"].verdict is NO
    assert found["active-runlist"].verdict is NO
    assert found["per-process"].summary.endswith("/s in total")
    assert not any(answer.finding for answer in found.values())


def test_an_over_subscribed_one_is_found_out() -> None:
    found = asked("over-subscribed")
    assert found["over-subscribed"].summary.endswith("30 of 24 queues, since process 4246")
    assert found["shared-slot"].verdict is YES
    assert found["runlists-while-running"].verdict is NO


def test_queue_changes_account_for_their_runlists() -> None:
    _, recorded, _ = run("coming-and-going")
    assert recorded.counters["runlists"] == recorded.counters["queue-changes"] > 0
    assert asked("coming-and-going")["runlists-while-running"].verdict is NO


@pytest.mark.parametrize("name", ["two-processes", "fork-join"])
def test_the_same_run_is_recorded_the_same(name: str) -> None:
    _, first, _ = run(name)
    run.cache_clear()
    assert run(name)[1] == first


def test_a_recording_that_ends_before_the_run_says_so() -> None:
    built = build(load(EXAMPLES / "two-processes.toml"))
    engine = Engine(built.spec, trace=True)
    engine.run(built.scenario.horizon_ns // 4)
    (note,) = recording(Names.of(built), engine).notes
    assert "traced to 50 ms of 200 ms" in note
    engine.run(built.scenario.horizon_ns)
    assert recording(Names.of(built), engine).notes == ()
