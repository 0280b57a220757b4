"""The whole stack, from hipStream_t to debugfs text: a real capture comes out when its addresses go in."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.evidence.collect import collect
from ringscope.recording import Kind
from ringscope.snapshot import Queue
from ringscope.stack.hip import HipSettings, Stream
from ringscope.stack.kfd import Kfd
from ringscope.stack.machine import MachineSpec
from ringscope.stack.program import Program
from ringscope.stack.rocm import RocmVersion
from ringscope.stack.text import amd_log, hqds, mqds
from ringscope.stack.thunk import AddressSpace, Purpose

MI308X = MachineSpec.of("mi308x")
ROCM_7_0 = RocmVersion((7, 0))
GPU_IDS = (0xF7BC, 0xF05B, 0xEB40, 0xC66D, 0xF220, 0xF5C7, 0xEEDC, 0xC3F1)
HIGH, NORMAL, LOW = -1, 0, 1
ACTS = ["create", "create", "create", "destroy", "mask", "null", "exit", "die"]
FIRMWARE = (0, 0xA0, 0x160, 0x180, 0x1C0, 0x220, 0x240, 0x260, 0x280, 0x2C0, 0x2E0, 0x380, 0x500)
"""Lines of the MQD of a queue that ran in which the firmware leaves something: dispatch state, save times, progress,
read pointer, IB and message registers, status (facts §0, "firmware-written dwords")."""


def hiq(kfd: Kfd) -> int:
    """HIQ write pointer of the first node, in dwords, as its registers show it."""
    return kfd.snapshot().devices[0].hiqs[0].image.get64("cp_hqd_pq_wptr_lo", "cp_hqd_pq_wptr_hi")


def started(
    *priorities: int, rocm: RocmVersion = ROCM_7_0, maximum: int = 4, hard_coded: bool = False
) -> tuple[Kfd, Program]:
    kfd = Kfd(MI308X)
    settings = HipSettings(gpu_max_hw_queues=maximum)
    program = Program(kfd, MI308X.nodes, 1, rocm, settings, hard_coded_normal=hard_coded)
    for priority in priorities:
        program.devices[0].stream_create(priority)
    return kfd, program


def queues(kfd: Kfd) -> list[Queue]:
    """The process's queues, oldest first."""
    return [queue for _, queue in reversed(kfd.snapshot().queues)]


class TestCapture:
    """The captures with 16 and 32 streams: same processes, same streams, same addresses."""

    @pytest.fixture(params=[(16, 0xA2F), (32, 0x8FB)], ids=["16", "32"])
    def texts(self, request: pytest.FixtureRequest, shared: Path) -> list[tuple[list[str], list[str]]]:
        """Lines of ours and of the real ``mqds`` and ``hqds``."""
        streams, hiq_before = request.param
        folder = shared / "mi308x" / f"streams-{streams}" / "active"
        (real,) = collect([folder]).snapshots
        machine = MachineSpec.of("mi308x", 8, gpu_ids=GPU_IDS, cpu_nodes=2)
        first = replace(machine.devices[0], hiq_start_dwords=hiq_before)
        kfd = Kfd(replace(machine, devices=(first, *machine.devices[1:])))
        images = [queue.mqds[0].image for queue in reversed(real.processes[0].queues)]
        addresses = AddressSpace(
            given={
                Purpose.RING: [i.get64("cp_hqd_pq_base_lo", "cp_hqd_pq_base_hi") << 8 for i in images],
                Purpose.QUEUE: [
                    i.get64("cp_hqd_pq_rptr_report_addr_lo", "cp_hqd_pq_rptr_report_addr_hi") - 0x80 for i in images
                ],
                Purpose.CWSR: [i.get64("cp_hqd_ctx_save_base_addr_lo", "cp_hqd_ctx_save_base_addr_hi") for i in images],
            }
        )
        pid = real.processes[0].pid
        program = Program(kfd, kfd.machine.nodes[:1], pid, ROCM_7_0, addresses=addresses)
        for _ in range(streams):
            program.devices[0].stream_create()
        kfd.progress(pid, 0, 16, 16)  # ROCr's own queue has run one packet
        ours = kfd.snapshot()
        return [
            (mqds(ours).splitlines(), (folder / "mqds").read_text().splitlines()),
            (hqds(ours).splitlines(), (folder / "hqds").read_text().splitlines()),
        ]

    def test_every_mqd_line_of_the_four_hip_queues(self, texts: list[tuple[list[str], list[str]]]) -> None:
        ours, real = texts[0]
        own = 1 + 4 * (1 + 4 * 64)  # where ROCr's own queue begins: it is the oldest, so the last
        assert len(ours) == len(real) == own + 1 + 4 * 64
        assert ours[1:own] == real[1:own]

    def test_rocrs_own_queue_differs_only_in_what_the_firmware_wrote_when_it_ran(
        self, texts: list[tuple[list[str], list[str]]]
    ) -> None:
        ours, real = texts[0]
        differing = {a.split(":")[0].strip() for a, b in zip(ours[1:], real[1:], strict=True) if a != b}
        assert differing == {f"{offset:08x}" for offset in FIRMWARE}

    def test_every_slot_and_hiq_of_the_device(self, texts: list[tuple[list[str], list[str]]]) -> None:
        ours, real = texts[1]
        end = next(at for at, line in enumerate(real) if "SDMA" in line)
        differing = [at for at in range(end) if ours[at] != real[at]]
        own = [at for at, line in enumerate(real[:end]) if "Pipe 0, Queue 3" in line]
        assert all(any(title < at <= title + 7 for title in own) for at in differing)


def test_priority_streams_of_rocm_7_0_cost_123_hiq_dwords() -> None:
    before = hiq(started()[0])
    kfd, _ = started(HIGH, LOW, HIGH, NORMAL, maximum=8)
    images = [queue.mqds[0].image for queue in queues(kfd)[1:]]
    assert [image.get("cp_hqd_queue_priority") for image in images] == [11, 0, 11, 7]
    assert [image.get("cp_hqd_pipe_priority") for image in images] == [2, 0, 2, 1]
    assert hiq(kfd) - before == 123


@pytest.mark.parametrize("streams", [16, 32, 64])
def test_creating_and_destroying_five_queues_costs_what_the_captures_show(streams: int) -> None:
    before = hiq(started()[0])
    kfd, program = started(*[NORMAL] * streams)
    assert len(queues(kfd)) == 5
    assert hiq(kfd) - before == 72
    program.exit()
    assert queues(kfd) == []
    assert hiq(kfd) - before == 72 + 81


@pytest.mark.parametrize(("maximum", "over"), [(7, False), (8, True)])
def test_eight_queues_a_priority_over_subscribe_a_device(maximum: int, over: bool) -> None:
    kfd, _ = started(*[HIGH, NORMAL, LOW] * maximum, maximum=maximum)
    assert len(queues(kfd)) == 3 * maximum + 1  # 22 and 25 queues for 24 slots
    assert any(event.kind is Kind.OVERSUBSCRIBED for event in kfd.events) is over


def test_a_program_that_is_killed_costs_one_unmap() -> None:
    kfd, program = started(*[NORMAL] * 4)
    before = hiq(kfd)
    program.die()
    assert hiq(kfd) - before == 13
    assert queues(kfd) == []


def test_rocm_5_7_leaves_its_queues_to_the_driver() -> None:
    kfd, program = started(*[NORMAL] * 4, rocm=RocmVersion((5, 7)))
    before = hiq(kfd)
    program.exit()
    assert hiq(kfd) - before == 13


def test_the_supposed_bug_would_leave_every_queue_normal() -> None:
    kfd, _ = started(HIGH, LOW, hard_coded=True)
    assert {queue.mqds[0].image.get("cp_hqd_queue_priority") for queue in queues(kfd)} == {7}


def test_a_cooperative_queue_and_a_cu_mask_cost_an_update_each() -> None:
    kfd, program = started(NORMAL)
    before = hiq(kfd)
    program.devices[0].cooperative_queue()
    assert hiq(kfd) - before == 2 * 17
    program.devices[0].stream_create_with_cu_mask(0xFFFFF)
    assert hiq(kfd) - before == 4 * 17
    masked = queues(kfd)[-1].mqds[0].image
    assert masked.get("compute_static_thread_mgmt_se0") != 0xFFFFFFFF


def test_copies_make_sdma_queues_of_the_highest_priority_once() -> None:
    kfd, program = started(NORMAL, rocm=RocmVersion((5, 7)))
    first = program.rocr.copy_queues(MI308X.nodes[0])
    assert program.rocr.copy_queues(MI308X.nodes[0]) == first
    assert [queue.priority for queue in first] == [15, 15]
    assert [queue.type.value for queue in queues(kfd)] == ["compute", "compute", "sdma", "sdma"]


class TestAnything:
    """Programs come, create, destroy and go, in any order; what must always hold."""

    @settings(max_examples=40, deadline=None)
    @given(
        part=st.sampled_from(["mi308x", "mi210", "navi31", "vega10"]),
        rocm=st.sampled_from([(5, 2), (5, 7), (6, 4), (7, 0)]),
        maximum=st.integers(1, 6),
        acts=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 2), st.integers(-2, 2)), max_size=40),
    )
    def test_invariants(self, part: str, rocm: tuple[int, int], maximum: int, acts: list[tuple[str, int, int]]) -> None:
        machine = MachineSpec.of(part, 2)
        kfd = Kfd(machine)
        programs: dict[int, Program] = {}
        streams: dict[int, list[Stream]] = {}
        for act, number, value in acts:
            pid = number + 1
            if pid not in programs:
                limited = HipSettings(gpu_max_hw_queues=maximum)
                programs[pid] = Program(kfd, machine.nodes, pid, RocmVersion(rocm), limited)
                streams[pid] = []
            program, device = programs[pid], programs[pid].devices[value % 2]
            if act == "create":
                streams[pid].append(device.stream_create(value))
            elif act == "mask":
                streams[pid].append(device.stream_create_with_cu_mask(0b1111))
            elif act == "null":
                device.null_stream()
            elif act == "destroy" and streams[pid]:
                stream = streams[pid].pop()
                next(one for one in program.devices if one.node is stream.queue.hsa.kmt.node).stream_destroy(stream)
            elif act in ("exit", "die"):
                (program.exit if act == "exit" else program.die)()
                del programs[pid], streams[pid]
        self.check(kfd, programs)

    def check(self, kfd: Kfd, programs: dict[int, Program]) -> None:
        snapshot = kfd.snapshot()
        live = {(process.pid, queue.qid): queue for process, queue in snapshot.queues}
        known: dict[tuple[int, int | None], int] = {}
        for pid, program in programs.items():
            for device in program.devices:
                for pooled in (*(one for pool in device.pools.values() for one in pool), *device.cu_mask_queues):
                    known[pid, pooled.hsa.kmt.queue_id] = pooled.hsa.kmt.priority
        # Beside what HIP knows, each process has at most ROCr's own queue on each device, of NORMAL priority.
        assert known.keys() <= live.keys()
        assert len(live.keys() - known.keys()) <= 2 * len(programs)
        images = {key: queue.mqds[0].image for key, queue in live.items()}
        assert {key: images[key].get("cp_hqd_queue_priority") for key in known} == known
        assert all(images[key].get("cp_hqd_queue_priority") == 7 for key in live.keys() - known.keys())
        doorbells = [
            (live[key].gpu_id, image.get("cp_hqd_pq_doorbell_control", "doorbell_offset"))
            for key, image in images.items()
        ]
        assert len(set(doorbells)) == len(doorbells)
        rings = {(pid, image.get64("cp_hqd_pq_base_lo", "cp_hqd_pq_base_hi")) for (pid, _), image in images.items()}
        assert len(rings) == len(images)


def test_the_log_of_sixteen_streams_comes_out_word_for_word(shared: Path) -> None:
    """Pools, queues and references of the real ``AMD_LOG_LEVEL=3`` log, given its addresses."""
    said = re.compile(r"us: (?:\[pid[^]]*\] )? ?(.*(?:hardware queues? |Created SWq|refCount).*)")
    log = (shared / "mi308x" / "amd-log-level-3.log").read_text(errors="replace")
    real = said.findall(log)
    created = re.findall(r"Created SWq=(0x\w+) to map on HWq=(0x\w+)", log)
    addresses = AddressSpace(
        given={
            Purpose.RING: [0x7F0000000000, *(int(ring, 16) for _, ring in created)],  # ROCr's own queue is not told of
            Purpose.QUEUE: [0x7F0000100000, *(int(queue, 16) for queue, _ in created)],
        }
    )
    program = Program(Kfd(MI308X), MI308X.nodes, 85406, ROCM_7_0, addresses=addresses)
    streams = [program.devices[0].stream_create() for _ in range(16)]
    for stream in streams:
        program.devices[0].stream_destroy(stream)
    program.exit()
    assert said.findall(amd_log(program.journal.layer("hip"), ROCM_7_0)) == real
    assert len(real) == 4 * 3 + 12 * 2 + 16 + 4
