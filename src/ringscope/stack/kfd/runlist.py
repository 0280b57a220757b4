"""The runlist: the indirect buffer that tells the firmware which processes and queues there are.

Processes stand newest first, each as MAP_PROCESS followed by MAP_QUEUES for its active queues, newest first. Whatever
does not fit the hardware at once makes the driver append a RUN_LIST that points back at the start, so that the
firmware goes round. Words are made only when somebody looks: with thousands of queues a runlist is sent per create.

Rules: facts §5.3, §6; kfd_packet_manager.c pm_create_runlist_ib, pm_calc_rlib_size.
"""

from __future__ import annotations

import struct
from enum import Enum
from functools import cache

from ringscope import snapshot
from ringscope.parts import pm4
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.layout import Builder, Generation, Image
from ringscope.records import dataclass
from ringscope.stack.firmware import SOURCE
from ringscope.stack.kfd.mqd import TBA, TMA
from ringscope.stack.kfd.process import ProcessDevice, Queue
from ringscope.stack.machine import Isolation, NodeSpec

FIDELITY = (
    Behaviour(
        "kfd.runlist",
        "MAP_PROCESS and MAP_QUEUES in the driver's order, chained when over-subscribed",
        Standing.SOURCE,
        "kernels 6.8 to 6.14",
        "kfd_packet_manager.c; sizes agree with the HIQ of the captures, no runlist text was captured",
        "tests/stack/kfd/test_runlist.py::test_sizes_and_the_packet_that_closes_a_loop",
    ),
)

MAP_PROCESS_BYTES = {pm4.Format.VI: 64, pm4.Format.V9: 64, pm4.Format.ALDEBARAN: 84}
MAP_QUEUES_BYTES = 28
RUN_LIST_BYTES = 16
PROCESS_QUANTUM = 10
"""MAP_PROCESS.process_quantum; the driver does not state its unit (facts §5.3)."""


class Limit(Enum):
    """A limit whose excess over-subscribes a node; the value is the driver's wording in its warning."""

    PROCESSES = "too many processes"
    QUEUES = "too many queues"
    GWS = "multiple processes using cooperative launch"
    XNACK = "xnack on/off processes mixed on gfx9"


def warning(limits: tuple[Limit, ...]) -> str:
    """The line the driver logs when a node becomes over-subscribed."""
    what = " ".join(limit.value for limit in limits)
    return f"Runlist is getting oversubscribed due to {what}. Expect reduced ROCm performance."


@dataclass(frozen=True, slots=True)
class Size:
    """What a runlist holds, counted before it is built: the driver sizes the buffer by its counters."""

    processes: int
    queues: int
    limits: tuple[Limit, ...]
    bytes: int

    @property
    def dwords(self) -> int:
        """Size of the whole buffer."""
        return self.bytes // 4


def size(spec: NodeSpec, processes: int, queues: int, limits: tuple[Limit, ...]) -> Size:
    """Bytes of a runlist of so many processes and active queues."""
    fmt = spec.packets
    total = processes * MAP_PROCESS_BYTES[fmt] + queues * MAP_QUEUES_BYTES
    return Size(processes, queues, limits, total + RUN_LIST_BYTES if limits else total)


def run_list(spec: NodeSpec, address: int, what: Size, *, chain: bool) -> tuple[int, ...]:
    """The RUN_LIST packet: into the HIQ it starts a runlist, at the runlist's end it makes the firmware go round."""
    alone = spec.driver.isolation is Isolation.ON
    at_once = 1 if alone else min(what.processes, spec.processes_at_once)
    header, control = _run_list_fixed(spec.packets, at_once, chain)
    return header, address & 0xFFFFFFFF, address >> 32, control | what.dwords


@cache
def _run_list_fixed(fmt: pm4.Format, at_once: int, chain: bool) -> tuple[int, int]:
    """Header and control word of a RUN_LIST, without the buffer's size, which stands in its lowest bits."""
    build = Builder(pm4.packet_layout(pm4.RUN_LIST, fmt))
    build.set("header", pm4.header(pm4.RUN_LIST, 4)).put("control", chain=int(chain), valid=1, process_cnt=at_once)
    if chain and fmt is not pm4.Format.VI:
        build.put("control", chained_runlist_idle_disable=1)
    image = build.image()
    return image.get("header"), image.get("control")


@dataclass(eq=False)
class Runlist:
    """A runlist that the firmware has loaded. ``words`` builds the buffer, and keeps it once :meth:`freeze` was called.

    The driver's lists cannot change under a loaded runlist without a new one, but for queues that are not active;
    whoever adds or removes such a one calls ``freeze`` first.
    """

    spec: NodeSpec
    address: int
    size: Size
    processes: tuple[ProcessDevice, ...]
    _words: tuple[int, ...] | None = None

    @property
    def words(self) -> tuple[int, ...]:
        """The whole buffer, as debugfs ``rls`` shows it."""
        return self._words if self._words is not None else self._build()

    def freeze(self) -> None:
        """Build the words now, before the lists they come from change."""
        self._words = self.words

    def _build(self) -> tuple[int, ...]:
        words: list[int] = []
        for process in self.processes:
            words += map_process(self.spec, process)
            for queue in process.newest_first():
                words += map_queues(self.spec, queue)
        if self.size.limits:
            words += run_list(self.spec, self.address, self.size, chain=True)
        words += [0] * (self.size.dwords - len(words))
        return tuple(words)


def packed(words: tuple[int, ...], fmt: pm4.Format) -> snapshot.Runlist:
    """A runlist as a Snapshot holds it: its words, and the same as packets."""
    data, packets, at = struct.pack(f"<{len(words)}I", *words), [], 0
    while at < len(words):
        end = at + pm4.packet_dwords(words[at])
        layout = pm4.packet_layout(pm4.opcode_of(words[at]), fmt)
        packets.append(snapshot.Packet(Image(layout, data[at * 4 : end * 4]), SOURCE))
        at = end
    return snapshot.Runlist(words, SOURCE, tuple(packets))


def map_process(spec: NodeSpec, process: ProcessDevice) -> tuple[int, ...]:
    """MAP_PROCESS: who, its page table, its apertures, how many queues."""
    fmt = spec.packets
    build = Builder(pm4.packet_layout(pm4.MAP_PROCESS, fmt))
    build.set("header", pm4.header(pm4.MAP_PROCESS, MAP_PROCESS_BYTES[fmt] // 4))
    build.put("control", pasid=process.pasid, process_quantum=PROCESS_QUANTUM)
    build.set("sh_mem_bases", SH_MEM_BASES).set("sh_mem_config", sh_mem_config(spec, xnack=process.process.xnack))
    build.put("resources", num_gws=spec.gws if process.gws else 0, num_queues=len(process.queues))
    if fmt is pm4.Format.VI:
        build.put("page_table_base", page_table_base=process.page_table >> 12)
        return build.image().words
    if spec.driver.isolation is Isolation.ON:
        build.put("control", exec_cleaner_shader=1)
    build.put("resources", sdma_enable=1)
    build.set64("vm_context_page_table_base_addr_lo", "vm_context_page_table_base_addr_hi", process.page_table)
    if spec.cwsr:
        build.set64("sq_shader_tba_lo", "sq_shader_tba_hi", TBA >> 8)
        build.set64("sq_shader_tma_lo", "sq_shader_tma_hi", TMA >> 8)
        if fmt is not pm4.Format.ALDEBARAN:
            build.put("sq_shader_tba_hi", trap_en=1)
    return build.image().words


SH_MEM_BASES = 0x00010002
"""LDS aperture at 1 << 48 and scratch at 2 << 48 (kfd_device_queue_manager_v9.c compute_sh_mem_bases_64bit)."""


def sh_mem_config(spec: NodeSpec, *, xnack: bool) -> int:
    """SH_MEM_CONFIG: unaligned access, retry off without XNACK, F8 mode on v9.4.3.

    Source: kfd_device_queue_manager_{vi,v9,v10,v11,v12}.c; bit positions gc_9_0_sh_mask.h [not seen in any capture].
    """
    config = 3 << 3
    if spec.generation in (Generation.V9, Generation.V9_4_3) and not xnack:
        config |= 1 << 12
    if spec.generation is Generation.V9_4_3:
        config |= 1 << 8
    return config


def map_queues(spec: NodeSpec, queue: Queue) -> tuple[int, ...]:
    """MAP_QUEUES for one queue: doorbell, MQD and write pointer; neither slot nor queue id nor priority goes along."""
    engine = -1 if queue.sdma is None else queue.sdma.engine
    by_number = spec.gc >= (10, 3)  # SDMA 5.2 and later
    header, control = _map_queues_fixed(spec.packets, engine, by_number, queue.gws)
    wptr = queue.request.write_pointer
    return (
        *(header, control, queue.doorbell << 2),
        *(queue.mqd_address & 0xFFFFFFFF, queue.mqd_address >> 32),
        *(wptr & 0xFFFFFFFF, wptr >> 32),
    )


@cache
def _map_queues_fixed(fmt: pm4.Format, engine: int, by_number: bool, gws: bool) -> tuple[int, int]:
    """Header and control word of a MAP_QUEUES; ``engine`` is -1 for a compute queue."""
    build = Builder(pm4.packet_layout(pm4.MAP_QUEUES, fmt))
    build.set("header", pm4.header(pm4.MAP_QUEUES, 7)).put("control", queue_sel=1, num_queues=1)
    if engine >= 0 and (engine >= 2 or by_number):
        build.put("control", extended_engine_sel=1 if engine < 8 else 2, engine_sel=engine % 8)
    elif engine >= 0:
        build.put("control", engine_sel=2 + engine)
    elif gws and fmt is not pm4.Format.VI:
        build.put("control", gws_control_queue=1)
    image = build.image()
    return image.get("header"), image.get("control")
