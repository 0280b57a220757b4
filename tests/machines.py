"""Small made-up machines for tests: a device with slots, processes with queues, mapped or not."""

from __future__ import annotations

from collections.abc import Mapping

from ringscope.join import case_of
from ringscope.join.progress import Progress
from ringscope.parts.layout import Builder, Generation, Image
from ringscope.parts.mqd import HQD_DWORDS, HQD_FIRST_DWORD, compute
from ringscope.recording import Source
from ringscope.snapshot import Device, Hqd, Mqd, Process, Queue, QueueType, Runlist, Snapshot

GPU = 0xF7BC
GEN = Generation.V9_4_3
SLOTS = [(pipe, queue) for queue in range(2, 8) for pipe in range(4)]


def mqd_image(address: int, ring: int, ring_bytes: int, doorbell: int, priority: int = 7, **values: int) -> Image:
    """A saved MQD of one XCC."""
    build = Builder(compute(GEN))
    build.set("header", 0xC0310800).set64("cp_mqd_base_addr_lo", "cp_mqd_base_addr_hi", address)
    build.set64("cp_hqd_pq_base_lo", "cp_hqd_pq_base_hi", ring >> 8)
    build.put("cp_hqd_pq_control", queue_size=(ring_bytes // 8).bit_length() - 1)
    build.put("cp_hqd_pq_doorbell_control", doorbell_offset=doorbell)
    build.set("cp_hqd_pipe_priority", 0 if priority < 7 else 1 if priority < 11 else 2)
    build.set("cp_hqd_queue_priority", priority).set("cp_hqd_quantum", 0x111).set("cp_hqd_aql_control", 1)
    build.set("cp_hqd_cntl_stack_size", 0x2000).set("cp_hqd_ctx_save_size", 0xBA6000)  # 20 CUs an XCC: MI308X
    for engine in range(4):
        build.set(f"compute_static_thread_mgmt_se{engine}", 0xFFFFFFFF)
    for name, value in values.items():
        build.set(name, value)
    return build.image()


def slot(
    xcc: int, pipe: int, queue: int, holds: Image | None, line: int, stale: Image | None = None, **live: int
) -> Hqd:
    """A slot that holds a queue, or is free (with stale registers, if any)."""
    shows = holds or stale
    words = list(shows.words[HQD_FIRST_DWORD : HQD_FIRST_DWORD + HQD_DWORDS]) if shows else [0] * HQD_DWORDS
    layout = compute(GEN)
    words[layout["cp_hqd_active"].dword - HQD_FIRST_DWORD] = int(holds is not None)
    for name, value in live.items():
        words[layout[name].dword - HQD_FIRST_DWORD] = value
    data = b"".join(word.to_bytes(4, "little") for word in words)
    return Hqd(xcc, 1, pipe, queue, Image(layout, data, HQD_FIRST_DWORD), Source("hqds", line))


def hiq(write_pointer: int, xcc: int = 0) -> Hqd:
    build = Builder(compute(GEN)).set("cp_hqd_active", 1).set("cp_hqd_pq_wptr_lo", write_pointer)
    data = build.bytes()[HQD_FIRST_DWORD * 4 : (HQD_FIRST_DWORD + HQD_DWORDS) * 4]
    return Hqd(xcc, 2, 0, 0, Image(compute(GEN), data, HQD_FIRST_DWORD), Source("hqds", 2))


def machine(
    processes: dict[int, list[int]],
    *,
    label: str = "now",
    xccs: int = 2,
    mapped: bool = True,
    write_pointer: int = 0,
    doorbell_step: int = 2,
    sources: tuple[str, ...] = ("mqds", "hqds"),
    saved: Mapping[int, Mapping[str, int]] | None = None,
    live: Mapping[int, Mapping[str, int]] | None = None,
    runlist: Runlist | None = None,
) -> Snapshot:
    """A machine whose processes hold queues of the given KFD priorities, oldest first, mapped as far as slots go.

    ``saved`` and ``live`` set registers in the MQDs and in the slots of the k-th queue, counted over all processes.
    """
    made = []
    held: list[list[Image]] = []
    for place, (pid, priorities) in enumerate(processes.items()):
        queues = []
        for number, priority in enumerate(priorities):
            ring = 0x7F00_0000_0000 + pid * 0x1000_0000 + number * 0x100_0000
            ring_bytes = 4096 if number == 0 else 1 << 20
            doorbell = 0x1000 + 0x800 * place + doorbell_step * number
            base = 0x100_0000 + len(held) * 0x10_0000
            values = (saved or {}).get(len(held), {})
            copies = [
                mqd_image(base + 0x3000 * xcc, ring, ring_bytes, doorbell, priority, **values) for xcc in range(xccs)
            ]
            held.append(copies)
            mqds = tuple(Mqd(xcc, image, Source("mqds", 10 * len(held))) for xcc, image in enumerate(copies))
            queues.append(Queue(GPU, QueueType.COMPUTE, Source("mqds", 10 * len(held)), mqds))
        made.append(Process(pid, tuple(reversed(queues)), Source("mqds", 1)))
    hqds = []
    for xcc in range(xccs):
        for k, (pipe, queue) in enumerate(SLOTS):
            image = held[k][xcc] if mapped and k < len(held) else None
            registers = {"cp_hqd_vmid": 0x303} | dict((live or {}).get(k, {})) if image else {}
            hqds.append(slot(xcc, pipe, queue, image, 100 + k, None, **registers))
    hiqs = tuple(hiq(write_pointer, xcc) for xcc in range(xccs))
    device = Device(
        2,
        GPU,
        Source("hqds", 1),
        GEN,
        tuple(hqds) if "hqds" in sources else (),
        hiqs if "hqds" in sources else (),
        runlist=runlist,
    )
    return Snapshot(label, (device,), tuple(made), frozenset(sources))


def progress(*snapshots: Snapshot) -> Progress:
    """Readings of a machine, one second after the other."""
    first, *later = case_of(snapshots).states
    made = Progress(0, first)
    for seconds, state in enumerate(later, 1):
        made = made.then(seconds * 1_000_000_000, state)
    return made
