"""The tables of ``ringscope top``: of machines made by hand, at any width."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import GPU, machine, progress

from ringscope.report import live
from ringscope.report.terminal import Terminal
from ringscope.snapshot import Snapshot

DENIED = [(f"/sys/kernel/debug/kfd/{name}", "permission denied") for name in ("mqds", "hqds", "rls")]


def found(*snapshots: Snapshot, unread: list[tuple[str, str]] | None = None) -> dict[str, Any]:
    return live.data(progress(*snapshots), unread or [], [], {"mqds": 5, "hqds": 7})


def waiting(written: int) -> Snapshot:
    return machine({40: [7, 11], 41: [0]}, live={1: {"cp_hqd_pq_wptr_lo": written}})


def cells(shown: live.Table, title: str) -> list[str]:
    place = [column.title for column in shown.columns].index(title)
    return [row[place] for row in shown.rows]


def test_a_machine_that_is_well() -> None:
    data = found(waiting(0), waiting(0))
    assert live.head(data) == [("plain", "f7bc MI308X DPX · 3/24 slots · 2/13 processes · fits · HIQ 0 dw/s")]
    assert not live.findings(data)
    shown = live.table(data, sort="pid", width=200)
    assert cells(shown, "PRIO") == ["11 high", "7 med", "0 low"]
    assert cells(shown, "SLOT") == ["1.2", "0.2", "2.2"]
    assert set(cells(shown, "STATE")) == {"idle"}


def test_what_is_stuck_comes_first_and_is_told() -> None:
    data = found(waiting(32), waiting(32), waiting(64))
    assert live.findings(data)
    assert data["oldest_stuck"]["name"] == "HIP #1"
    assert live.head(data)[1] == ("alarm", "stuck longest: HIP #1 of 40, 4 packets waiting, none fetched for 2s")
    shown = live.table(data)
    assert cells(shown, "STATE") == ["stuck 2s", "idle", "idle"]
    assert shown.stuck == (True, False, False)
    processes = live.table(data, "processes")
    assert (cells(processes, "PID"), processes.stuck) == (["40", "41"], (True, False))
    assert cells(processes, "WAIT") == ["4", "0"]
    assert cells(live.table(data, sort="waiting"), "WAIT") == ["4", "0", "0"]


def test_more_queues_than_slots_are_an_alarm() -> None:
    data = found(machine({40: [7] * 13, 41: [7] * 12}))
    assert live.findings(data)
    assert live.head(data)[0] == (
        "alarm",
        "f7bc MI308X DPX · 24/24 slots · 2/13 processes · OVER-SUBSCRIBED · HIQ ? dw/s",
    )
    assert "no slot" in cells(live.table(data), "STATE")


def test_what_was_not_read_is_a_question_mark_and_never_a_zero() -> None:
    snapshot = machine({40: [7]}, sources=("proc",))
    listed = replace(snapshot.processes[0].queues[0], mqds=(), qid=3)
    bare = replace(snapshot, processes=(replace(snapshot.processes[0], queues=(listed,)),))
    data = found(bare, bare, unread=DENIED)
    shown = live.table(data, width=200)
    for title in ("PRIO", "SLOT", "PKT/s", "WAIT", "STATE", "DOORBELL", "RING", "SIZE"):
        assert cells(shown, title) == ["?"], title
    kind, line = live.head(data)[-1]
    assert kind == "unsure"
    assert line.startswith("not read: mqds (priorities, whose each slot is), hqds (slots, progress, the HIQ), rls")
    assert line.endswith("permission denied. sudo ringscope top shows it")


def test_sysfs_tells_of_memory_and_eviction() -> None:
    snapshot = machine({40: [7]})
    usage = {f"vram_{GPU}": 3 << 30, f"stats_{GPU}/evicted_ms": 1500, f"stats_{GPU}/cu_occupancy": 12}
    data = found(replace(snapshot, processes=(replace(snapshot.processes[0], usage=usage),)))
    shown = live.table(data, "processes")
    assert [cells(shown, title) for title in ("VRAM", "CUs", "EVICTED")] == [["3G"], ["12"], ["1.5s"]]


def test_a_name_that_a_process_chose_cannot_move_the_cursor() -> None:
    snapshot = machine({40: [7]})
    named = replace(snapshot, processes=(replace(snapshot.processes[0], name="a\x1b[2Jb\n"),))
    assert "\x1b" not in live.text(found(named), Terminal(width=80))
    assert cells(live.table(found(named)), "PROCESS") == ["a·[2Jb·"]


def test_an_idle_machine() -> None:
    text = live.text(found(machine({})), Terminal(width=80))
    assert "0/24 slots" in text
    assert "No process holds a queue." in text


@given(st.integers(1, 250), st.sampled_from(live.VIEWS), st.sampled_from(live.SORTS))
def test_a_table_fits_its_width(width: int, view: str, sort: str) -> None:
    data = found(waiting(10**9), waiting(10**9 + 1))
    shown = live.table(data, view, sort, width)
    assert shown.columns
    for row in shown.rows:
        assert all(len(cell) <= column.width for cell, column in zip(row, shown.columns, strict=True))
        assert len(live.aligned(shown, row)) <= max(width, 15)
    assert len(shown.rows) == len(data[view])


@given(st.floats(0, 1e15))
def test_a_number_takes_six_characters_at_most(number: float) -> None:
    assert len(live.short(number)) <= 6


@pytest.mark.parametrize(
    "number, text", [(0, "0"), (0.44, "0.44"), (9.99, "9.99"), (950, "950"), (12345, "12.3k"), (1.25e6, "1.25M")]
)
def test_numbers(number: float, text: str) -> None:
    assert live.short(number) == text
