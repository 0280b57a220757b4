"""What amdgpu and amdkfd say in the kernel log, as a table: the wording, what it is, what it means.

Formats are the driver's own, shortened to what never changes: ``%d`` a decimal, ``%x`` a hexadecimal number with or
without 0x, ``%i`` either (a PASID was printed in both), ``%n`` a name, ``%s`` a word, ``%?`` anything short. The first
message that fits decides, so the narrower stands first. Level ``debug`` is written only with dynamic debug switched on
(``echo "module amdgpu +p" > /sys/kernel/debug/dynamic_debug/control``).

Source T is amdkfd and amdgpu of January 2026 (facts.md); other wordings are of the Linux releases named.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ringscope.evidence.drift import Held
from ringscope.recording import Kind
from ringscope.records import dataclass, field

HELD = Held(
    "amdkfd and amdgpu of January 2026; wordings of Linux 4.13 to 6.14 where a row names them",
    "the driver's source: no kernel log of a machine was at hand",
)


def number(text: bytes) -> int:
    """Of a hexadecimal number with 0x, or else a decimal one, leading zeros allowed."""
    return int(text, 16 if text.startswith(b"0x") else 10)


def _hexadecimal(text: bytes) -> int:
    return int(text, 16)


def _name(text: bytes) -> str:
    return text.decode("utf-8", "replace")


# How a number or a name of a message is written, and how it is read.
_CONVERSIONS: dict[str, tuple[bytes, Callable[[bytes], int | str] | None]] = {
    "d": (rb"(-?\d{1,18})", number),
    "x": (rb"((?:0x)?[0-9a-fA-F]{1,16})", _hexadecimal),
    "i": (rb"(0x[0-9a-fA-F]{1,16}|\d{1,18})", number),
    "n": (rb"(.{0,32}?)", _name),
    "s": (rb"([^\s.,)]{1,64})", _name),
    "?": (rb".{0,64}?", None),
}


@dataclass(frozen=True)
class Message:
    """One message of the driver.

    ``kind`` is None for what is known and only counted. ``attrs`` names the conversions of ``format`` in their order;
    ``pid`` becomes the event's process. ``constants`` are attributes that the wording itself says.
    """

    name: str
    kind: Kind | None
    format: str
    attrs: tuple[str, ...]
    meaning: str
    source: str
    constants: tuple[tuple[str, str], ...] = ()
    word: bytes = field(init=False, repr=False)
    pattern: re.Pattern[bytes] = field(init=False, repr=False)
    readers: tuple[Callable[[bytes], int | str], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parts = re.split(r"%([dxins?])", self.format)
        pattern = b"".join(
            _CONVERSIONS[part][0] if odd % 2 else re.escape(part.encode()) for odd, part in enumerate(parts)
        )
        readers = tuple(reader for part in parts[1::2] if (reader := _CONVERSIONS[part][1]))
        if len(readers) != len(self.attrs):
            raise ValueError(f"{self.name}: {len(readers)} conversions, {len(self.attrs)} attributes")
        object.__setattr__(self, "word", max((part.encode() for part in parts[::2]), key=len))
        object.__setattr__(self, "pattern", re.compile(pattern))
        object.__setattr__(self, "readers", readers)

    def read(self, text: bytes) -> dict[str, int | str] | None:
        """The attributes, when ``text`` is this message."""
        found = self.pattern.search(text) if self.word in text else None
        if found is None:
            return None
        values: dict[str, int | str] = dict(self.constants)
        readings = zip(self.attrs, self.readers, found.groups(), strict=True)
        return values | {name: reader(value) for name, reader, value in readings}


_HANG = "the firmware did not answer in time: a wave that cannot be saved, a hung queue, or dead firmware"
_MES = "the MES firmware did not answer (2.1 s): the driver resets the GPU"
_EVICT = "every queue of the process on this device is unmapped until it is restored (memory moved, or suspend)"
_FAULT = "a GPU access to an address that is not mapped or not permitted; the process is told and usually dies"
_PREEMPT = "this queue could not be preempted: its waves did not stop"

_CREATION_DETAILS = {
    "kfd_chardev.c set_queue_properties_from_user": (
        *("Queue Percentage:", "Queue Priority:", "Queue Address:", "Queue Size:", "Queue r/w Pointers:"),
        *("Queue Format:", "Queue EOP:", "Queue CTX save area:"),
    ),
    "kfd_chardev.c kfd_ioctl_create_queue": (
        "amdgpu: Ring buffer address ==",
        "amdgpu: Read ptr address ",
        "amdgpu: Write ptr address ",
    ),
    "kfd_process_queue_manager.c pqm_create_queue": (
        "amdgpu: The new slot id",
        "amdgpu: PQM After",
        "amdgpu: PQM done creating queue",
    ),
    "kfd_queue.c print_queue, print_queue_properties": (
        *("Printing queue", "Queue Type:", "Queue percent:", "Queue Id:", "Queue Process ", "Queue Read Pointer:"),
        *("Queue Write Pointer:", "Queue Doorbell ", "Queue MQD ", "Queue Device Address:"),
    ),
    "kfd_device_queue_manager.c create_queue_cpsch": ("queues are accountable so far",),
    "kfd_packet_manager.c pm_create_runlist_ib, pm_send_runlist": (
        *("runlist IB address:", "runlist ib size", "Finished map process and queues to runlist"),
    ),
}

MESSAGES: tuple[Message, ...] = (
    # --- limits ---------------------------------------------------------------------------------------------------
    Message(
        "over-subscribed",
        Kind.OVERSUBSCRIBED,
        "unlist is getting oversubscribed",
        (),
        "more than fits at once: the firmware now time-slices processes and queues. Said once, on the change",
        "kfd_packet_manager.c pm_create_runlist_ib; causes are named from Linux 6.13 on",
    ),
    Message(
        "over-subscription-debug",
        Kind.OVERSUBSCRIBED,
        "Over subscribed runlist",
        (),
        "debug form of the same, said at every runlist",
        "kfd_packet_manager.c pm_calc_rlib_size, debug",
    ),
    Message(
        "no-vmid",
        Kind.QUEUE_REFUSED,
        "no more vmid to allocate",
        (),
        "the software scheduler (NOCPSCH) has no VMID left: too many processes",
        "kfd_device_queue_manager.c allocate_vmid",
        (("resource", "vmid"),),
    ),
    Message(
        "too-many-queues",
        Kind.QUEUE_REFUSED,
        "queue because %d queues were already created",
        ("queues",),
        "max_num_of_queues_per_device is reached",
        "kfd_device_queue_manager.c create_queue_cpsch, create_queue_nocpsch, create_kernel_queue_cpsch",
        (("resource", "queues"),),
    ),
    Message(
        "over-subscription-forbidden",
        Kind.QUEUE_REFUSED,
        "Over-subscription is not allowed",
        (),
        "sched_policy 1 refuses what the hardware cannot hold at once",
        "kfd_process_queue_manager.c pqm_create_queue, debug",
        (("resource", "slot"),),
    ),
    Message(
        "no-xgmi-sdma-queue",
        Kind.QUEUE_REFUSED,
        "No more XGMI SDMA queue to allocate",
        (),
        "every queue of the XGMI SDMA engines is taken",
        "kfd_device_queue_manager.c allocate_sdma_queue",
        (("resource", "sdma"),),
    ),
    Message(
        "no-sdma-queue",
        Kind.QUEUE_REFUSED,
        "No more SDMA queue to allocate",
        (),
        "every SDMA queue is taken; ROCr falls back to copies by kernels",
        "kfd_device_queue_manager.c allocate_sdma_queue",
        (("resource", "sdma"),),
    ),
    Message(
        "queue-creation-failed",
        Kind.QUEUE_REFUSED,
        "process pid %i DQM create queue type %d failed. ret %d",
        ("pid", "queue_type", "errno"),
        "a queue could not be created; -12 (ENOMEM) is what exhausted SDMA queues give",
        "kfd_process_queue_manager.c pqm_create_queue, from Linux 6.14 on",
    ),
    Message(
        "queue-creation-failed-pasid",
        Kind.QUEUE_REFUSED,
        "asid %i DQM create queue%?%d failed. ret %d",
        ("pasid", "queue_type", "errno"),
        "a queue could not be created; -12 (ENOMEM) is what exhausted SDMA queues give",
        "kfd_process_queue_manager.c pqm_create_queue, Linux 4.19 to 6.13",
    ),
    Message(
        "queue-creation-failed-bare",
        Kind.QUEUE_REFUSED,
        "DQM create queue failed",
        (),
        "a queue could not be created",
        "kfd_process_queue_manager.c pqm_create_queue, before Linux 4.19",
    ),
    Message(
        "no-queue-id",
        Kind.QUEUE_REFUSED,
        "Cannot open more queues for process with p%? %i",
        ("process",),
        "the process holds 1024 queues",
        "kfd_process_queue_manager.c find_available_queue_slot",
        (("resource", "queue-id"),),
    ),
    Message(
        "no-atomics",
        Kind.KERNEL_MESSAGE,
        "skipped device %x:%x, PCI rejects atomics",
        ("vendor", "device_id"),
        "this device gets no compute queues: its PCIe path lacks atomics",
        "kfd_device.c kgd2kfd_device_init",
    ),
    # --- hangs ----------------------------------------------------------------------------------------------------
    Message(
        "fence-timeout",
        Kind.HANG,
        "qcm fence wait loop timeout expired",
        (),
        _HANG + ". Unmapping queues took longer than queue_preemption_timeout_ms (9 s)",
        "kfd_device_queue_manager.c amdkfd_fence_wait_timeout",
    ),
    Message(
        "preemption-unsuccessful",
        Kind.HANG,
        "unrecoverable state due to an unsuccessful queues preemption",
        (),
        _HANG,
        "kfd_device_queue_manager.c unmap_queues_cpsch",
    ),
    Message(
        "queue-preemption-failed-xcc",
        Kind.HANG,
        "XCC %d: Queue preemption failed for queue with doorbell_id: %x",
        ("xcc", "doorbell"),
        _PREEMPT,
        "kfd_mqd_manager.c kfd_check_hiq_mqd_doorbell_id",
    ),
    Message(
        "queue-preemption-failed",
        Kind.HANG,
        "ueue preemption failed for queue with doorbell_id: %x",
        ("doorbell",),
        _PREEMPT,
        "kfd_mqd_manager.c kfd_check_hiq_mqd_doorbell_id",
    ),
    Message(
        "cp-queue-preemption-failed",
        Kind.HANG,
        "cp queue pipe %d queue %d preemption failed",
        ("pipe", "queue"),
        _PREEMPT,
        "amdgpu_amdkfd_gfx_v11.c hqd_destroy_v11",
    ),
    Message(
        "cp-queue-preemption-timeout",
        Kind.HANG,
        "cp queue preemption time out",
        (),
        _PREEMPT,
        "amdgpu_amdkfd_gfx_v9.c, gfx_v10.c hqd_destroy",
    ),
    Message(
        "hqd-dequeue-timeout",
        Kind.HANG,
        "CP HQD dequeue request time out",
        (),
        _PREEMPT,
        "amdgpu_amdkfd_gfx_v10.c hqd_destroy",
    ),
    Message(
        "mes-add-failed",
        Kind.HANG,
        "failed to add hardware queue to MES, doorbell=%x",
        ("doorbell",),
        _MES,
        "kfd_device_queue_manager.c add_queue_mes, amdgpu_mes.c",
    ),
    Message(
        "mes-remove-failed",
        Kind.HANG,
        "failed to remove hardware queue from MES, doorbell=%x",
        ("doorbell",),
        _MES,
        "kfd_device_queue_manager.c remove_queue_mes",
    ),
    Message(
        "mes-suspend-failed",
        Kind.HANG,
        "failed to suspend%?gangs from MES",
        (),
        _MES,
        "kfd_device_queue_manager.c suspend_all_queues_mes",
    ),
    Message(
        "mes-resume-failed",
        Kind.HANG,
        "failed to resume%?gangs from MES",
        (),
        _MES,
        "kfd_device_queue_manager.c resume_all_queues_mes",
    ),
    Message(
        "mes-unrecoverable",
        Kind.HANG,
        "MES might be in unrecoverable state",
        (),
        _MES,
        "kfd_device_queue_manager.c, after each failure above",
    ),
    Message(
        "mes-silent",
        Kind.HANG,
        "MES failed to respond to msg=%s",
        ("request",),
        _MES,
        "mes_v11_0.c, mes_v12_0.c submit_pkt_and_poll_completion",
    ),
    Message(
        "mes-queue-remove-failed",
        Kind.HANG,
        "Failed to remove queue %d",
        ("qid",),
        _MES,
        "kfd_device_queue_manager.c remove_all_kfd_queues_mes",
    ),
    Message(
        "evict-failed",
        Kind.HANG,
        "ailed to evict %?queue",
        (),
        "queues could not be taken off the hardware; what follows is usually a reset",
        "kfd_process.c kfd_process_evict_queues, kfd_device_queue_manager.c evict_process_queues_cpsch",
    ),
    Message(
        "restore-failed",
        Kind.HANG,
        "ailed to restore %?queue",
        (),
        "queues could not be put back; the process will not go on",
        "kfd_process.c kfd_process_restore_queues",
    ),
    Message(
        "suspend-failed",
        Kind.HANG,
        "Failed to suspend process %?%i",
        ("process",),
        "the process' queues could not be taken off the hardware",
        "kfd_process.c kfd_suspend_all_processes",
    ),
    Message(
        "ring-timeout",
        Kind.HANG,
        "ring %s timeout, signaled seq=%d, emitted seq=%d",
        ("ring", "signaled", "emitted"),
        "a ring of the graphics driver (not a KFD queue) hangs",
        "amdgpu_job.c amdgpu_job_timedout",
    ),
    # --- resets ---------------------------------------------------------------------------------------------------
    Message(
        "queue-reset",
        Kind.RESET,
        "queue id %x at pasid %i is reset",
        ("qid", "pasid"),
        "this queue alone was reset; its process gets an exception and may not use it again",
        "kfd_device_queue_manager.c reset_queues_on_hws_hang",
        (("scope", "queue"),),
    ),
    Message(
        "slot-reset",
        Kind.RESET,
        "queue reset on XCC %d pipe id %d queue id %d %s",
        ("xcc", "pipe", "queue", "result"),
        "the hardware slot was reset on its own",
        "amdgpu_amdkfd_gfx_v9.c kgd_gfx_v9_hqd_reset, debug",
        (("scope", "queue"),),
    ),
    Message(
        "mes-queue-reset",
        Kind.RESET,
        "reset compute queue (%d:%d:%d)",
        ("me", "pipe", "queue"),
        "the hardware slot was reset on its own",
        "mes_v11_0.c, mes_v12_0.c reset_queue_mmio",
        (("scope", "queue"),),
    ),
    Message(
        "ring-reset",
        Kind.RESET,
        "Starting %s ring reset",
        ("ring",),
        "a ring of the graphics driver is reset on its own",
        "amdgpu_job.c amdgpu_job_timedout",
        (("scope", "ring"),),
    ),
    Message(
        "reset-begin",
        Kind.RESET,
        "GPU reset begin!",
        (),
        "the whole GPU is reset: every process on it loses its queues",
        "amdgpu_device.c amdgpu_device_gpu_recover",
        (("scope", "gpu"), ("phase", "begin")),
    ),
    Message(
        "reset-succeeded",
        Kind.RESET,
        "GPU reset(%d) succeeded!",
        ("attempt",),
        "the GPU works again",
        "amdgpu_device.c amdgpu_device_gpu_recover",
        (("scope", "gpu"), ("phase", "succeeded")),
    ),
    Message(
        "reset-failed",
        Kind.RESET,
        "GPU reset(%d) failed",
        ("attempt",),
        "the GPU stays lost until the driver is loaded again",
        "amdgpu_device.c amdgpu_device_gpu_recover",
        (("scope", "gpu"), ("phase", "failed")),
    ),
    Message(
        "reset-end",
        Kind.RESET,
        "GPU reset end with ret = %d",
        ("ret",),
        "0 is success",
        "amdgpu_device.c amdgpu_device_gpu_recover",
        (("scope", "gpu"), ("phase", "end")),
    ),
    Message(
        "vram-lost",
        Kind.RESET,
        "VRAM is lost due to GPU reset",
        (),
        "every process lost its device memory",
        "amdgpu_device.c",
        (("scope", "gpu"), ("phase", "vram-lost")),
    ),
    # --- faults ---------------------------------------------------------------------------------------------------
    Message(
        "page-fault-of-process",
        Kind.FAULT,
        "[%s] %?page fault (src_id:%d ring:%d vmid:%d pasid:%d, for process %n pid %d thread",
        ("hub", "src_id", "ring", "vmid", "pasid", "process", "pid"),
        _FAULT,
        "gmc_v9_0.c and later, Linux 4.20 to 6.8",
    ),
    Message(
        "page-fault",
        Kind.FAULT,
        "[%s] %?page fault (src_id:%d ring:%d vmid:%d pasid:%d",
        ("hub", "src_id", "ring", "vmid", "pasid"),
        _FAULT,
        "gmc_v9_0.c, gmc_v10_0.c, gmc_v11_0.c, gmc_v12_0.c; the process follows on a line of its own from 6.9 on",
    ),
    Message(
        "vm-fault",
        Kind.FAULT,
        "VM fault (%x, vmid %d, pasid %d) at page %d, %s from",
        ("protections", "vmid", "pasid", "page", "access"),
        _FAULT,
        "gmc_v7_0.c, gmc_v8_0.c",
    ),
    Message(
        "gpu-fault",
        Kind.FAULT,
        "GPU fault detected: %d %x",
        ("src_id", "src_data"),
        _FAULT,
        "gmc_v7_0.c, gmc_v8_0.c",
    ),
    # --- eviction -------------------------------------------------------------------------------------------------
    Message(
        "evict",
        Kind.QUEUE_EVICT,
        "Evicting process pid %d queues",
        ("pid",),
        _EVICT,
        "kfd_device_queue_manager.c evict_process_queues_*, debug",
    ),
    Message(
        "evict-pasid",
        Kind.QUEUE_EVICT,
        "Evicting PASID %i queues",
        ("pasid",),
        _EVICT,
        "the same before Linux 6.14; not debug before 4.19",
    ),
    Message(
        "restore",
        Kind.QUEUE_RESTORE,
        "Restoring process pid %d queues",
        ("pid",),
        "the process' queues are mapped again",
        "kfd_device_queue_manager.c restore_process_queues_*, debug",
    ),
    Message(
        "restore-pasid",
        Kind.QUEUE_RESTORE,
        "Restoring PASID %i queues",
        ("pasid",),
        "the process' queues are mapped again",
        "the same before Linux 6.14; not debug before 4.19",
    ),
    Message(
        "vital-buffer",
        Kind.QUEUE_EVICT,
        "Freeing queue vital buffer %x, queue evicted",
        ("address",),
        "the program freed memory that its queue needs (ring, CWSR area…): the queue never runs again",
        "kfd_svm.c svm_range_unmap_from_cpu",
    ),
    # --- the life of a queue (debug) ------------------------------------------------------------------------------
    Message(
        "update",
        Kind.QUEUE_UPDATE,
        "Updating queue id %d for process pid %d",
        ("qid", "pid"),
        "priority, size or CU mask of a queue changes: every queue of the device is unmapped and mapped again",
        "kfd_chardev.c kfd_ioctl_update_queue, debug",
    ),
    Message(
        "update-pasid",
        Kind.QUEUE_UPDATE,
        "Updating queue id %d for%?asid %i",
        ("qid", "pasid"),
        "the same",
        "the same before Linux 6.14",
    ),
    Message(
        "destroy",
        Kind.QUEUE_DESTROY,
        "Destroying queue id %d for process pid %d",
        ("qid", "pid"),
        "a queue is destroyed",
        "kfd_chardev.c kfd_ioctl_destroy_queue, debug",
    ),
    Message(
        "destroy-pasid",
        Kind.QUEUE_DESTROY,
        "Destroying queue id %d for%?asid %i",
        ("qid", "pasid"),
        "a queue is destroyed",
        "the same before Linux 6.14",
    ),
    Message(
        "map-hqd",
        Kind.QUEUE_MAP,
        "Loading mqd to hqd on pipe %d, queue %d",
        ("pipe", "queue"),
        "the software scheduler (NOCPSCH) puts a queue on this slot; never said under HWS",
        "kfd_device_queue_manager.c create_queue_nocpsch, debug",
    ),
    Message(
        "runlist",
        Kind.RUNLIST,
        "sent runlist",
        (),
        "every queue of one device was handed to the firmware",
        "kfd_device_queue_manager.c map_queues_cpsch, debug",
    ),
    # --- known, and only counted ----------------------------------------------------------------------------------
    *(
        Message(name, None, text, (), "detail of a message above", source)
        for name, text, source in (
            ("fault-detail", "Faulty UTCL2 client ID", "gmc_v9_0.c"),
            ("fault-detail", "_PROTECTION_FAULT_STATUS:", "gmc_v9_0.c"),
            ("fault-detail", "MORE_FAULTS:", "gmc_v9_0.c"),
            ("fault-detail", "WALKER_ERROR:", "gmc_v9_0.c"),
            ("fault-detail", "PERMISSION_FAULTS:", "gmc_v9_0.c"),
            ("fault-detail", "MAPPING_ERROR:", "gmc_v9_0.c"),
            ("fault-detail", "cookie node_id", "gmc_v9_0.c"),
            ("reset-detail", "GPU reset succeeded, trying to resume", "amdgpu_device.c"),
            ("worker", "tarted evicting p", "kfd_process.c evict_process_worker"),
            ("worker", "inished evicting p", "kfd_process.c evict_process_worker"),
            ("worker", "tarted restoring p", "kfd_process.c restore_process_worker"),
            ("worker", "inished restoring p", "kfd_process.c restore_process_worker"),
            *(
                ("creation-detail", text, f"{source}, debug")
                for source, texts in _CREATION_DETAILS.items()
                for text in texts
            ),
        )
    ),
)

# Facts that a kernel log says about the machine: key, a word of the line, the line.
FACTS: tuple[tuple[str, bytes, re.Pattern[bytes]], ...] = (
    ("kernel", b"Linux version", re.compile(rb"Linux version (\S{1,64})")),
    ("amdgpu", b"amdgpu version", re.compile(rb"amdgpu version: (\S{1,32})")),
    # kfd_device.c kgd2kfd_device_init, debug
    ("sched_policy", b"scheduling policy", re.compile(rb"following scheduling policy (\d)")),
    # kfd_device_queue_manager.c initialize_nocpsch
    ("scheduler", b"scheduler is used", re.compile(rb"(SW) scheduler is used")),
    # kfd_device_queue_manager.c set_sched_resources, debug
    ("vmid_mask", b"vmid mask", re.compile(rb"vmid mask: {0,8}(0x {0,8}[0-9A-Fa-f]{1,8})")),
    ("queue_mask", b"queue mask", re.compile(rb"queue mask: {0,8}(0x {0,8}[0-9A-Fa-f]{1,16})")),
)

# What over-subscribed the device, by words of the several wordings of one message.
LIMITS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("processes", (b"too many processes", b"maximum number of processes")),
    ("queues", (b"too many queues", b"assigned compute queues")),
    ("cooperative processes", (b"cooperative launch", b"GWS")),
    ("XNACK modes", (b"xnack",)),
)
