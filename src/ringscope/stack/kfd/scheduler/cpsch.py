"""CPSCH: the firmware schedules, the driver tells it by runlists what there is.

Any change of what should run, be it a create, a destroy, an update, an eviction or a process's death, takes every
queue of the node off its slot and sends a new runlist, all under one lock. Dispatches never come here.

Rules: facts §5.2; kfd_device_queue_manager.c {map,unmap,execute}_queues_cpsch.
"""

from __future__ import annotations

import errno
from contextlib import ExitStack
from itertools import islice

from ringscope.parts import pm4
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.layout import Builder
from ringscope.recording import Kind
from ringscope.stack.kfd import hiq as packets
from ringscope.stack.kfd.node import Node
from ringscope.stack.kfd.process import ProcessDevice, Queue
from ringscope.stack.kfd.records import Action, CreateQueue, KfdError
from ringscope.stack.kfd.runlist import Limit, Runlist, run_list, size, warning
from ringscope.stack.kfd.scheduler import Scheduler
from ringscope.stack.machine import Isolation

FIDELITY = (
    Behaviour(
        "kfd.over_subscription",
        "a device is over-subscribed by queues, by processes, by GWS or by mixed XNACK, and then only",
        Standing.CAPTURED,
        "gfx9 under HWS; the 36 runs of an MI300A",
        "kfd_packet_manager.c pm_calc_rlib_size; AMD's published runs slow down exactly there",
        "tests/stack/kfd/test_capture.py::test_oversubscription_is_where_an_mi300a_slowed_down",
    ),
    Behaviour(
        "kfd.remap",
        "a create, destroy, update or death unmaps all queues of the device and maps them anew",
        Standing.CAPTURED,
        "CPSCH",
        "kfd_device_queue_manager.c execute_queues_cpsch; HIQ of the captures",
        "tests/stack/kfd/test_capture.py::test_hiq_write_pointers_across_three_runs_wrap_included",
    ),
)

HANG_WORD = 0x55555555
XNACK_PER_PROCESS = ((9, 4, 2), (9, 4, 3), (9, 4, 4), (9, 5, 0))
"""GC versions on which processes choose XNACK for themselves (kfd_priv.h KFD_SUPPORT_XNACK_PER_PROCESS)."""
XNACK_CHAIN = ((9, 4, 3), (9, 5, 0))
"""Those whose firmware must not have both modes mapped at once: AMDGPU_GMC_XNACK_FLAG_CHAIN, set with MEC firmware 184
(9.5.0: 23) and later, which is taken for granted here (gfx_v9_4_3.c)."""


class Cpsch(Scheduler):
    """The driver's side of firmware scheduling on one node.

    ``blocked_maps`` counts map requests that found a runlist loaded and did nothing; every caller unmaps first, so it
    stays 0.
    """

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self._fmt = node.spec.packets
        self._hiq = node.start_hiq()
        self._runlist: Runlist | None = None
        self._limits: tuple[Limit, ...] = ()
        self.halted = False
        self.hung = False
        self.blocked_maps = 0

    @property
    def runlist(self) -> Runlist | None:
        """The runlist that the firmware has; the driver's ``active_runlist`` says no more than that there is one."""
        return self._runlist

    @property
    def limits(self) -> tuple[Limit, ...]:
        """What is exceeded now; empty when everything is mapped at once."""
        spec = self.node.spec
        return tuple(
            limit
            for limit, exceeded in (
                (Limit.PROCESSES, len(self.processes) > spec.processes_at_once),
                (Limit.QUEUES, self.active_compute > len(spec.slots)),
                (Limit.GWS, self.active_gws > 1),
                (Limit.XNACK, spec.gc in XNACK_CHAIN and self._xnack_mixed()),
            )
            if exceeded
        )

    def _xnack_mixed(self) -> bool:
        if self.node.spec.gc not in XNACK_PER_PROCESS:
            return False
        return len({home.process.xnack for home in self.processes}) > 1

    # The whole node

    def start(self) -> None:
        """pm_init and SET_RESOURCES, then whatever queues there are."""
        spec = self.node.spec
        if not spec.hiq_start_dwords:
            words = packets.set_resources(self._fmt, _mask(spec.vmids), queue_mask(spec.slots))
            self._send(Action.SET_RESOURCES, words)
        self.running = True
        self._execute()

    def halt(self) -> None:
        """Unmap all queues and map none until unhalt (kfd stop_sched, system suspend)."""
        if not self.halted:
            self._unmap(static_too=True)
        self.halted = True

    def unhalt(self) -> None:
        """Map again."""
        self.halted = False
        self._execute()

    def hang(self) -> None:
        """Feed the HIQ seven dwords that are no packet; the unmap behind them is never answered and the GPU is lost."""
        node = self.node
        self._hiq.hardware.stuck_dwords = self._hiq.wptr_dwords
        self._send(Action.WRITE_DATA, (HANG_WORD,) * 7)
        self._send(Action.UNMAP_QUEUES, packets.unmap_queues(self._fmt, static_too=True))
        self._send(Action.QUERY_STATUS, packets.query_status(self._fmt, self._hiq.fence), waits=True)
        node.log(
            Kind.HANG,
            message="qcm fence wait loop timeout expired",
            timeout_ms=node.spec.driver.preemption_timeout_ms,
        )
        node.log(
            Kind.KERNEL_MESSAGE,
            message="The cp might be in an unrecoverable state due to an unsuccessful queues preemption",
        )
        self.hung = True

    def reset(self) -> None:
        """GPU reset: the slots are empty, the HIQ is made anew and every active queue is mapped again."""
        node = self.node
        node.step(Action.GPU_RESET, waits=True)
        node.log(Kind.RESET)
        node.mec.reset()
        node.rlcs.reset()
        self._release()
        self._hiq.release(node.gart)
        self.hung = False
        self._hiq = node.start_hiq(fresh=True)
        words = packets.set_resources(self._fmt, _mask(node.spec.vmids), queue_mask(node.spec.slots))
        self._send(Action.SET_RESOURCES, words)
        self._execute()

    # Queue by queue

    def _reserve(self, home: ProcessDevice, request: CreateQueue, undo: ExitStack) -> None:
        """Nothing: the firmware chooses slots."""

    def _released(self, queue: Queue) -> None:
        """Nothing."""

    def _add(self, queue: Queue) -> None:
        """Nothing: one runlist for all is to come."""

    def _drop(self, queue: Queue, *, gone: bool) -> None:
        """Nothing: one runlist for all is to come."""

    def _activate(self, queue: Queue) -> None:
        self._require_life()
        super()._activate(queue)

    def _require_life(self) -> None:
        """KfdError EIO while the GPU hangs; what takes queues away goes on, without the firmware."""
        if self.hung:
            raise KfdError(errno.EIO, "the GPU hangs and has not been reset")

    def _before_update(self, queue: Queue, *, was: bool) -> None:
        self._require_life()
        self._unmap()

    def _after_update(self, queue: Queue) -> None:
        self._map()

    def _refresh(self, grace: int | None = None) -> None:
        self._execute(grace=grace)

    def _enlist(self, queue: Queue) -> None:
        if not queue.wanted:
            self._freeze()
        super()._enlist(queue)

    def _delist(self, queue: Queue) -> None:
        if not queue.counted:
            self._freeze()
        super()._delist(queue)

    def _freeze(self) -> None:
        if self._runlist is not None:
            self._runlist.freeze()

    # Runlists

    def _execute(self, *, static_too: bool = False, grace: int | None = None) -> None:
        self._unmap(static_too=static_too, grace=grace)
        self._map()

    def map_without_unmap(self) -> None:
        """Ask for a runlist while one may be loaded, as no caller of the driver does: it returns at once."""
        self._map()

    def _map(self) -> None:
        if self.hung or not self.running or self.halted or self.active <= 0 or not self.processes:
            return
        if self._runlist is not None:
            self.blocked_maps += 1
            return
        self._load(self._order())

    def _load(self, order: tuple[ProcessDevice, ...]) -> None:
        """Build a runlist of everything active and send it; KfdError ENOMEM when the pool cannot hold it."""
        node, spec = self.node, self.node.spec
        limits = self.limits
        what = size(spec, len(order), self.active, limits)
        address = node.gart.pool.allocate(what.bytes)
        if limits and not self._limits:
            node.log(Kind.OVERSUBSCRIBED, limit=" ".join(limit.value for limit in limits), message=warning(limits))
        self._limits = limits
        self._runlist = Runlist(spec, address, what, order)
        self._send(Action.RUN_LIST, run_list(spec, address, what, chain=False), queues=what.queues)
        node.log(
            Kind.RUNLIST,
            ib_address=address,
            ib_dwords=what.dwords,
            processes=what.processes,
            queues=what.queues,
            chained=int(bool(limits)),
        )
        at_once = 1 if spec.driver.isolation is Isolation.ON else spec.processes_at_once
        node.mec.run_list(order, at_once)
        for vmid, home in zip(spec.vmids[:at_once], order, strict=False):
            for queue in home.sdma_mqds():
                node.rlcs.connect(queue, vmid)
        self._read_by_firmware(address, what.dwords, order, chained=bool(limits))

    def _read_by_firmware(self, address: int, dwords: int, order: tuple[ProcessDevice, ...], *, chained: bool) -> None:
        hardware = self._hiq.hardware
        hardware.ib = (address, dwords)
        last: list[int] = [pm4.RUN_LIST] if chained else []
        for home in reversed(order):  # only the last four packets are remembered
            last += [pm4.MAP_QUEUES] * len(tuple(islice(home.newest_first(), 4)))
            last.append(pm4.MAP_PROCESS)
            if len(last) >= 4:
                break
        for opcode in reversed(last[:4]):
            hardware.saw(opcode)

    def _order(self) -> tuple[ProcessDevice, ...]:
        """Processes as the runlist lists them: newest first; where XNACK modes mix, one mode after the other."""
        order = tuple(reversed(self.processes))
        if not self._xnack_mixed():
            return order
        first = order[0].process.xnack  # which mode comes first is not known
        return tuple(sorted(order, key=lambda home: home.process.xnack != first))

    def _unmap(self, *, static_too: bool = False, grace: int | None = None) -> None:
        if self.hung or not self.running or self._runlist is None:
            return
        self._preempt(static_too=static_too, grace=grace, waits=True)
        self._release()

    def _preempt(self, *, static_too: bool, grace: int | None, waits: bool) -> None:
        self._grace(grace)
        taken = len(self.node.mec.occupied) + len(self.node.rlcs.running)
        self._send(Action.UNMAP_QUEUES, packets.unmap_queues(self._fmt, static_too=static_too), queues=taken)
        self._send(Action.QUERY_STATUS, packets.query_status(self._fmt, self._hiq.fence), queues=taken, waits=waits)
        self.node.mec.unmap()
        self.node.rlcs.unmap()
        self._grace(grace)

    def _grace(self, grace: int | None) -> None:
        """WRITE_DATA to CP_IQ_WAIT_TIME2: set a grace period, and afterwards the default again; gfx9 and later."""
        if grace is not None and self._fmt is not pm4.Format.VI:
            build = Builder(pm4.packet_layout(pm4.WRITE_DATA, self._fmt))
            build.set("header", pm4.header(pm4.WRITE_DATA, 5)).put("control", addr_incr=1)
            build.put("dst_mmreg_addr", dst_mmreg_addr=IQ_WAIT_TIME2).set("data", max(1, grace) << 8)
            self._send(Action.WRITE_DATA, build.image().words)

    def _release(self) -> None:
        if self._runlist is not None:
            self.node.gart.pool.free(self._runlist.address)
            self._runlist = None

    def _send(self, action: Action, words: tuple[int, ...], *, queues: int = 0, waits: bool = False) -> None:
        taken = self._hiq.submit(words)
        if taken > len(words):
            self.node.step(Action.NOP, taken - len(words))
        self.node.step(action, len(words), queues, waits=waits)


IQ_WAIT_TIME2 = 0x2000 + 0x1035
"""Dword address of CP_IQ_WAIT_TIME2, GC segment 0 plus offset (gc_9_0_offset.h) [not seen in any capture]."""


def _mask(bits: tuple[int, ...]) -> int:
    return sum(1 << bit for bit in bits)


def queue_mask(slots: tuple[tuple[int, int], ...]) -> int:
    """SET_RESOURCES.queue_mask: bit pipe * 8 + queue of MEC 1 (amdgpu_gfx.c, facts §6)."""
    return sum(1 << (pipe * 8 + queue) for pipe, queue in slots)
