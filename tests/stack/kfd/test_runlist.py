from collections.abc import Sequence

import pytest

from ringscope.parts import pm4
from ringscope.parts.layout import Image
from ringscope.parts.pm4 import Format
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import CreateQueue
from ringscope.stack.kfd.runlist import Limit, Runlist, map_process, map_queues, run_list, sh_mem_config, size, warning
from ringscope.stack.machine import Isolation, MachineSpec

AQL, SDMA, XGMI = IoctlQueueType.COMPUTE_AQL, IoctlQueueType.SDMA, IoctlQueueType.SDMA_XGMI


def loaded(part: str, *kinds: IoctlQueueType, **switches: Isolation) -> tuple[Kfd, Runlist]:
    machine = MachineSpec.of(part, **switches)  # type: ignore[arg-type]
    kfd = Kfd(machine)
    gpu = machine.nodes[0].gpu_id
    for i, kind in enumerate(kinds):
        kfd.create_queue(1, CreateQueue(gpu, kind, 1 << 40, 4096, 0x80, 0x7F00_0000_0038 + 0x1000 * i))
    runlist = kfd.scheduler(gpu).runlist
    assert runlist is not None
    return kfd, runlist


def packets(runlist: Runlist, fmt: Format) -> list[Image]:
    return packets_of(runlist.words, fmt)


def packets_of(words: Sequence[int], fmt: Format) -> list[Image]:
    found, at = [], 0
    while at < len(words):
        dwords = pm4.packet_dwords(words[at])
        data = b"".join(word.to_bytes(4, "little") for word in words[at : at + dwords])
        found.append(Image(pm4.packet_layout(pm4.opcode_of(words[at]), fmt), data))
        at += dwords
    return found


@pytest.mark.parametrize(
    ("part", "fmt", "bytes_"),
    [("mi308x", Format.ALDEBARAN, 84), ("vega10", Format.V9, 64), ("navi10", Format.V9, 64), ("fiji", Format.VI, 64)],
)
def test_fields_read_back_by_the_packet_tables(part: str, fmt: Format, bytes_: int) -> None:
    kfd, runlist = loaded(part, AQL, AQL)
    assert runlist.size.bytes == bytes_ + 2 * 28
    process, newest, oldest = packets(runlist, fmt)
    assert process.get("control", "pasid") == 0x8000
    assert process.get("control", "process_quantum") == 10
    assert process.get("resources", "num_queues") == 2
    for image, qid in ((newest, 1), (oldest, 0)):
        queue = kfd.queue(1, qid)
        assert image.get("control") == 0x20000010
        assert image.get("control2", "doorbell_offset") == queue.doorbell
        assert image.get64("mqd_addr_lo", "mqd_addr_hi") == queue.mqd_address
        assert image.get64("wptr_addr_lo", "wptr_addr_hi") == queue.request.write_pointer


def test_trap_handler_and_isolation() -> None:
    _, runlist = loaded("vega10", AQL, isolation=Isolation.ON)
    process = packets(runlist, Format.V9)[0]
    assert process.get("sq_shader_tba_hi", "trap_en") == 1
    assert process.get64("sq_shader_tma_lo", "sq_shader_tma_hi") << 8 == 0x3800
    assert process.get("control", "exec_cleaner_shader") == 1


@pytest.mark.parametrize(
    ("part", "fmt", "kind", "engines"),
    [
        ("mi308x", Format.ALDEBARAN, SDMA, [(0, 2), (0, 3)]),
        ("mi308x", Format.ALDEBARAN, XGMI, [(1, 2), (1, 3)]),
        ("mi300x", Format.ALDEBARAN, XGMI, [(1, 2), (1, 3), (1, 4), (1, 5), (1, 6), (1, 7), (2, 0), (2, 1)]),
        ("navi10", Format.V9, SDMA, [(0, 2), (0, 3)]),
        ("navi21", Format.V9, SDMA, [(1, 0), (1, 1), (1, 2), (1, 3)]),
    ],
)
def test_sdma_engines(part: str, fmt: Format, kind: IoctlQueueType, engines: list[tuple[int, int]]) -> None:
    _, runlist = loaded(part, *(kind,) * len(engines))
    found = [
        (image.get("control", "extended_engine_sel"), image.get("control", "engine_sel"))
        for image in reversed(packets(runlist, fmt)[1:])
    ]
    assert found == engines


def test_sizes_and_the_packet_that_closes_a_loop() -> None:
    spec = MachineSpec.of("mi308x").nodes[0]
    assert size(spec, 1, 5, ()).dwords == 56
    over = size(spec, 14, 25, (Limit.PROCESSES, Limit.QUEUES))
    assert over.bytes == 14 * 84 + 25 * 28 + 16
    assert run_list(spec, 0x1_00FC_DE00, over, chain=True) == (
        0xC002A500,
        0x00FCDE00,
        1,
        over.dwords | 1 << 20 | 1 << 22 | 1 << 23 | 13 << 24,
    )
    assert warning(over.limits) == (
        "Runlist is getting oversubscribed due to too many processes too many queues. Expect reduced ROCm performance."
    )


def test_a_frozen_runlist_keeps_its_words() -> None:
    kfd, runlist = loaded("mi308x", AQL)
    before = runlist.words
    runlist.freeze()
    next(iter(runlist.processes)).queues.clear()
    assert runlist.words == before
    assert kfd.process(1).queues


@pytest.mark.parametrize("part", ["fiji", "vega10", "mi308x"])
def test_addresses_above_4_gib_stand_whole_in_a_packet(part: str) -> None:
    kfd, _ = loaded(part, AQL)
    queue, node = kfd.queue(1, 0), kfd.machine.nodes[0]
    queue.mqd_address = 0x12_8000_3000
    (image,) = packets_of(map_queues(node, queue), node.packets)
    assert image.get64("mqd_addr_lo", "mqd_addr_hi") == 0x12_8000_3000
    process = kfd.process(1).devices[node.gpu_id]
    process.page_table = 0x34_5678_9000
    (image,) = packets_of(map_process(node, process), node.packets)
    if node.packets is Format.VI:
        assert image.get("page_table_base", "page_table_base") << 12 == 0x34_5678_9000
    else:
        low, high = "vm_context_page_table_base_addr_lo", "vm_context_page_table_base_addr_hi"
        assert image.get64(low, high) == 0x34_5678_9000


@pytest.mark.parametrize(
    ("part", "on", "off"), [("vega10", 0x18, 0x1018), ("mi308x", 0x118, 0x1118), ("navi31", 0x18, 0x18)]
)
def test_retry_is_off_without_xnack_on_gfx9(part: str, on: int, off: int) -> None:
    node = MachineSpec.of(part).nodes[0]
    assert (sh_mem_config(node, xnack=True), sh_mem_config(node, xnack=False)) == (on, off)


def test_sdma_engines_before_soc15() -> None:
    _, runlist = loaded("fiji", SDMA, SDMA)
    assert [image.get("control", "engine_sel") for image in reversed(packets(runlist, Format.VI)[1:])] == [2, 3]
