"""What a snapshot counts: slots of one XCC, not of all, and only those that hold a queue."""

from pathlib import Path

from ringscope.evidence.collect import collect
from ringscope.recording import Source
from ringscope.snapshot import Device, Run, SdmaRlc, Snapshot

HERE = Source("somewhere", 1)


def test_slots_of_a_real_device(shared: Path) -> None:
    capture = collect([shared / "mi308x" / "streams-16" / "active"])
    (snapshot,) = capture.snapshots
    used = [device.slots_used for device in snapshot.devices]
    assert sorted(used) == [0] * 7 + [5]
    for device in snapshot.devices:
        assert (device.xccs, device.slots_per_xcc) == (4, 24)
        assert snapshot.device(device.gpu_id) is device
    assert snapshot.device(0) is None
    assert len(snapshot.queues) == len(list(snapshot.records())) == 5
    for (process, queue), row in zip(snapshot.queues, snapshot.records(), strict=True):
        assert (row["pid"], row["gpu_id"], row["mqd_copies"]) == (process.pid, queue.gpu_id, 4)


def test_nothing_captured_counts_nothing() -> None:
    device = Device(None, 1, HERE)
    assert (device.xccs, device.slots_per_xcc, device.slots_used) == (0, 0, 0)
    assert list(Snapshot("empty").records()) == []


def test_registers_of_an_sdma_queue_have_their_addresses() -> None:
    runs = (Run(0x100, bytes([1, 0, 0, 0, 2, 0, 0, 0])), Run(0x200, bytes([3, 0, 0, 0])))
    assert SdmaRlc(0, 0, runs, HERE).registers == ((0x100, 1), (0x104, 2), (0x200, 3))
