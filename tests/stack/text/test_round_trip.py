"""Writers against readers: real captures come out as they went in, and modelled machines go in as they came out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.evidence.collect import collect
from ringscope.parts.layout import Generation
from ringscope.snapshot import Device, Hqd, Process, Queue, Snapshot
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse
from ringscope.stack.text import capture, hqds, mqds

MOMENTS = [f"streams-{streams}/{moment}" for streams in (16, 32) for moment in ("baseline", "active", "after")]
PARTS = ["fiji", "vega10", "mi100", "mi210", "mi300x", "mi308x", "navi10", "navi21", "navi31", "navi48"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_real_capture_is_written_as_it_was_read(shared: Path, moment: str) -> None:
    folder = shared / "mi308x" / moment
    (snapshot,) = collect([folder]).snapshots
    assert mqds(snapshot) == (folder / "mqds").read_text()
    assert hqds(snapshot) == (folder / "hqds").read_text()


def written(snapshot: Snapshot, folder: Path) -> Path:
    for path, text in capture(snapshot).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


def on_vi(slot: Hqd) -> bool:
    return slot.image.layout.generation is Generation.VI


def slots(found: Iterable[Hqd]) -> list[tuple[object, ...]]:
    """Slots by place and registers; on VI the driver prints only the first 54."""
    return [
        (slot.xcc, slot.mec, slot.pipe, slot.queue, slot.image.data[: 4 * (54 if on_vi(slot) else 56)])
        for slot in found
    ]


def device(part: Device) -> tuple[object, ...]:
    """All of a device but where it was read."""
    runlist = None if part.runlist is None else part.runlist.words
    sdma = [(rlc.engine, rlc.rlc, rlc.registers) for rlc in part.sdma]
    hqds = slots(part.hqds)
    return part.node, part.gpu_id, part.generation, hqds, slots(part.hiqs), sdma, runlist, part.stopped, part.properties


def queue(part: Queue) -> tuple[object, ...]:
    return part.gpu_id, part.type.value[:4], [(mqd.xcc, mqd.image.data) for mqd in part.mqds]


def process(part: Process) -> tuple[object, ...]:
    return part.pid, part.pasid, [queue(one) for one in part.queues]


@pytest.mark.parametrize("part", PARTS)
def test_a_modelled_machine_reads_back_as_itself(part: str, tmp_path: Path) -> None:
    machine = MachineSpec.of(part, 2)
    run = rehearse(machine, [ProcessSpec((0, -1, 1, 0), gpu=gpu) for gpu in (0, 0, 1)])
    run.programs[0].rocr.copy_queues(machine.nodes[0])
    snapshot = run.snapshot()
    (read,) = collect([written(snapshot, tmp_path)], machine.nodes[0].generation).snapshots
    assert [device(one) for one in read.devices] == [device(one) for one in snapshot.devices]
    assert [process(one) for one in read.processes] == [process(one) for one in snapshot.processes]
    assert capture(read) == capture(snapshot)


@settings(max_examples=15, deadline=None)
@given(
    part=st.sampled_from(PARTS),
    processes=st.lists(st.lists(st.integers(-1, 1), min_size=1, max_size=8), min_size=0, max_size=4),
)
def test_whatever_runs_its_files_can_be_read_and_written_again(
    part: str, processes: list[list[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    machine = MachineSpec.of(part)
    snapshot = rehearse(machine, [ProcessSpec(tuple(streams)) for streams in processes]).snapshot()
    folder = written(snapshot, tmp_path_factory.mktemp("capture"))
    (read,) = collect([folder], machine.nodes[0].generation).snapshots
    assert capture(read) == capture(snapshot)
    assert not re.search(r"[^\x0a\x20-\x7e]", "".join(capture(snapshot).values()))
