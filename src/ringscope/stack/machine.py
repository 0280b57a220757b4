"""What is modelled: devices, how they are partitioned, and the driver's switches. Immutable, checked when built."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from ringscope.errors import InputError


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
        if self.max_queues_per_device < 1:
            raise InputError(f"max_queues_per_device is {self.max_queues_per_device}", todo="give at least 1")
        if self.proposal is not None and self.sched_policy is SchedPolicy.NO_HWS:
            raise InputError(
                "the proposals change the firmware scheduler, which sched_policy 2 switches off",
                todo="drop the proposal or use sched_policy 0 or 1",
            )

    @property
    def kernel_compute_rings(self) -> int:
        """Compute rings amdgpu keeps: ``num_kcq`` when it lies in 0..8, else 8 (AMDGPU amdgpu_gfx.c, facts §7)."""
        return self.num_kcq if 0 <= self.num_kcq <= 8 else 8
