"""What is modelled: devices, how they are partitioned, and the driver's switches. Immutable, checked when built."""

from __future__ import annotations

import zlib
from enum import Enum, IntEnum
from functools import cached_property
from typing import Any

from ringscope.errors import InputError
from ringscope.parts import catalogue
from ringscope.parts.catalogue import Device
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.layout import Generation
from ringscope.parts.pm4 import Format
from ringscope.records import dataclass, fields

PAGE = 4096


class SchedPolicy(IntEnum):
    """``amdgpu.sched_policy`` (facts §5.1)."""

    HWS = 0
    HWS_NO_OVERSUBSCRIPTION = 1
    NO_HWS = 2


class QueueIds(Enum):
    """How a queue gets its id within its process; the id is a handle and reaches no register on SOC15 parts."""

    FIRST_FREE = "first-free"  # torvalds/linux, the notes' "v4"
    PID_HASH = "pid-hash"  # the notes' "v5": pid % 256 * 4, up to 4 ids, then the first free one
    PASID = "pasid"  # the notes' "v6" proposal: PASID * 4 in a table of 1024


class Isolation(IntEnum):
    """``amdgpu.enforce_isolation``; -1 (auto) is off on every part modelled here."""

    AUTO = -1
    OFF = 0
    ON = 1
    LEGACY = 2
    NO_CLEANER = 3


@dataclass(frozen=True)
class Proposal:
    """One of the five scheduler changes that the research notes propose; subclasses carry its knobs.

    They are variants of CPSCH: :mod:`.kfd.scheduler.variants` plays them and records what breaks.
    """


@dataclass(frozen=True)
class Batching(Proposal):
    """Collect map requests: send one runlist per ``threshold`` requests, or ``timeout_ns`` after the first."""

    threshold: int = 4
    timeout_ns: int = 1_000_000

    def __post_init__(self) -> None:
        if self.threshold < 1 or self.timeout_ns < 0:
            raise InputError(
                f"batching needs threshold >= 1 and timeout_ns >= 0, not {self.threshold}, {self.timeout_ns}"
            )


@dataclass(frozen=True)
class PerProcessRunlist(Proposal):
    """One runlist per process, each mapped and unmapped on its own."""


@dataclass(frozen=True)
class AsyncSubmission(Proposal):
    """UNMAP_QUEUES without waiting for its fence, spread over ``hiqs`` HIQs by ``pid % hiqs``."""

    hiqs: int = 1

    def __post_init__(self) -> None:
        if self.hiqs < 1:
            raise InputError(f"asynchronous submission needs at least one HIQ, not {self.hiqs}")


@dataclass(frozen=True)
class Hybrid(Proposal):
    """CPSCH for most processes, static slots loaded by the driver for those listed."""

    static_pids: frozenset[int] = frozenset()


@dataclass(frozen=True)
class NoActiveRunlistCheck(Proposal):
    """``map_queues`` no longer returns early when a runlist is loaded."""


PROPOSALS: dict[str, type[Proposal]] = {
    "batching": Batching,
    "per-process-runlist": PerProcessRunlist,
    "hybrid": Hybrid,
    "async": AsyncSubmission,
    "no-active-runlist-check": NoActiveRunlistCheck,
}
"""By the names that people ask for them: ``cpsch:batching``."""


@dataclass(frozen=True)
class DriverSpec:
    """Switches of amdgpu/amdkfd that reach the queue path; defaults are the module parameters' (facts §10.5).

    Attributes:
        sched_policy: who gives queues their slots; parts with MES use MES unless it is NO_HWS.
        proposal: a scheduler change from the notes; None is the real driver.
        num_kcq: compute rings that amdgpu keeps for itself, of each MEC; 0 to 8, anything else means 8.
        compute_multipipe: spread those rings over the pipes; None lets the part decide.
        hws_max_conc_proc: most processes mapped at once; -1 is one per VMID.
        max_queues_per_device: EPERM beyond it, per KFD node.
        cwsr: save and restore waves at preemption (``cwsr_enable``), where the part can.
        priv_cp_queues: user queues are privileged (a debug switch).
        sdma_phase_quantum: SDMA queue quantum, in the SDMA's own unit.
        preemption_timeout_ms: how long the driver polls the fence of an unmap before it resets the GPU.
        isolation: one process at a time when ON.
        queue_ids: how queue ids are chosen.
        profiler_owned: a profiler holds the device (``compute_perfcount_enable``).
        pcie_atomics: the slot routes PCIe atomics (bit 29 of dword 160 on v11 and v12).
    """

    sched_policy: SchedPolicy = SchedPolicy.HWS
    proposal: Proposal | None = None
    num_kcq: int = 8
    compute_multipipe: bool | None = None
    hws_max_conc_proc: int = -1
    max_queues_per_device: int = 4096
    cwsr: bool = True
    priv_cp_queues: bool = False
    sdma_phase_quantum: int = 32
    preemption_timeout_ms: int = 9000
    isolation: Isolation = Isolation.AUTO
    queue_ids: QueueIds = QueueIds.FIRST_FREE
    profiler_owned: bool = False
    pcie_atomics: bool = True

    def __post_init__(self) -> None:
        if not -1 <= self.hws_max_conc_proc <= 15:
            raise InputError(f"hws_max_conc_proc is {self.hws_max_conc_proc}", todo="give -1 (one per VMID) or 0 to 15")
        if not 1 <= self.max_queues_per_device <= 1 << 16:
            raise InputError(f"max_queues_per_device is {self.max_queues_per_device}", todo="give 1 to 65536")
        if self.proposal is not None and self.sched_policy is SchedPolicy.NO_HWS:
            raise InputError(
                "the proposals change the firmware scheduler, which sched_policy 2 switches off",
                todo="drop the proposal or use sched_policy 0 or 1",
            )

    @property
    def kernel_compute_rings(self) -> int:
        """Compute rings amdgpu keeps: ``num_kcq`` when it lies in 0..8, else 8 (AMDGPU amdgpu_gfx.c, facts §7)."""
        return self.num_kcq if 0 <= self.num_kcq <= 8 else 8


class Scheduling(Enum):
    """Who gives queues their slots on a node, after part and driver switches have been weighed (facts §5.1)."""

    CPSCH = "cpsch"
    NOCPSCH = "nocpsch"
    MES = "mes"


@dataclass(frozen=True)
class GartPlan:
    """Free GART of one node before KFD starts.

    Attributes:
        holes: ``(start, end)`` ranges for buffer objects, lowest first. The default is what an MI308X showed: HIQ and
            SDMA MQDs at 0x6e3000, one queue's MQD right behind them, the next ones from 0x1796000 on [MI308X]. On
            other parts these numbers are as good as any.
        pool: where KFD's pool of small chunks starts: 0xfcc000 [MI308X].
    """

    holes: tuple[tuple[int, int], ...] = ((0x6E3000, 0x6F9000), (0x1796000, 0x20000000))
    pool: int = 0xFCC000

    def __post_init__(self) -> None:
        edges = [edge for hole in sorted(self.holes) for edge in hole]
        if not edges or edges != sorted(edges) or any(edge % PAGE for edge in (*edges, self.pool)):
            raise InputError("GART holes must be page-aligned (start, end) ranges that do not overlap")


@dataclass(frozen=True)
class DeviceSpec:
    """One GPU of the machine.

    Attributes:
        part: what it is.
        partition: compute partition mode; each of its partitions is a KFD node.
        gpu_ids: KFD's id of each node, 16 bits, never 0.
        hiq_start_dwords: what the HIQ had taken before the modelled time; 0 is a driver just loaded. A model of a
            machine that was captured in mid-life starts from the capture's write pointer.
        gart: free GPU memory that the driver's buffers come from, per node.
    """

    part: Device
    partition: str
    gpu_ids: tuple[int, ...]
    hiq_start_dwords: int = 0
    gart: GartPlan = GartPlan()

    def __post_init__(self) -> None:
        mode = self.part.partition(self.partition)
        if len(self.gpu_ids) != mode.nodes:
            raise InputError(
                f"{self.part.key} in {mode.name} has {mode.nodes} KFD nodes but {len(self.gpu_ids)} gpu_ids were given"
            )
        if not all(0 < gpu_id <= 0xFFFF for gpu_id in self.gpu_ids):
            raise InputError("a gpu_id is a 16-bit number other than 0")
        if self.hiq_start_dwords < 0:
            raise InputError(f"hiq_start_dwords is {self.hiq_start_dwords}", todo="give 0 or more")


@dataclass(frozen=True)
class SaveArea:
    """Sizes of a compute queue's save area, bytes; the first two are of one XCC (facts §9.2)."""

    ctl_stack_bytes: int
    cwsr_bytes: int
    debug_bytes: int
    total_bytes: int


def _page_align(size: int) -> int:
    return -(-size // PAGE) * PAGE


@dataclass(frozen=True)
class NodeSpec:
    """One KFD node: a whole device, or one partition of it. Made by :class:`MachineSpec`, which numbers them.

    ``device`` and ``index`` say which partition of which device it is, ``node`` is its place in the topology.
    """

    part: Device
    device: int
    index: int
    node: int
    gpu_id: int
    xccs: int
    vmids: tuple[int, ...]
    hiq_start_dwords: int
    gart: GartPlan
    driver: DriverSpec

    @property
    def generation(self) -> Generation:
        """Layout of the node's MQDs."""
        return self.part.generation

    @property
    def gc(self) -> tuple[int, ...]:
        """IP version of the graphics core, as numbers."""
        return tuple(map(int, self.part.gc.split(".")))

    @property
    def packets(self) -> Format:
        """Format of HIQ packets; InputError on parts that use MES and have none."""
        if self.part.packet_format is None:
            raise InputError(f"{self.part.key} has no HIQ packets: MES takes their place")
        return self.part.packet_format

    @property
    def soc15(self) -> bool:
        """Whether the part is GC 9.0.1 or later: 8-byte doorbells, doorbell ids of their own (KFD_IS_SOC15)."""
        return self.part.doorbell_bytes == 8

    @property
    def scheduling(self) -> Scheduling:
        """Who gives queues their slots. Policy 2 wins even on MES parts; parts without MES ignore ``amdgpu.mes``."""
        if self.driver.sched_policy is SchedPolicy.NO_HWS or self.part.scheduler is catalogue.Scheduler.NOCPSCH:
            return Scheduling.NOCPSCH
        return Scheduling.MES if self.part.scheduler is catalogue.Scheduler.MES else Scheduling.CPSCH

    @cached_property
    def slots(self) -> tuple[tuple[int, int], ...]:
        """``(pipe, queue)`` of MEC1 that KFD may use on each XCC: what amdgpu's own rings leave (facts §7)."""
        part = self.part
        rings = min(self.driver.kernel_compute_rings, part.mec_pipes * part.queues_per_pipe)
        if part.generation is Generation.V12:
            rings = min(rings, part.mec_pipes * part.queues_per_pipe // 2)  # gfx_v12_0.c keeps half for MES
        spread = self.driver.compute_multipipe
        if spread is None:
            spread = part.kfd_first_pipe == 0
        if spread:
            taken = {(i % part.mec_pipes, i // part.mec_pipes) for i in range(rings)}
        else:
            taken = {divmod(i, part.queues_per_pipe) for i in range(rings)}
        return tuple(
            (pipe, queue)
            for pipe in range(part.mec_pipes)
            for queue in range(part.queues_per_pipe)
            if (pipe, queue) not in taken
        )

    @property
    def sdma_engines(self) -> tuple[int, int]:
        """SDMA engines of the node: for PCIe and for xGMI traffic.

        A device's engines are shared out evenly to its nodes; at most two of a node serve PCIe once there is xGMI
        (facts §11). Where the catalogue does not know the count, which discovery would tell, two are assumed.
        """
        nodes = self.part.xccs // self.xccs
        pcie = 2 if self.part.sdma_engines is None else self.part.sdma_engines
        xgmi = self.part.sdma_xgmi_engines or 0
        engines = max(1, (pcie + xgmi) // nodes)
        return (min(2, engines), engines - min(2, engines)) if xgmi else (engines, 0)

    @property
    def gws(self) -> int:
        """GWS entries of the node; 0 without GWS: before gfx9, on gfx10.1, and where the driver schedules itself.

        64 where the catalogue does not say, as on an MI308X (kfd_device.c kfd_gws_init).
        """
        if self.scheduling is Scheduling.NOCPSCH or not self.soc15 or (10,) <= self.gc < (10, 3):
            return 0
        return self.part.gws or 64

    @property
    def processes_at_once(self) -> int:
        """Most processes that the firmware may map together (max_proc_per_quantum)."""
        asked = self.driver.hws_max_conc_proc
        return max(1, len(self.vmids) if asked < 0 else min(asked, len(self.vmids)))

    @property
    def cwsr(self) -> bool:
        """Whether waves are saved at preemption: the part can and the driver may."""
        return self.part.cwsr and self.driver.cwsr

    @property
    def cus(self) -> int:
        """CUs of the node."""
        return self.part.cus_per_xcc * self.xccs

    @cached_property
    def arrays(self) -> tuple[tuple[int, ...], ...]:
        """Active CUs of one XCC by shader engine and array; harvested CUs are assumed to be spread evenly.

        InputError when the catalogue does not know the part's shader engines.
        """
        engines, arrays = self.part.shader_engines_per_xcc, self.part.array_count
        if engines is None or arrays is None:
            raise InputError(f"the catalogue does not know the shader engines of {self.part.key}")
        per_engine = max(1, arrays // (self.part.xccs * engines))
        count = engines * per_engine
        cus = [self.part.cus_per_xcc // count + (i < self.part.cus_per_xcc % count) for i in range(count)]
        return tuple(tuple(cus[se + sh * engines] for sh in range(per_engine)) for se in range(engines))

    @cached_property
    def save_area(self) -> SaveArea:
        """Save area of a compute queue on this node; all zero without CWSR.

        Source: kfd_queue.c kfd_queue_ctx_save_restore_size, equal to the thunk's (facts §9.2).
        """
        if not self.cwsr:
            return SaveArea(0, 0, 0, 0)
        part, cu = self.part, self.part.cus_per_xcc
        late = self.gc >= (10, 1)
        if late:
            waves = cu * 32
        else:
            engines = part.shader_engines_per_xcc or 1
            waves = min(cu * 40, engines * self.xccs * 512)
        ctl = _page_align(40 + waves * (12 if late else 8) + 8)
        if self.gc[0] == 10:
            ctl = min(ctl, 0x7000)
        cwsr = ctl + _page_align(cu * part.save_bytes_per_cu)
        debug = -(-waves * 32 // 64) * 64
        return SaveArea(ctl, cwsr, debug, _page_align((cwsr + debug) * self.xccs))


@dataclass(frozen=True)
class MachineSpec:
    """A machine: its GPUs, its driver, and how many CPU nodes stand before the first GPU in the topology."""

    devices: tuple[DeviceSpec, ...]
    driver: DriverSpec = DriverSpec()
    cpu_nodes: int = 1

    def __post_init__(self) -> None:
        ids = [gpu_id for device in self.devices for gpu_id in device.gpu_ids]
        if not ids or len(ids) != len(set(ids)):
            raise InputError("a machine needs devices, and every KFD node a gpu_id of its own")
        if self.cpu_nodes < 0:
            raise InputError(f"cpu_nodes is {self.cpu_nodes}", todo="give 0 or more")

    @classmethod
    def of(
        cls,
        part: str,
        count: int = 1,
        partition: str = "spx",
        *,
        gpu_ids: tuple[int, ...] = (),
        cpu_nodes: int = 1,
        hiq_start_dwords: int = 0,
        gart: GartPlan | None = None,
        **driver: Any,
    ) -> MachineSpec:
        """``count`` devices of one part of the catalogue; further keywords are :class:`DriverSpec`'s.

        ``gpu_ids`` are given node by node; left out, they are made up, the same ones every time.
        """
        known = {f.name for f in fields(DriverSpec)}
        if unknown := sorted(driver.keys() - known):
            raise InputError(f"no driver switch called {', '.join(unknown)}", todo=f"known: {', '.join(sorted(known))}")
        device = catalogue.find(part)
        nodes = device.partition(partition).nodes
        ids = gpu_ids or _made_up_ids(device.key, count * nodes)
        if len(ids) != count * nodes:
            raise InputError(
                f"{count} x {part} in {partition} makes {count * nodes} nodes, {len(ids)} gpu_ids are given"
            )
        devices = tuple(
            DeviceSpec(device, partition, tuple(ids[i * nodes : (i + 1) * nodes]), hiq_start_dwords, gart or GartPlan())
            for i in range(count)
        )
        return cls(devices, DriverSpec(**driver), cpu_nodes)

    @cached_property
    def nodes(self) -> tuple[NodeSpec, ...]:
        """Every KFD node, device by device, in the order of the topology."""
        made: list[NodeSpec] = []
        for number, device in enumerate(self.devices):
            mode = device.part.partition(device.partition)
            for index, gpu_id in enumerate(device.gpu_ids):
                first, last = mode.vmids[index % len(mode.vmids)]
                made.append(
                    NodeSpec(
                        part=device.part,
                        device=number,
                        index=index,
                        node=self.cpu_nodes + len(made),
                        gpu_id=gpu_id,
                        xccs=mode.xccs_per_node,
                        vmids=tuple(range(first, last + 1)),
                        hiq_start_dwords=device.hiq_start_dwords,
                        gart=device.gart,
                        driver=self.driver,
                    )
                )
        return tuple(made)


def _made_up_ids(key: str, count: int) -> tuple[int, ...]:
    """16-bit ids that look like KFD's checksums, all different, the same ones for the same request."""
    ids: dict[int, None] = {}
    salt = 0
    while len(ids) < count:
        ids.setdefault(zlib.crc32(f"{key}:{salt}".encode()) & 0xFFFF or 1)
        salt += 1
    return tuple(ids)


_TESTS = "tests/stack/"
_SWITCHES = {
    "sched_policy": (
        "who gives queues their slots",
        "kfd_device_queue_manager.c device_queue_manager_init",
        "test_machine.py::test_who_schedules",
    ),
    "proposal": (
        "a scheduler change from the notes in place of the real driver",
        "no driver has them",
        "kfd/scheduler/test_variants.py::test_no_proposal_touches_a_dispatch",
    ),
    "num_kcq": (
        "compute rings that amdgpu keeps for itself",
        "amdgpu_gfx.c amdgpu_gfx_compute_queue_acquire",
        "kfd/test_driver.py::test_num_kcq_moves_the_limit",
    ),
    "compute_multipipe": (
        "those rings are spread over the pipes",
        "amdgpu_gfx.c amdgpu_gfx_is_compute_multipipe_capable",
        "test_machine.py::test_a_part_of_single_pipe_policy_loses_a_whole_pipe",
    ),
    "hws_max_conc_proc": (
        "most processes mapped at once",
        "kfd_device.c max_proc_per_quantum",
        "test_machine.py::test_processes_at_once",
    ),
    "max_queues_per_device": (
        "EPERM beyond it",
        "kfd_device_queue_manager.c create_queue_cpsch",
        "kfd/test_driver.py::test_queues_per_device",
    ),
    "cwsr": (
        "waves are saved at preemption",
        "kfd_queue.c kfd_queue_ctx_save_restore_size",
        "kfd/test_mqd.py::test_without_eop_buffer_and_save_area",
    ),
    "priv_cp_queues": ("user queues are privileged", "kfd_mqd_manager_v9.c", "kfd/test_mqd.py::test_what_differs"),
    "sdma_phase_quantum": ("quantum of SDMA queues", "kfd_mqd_manager_v9.c", "kfd/test_mqd.py::test_sdma"),
    "preemption_timeout_ms": (
        "how long the fence of an unmap is polled before the GPU is reset",
        "kfd_device_queue_manager.c amdkfd_fence_wait_timeout",
        "kfd/test_driver.py::test_hang_and_reset",
    ),
    "isolation": (
        "one process at a time",
        "amdgpu_isolation.c, kfd_packet_manager.c",
        "kfd/test_runlist.py::test_trap_handler_and_isolation",
    ),
    "queue_ids": (
        "how queue ids are chosen",
        "kfd_process_queue_manager.c; the notes' patches",
        "kfd/test_driver.py::test_v4_and_v5_differ_in_nothing_but_the_queue_id",
    ),
    "profiler_owned": (
        "a profiler holds the device",
        "kfd_mqd_manager_v9.c compute_perfcount_enable",
        "kfd/test_mqd.py::test_what_differs",
    ),
    "pcie_atomics": (
        "bit 29 of dword 160 on v11 and v12",
        "kfd_mqd_manager_v11.c",
        "kfd/test_mqd.py::test_what_differs",
    ),
}


def _word(value: object) -> str:
    return str(value.name if isinstance(value, Enum) else value).lower().replace("_", "-")


FIDELITY = (
    Behaviour(
        "kfd.slots",
        "the slots that amdgpu's own rings leave to KFD",
        Standing.CAPTURED,
        "24 of each XCC on an MI308X; other parts by amdgpu's formula",
        "amdgpu_gfx.c; hqds of eight MI308X",
        f"{_TESTS}test_machine.py::test_slots_left_to_kfd_are_those_of_the_catalogue",
    ),
    Behaviour(
        "kfd.save_area",
        "sizes of a queue's CWSR save area, control stack and debug memory",
        Standing.CAPTURED,
        "gfx942 (0xba6000 an XCC), gfx90a, gfx1151; other parts by the same formula",
        "kfd_queue.c; MQDs of the captures",
        f"{_TESTS}test_machine.py::test_save_areas_as_measured",
    ),
    Behaviour(
        "kfd.gart",
        "where in the GART MQDs and HIQ lie",
        Standing.CAPTURED,
        "the MI308X of the captures; arbitrary elsewhere",
        "mqds and hqds of the captures",
        f"{_TESTS}kfd/test_capture.py::test_every_register_of_every_slot_of_every_device",
    ),
    Behaviour(
        "kfd.cus",
        "harvested CUs are spread evenly over shader engines and arrays",
        Standing.INFERRED,
        "every part with harvested CUs",
        "only the totals are public",
        f"{_TESTS}test_machine.py::test_active_cus_by_array",
    ),
    *(
        Behaviour(
            f"driver.{name}",
            says,
            Standing.INFERRED if name == "proposal" else Standing.SOURCE,
            "amdgpu module parameters and build switches, kernels 6.8 to 6.14",
            source,
            _TESTS + test,
            _word(getattr(DriverSpec(), name)),
        )
        for name, (says, source, test) in _SWITCHES.items()
    ),
)
