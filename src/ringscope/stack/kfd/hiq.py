"""The HIQ: the kernel's own ring, through which the driver tells the firmware about queues.

Packets are real words in a real ring. The ring's rule, which shows in captures: a packet never touches the last dword,
and one that would reach the end is preceded by NOPs up to it, which count in the write pointer.

Rules: facts §4.5; kfd_kernel_queue.c, kfd_packet_manager{,_v9,_vi}.c.
"""

from __future__ import annotations

import errno
from functools import cache

from ringscope.parts import pm4
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.layout import Builder
from ringscope.stack import firmware
from ringscope.stack.kfd.memory import Gart
from ringscope.stack.kfd.mqd import MQD_BYTES, ComputeMqd, Shape
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.machine import PAGE, NodeSpec

FIDELITY = (
    Behaviour(
        "kfd.hiq",
        "every packet on the HIQ and its padding: creates, updates, destroys and deaths in dwords",
        Standing.CAPTURED,
        "gfx942, amdgpu of ROCm 7.0.2",
        "write pointers of three runs: 72, 81 and 123 dwords",
        "tests/stack/kfd/test_capture.py::test_hiq_write_pointers_across_three_runs_wrap_included",
    ),
)

RING_BYTES = 2048
"""KFD_KERNEL_QUEUE_SIZE."""
RING_DWORDS = RING_BYTES // 4
PRIORITY = 1
"""The HIQ's queue priority, which makes its pipe priority LOW (kfd_kernel_queue.c kq_initialize)."""
PLACE = (2, 0, 0)
"""MEC (from 1), pipe and queue: pipe id 4 is MEC 2 pipe 0 (KFD_CIK_HIQ_PIPE) [MI308X]."""
FENCE_INIT, FENCE_COMPLETED = 10, 100
UNMAP_LATENCY_100MS = 40


@cache
def set_resources(fmt: pm4.Format, vmid_mask: int, queue_mask: int) -> tuple[int, ...]:
    """SET_RESOURCES: sent once, when the scheduler starts."""
    build = Builder(pm4.packet_layout(pm4.SET_RESOURCES, fmt))
    build.set("header", pm4.header(pm4.SET_RESOURCES, 8))
    build.put("control", vmid_mask=vmid_mask, unmap_latency=UNMAP_LATENCY_100MS, queue_type=1)
    build.set64("queue_mask_lo", "queue_mask_hi", queue_mask).set64("gws_mask_lo", "gws_mask_hi", 2**64 - 1)
    return build.image().words


@cache
def unmap_queues(fmt: pm4.Format, *, static_too: bool) -> tuple[int, ...]:
    """UNMAP_QUEUES, preempting: all queues but a debugger's static ones, or those too."""
    build = Builder(pm4.packet_layout(pm4.UNMAP_QUEUES, fmt))
    build.set("header", pm4.header(pm4.UNMAP_QUEUES, 6)).put("control", queue_sel=2 if static_too else 3)
    return build.image().words


@cache
def query_status(fmt: pm4.Format, fence: int) -> tuple[int, ...]:
    """QUERY_STATUS: write 100 to the fence once everything before is done."""
    build = Builder(pm4.packet_layout(pm4.QUERY_STATUS, fmt))
    build.set("header", pm4.header(pm4.QUERY_STATUS, 7)).put("control", command=2)
    build.set64("addr_lo", "addr_hi", fence).set64("data_lo", "data_hi", FENCE_COMPLETED)
    return build.image().words


class Hiq:
    """The driver's end of the HIQ: its ring, and the MQD that tells the hardware where it is."""

    def __init__(self, spec: NodeSpec, gart: Gart, mqd_address: int, start_dwords: int) -> None:
        self.ring = [0] * RING_DWORDS
        self.wptr_dwords = start_dwords
        ring = gart.pool.allocate(RING_BYTES)
        eop = gart.pool.allocate(PAGE)
        read_pointer = gart.pool.allocate(4)
        write_pointer = gart.pool.allocate(8)
        self.fence = gart.pool.allocate(8)
        self._held = (ring, eop, read_pointer, write_pointer, self.fence)
        self.mqd = ComputeMqd(
            Shape(spec.generation, spec.xccs, aql=False, hiq=True, save=spec.cwsr and spec.gc >= (10,)),
            mqd_address,
            MQD_BYTES,
            ring,
            RING_BYTES,
            read_pointer,
            write_pointer,
            # Nodes of one device take neighbouring doorbells of KFD's page [one node captured, more inferred].
            (spec.part.hiq_doorbell or 0) + spec.index * (spec.part.doorbell_bytes // 4),
            PRIORITY,
            eop,
            PAGE,
        )
        self.hardware = firmware.Hiq(self.mqd, RING_DWORDS, self.wptr_dwords)

    def release(self, gart: Gart) -> None:
        """Give the HIQ's memory back."""
        for address in self._held:
            gart.pool.free(address)

    def submit(self, words: tuple[int, ...]) -> int:
        """Put one packet into the ring and ring the doorbell; the dwords it took, padding included.

        The firmware has read everything before: nothing here takes time. KfdError ENOMEM when the packet cannot fit.
        """
        if len(words) > RING_DWORDS - 1:
            raise KfdError(errno.ENOMEM, f"a packet of {len(words)} dwords does not fit the HIQ")
        at = self.wptr_dwords % RING_DWORDS
        padding = 0
        if at + len(words) >= RING_DWORDS:
            padding = RING_DWORDS - at
            self.ring[at:] = [pm4.NOP_FILLER] * padding
            at = 0
        self.ring[at : at + len(words)] = words
        self.wptr_dwords += padding + len(words)
        self.hardware.wptr_dwords = self.wptr_dwords
        self.hardware.saw(pm4.opcode_of(words[0]))
        return padding + len(words)
