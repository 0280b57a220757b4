"""Pools, sharing and lifetimes, held against what real ROCm releases were seen to do (virtual-gpu-newer-rocm.md §7)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.recording import Event, Kind
from ringscope.stack.hip import HipDevice, HipSettings, HwQueue, Stream, StreamPriority
from ringscope.stack.kfd.records import CreatedQueue, CreateQueue, Step, UpdateQueue
from ringscope.stack.machine import MachineSpec
from ringscope.stack.program import Program
from ringscope.stack.rocm import RocmVersion
from ringscope.stack.rocr import HsaPriority

MI308X = MachineSpec.of("mi308x").nodes[0]
HIGH, NORMAL, LOW = -1, 0, 1


class Driver:
    """Counts queues and says yes: pools must not depend on what the kernel does."""

    def __init__(self) -> None:
        self.live: dict[int, int] = {}
        self.created = 0

    def open(self, pid: int) -> None:
        self.opened = pid

    def create_queue(self, pid: int, request: CreateQueue) -> CreatedQueue:
        qid = self.created
        self.created += 1
        self.live[qid] = request.priority
        return CreatedQueue(qid, 3 << 62 | request.gpu_id << 46 | qid * 8, ())

    def update_queue(self, pid: int, request: UpdateQueue) -> tuple[Step, ...]:
        self.live[request.queue_id] = request.priority
        return ()

    def destroy_queue(self, pid: int, queue_id: int) -> tuple[Step, ...]:
        del self.live[queue_id]
        return ()

    def set_cu_mask(self, pid: int, queue_id: int, mask: tuple[int, ...]) -> tuple[Step, ...]:
        assert queue_id in self.live
        return ()

    def alloc_queue_gws(self, pid: int, queue_id: int, num_gws: int) -> tuple[Step, ...]:
        assert queue_id in self.live
        return ()

    def exit(self, pid: int) -> tuple[Step, ...]:
        self.live.clear()
        return ()


class Run:
    """A program on one device, with everything it told."""

    def __init__(self, rocm: str = "7.0", **settings: Any) -> None:
        self.driver = Driver()
        self.program = Program(self.driver, [MI308X], 1, RocmVersion.parse(rocm), HipSettings(**settings))
        self.hip = self.program.devices[0]

    def streams(self, *priorities: int) -> list[Stream]:
        return [self.hip.stream_create(priority) for priority in priorities]

    def destroy(self, *streams: Stream) -> None:
        for stream in streams:
            self.hip.stream_destroy(stream)

    def told(self, kind: Kind) -> list[Event]:
        """What HIP said."""
        return [event for event in self.program.journal.layer("hip") if event.kind is kind]

    def ioctls(self, kind: Kind) -> list[Event]:
        """What the driver was asked."""
        return [event for event in self.program.journal.layer("thunk") if event.kind is kind]

    def since(self) -> list[Kind]:
        """Kinds of ioctl since the last call."""
        asked = self.program.journal.layer("thunk")
        kinds = [event.kind for event in asked[getattr(self, "_seen", 0) :]]
        self._seen = len(asked)
        return kinds


def q(*streams: Stream) -> list[int]:
    """Queues in the document's numbering, by creation from 1, which is ROCr's own."""
    return [stream.queue.hsa.kmt.queue_id + 1 for stream in streams]


def order(streams: list[Stream]) -> list[int]:
    """Which queue each stream got, in order of the queues' first use."""
    first: dict[HwQueue, int] = {}
    return [first.setdefault(stream.queue, len(first)) for stream in streams]


@pytest.mark.parametrize("streams", [16, 32, 64])
def test_however_many_streams_share_four_queues_besides_rocrs_own(streams: int) -> None:
    run = Run()
    run.streams(*[NORMAL] * streams)
    assert run.driver.created == 5
    assert Counter(queue.refs for queue in run.hip.pools[HsaPriority.NORMAL]) == {streams // 4: 4}


def test_overflow_streams_go_to_the_newest_queue_first_as_in_the_log_of_16_streams() -> None:
    assert order(Run().streams(*[NORMAL] * 16)) == [0, 1, 2, 3, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0]


def test_priority_streams_of_the_7_0_2_log() -> None:
    run = Run(gpu_max_hw_queues=8)
    run.streams(HIGH, LOW, HIGH, NORMAL)
    counts = [tuple(event.attrs.values()) for event in run.told(Kind.POOL_COUNTS)]
    assert counts == [(0, 0, 0, 8), (0, 0, 1, 8), (1, 0, 1, 8), (1, 0, 2, 8)]
    assert [event.attrs["priority"] for event in run.told(Kind.STREAM_CREATE)] == [2, 0, 2, 1]
    assert list(run.driver.live.values()) == [7, 11, 0, 11, 7]


@pytest.mark.parametrize(
    ("rocm", "levels"),
    [("5.2", [15, 7, 0]), ("6.1", [15, 7, 0]), ("6.2", [11, 7, 0]), ("6.4", [11, 7, 0]), ("develop", [7, 7, 7])],
)
def test_priority_by_release(rocm: str, levels: list[int]) -> None:
    run = Run(rocm)
    run.streams(HIGH, NORMAL, LOW)
    assert list(run.driver.live.values())[1:] == levels


def test_a_normal_stream_sends_no_update_and_the_others_one_each() -> None:
    run = Run()
    run.streams(HIGH, NORMAL, LOW)
    assert [event.attrs["priority"] for event in run.ioctls(Kind.QUEUE_UPDATE)] == [11, 0]


@pytest.mark.parametrize(("maximum", "creates"), [(1, 4), (2, 7), (4, 13)])
def test_queues_of_six_streams_per_priority(maximum: int, creates: int) -> None:
    run = Run("6.4", gpu_max_hw_queues=maximum)
    run.streams(*[HIGH, NORMAL, LOW] * 6)
    assert run.driver.created == creates
    assert run.driver.created <= run.hip.settings.most_queues()


def test_twenty_queues_when_eight_are_allowed() -> None:
    run = Run("6.4", gpu_max_hw_queues=8)
    run.streams(*[HIGH, NORMAL, LOW] * 6, -5)  # the measured program's seventh HIGH stream, clamped from -5
    assert run.driver.created == 20


class TestReuse:
    """The table of virtual-gpu-newer-rocm.md §7: HIGH gets q2 to q5, NORMAL q6 to q9, LOW q10 to q13."""

    CASES = pytest.mark.parametrize(
        ("rocm", "mode", "fifth", "new", "again", "null"),
        [
            ("5.2", None, [5, 4], [14, 15], [16, 17], 18),
            ("5.7", None, [5, 4], [3, 2], [5, 4], 9),
            ("6.4", None, [5, 4], [3, 2], [5, 4], 9),
            ("6.4", 1, [2, 3], [2, 3], [2, 3], 6),
            ("6.4", 2, [2, 3], [2, 3], [2, 3], 6),
            ("5.7", 1, [5, 4], [3, 2], [5, 4], 9),  # the variable is not in 5.7.1
        ],
    )

    @CASES
    def test_row_by_row(
        self, rocm: str, mode: int | None, fifth: list[int], new: list[int], again: list[int], null: int
    ) -> None:
        run = Run(rocm, dynamic_queues=mode)
        high = run.streams(*[HIGH] * 6)
        others = run.streams(*[NORMAL] * 6, *[LOW] * 6)
        assert q(*high) == [2, 3, 4, 5, *fifth]
        run.since()

        run.destroy(*high[:2])
        destroyed = run.since()
        assert destroyed == ([Kind.QUEUE_DESTROY] * 2 if rocm == "5.2" else [])

        newer = run.streams(HIGH, HIGH)
        assert q(*newer) == new
        assert run.since() == ([Kind.QUEUE_CREATE, Kind.QUEUE_UPDATE] * 2 if rocm == "5.2" else [])

        run.destroy(*(stream for stream in [*high, *others, *newer] if stream.alive))
        assert len(run.driver.live) == (1 if rocm == "5.2" else 13)
        run.since()
        last = run.streams(HIGH, HIGH)
        assert q(*last) == again
        assert run.since() == ([Kind.QUEUE_CREATE, Kind.QUEUE_UPDATE] * 2 if rocm == "5.2" else [])
        assert q(run.hip.null_stream()) == [null]

    @pytest.mark.parametrize(
        ("rocm", "mode", "destroyed"),
        [
            ("5.2", None, []),
            ("5.7", None, []),
            ("6.4", None, list(range(13, 0, -1))),
            ("6.4", 1, [10, 11, 12, 13, 6, 7, 8, 9, 2, 3, 4, 5, 1]),
        ],
    )
    def test_process_exit(self, rocm: str, mode: int | None, destroyed: list[int]) -> None:
        run = Run(rocm, dynamic_queues=mode)
        run.streams(*[HIGH] * 6, *[NORMAL] * 6, *[LOW] * 6)
        run.program.exit()
        assert not run.driver.live
        assert [int(event.attrs["qid"]) + 1 for event in run.ioctls(Kind.QUEUE_DESTROY)] == destroyed


def test_the_null_stream_is_made_at_its_first_use_and_stays() -> None:
    run = Run()
    assert run.driver.created == 0
    null = run.hip.null_stream()
    assert run.hip.null_stream() is null
    assert run.driver.created == 2
    with pytest.raises(InputError, match="stream 0 cannot be destroyed"):
        run.hip.stream_destroy(null)


def test_cu_mask_streams_have_queues_of_their_own_beyond_every_limit() -> None:
    run = Run(gpu_max_hw_queues=1)
    masked = [run.hip.stream_create_with_cu_mask(0x1_0000_000F) for _ in range(3)]
    assert len({stream.queue for stream in masked}) == 3
    assert [event.attrs["mask"] for event in run.ioctls(Kind.CU_MASK)] == ["000000010000000f"] * 3
    run.destroy(*masked)
    assert [event.attrs["qid"] for event in run.ioctls(Kind.QUEUE_DESTROY)] == [1, 2, 3]


def test_the_global_cu_mask_is_put_on_every_queue_and_anded_into_a_streams_own() -> None:
    run = Run(global_cu_mask=0xFF)
    run.streams(NORMAL)
    run.hip.stream_create_with_cu_mask(0xFF0)
    assert [event.attrs["mask"] for event in run.ioctls(Kind.CU_MASK)] == ["000000ff", "000000f0"]


def test_the_cooperative_queue_is_one_and_outside_the_pools() -> None:
    run = Run()
    queue = run.hip.cooperative_queue()
    assert run.hip.cooperative_queue() is queue
    assert not any(run.hip.pools.values())
    assert [event.attrs.get("gws") for event in run.ioctls(Kind.QUEUE_UPDATE)] == [1]
    run.hip.tear_down()
    assert [event.attrs["qid"] for event in run.ioctls(Kind.QUEUE_DESTROY)] == [1]


def test_priority_can_be_given_back_where_it_is_ignored_and_ignored_where_it_counts() -> None:
    develop = Run("develop", ignore_stream_priority=False)
    develop.streams(HIGH, LOW)
    assert list(develop.driver.live.values()) == [7, 11, 0]
    ignoring = Run("7.0", ignore_stream_priority=True)
    ignoring.streams(HIGH, LOW)
    assert list(ignoring.driver.live.values()) == [7, 7, 7]


class TestDepth:
    """The newer releases weigh what waits in a queue (rocm-systems#1958, #6653; read, not measured)."""

    def run_of(self, mode: int, depths: dict[int, int] | None = None) -> Run:
        run = Run("develop", dynamic_queues=mode)
        run.hip = HipDevice(
            run.program.rocr,
            MI308X,
            HipSettings(dynamic_queues=mode),
            depth=lambda queue: (depths or {}).get(queue.hsa.id, 0),
        )
        return run

    def test_the_least_loaded_queue_is_shared(self) -> None:
        run = self.run_of(1, {1: 3, 2: 0, 3: 1, 4: 2})
        assert q(*run.streams(*[NORMAL] * 5))[-1] == 3  # id 2

    def test_mode_2_keeps_others_off_the_null_streams_queue(self) -> None:
        for mode, expected in ((1, 2), (2, 3)):
            run = self.run_of(mode)
            run.hip.null_stream()
            assert q(*run.streams(*[NORMAL] * 4))[-1] == expected

    def test_only_mode_2_looks_at_pipes(self) -> None:
        """Queues 1 and 2 are as light; on the pipe of queue 1 lies queue 5, which two streams share."""

        def depth(queue: HwQueue) -> int:
            return depths[queue.hsa.id]

        for mode, expected in ((1, 2), (2, 3)):
            depths = dict.fromkeys(range(9), 10)
            run = Run("develop", dynamic_queues=mode, gpu_max_hw_queues=8)
            settings = HipSettings(dynamic_queues=mode, gpu_max_hw_queues=8)
            run.hip = HipDevice(run.program.rocr, MI308X, settings, depth=depth)
            run.streams(*[NORMAL] * 8)
            depths[5] = 0
            assert q(*run.streams(NORMAL)) == [6]
            depths |= {1: 0, 2: 0, 5: 10}
            assert q(*run.streams(NORMAL)) == [expected]

    def test_mode_0_is_the_old_rule(self) -> None:
        assert q(*self.run_of(0, {4: 3}).streams(*[NORMAL] * 5))[-1] == 5  # id 4, whatever waits in it
        assert order(self.run_of(0).streams(*[NORMAL] * 8)) == [0, 1, 2, 3, 3, 2, 1, 0]


@pytest.mark.parametrize(
    "settings", [{"gpu_max_hw_queues": 0}, {"dynamic_queues": 3}, {"global_cu_mask": -1}], ids=lambda s: next(iter(s))
)
def test_settings_are_checked_when_built(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        HipSettings(**settings)


@given(
    rocm=st.sampled_from(["5.2", "5.7", "6.1", "6.4", "7.0", "develop"]),
    maximum=st.integers(1, 5),
    mode=st.sampled_from([None, 0, 1, 2]),
    acts=st.lists(st.tuples(st.sampled_from(["create", "destroy", "null"]), st.integers(-6, 6)), max_size=60),
)
def test_whatever_a_program_does_references_and_limits_hold(
    rocm: str, maximum: int, mode: int | None, acts: list[tuple[str, int]]
) -> None:
    run = Run(rocm, gpu_max_hw_queues=maximum, dynamic_queues=mode)
    alive: list[Stream] = []
    null: list[Stream] = []
    for act, value in acts:
        if act == "create":
            alive.append(run.hip.stream_create(value))
        elif act == "null":
            null = [run.hip.null_stream()]
        elif alive:
            run.destroy(alive.pop(value % len(alive)))
        users = Counter(stream.queue for stream in (*alive, *null))
        for priority, pool in run.hip.pools.items():
            assert len(pool) <= maximum
            for queue in pool:
                assert queue.refs == users[queue]
                assert queue.pool is priority
                assert queue.hsa.kmt.queue_id in run.driver.live
        pooled = {queue for pool in run.hip.pools.values() for queue in pool}
        assert users.keys() <= pooled
        assert len(run.driver.live) == len(pooled) + bool(run.driver.created)
    assert {stream.priority for stream in alive} <= set(StreamPriority)
