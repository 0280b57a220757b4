"""Whose packets are taken, when, and what a fault on purpose does about it; on a device with made-up processes."""

import struct
import time
from pathlib import Path

import pytest
from virtual_worlds import BARRIER, Someone, World, world

from ringscope.parts.aql import KERNEL_DISPATCH
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.stack.kfd.records import UpdateQueue
from ringscope.virtual import events
from ringscope.virtual.memory import Flags
from ringscope.virtual.record import Recorder
from ringscope.virtual.ring import Ring
from ringscope.virtual.smi import Event

MS = 1_000_000


def queue(who: Someone) -> Ring:
    who.create()
    return list(who.rings.values())[-1]


def submit(who: Someone, *rings: Ring, count: int = 1) -> None:
    """So many barrier packets into each of the rings."""
    space = who.client.space
    for ring in rings:
        index = space.read64(ring.write_va)
        space.write(ring.base + index * 64, BARRIER * count)
        space.write64(ring.write_va, index + count)
        who.client.doorbells[ring.slot] = index + count - 1


def prioritise(who: Someone, ring: Ring, priority: int) -> None:
    who.world.gpu.update_queue(who.client, UpdateQueue(ring.number, ring.base, ring.bytes, 100, priority))


def test_the_higher_priority_is_looked_at_first_from_its_update_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with world() as w:
        first, second = w.born(), w.born()
        rings = [queue(who) for who in (first, second, first)]
        served: list[Ring] = []
        monkeypatch.setattr(w.gpu.processor, "on_packet", served.append)
        monkeypatch.setattr(w.gpu.processor, "batch", 2)
        prioritise(second, rings[1], 11)
        prioritise(first, rings[2], 15)
        for who, ring in zip((first, second, first), rings, strict=True):
            submit(who, ring, count=4)
        assert w.gpu.processor.turn() == 6 and w.gpu.processor.turn() == 6
        # Nobody is passed over: each gets its share of a turn.
        assert served == [rings[2], rings[1], rings[0]] * 2
        prioritise(first, rings[2], 0)
        submit(first, rings[0], rings[2])
        served.clear()
        w.gpu.processor.turn()
        assert served == [rings[0], rings[2]]


def later(w: World, ms: float) -> None:
    """What is due within that time happens now."""
    w.gpu.tick(time.monotonic_ns() + int(ms * MS))


def test_an_evicted_process_stands_still_and_others_do_not() -> None:
    with world("mi308x", "evict@packet:3=1s") as w:
        who, other = w.born(), w.born()
        mine, others = queue(who), queue(other)
        watch = w.gpu._watchers.open(who.client.pid, root=False)
        watch.send((1 << Event.QUEUE_EVICTION - 1 | 1 << Event.QUEUE_RESTORE - 1).to_bytes(8, "little"))
        submit(who, mine, count=5)
        for _ in range(9):
            w.gpu.processor.turn()
        assert [mine.index, mine.mapped] == [3, False]
        assert watch.recv(100).startswith(b"9 ")
        submit(other, others, count=4)
        for _ in range(4):
            w.gpu.processor.turn()
        assert (mine.index, others.index) == (3, 4)
        later(w, 999)
        w.gpu.processor.turn()
        assert mine.index == 3
        later(w, 1001)
        for _ in range(2):
            w.gpu.processor.turn()
        assert [mine.index, mine.mapped] == [5, True]
        assert watch.recv(100).startswith(b"a ")
        watch.close()


def test_slots_change_hands_when_there_are_too_few_and_only_then() -> None:
    with world() as w:
        people = [w.born() for _ in range(4)]
        for who in people * 5:
            queue(who)
        w.gpu.rotate()
        assert w.gpu.rotations == 0 and all(ring.mapped for ring in w.gpu.processor.rings)
        for _ in range(5):
            queue(people[0])
        assert sum(ring.mapped for ring in w.gpu.processor.rings) < 25
        w.gpu.rotate()
        assert w.gpu.rotations == 1


def test_a_hang_stops_everybody_until_the_reset_that_everybody_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    with world("mi308x", "hang@packet:2=1s") as w:
        who, other = w.born(), w.born()
        mine, others = queue(who), queue(other)
        told = [one.client.events.create(events.HW_EXCEPTION, auto_reset=False) for one in (who, other)]
        submit(who, mine, count=3)
        submit(other, others, count=3)
        for _ in range(9):
            w.gpu.processor.turn()
        assert mine.index + others.index == 2 and not (mine.fault or others.fault)
        assert not any(event.signaled for event in told)
        later(w, 1001)
        assert "hung" in mine.fault and "hung" in others.fault
        for event in told:
            assert event.signaled and struct.unpack_from("<4I", event.payload) == (0, 0, 1, w.gpu.gpu_id)
        # What comes after the reset runs.
        fresh = queue(other)
        submit(other, fresh)
        assert w.gpu.processor.turn() == 1 and fresh.index == 1
        assert "the GPU was reset" in capsys.readouterr().err


def test_a_reset_queue_is_lost_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with world("mi308x", "reset@packet:1") as w:
        who = w.born()
        first, second = queue(who), queue(who)
        told = who.client.events.create(events.HW_EXCEPTION, auto_reset=False)
        submit(who, first, second, count=2)
        for _ in range(4):
            w.gpu.processor.turn()
        assert "reset" in first.fault and first.index == 1 and told.signaled
        assert not second.fault and second.index == 2
        assert "the queue was reset" in capsys.readouterr().err


def test_what_is_known_of_a_process_and_its_kernels_goes_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    with world() as w:
        who, other = w.born(), w.born()
        for one in (who, other):
            ring = queue(one)
            packet = KERNEL_DISPATCH.pack(
                header=2 | 1 << 8, setup=1, workgroup_size_x=64, workgroup_size_y=1, workgroup_size_z=1,
                grid_size_x=64, grid_size_y=1, grid_size_z=1, kernel_object=one.memory(4096),
            )  # fmt: skip
            one.client.space.write(ring.base, packet)
            one.client.space.write64(ring.write_va, 1)
            one.client.doorbells[ring.slot] = 0
            w.gpu.processor.turn()
            assert "cannot be computed" in ring.fault
        w.kill(who)
        assert len(w.gpu.processor.kernels._known) == 1
        w.check()
    assert capsys.readouterr().err


def test_sysfs_and_captures_show_what_a_process_has_of_the_devices_memory(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", {})
    with world(recorder=recorder) as w:
        who, other = w.born(), w.born()
        for one in (who, other):
            queue(one)
        who.memory(3 * 4096, Flags.VRAM)
        file = f"vram_{w.gpu.gpu_id}"
        shown = w.gpu.kfd_proc()
        assert (shown[f"{who.client.pid}/{file}"], shown[f"{other.client.pid}/{file}"]) == ("12288\n", "0\n")
        w.kill(who)
        assert f"{who.client.pid}/{file}" not in w.gpu.kfd_proc()
        # The moment with the most queues is kept before they go with their process.
        assert (tmp_path / "run" / "peak" / "proc" / str(who.client.pid) / file).read_text() == "12288\n"
    recorder.close({})


@pytest.mark.parametrize(
    ("fault", "kind", "made", "error"),
    [
        ("create@create:3=ENOSPC", IoctlQueueType.COMPUTE_AQL, [1, 1, 0, 1], 28),
        ("doorbells=2", IoctlQueueType.COMPUTE_AQL, [1, 1, 0, 0], 16),
        ("sdma=1", IoctlQueueType.SDMA, [1, 0, 0, 0], 12),
    ],
)
def test_creates_fail_where_they_are_told(fault: str, kind: IoctlQueueType, made: list[int], error: int) -> None:
    with world("mi308x", fault) as w:
        who = w.born()
        for number, works in enumerate(made):
            before = len(who.rings)
            if works:
                who.create(kind)
            else:
                with pytest.raises(OSError) as refused:
                    who.create(kind)
                assert refused.value.errno == error, number
            assert len(who.rings) == before + works
        # SDMA queues are the device's to run out of, doorbells a process's.
        other = w.born()
        if kind is not IoctlQueueType.SDMA:
            other.create(kind)
            assert len(other.rings) == 1
