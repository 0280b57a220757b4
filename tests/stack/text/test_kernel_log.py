"""The driver's lines, and what the reader of kernel texts makes of them."""

from __future__ import annotations

import io

import pytest

from ringscope.evidence import kernel_text
from ringscope.recording import Event, Kind
from ringscope.records import replace
from ringscope.stack.kfd import Kfd
from ringscope.stack.machine import MachineSpec, Scheduling
from ringscope.stack.rehearse import ProcessSpec, Rehearsal, rehearse
from ringscope.stack.text import kernel_log, kfd_trace

CREATED = ("qid", "priority", "ring_base", "ring_bytes", "gpu_id", "doorbell")


def run(part: str = "mi308x", streams: int = 2) -> Rehearsal:
    done = rehearse(MachineSpec.of(part), [ProcessSpec((-1,) * streams), ProcessSpec((0,))])
    done.programs[0].exit()
    done.programs[1].die()
    return done


def read(text: str, *kinds: Kind) -> list[Event]:
    return list(kernel_text.read(io.BytesIO(text.encode()), "log").of(*kinds))


def asked(kfd: Kfd, *kinds: Kind) -> list[Event]:
    """Ioctls of the driver: a dead process's queues are not asked for."""
    return [event for event in kfd.events if event.kind in kinds and "at_exit" not in event.attrs]


def test_a_creation_is_told_around_the_runlist_it_caused() -> None:
    lines = kernel_log(run().kfd.events).splitlines()
    first = lines[: next(at for at, line in enumerate(lines) if "Write ptr" in line) + 1]
    assert [line.partition("amdgpu: ")[2] for line in first] == [
        "Creating queue ioctl",
        "Queue Percentage: 100, 100",
        "Queue Priority: 7, 7",
        "Queue Address: 0x7F7FFFFFF000, 0x7F7FFFFFF000",
        "Queue Size: 0x1000, 4096",
        "Queue r/w Pointers: 00007f7fffffe080, 00007f7fffffe038",
        "Looking for gpu id 0xa9c3",
        "Creating queue for process pid 4242 on gpu 0xa9c3",
        "Building runlist ib process count: 1 queues count 1",
        "Finished map process and queues to runlist",
        "runlist IB address: 0xFCDE00",
        "map_queues_cpsch sent runlist",
        "Queue Doorbell Offset: 4096",
        "Queue id 0 was created successfully",
        "Ring buffer address == 0x00007F7FFFFFF000",
        "Read ptr address    == 0x00007F7FFFFFE080",
        "Write ptr address   == 0x00007F7FFFFFE038",
    ]
    assert first[0].startswith("[    0.0000")


@pytest.mark.parametrize("part", ["mi308x", "mi210", "navi31", "fiji"])
def test_the_kernel_log_reads_back(part: str) -> None:
    kfd = run(part).kfd
    text = kernel_log(kfd.events)
    assert kernel_text.read(io.BytesIO(text.encode()), "log").counters["unknown_lines"] == 0
    created, real = read(text, Kind.QUEUE_CREATE), asked(kfd, Kind.QUEUE_CREATE)
    assert [{name: event.attrs[name] for name in CREATED} for event in created] == [
        {name: event.attrs[name] for name in CREATED} for event in real
    ]
    assert [event.pid for event in created] == [event.pid for event in real]
    for kind in (Kind.QUEUE_UPDATE, Kind.QUEUE_DESTROY):
        assert [(event.pid, event.attrs["qid"]) for event in read(text, kind)] == [
            (event.pid, event.attrs["qid"]) for event in asked(kfd, kind)
        ]
    assert [(event.attrs["processes"], event.attrs["queues"]) for event in read(text, Kind.RUNLIST)] == [
        (event.attrs["processes"], event.attrs["queues"]) for event in asked(kfd, Kind.RUNLIST)
    ]


def test_over_subscription_and_a_hang_are_warned_of() -> None:
    machine = MachineSpec.of("mi308x")
    done = rehearse(machine, [ProcessSpec((0,) * 4) for _ in range(5)])
    done.kfd.hang(machine.nodes[0].gpu_id)
    found = read(kernel_log(done.kfd.events), Kind.OVERSUBSCRIBED, Kind.HANG)
    assert [event.kind for event in found][:2] == [Kind.OVERSUBSCRIBED, Kind.HANG]
    assert "too many queues" in str(found[0].attrs["text"])


@pytest.mark.parametrize("part", ["mi308x", "navi31", "fiji"])
def test_the_trace_reads_back(part: str) -> None:
    done = run(part)
    scheduling = done.kfd.machine.nodes[0].scheduling
    text = kfd_trace(done.kfd.events, scheduling)
    created, real = read(text, Kind.QUEUE_CREATE), asked(done.kfd, Kind.QUEUE_CREATE)
    names = ("qid", "gpu_id", "doorbell", "doorbell_id", "pasid")
    assert [(event.pid, *(event.attrs[name] for name in names)) for event in created] == [
        (event.pid, *(event.attrs[name] for name in names)) for event in real
    ]
    assert {event.attrs["enable_mes"] for event in created} == {int(scheduling is Scheduling.MES)}
    for kind in (Kind.QUEUE_UPDATE, Kind.QUEUE_DESTROY):
        assert [(event.pid, event.attrs["qid"]) for event in read(text, kind)] == [
            (event.pid, event.attrs["qid"]) for event in asked(done.kfd, kind)
        ]


def test_queues_of_the_notes_trace_as_they_print_them() -> None:
    """The notes' own lines: every process starts at queue id 0 and offset 0 of its slice."""
    text = kfd_trace(rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0,) * 3)] * 2).kfd.events)
    offsets = [line.rpartition("in_process=")[2].split()[0] for line in text.splitlines() if "SUCCESS" in line]
    assert offsets == ["0x0", "0x8", "0x10", "0x18"] * 2
    assert "CREATE_QUEUE_CPSCH" not in kfd_trace(run().kfd.events, Scheduling.NOCPSCH)


def test_a_line_is_stamped_in_seconds_and_microseconds_since_boot() -> None:
    event = next(event for event in run().kfd.events if event.kind is Kind.RUNLIST)
    late = replace(event, time_ns=98_765_432_109_876)
    assert kernel_log([late]).startswith("[98765.432109] amdgpu: ")
    assert kernel_log([replace(event, time_ns=1_000_002_999)]).startswith("[    1.000002] amdgpu: ")
