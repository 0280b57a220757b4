"""Kernel logs and traces as whole texts."""

import io
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.evidence import kernel_text
from ringscope.evidence.kernel_log import FACTS, MESSAGES
from ringscope.evidence.kernel_text import read
from ringscope.recording import Clock, Event, Kind, Recording


def recording(text: str | bytes, block_bytes: int = 1 << 20) -> Recording:
    return read(io.BytesIO(text.encode() if isinstance(text, str) else text), "dmesg", block_bytes)


DMESG = """\
[    0.000000] Linux version 6.8.0-137-generic (buildd@host) (gcc 13.2.0)
[    4.314397] [drm] amdgpu version: 6.12.12
[    9.000000] systemd[1]: Started Something Else.
[   10.000000] amdgpu 0000:83:00.0: amdgpu: Runlist is getting oversubscribed due to \
too many processes too many queues. Expect reduced ROCm performance.
[   11.000000] amdgpu: Runlist is getting oversubscribed. Expect reduced ROCm performance.
[   12.000000] amdgpu: No more SDMA queue to allocate
[   12.000010] amdgpu: Pasid 0x8011 DQM create queue type 1 failed. ret -12
[   13.000000] amdgpu 0000:83:00.0: amdgpu: [gfxhub0] no-retry page fault (src_id:0 ring:160 vmid:3 pasid:32784)
[   13.000001] amdgpu 0000:03:00.0: amdgpu: [gfxhub0] no-retry page fault (src_id:0 ring:40 vmid:8 pasid:32775, \
for process python pid 4278 thread python pid 4279)
[   13.000002] amdgpu 0000:83:00.0: amdgpu:  Process VLLM::EngineCor pid 99 thread VLLM::EngineCor pid 100
[   13.000003] amdgpu 0000:83:00.0: amdgpu:   in page starting at address 0x00007fc991c04000 from IH client 0x1b (UTCL2)
[   13.000004] amdgpu 0000:03:00.0: amdgpu:   in page starting at address 0x0000000000001000 from IH client 0x1b (UTCL2)
[   13.000005] amdgpu 0000:03:00.0: amdgpu: VM_L2_PROTECTION_FAULT_STATUS:0x00800031
[   20.000000] amdgpu 0000:83:00.0: amdgpu: qcm fence wait loop timeout expired
[   20.000001] amdgpu 0000:83:00.0: amdgpu: The cp might be in an unrecoverable state due to \
an unsuccessful queues preemption
[   20.000002] amdgpu 0000:83:00.0: amdgpu: GPU reset begin!. Source:  4
[   29.000000] amdgpu 0000:83:00.0: amdgpu: GPU reset(1) succeeded!
[   30.000000] amdgpu_mystery: 12 callbacks suppressed
[   31.000000] amdgpu 0000:83:00.0: amdgpu: something nobody has seen
[   32.000000] kfd kfd: amdgpu: skipped device 1002:74a1, PCI rejects atomics 730<0
"""


def test_kernel_log_gives_typed_events_with_their_meaning() -> None:
    found = recording(DMESG)
    assert [(e.kind, e.attrs.get("message")) for e in found.events] == [
        (Kind.OVERSUBSCRIBED, "over-subscribed"),
        (Kind.OVERSUBSCRIBED, "over-subscribed"),
        (Kind.QUEUE_REFUSED, "no-sdma-queue"),
        (Kind.QUEUE_REFUSED, "queue-creation-failed-pasid"),
        (Kind.FAULT, "page-fault"),
        (Kind.FAULT, "page-fault-of-process"),
        (Kind.HANG, "fence-timeout"),
        (Kind.HANG, "preemption-unsuccessful"),
        (Kind.RESET, "reset-begin"),
        (Kind.RESET, "reset-succeeded"),
        (Kind.KERNEL_MESSAGE, None),
        (Kind.KERNEL_MESSAGE, "no-atomics"),
    ]
    assert all(event.attrs["meaning"] for event in found.events if "message" in event.attrs)
    first = found.events[0]
    assert first.attrs["limit"] == "processes and queues"
    assert first.attrs["device"] == "0000:83:00.0"
    assert (first.time_ns, first.clock, str(first.source)) == (10_000_000_000, Clock.SCHED, "dmesg:4")
    assert "limit" not in found.events[1].attrs
    assert found.events[2].attrs["resource"] == "sdma"
    assert found.facts == {"kernel": "6.8.0-137-generic", "amdgpu": "6.12.12"}
    assert found.counters["unknown_lines"] == 1
    assert found.counters["suppressed_messages"] == 12
    assert found.events[-2].attrs["text"] == "amdgpu 0000:83:00.0: amdgpu: something nobody has seen"
    assert found.notes == ("the kernel left out 12 messages by rate limit",)


def test_a_fault_is_told_with_its_process_and_address_per_device() -> None:
    one, other = recording(DMESG).of(Kind.FAULT)
    assert (one.pid, one.attrs["process"], one.attrs["address"]) == (99, "VLLM::EngineCor", 0x7FC991C04000)
    assert (one.attrs["vmid"], one.attrs["pasid"]) == (3, 32784)
    assert (other.pid, other.attrs["process"], other.attrs["address"]) == (4278, "python", 0x1000)


def creation(pid: int, ring: int, qid: int) -> list[str]:
    return [
        "Creating queue ioctl",
        "Queue Percentage: 100, 100",
        "Queue Priority: 7, 7",
        f"Queue Address: 0x{ring:X}, 0x{ring:X}",
        "Queue Size: 0x100000, 1048576",
        "Looking for gpu id 0xf7bc",
        f"Creating queue for process pid {pid} on gpu 0xf7bc",
        "Queue Doorbell Offset: 4104",
        "map_queues_cpsch sent runlist",
        f"Queue id {qid} was created successfully",
        f"Ring buffer address == 0x{ring:016X}",
    ]


def debug(lines: list[str]) -> str:
    return "".join(f"[  100.{number:06d}] amdgpu: {line}\n" for number, line in enumerate(lines))


def test_a_creation_is_put_together_from_its_debug_lines() -> None:
    found = recording(
        debug(["Building runlist ib process count: 1 queues count 5", *creation(94314, 0x7F41B5200000, 4)])
    )
    created = next(found.of(Kind.QUEUE_CREATE))
    assert created.pid == 94314
    assert dict(created.attrs) == {
        "qid": 4,
        "priority": 7,
        "ring_base": 0x7F41B5200000,
        "ring_bytes": 0x100000,
        "gpu_id": 0xF7BC,
        "doorbell": 4104,
    }
    assert dict(next(found.of(Kind.RUNLIST)).attrs) == {"processes": 1, "queues": 5}


def test_creations_at_once_keep_only_what_is_sure() -> None:
    one, two = creation(1, 0x1000, 4), creation(2, 0x2000, 8)
    found = recording(debug([*one[:3], *two[:4], *one[3:], *two[4:], *creation(3, 0x3000, 12)]))
    assert [dict(event.attrs).get("ring_base") for event in found.of(Kind.QUEUE_CREATE)] == [None, None, 0x3000]
    assert [event.attrs["qid"] for event in found.of(Kind.QUEUE_CREATE)] == [4, 8, 12]


def test_a_refused_creation_does_not_spoil_the_next() -> None:
    refused = [*creation(1, 0x1000, 4)[:7], "process pid 1 DQM create queue type 0 failed. ret -12"]
    found = recording(debug([*refused, *creation(2, 0x2000, 8)]))
    assert next(found.of(Kind.QUEUE_REFUSED)).pid == 1
    assert next(found.of(Kind.QUEUE_CREATE)).attrs["ring_base"] == 0x2000


def test_scheduler_facts() -> None:
    found = recording(
        debug(["Scheduling resources:", "SW scheduler is used", "Starting kfd with the following scheduling policy 2"])
        + "vmid mask: 0x    FFF8\nqueue mask: 0x  FCFCFC\n"
    )
    assert found.facts == {"scheduler": "SW", "sched_policy": "2", "vmid_mask": "0xFFF8", "queue_mask": "0xFCFCFC"}


FTRACE = """\
# tracer: function
#
# entries-in-buffer/entries-written: 4/10   #P:224
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
         python3-4711    [012] .....  8841.000001: kfd_ioctl_create_queue [amdgpu] <-kfd_ioctl
         python3-4711    [012] .....  8841.000002: pm_send_runlist [amdgpu] <-map_queues_cpsch
CPU:12 [LOST 31 EVENTS]
         python3-4711    ( 4700) [012] .....  8841.000003: create_queue_cpsch [amdgpu] <-pqm_create_queue
     kworker/2:1-77      [002] .....  8841.000004: kfd_evict_process_worker_start: Process pid=4700
     kworker/2:1-77      [002] .....  8841.000005: kfd_restore_process_worker_end: Process pid=4700, StatusMsg=done
         python3-4711    [012] .....  8841.000006: map_queues_cpsch: [KFD-TRACE] \
KFD_MAP_QUEUES_CPSCH: pid=4700 queue_id=368 pipe=0 queue=0 doorbell=0x1000 pasid=32788
 2)               |  kfd_ioctl_destroy_queue [amdgpu]() {
"""


def test_ftrace_gives_deeds_counts_the_rest_and_says_what_is_lost() -> None:
    found = recording(FTRACE)
    assert [(e.kind, e.time_ns // 1000 % 10, e.pid) for e in found.events] == [
        (Kind.RUNLIST, 2, None),
        (Kind.QUEUE_CREATE, 3, 4700),
        (Kind.QUEUE_EVICT, 4, 4700),
        (Kind.QUEUE_MAP, 6, 4700),
    ]
    assert found.events[0].attrs == {"function": "pm_send_runlist", "tid": 4711}
    assert found.events[3].attrs["doorbell"] == 0x1000
    expected = {
        "lost_events": 31,
        "overwritten_events": 6,
        "function:kfd_ioctl_create_queue": 1,
        "function:pm_send_runlist": 1,
        "function:create_queue_cpsch": 1,
        "function:kfd_ioctl_destroy_queue": 1,
        "tracepoint:kfd_evict_process_worker_start": 1,
        "tracepoint:kfd_restore_process_worker_end": 1,
        "kfd-trace:KFD_MAP_QUEUES_CPSCH": 1,
        "unknown_lines": 0,
    }
    assert expected.items() <= dict(found.counters).items()
    assert [note.split(" ")[2] for note in found.notes[:2]] == ["lost", "beginning"]
    assert "funcgraph-abstime" in found.notes[2]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_text, "KEPT_PER_KIND", 2)
    monkeypatch.setattr(kernel_text, "KEPT_UNKNOWN", 1)
    monkeypatch.setattr(kernel_text, "_NAMES", 1)
    fault = "[    1.000000] amdgpu 0000:83:00.0: [gfxhub0] no-retry page fault (src_id:0 ring:1 vmid:3 pasid:1)\n"
    address = "[    1.000000] amdgpu 0000:83:00.0:   in page starting at address 0x5000 from IH client 0x1b (UTCL2)\n"
    found = recording((fault + address) * 5 + "[    1.000000] amdgpu: odd\n" * 3 + "".join(FTRACE))
    assert len(list(found.of(Kind.FAULT))) == 2
    assert len(list(found.of(Kind.KERNEL_MESSAGE))) == 1
    assert sum(key.startswith("function:") for key in found.counters) == 1
    assert any("5 fault events: the first 2 are kept" in note for note in found.notes)


def test_lines_of_one_shape_are_told_apart_by_their_patterns() -> None:
    """Hexadecimal digits are letters too: ``dead`` and ``face`` have one shape, and only one of them is in a table."""
    words = ["ring face timeout, signaled seq=1, emitted seq=2", "GPU reset begin!", "GPU reset 0e01n!"]
    found = recording(debug([*words, *words[::-1]]))
    assert [event.attrs.get("message") for event in found.events] == [
        *("ring-timeout", "reset-begin", None),
        *(None, "reset-begin", "ring-timeout"),
    ]


@given(st.integers(0, 2**32))
@settings(max_examples=60)
def test_what_is_remembered_of_lines_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    lines = [line for pid in range(3) for line in creation(rng.randrange(10**6), rng.randrange(2**47), pid)]
    lines += [" ".join(rng.sample(line.split(), len(line.split()))) for line in lines]
    rng.shuffle(lines)
    text = DMESG + debug(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_text, "_SHAPES", 1)
        patch.setattr(kernel_text, "_SHAPE_BYTES", rng.choice([0, 40, 1024]))
        forgetful = recording(text)
    assert recording(text) == forgetful


def test_every_row_of_the_tables_is_among_what_its_line_may_be() -> None:
    for _, word, pattern in (*kernel_text._CREATION, *FACTS):
        assert word in pattern.pattern
    for message in MESSAGES:
        assert re.escape(message.word) in message.pattern.pattern


def test_a_log_in_which_the_driver_says_nothing_is_evidence_and_a_foreign_text_is_none() -> None:
    assert recording("").notes == ("the log is empty",)
    assert recording("x" * 3000 + "\n[    1.000000] usb 1-1: new device\n").notes == (
        "no line of amdgpu or amdkfd in this log",
    )
    with pytest.raises(InputError, match=r"^dmesg: no line of amdgpu or amdkfd in it; give the whole kernel log"):
        recording("hello\nworld\n")


@given(st.integers(0, 2**32))
@settings(max_examples=120)
def test_flipped_and_cut_bytes_never_end_in_a_traceback(seed: int) -> None:
    rng = random.Random(seed)
    text = bytearray((DMESG + debug(creation(1, 0x1000, 4)) + FTRACE).encode())
    for _ in range(rng.randrange(1, 20)):
        text[rng.randrange(len(text))] = rng.choice(b"\n\r :0x9f()[],-=|<\0\xff")
    del text[rng.randrange(1, len(text)) :]
    try:
        found = recording(bytes(text))
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert all(isinstance(event, Event) for event in found.events)
    assert recording(bytes(text), rng.choice([64, 1000])) == found
