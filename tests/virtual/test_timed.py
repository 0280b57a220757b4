"""Kernels of real programs compete as a simulation says they do. Times are those of the model, from the recording."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

from exec_runs import Build, Ran, Runner
from virtual_machines import SLOTS, bench

from ringscope.cli import main
from ringscope.engine.spec import SpecError
from ringscope.parts.catalogue import find
from ringscope.recording import Kind
from ringscope.scenario.build import build, room
from ringscope.scenario.outcome import simulate
from ringscope.scenario.schema import parse
from ringscope.virtual.codeobject import Needs
from ringscope.virtual.faults import Fault
from ringscope.virtual.kernels import Policy
from ringscope.virtual.ring import Dispatch, Ring
from ringscope.virtual.rocm import Root

MS = 1_000_000
TWELVE = ["0"] * 4 + ["-1"] * 4 + ["1"] * 4
FULL = 208
"""Workgroups of 1024 work-items that an MI210's 104 CUs hold at once: 16 waves of 32 each."""


def job(workgroups: int, items: int = 1024, lds: int = 0) -> Dispatch:
    return Dispatch(1, (items, 1, 1), (items * workgroups, 1, 1), 0, lds, 0, 0)


def kernels(ran: Ran) -> list[dict[str, int]]:
    """What the program's kernels proper went through, in the order of their ends, in ns since the first was sent."""
    rows = [
        {"pid": event.pid or 0} | {name: int(event.attrs[name]) for name in ("qid", "sent", "begin", "end")}
        for event in ran.recording.of(Kind.DISPATCH)
        if event.attrs["how"] == "timed" and event.attrs["workgroup"] == "1024,1,1"
    ]
    start = min(row["sent"] for row in rows)
    return [row | {name: row[name] - start for name in ("sent", "begin", "end")} for row in rows]


def simulated(groups: int, launches: int, streams: str, processes: int, lasts_ms: int) -> float:
    """How long a request of the same shape takes in a simulation, the slowest counting; ns."""
    text = f"""
        [device]
        gpu = "mi210"
        [[kernel]]
        name = "fill"
        workgroups = {groups}
        workgroup_duration = "{lasts_ms} ms"
        waves = 16
        vgprs = 8
        [[process]]
        name = "one"
        count = {processes}
        streams = {streams}
        request = ["fill*{launches}"]
        requests = 1
        [run]
        horizon = "20 s"
        """
    scenario = parse(text, "scenario.toml", Path())
    log = simulate(build(scenario)).logs[0]
    return float((log["done"] - log["arrival"]).max())


@pytest.mark.parametrize("processes", [1, 2])
def test_two_programs_that_fill_the_device_share_it(
    processes: int, newest: Root, virtual: Runner, built: Build
) -> None:
    ran = virtual(
        newest, built(newest, "fill"), "gfx90a", str(processes), str(2 * FULL), "4", "0",
        options=("--kernels", "time", "--workgroup-time", "50ms"),
    )  # fmt: skip
    assert (ran.code, ran.out) == (0, "wrong 0\nend\n"), ran.err
    assert f"{5 * processes} kernels ran without computing" in ran.err
    ran.clean()
    rows = kernels(ran)
    assert len(rows) == 4 * processes and len({row["pid"] for row in rows}) == processes
    # 4 kernels of 2 rounds of 50 ms for each process; a part of a millisecond is the machinery's.
    assert 400 * processes * MS <= rows[-1]["end"] < (400 * processes + 60) * MS
    predicted = simulated(2 * FULL, 4, "1", processes, 50)
    assert rows[-1]["end"] == pytest.approx(predicted, rel=0.15)


def test_a_high_priority_waits_as_the_default_rules_say_it_does(newest: Root, virtual: Runner, built: Build) -> None:
    """Under them priorities reach the queues and have no effect (ringscope.engine.policies)."""
    ran = virtual(
        newest, built(newest, "fill"), "gfx90a", "1", str(FULL), "4", "0", "-1", "1",
        options=("--kernels", "time", "--workgroup-time", "50ms"),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    updates = {event.attrs["queue_id"]: event.attrs["queue_priority"] for event in ran.calls("UPDATE_QUEUE")}
    assert sorted(updates.values()) == [0, 11]
    rows = kernels(ran)
    ends = {qid: max(row["end"] for row in rows if row["qid"] == qid) for qid in {row["qid"] for row in rows}}
    assert len(ends) == 3
    predicted = simulated(FULL, 4, '["normal", "high", "low"]', 1, 50)
    # Served first, the HIGH queue would be done after a third of that; how far they drift apart is the host's doing.
    assert min(ends.values()) > predicted / 2
    assert max(ends.values()) >= 0.95 * predicted


def test_queues_beyond_the_slots_wait_and_all_get_their_turn(newest: Root, virtual: Runner, built: Build) -> None:
    ran = virtual(
        newest, built(newest, "fill"), "gfx90a", "3", str(FULL), "1", *TWELVE,
        options=("--kernels", "time", "--workgroup-time", "20ms"),
    )  # fmt: skip
    assert (ran.code, ran.out) == (0, "wrong 0\nend\n"), ran.err
    assert "over-subscribed: the slots changed hands" in ran.err
    rows = kernels(ran)
    assert len(rows) == 36
    assert rows[-1]["end"] >= 36 * 20 * MS  # the device is no larger for being over-subscribed
    assert max(row["begin"] - row["sent"] for row in rows) > 10 * MS  # somebody sat out a quantum
    assert max(row["end"] - row["begin"] for row in rows) > 30 * MS  # and somebody was taken off its slot


def together(workgroups: int, count: int) -> int:
    """From the start of the first of the kernels on as many queues to the end of the last."""
    with bench(Policy.TIME) as b:
        timed, rings = b.processor.kernels.timed, [b.ring() for _ in range(count)]
        assert timed
        flights = [timed.dispatch(ring, "k", job(workgroups), Needs(64, 8), True) for ring in rings]
        while not all(flight.ended for flight in flights):
            timed.finished()
        return max(flight.ended for flight in flights) - min(flight.began for flight in flights)


def test_modelled_time_grows_with_the_grid_and_with_company() -> None:
    one, two, many = (together(FULL * rounds, 1) for rounds in (1, 2, 20))
    assert 5_000 <= one < two < many
    assert many >= 100_000
    assert together(FULL * 20, 2) >= 2 * 100_000  # whether they met or not


def test_a_cu_mask_makes_its_queue_slower() -> None:
    with bench(Policy.TIME) as b:
        timed, ring = b.processor.kernels.timed, b.ring()
        assert timed
        timed.follow({ring: (SLOTS[0], 7, ((1,) * 8,))})  # the first CU of each of 8 shader engines
        flight = timed.dispatch(ring, "k", job(FULL), Needs(64, 8), True)
        while not flight.ended:
            timed.finished()
        # 2 workgroups at once on each of 8 CUs, where there are 104.
        assert flight.ended - flight.began >= FULL // 16 * 5_000


def test_kernels_of_one_queue_wait_for_each_other_by_the_barrier_bit() -> None:
    with bench(Policy.TIME) as b:
        timed, ring = b.processor.kernels.timed, b.ring()
        assert timed
        first, second = (timed.dispatch(ring, "k", job(1), Needs(), True) for _ in range(2))
        while not second.ended:
            timed.finished()
        assert first.ended <= second.began


def test_an_engine_that_has_seen_enough_is_replaced_between_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    with bench(Policy.TIME) as b:
        timed, ring = b.processor.kernels.timed, b.ring()
        assert timed
        began = []
        for changes in (2_000, 0, 0):
            monkeypatch.setattr("ringscope.virtual.timed._CHANGES", changes)
            flight = timed.dispatch(ring, "k", job(1), Needs(), True)
            monkeypatch.setattr("ringscope.virtual.timed._CHANGES", 2_000)
            b.seat()
            while not flight.ended:
                timed.finished()
            began.append(flight.began)
        assert began == sorted(set(began))


def test_what_no_cu_holds_is_a_fault() -> None:
    with bench(Policy.TIME) as b:
        timed = b.processor.kernels.timed
        assert timed
        with pytest.raises(Fault, match="does not fit"):
            timed.dispatch(b.ring(), "k", job(1, lds=1 << 17), Needs(), True)


def test_a_queue_that_goes_takes_its_kernels_with_it() -> None:
    with bench(Policy.TIME) as b:
        timed = b.processor.kernels.timed
        assert timed
        gone, stays = b.ring(), b.ring()
        for ring in (gone, stays):
            timed.dispatch(ring, "k", job(1), Needs(), True)
        b.processor.remove(gone)
        b.seat()
        done: list[Ring] = []
        while not done:
            done += [flight.ring for flight in timed.finished()]
        assert done == [stays]


def test_registers_and_wave_size_are_read_from_the_descriptor() -> None:
    descriptor = bytes(48) + (7).to_bytes(4, "little") + bytes(4) + (1 << 10).to_bytes(2, "little") + bytes(6)
    assert Needs.read(descriptor, "90a") == Needs(64, 64)
    assert Needs.read(descriptor, "906") == Needs(64, 32)
    assert Needs.read(descriptor, "1100") == Needs(32, 64)
    with pytest.raises(SpecError):
        room(find("mi210"), 16, 1024, 0)


def test_without_numba_one_line_says_what_to_install() -> None:
    script = "import sys; sys.modules['numba'] = None; from ringscope.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "exec", "--kernels", "time", "--", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ringscope: simulating needs Numba and NumPy; pip install 'ringscope[sim]'\n"


@pytest.mark.parametrize("lasts", ["3", "0us", "3s"])
def test_a_workgroup_lasts_a_time(lasts: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exec", "--workgroup-time", lasts, "--", "true"]) == 2
    assert capsys.readouterr().err.startswith("ringscope: --workgroup-time: ")
