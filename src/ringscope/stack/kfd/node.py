"""One KFD node: its memory, doorbells, SDMA queues, HIQ and slots, and how MQDs of its queues come about."""

from __future__ import annotations

import errno
from collections.abc import Callable

from ringscope.parts import mqd as mqd_table
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.recording import Kind, Value
from ringscope.stack.firmware import FirmwareSpec, Mec, Mqd, SdmaRlcs
from ringscope.stack.kfd.bitmap import Bitmap
from ringscope.stack.kfd.doorbells import Bar
from ringscope.stack.kfd.hiq import Hiq
from ringscope.stack.kfd.memory import Gart, pool_bytes
from ringscope.stack.kfd.mqd import MQD_BYTES, ComputeMqd, SdmaMqd, Shape
from ringscope.stack.kfd.process import Queue
from ringscope.stack.kfd.records import Action, Breakage, CreateQueue, KfdError, Step, kind_of
from ringscope.stack.kfd.runlist import MAP_PROCESS_BYTES
from ringscope.stack.machine import PAGE, NodeSpec, Scheduling

MAX_SDMA_QUEUES = 128
"""KFD_MAX_SDMA_QUEUES, kfd_priv.h."""

Log = Callable[..., None]


class Node:
    """The state of one KFD node that does not depend on who schedules.

    Args:
        spec: what the node is.
        firmware: rules of its MEC.
        bar: doorbell BAR of the device it belongs to.
        log: told of every event: ``log(kind, pid=…, **attrs)``.
    """

    def __init__(self, spec: NodeSpec, firmware: FirmwareSpec, bar: Bar, log: Log) -> None:
        self.spec = spec
        self.bar = bar
        self._log = log
        self.steps: list[Step] = []
        self.breakages: list[Breakage] = []
        fmt = spec.part.packet_format
        map_process = MAP_PROCESS_BYTES[fmt] if fmt else 64
        self.gart = Gart(spec.gart, pool_bytes(spec.driver.max_queues_per_device, map_process))
        self.sdma = SdmaQueues(spec)
        self._sdma_mqd_bytes = mqd_table.sdma(spec.generation).dwords * 4
        self._hiq_mqds = MQD_BYTES * spec.xccs
        engines = sum(spec.sdma_engines)
        mes = spec.scheduling is Scheduling.MES
        self._queue_mqds = 0
        if not mes:
            sdma_mqds = engines * spec.part.sdma_queues_per_engine * self._sdma_mqd_bytes
            self._queue_mqds = self.gart.objects.allocate(self._hiq_mqds + sdma_mqds)
        slots = tuple(slot for slot in spec.slots if not mes or slot[1] in MES_QUEUES)
        self.mec = Mec(spec.generation, slots, spec.xccs, spec.vmids, firmware)
        self.rlcs = SdmaRlcs(engines, spec.part.sdma_queues_per_engine)
        self.hiq: Hiq | None = None
        self._logic_xcc = 0

    # What happens, for the engine and for the log

    def step(self, action: Action, dwords: int = 0, queues: int = 0, *, waits: bool = False) -> None:
        """Note one thing that was done to the hardware."""
        self.steps.append(Step(self.spec.gpu_id, action, dwords, queues, waits))

    def log(self, kind: Kind, pid: int | None = None, **attrs: Value) -> None:
        """Note one event of this node."""
        self._log(kind, pid, gpu_id=self.spec.gpu_id, **attrs)

    def broke(self, what: str) -> None:
        """Note what a proposal broke."""
        self.breakages.append(Breakage(self.spec.gpu_id, type(self.spec.driver.proposal).__name__, what))

    # HIQ

    def start_hiq(self, *, fresh: bool = False) -> Hiq:
        """Make the HIQ and let the hardware know of it (KIQ MAP_QUEUES); ``fresh`` forgets the spec's start."""
        self.hiq = Hiq(self.spec, self.gart, self._queue_mqds, 0 if fresh else self.spec.hiq_start_dwords)
        self.mec.hiq = self.hiq.hardware
        return self.hiq

    # MQDs

    def allocate_mqd(self, request: CreateQueue, sdma: tuple[int, int] | None) -> int:
        """GART address of a new queue's MQD; KfdError ENOMEM when there is no room (facts §4.3)."""
        spec = self.spec
        if sdma is not None and spec.scheduling is not Scheduling.MES:
            engine, queue = sdma
            at = engine * spec.part.sdma_queues_per_engine + queue
            return self._queue_mqds + self._hiq_mqds + at * self._sdma_mqd_bytes
        if self._own_object:
            return self.gart.objects.allocate(self._stride(request) * spec.xccs)
        mes = spec.scheduling is Scheduling.MES
        return self.gart.pool.allocate(PAGE if mes or spec.gc >= (12,) else MQD_BYTES)

    def free_mqd(self, queue: Queue) -> None:
        """Give an MQD's memory back; those of SDMA queues stay with the node but on MES parts."""
        if queue.sdma is not None and self.spec.scheduling is not Scheduling.MES:
            return
        if self._own_object and queue.sdma is None:
            self.gart.objects.free(queue.mqd_address)
        else:
            self.gart.pool.free(queue.mqd_address)

    @property
    def _own_object(self) -> bool:
        """Whether compute MQDs are buffer objects of their own: v9 with CWSR, for the control stack must follow."""
        return self.spec.cwsr and self.spec.gc[0] == 9

    def _stride(self, request: CreateQueue) -> int:
        if not self._own_object:
            return MQD_BYTES
        return -(-request.ctl_stack_bytes // PAGE) * PAGE + PAGE

    def next_logic_xcc(self) -> int:
        """The driver's running counter of first XCCs (dqm current_logical_xcc_start)."""
        self._logic_xcc += 1
        return self._logic_xcc - 1

    def compute_mqd(self, queue: Queue) -> ComputeMqd:
        """What init_mqd and update_mqd write for a compute queue as it now is."""
        spec, driver, request = self.spec, self.spec.driver, queue.request
        aql = request.type is IoctlQueueType.COMPUTE_AQL
        # From gfx10 on the driver does not ask whether there is a save area.
        save = spec.cwsr and (bool(request.cwsr_base) or spec.gc >= (10,))
        shape = Shape(
            spec.generation,
            spec.xccs,
            aql,
            trap=spec.cwsr,
            save=save,
            profiler=driver.profiler_owned,
            atomics=driver.pcie_atomics,
            privileged=driver.priv_cp_queues,
        )
        return ComputeMqd(
            shape,
            queue.mqd_address,
            self._stride(request),
            request.ring_base,
            request.ring_bytes,
            request.read_pointer,
            request.write_pointer,
            queue.doorbell,
            request.priority,
            request.eop_base,
            request.eop_bytes,
            request.cwsr_base if save else 0,
            request.cwsr_bytes,
            request.ctl_stack_bytes,
            queue.home.vmid,
            queue.gws,
            request.percentage >> 8 & 0xFF,
            queue.logic_xcc,
            queue.cu_masks,
        )

    def sdma_mqd(self, queue: Queue, engine: int, sdma_queue: int) -> SdmaMqd:
        """What the driver writes for an SDMA queue as it now is."""
        request = queue.request
        return SdmaMqd(
            self.spec.generation,
            queue.mqd_address,
            request.ring_base,
            request.ring_bytes,
            request.read_pointer,
            request.write_pointer,
            queue.doorbell,
            engine,
            sdma_queue,
            queue.home.vmid,
            self.spec.driver.sdma_phase_quantum,
        )

    def write_mqd(self, queue: Queue) -> None:
        """init_mqd or update_mqd: the queue's MQD takes what the queue now is."""
        if queue.sdma is not None:
            queue.sdma = self.sdma_mqd(queue, queue.sdma.engine, queue.sdma.queue)
            return
        driver = self.compute_mqd(queue)
        queue.driver = driver
        if queue.compute is None:
            queue.compute = Mqd(driver)
        else:
            queue.compute.update(driver)


MES_QUEUES = (2, 3)
"""Queues of each pipe that MES may use: mask 0xC (facts §8; mes_v11_0.c, mes_v12_0.c)."""


class SdmaQueues:
    """Which SDMA queues of a node are free: those of PCIe engines first, then those of xGMI engines (facts §3.3)."""

    def __init__(self, spec: NodeSpec) -> None:
        self._pcie, self._xgmi = spec.sdma_engines
        per_engine, reserved = spec.part.sdma_queues_per_engine, spec.part.sdma_reserved_queues
        self._used = {
            IoctlQueueType.SDMA: _ids(self._pcie, per_engine, reserved),
            IoctlQueueType.SDMA_XGMI: _ids(self._xgmi, per_engine, reserved),
        }
        self._reserved = {kind: len(used) for kind, used in self._used.items()}

    @property
    def held(self) -> int:
        """Queues in the hands of processes."""
        return sum(len(used) - self._reserved[kind] for kind, used in self._used.items())

    @property
    def engines(self) -> int:
        """All engines of the node."""
        return self._pcie + self._xgmi

    def allocate(self, request: CreateQueue) -> tuple[int, int]:
        """``(engine, queue)`` for a new queue, spread over the engines; KfdError ENOMEM when none is left."""
        kind, engine = request.type, None
        if kind is IoctlQueueType.SDMA_BY_ENG_ID:
            engine = request.sdma_engine
            kind = IoctlQueueType.SDMA if engine < self._pcie else IoctlQueueType.SDMA_XGMI
        used, engines = self._used[kind], self._pcie if kind is IoctlQueueType.SDMA else self._xgmi
        first = 0 if kind is IoctlQueueType.SDMA else self._pcie
        if engine is None:
            bit = used.first_free()
        else:
            bit = next((b for b in range(engine - first, used.size, engines) if b not in used), None)
        if bit is None:
            where = "" if engine is None else f" on engine {engine}"
            raise KfdError(errno.ENOMEM, f"no {kind_of(kind).value} queue is left{where}")
        used.set(bit)
        return first + bit % engines, bit // engines

    def free(self, engine: int, queue: int) -> None:
        """Give a queue back."""
        if engine < self._pcie:
            self._used[IoctlQueueType.SDMA].clear(queue * self._pcie + engine)
        else:
            self._used[IoctlQueueType.SDMA_XGMI].clear(queue * self._xgmi + engine - self._pcie)


def _ids(engines: int, per_engine: int, reserved: int) -> Bitmap:
    used = Bitmap(min(engines * per_engine, MAX_SDMA_QUEUES))
    for bit in range(engines * reserved):
        used.set(bit)
    return used
