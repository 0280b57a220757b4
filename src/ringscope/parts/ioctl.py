"""Ioctls of ``/dev/kfd``: numbers, and the argument records byte by byte (interface 1.17)."""

from __future__ import annotations

from enum import IntEnum

from ringscope.parts.record import Field, Record
from ringscope.records import dataclass

VERSION = (1, 17)
MAGIC = ord("K")


class Direction(IntEnum):
    """Direction bits of an ioctl number: what user space does."""

    WRITE = 1
    READ = 2
    BOTH = 3


@dataclass(frozen=True, slots=True)
class Ioctl:
    """One ioctl: ``name`` without its ``AMDKFD_IOC_`` prefix, ``nr`` within the magic, and its argument."""

    name: str
    nr: int
    direction: Direction
    args: Record

    @property
    def number(self) -> int:
        """The 32-bit request number: direction, argument size, magic, nr."""
        return self.direction << 30 | self.args.size << 16 | MAGIC << 8 | self.nr


def _ioctl(name: str, nr: int, direction: Direction, *words: str) -> Ioctl:
    """An ioctl whose argument holds ``words``: ``size direction name: meaning``, one after the other."""
    fields = []
    at = 0
    for word in words:
        spec, _, meaning = word.partition(": ")
        size, way, field = spec.split()
        fields.append(Field(at, int(size) // 8, field, meaning, "" if way == "-" else way))
        at += int(size) // 8
    return Ioctl(name, nr, direction, Record(name.lower() + "_args", at, "kfd_ioctl", tuple(fields)))


_R, _W, _RW = Direction.READ, Direction.WRITE, Direction.BOTH
_GPU = "32 in gpu_id: the node"
_P32 = "32 - pad: padding"

IOCTLS = (
    _ioctl("GET_VERSION", 0x01, _R, "32 out major_version: 1", "32 out minor_version: 17"),
    _ioctl(
        "CREATE_QUEUE",
        0x02,
        _RW,
        "64 in ring_base_address: the ring, GPU virtual",
        "64 in write_pointer_address: where the write pointer lies",
        "64 in read_pointer_address: where the read pointer lies",
        "64 out doorbell_offset: offset to mmap; its low bits are the place in the process's doorbell slice",
        "32 in ring_size: bytes, a power of two",
        _GPU,
        "32 in queue_type: 0 compute PM4, 1 SDMA, 2 compute AQL, 3 SDMA over xGMI, 4 SDMA by engine",
        "32 in queue_percentage: 0 inactive to 100; bits 15:8 choose the XCC of a PM4 queue",
        "32 in queue_priority: 0 to 15",
        "32 out queue_id: handle within the process",
        "64 in eop_buffer_address: end-of-pipe buffer",
        "64 in eop_buffer_size: bytes",
        "64 in ctx_save_restore_address: CWSR save area",
        "32 in ctx_save_restore_size: bytes of one XCC",
        "32 in ctl_stack_size: bytes of its control stack",
        "32 in sdma_engine_id: engine, for queue type 4",
        _P32,
    ),
    _ioctl("DESTROY_QUEUE", 0x03, _RW, "32 in queue_id: the queue", _P32),
    _ioctl(
        "SET_MEMORY_POLICY",
        0x04,
        _W,
        "64 in alternate_aperture_base: second aperture",
        "64 in alternate_aperture_size: bytes",
        _GPU,
        "32 in default_policy: 0 coherent, 1 not",
        "32 in alternate_policy: the same, for the aperture",
        _P32,
    ),
    _ioctl(
        "GET_CLOCK_COUNTERS",
        0x05,
        _RW,
        "64 out gpu_clock_counter: GPU clock, ticks",
        "64 out cpu_clock_counter: raw monotonic, ns",
        "64 out system_clock_counter: boot time, ns",
        "64 out system_clock_freq: of the last two, Hz",
        _GPU,
        _P32,
    ),
    _ioctl(
        "UPDATE_QUEUE",
        0x07,
        _W,
        "64 in ring_base_address: the ring; 0 makes the queue inactive",
        "32 in queue_id: the queue",
        "32 in ring_size: bytes",
        "32 in queue_percentage: 0 makes the queue inactive",
        "32 in queue_priority: 0 to 15",
    ),
    _ioctl(
        "CREATE_EVENT",
        0x08,
        _RW,
        "64 in/out event_page_offset: in: handle of the page (dGPU); out: offset to mmap",
        "32 out event_trigger_data: what a signal event is raised with",
        "32 in event_type: 0 signal, 3 hardware exception, 8 memory",
        "32 in auto_reset: reset when waited for",
        "32 in node_id: for some types",
        "32 out event_id: the event",
        "32 out event_slot_index: its slot in the page",
    ),
    *(
        _ioctl(name, nr, _W, "32 in event_id: the event", _P32)
        for nr, name in ((0x09, "DESTROY_EVENT"), (0x0A, "SET_EVENT"), (0x0B, "RESET_EVENT"))
    ),
    _ioctl(
        "WAIT_EVENTS",
        0x0C,
        _RW,
        "64 in events_ptr: array of event data, 48 bytes each",
        "32 in num_events: entries",
        "32 in wait_for_all: 1 all, 0 any",
        "32 in timeout: ms; all ones: for ever",
        "32 out wait_result: 0 complete, 1 timeout, 2 failure",
    ),
    _ioctl("SET_SCRATCH_BACKING_VA", 0x11, _RW, "64 in va_addr: scratch", _GPU, _P32),
    _ioctl(
        "GET_TILE_CONFIG",
        0x12,
        _RW,
        "64 in tile_config_ptr: array",
        "64 in macro_tile_config_ptr: array",
        "32 in/out num_tile_configs: entries",
        "32 in/out num_macro_tile_configs: entries",
        _GPU,
        "32 out gb_addr_config: register",
        "32 out num_banks: memory banks",
        "32 out num_ranks: memory ranks",
    ),
    _ioctl("SET_TRAP_HANDLER", 0x13, _W, "64 in tba_addr: trap handler", "64 in tma_addr: its memory", _GPU, _P32),
    _ioctl(
        "GET_PROCESS_APERTURES_NEW",
        0x14,
        _RW,
        "64 in kfd_process_device_apertures_ptr: array of apertures, 56 bytes each",
        "32 in/out num_of_nodes: entries",
        _P32,
    ),
    _ioctl("ACQUIRE_VM", 0x15, _W, "32 in drm_fd: open render node", _GPU),
    _ioctl(
        "ALLOC_MEMORY_OF_GPU",
        0x16,
        _RW,
        "64 in va_addr: GPU virtual address",
        "64 in size: bytes",
        "64 out handle: the buffer",
        "64 in/out mmap_offset: in: CPU address of user memory; out: offset to mmap on the render node",
        _GPU,
        "32 in flags: kind and attributes, see ALLOC_FLAGS",
    ),
    _ioctl("FREE_MEMORY_OF_GPU", 0x17, _W, "64 in handle: the buffer"),
    *(
        _ioctl(
            name,
            nr,
            _RW,
            "64 in handle: the buffer",
            "64 in device_ids_array_ptr: array of gpu_ids, 4 bytes each",
            "32 in n_devices: entries",
            "32 in/out n_success: entries done, from the start",
        )
        for nr, name in ((0x18, "MAP_MEMORY_TO_GPU"), (0x19, "UNMAP_MEMORY_FROM_GPU"))
    ),
    _ioctl(
        "SET_CU_MASK",
        0x1A,
        _W,
        "32 in queue_id: the queue",
        "32 in num_cu_mask: bits, a multiple of 32",
        "64 in cu_mask_ptr: array of 32-bit masks",
    ),
    _ioctl(
        "GET_QUEUE_WAVE_STATE",
        0x1B,
        _RW,
        "64 in ctl_stack_address: where the control stack is copied",
        "32 out ctl_stack_used_size: bytes",
        "32 out save_area_used_size: bytes",
        "32 in queue_id: the queue",
        _P32,
    ),
    _ioctl(
        "GET_DMABUF_INFO",
        0x1C,
        _RW,
        "64 out size: bytes",
        "64 in metadata_ptr: where metadata goes",
        "32 in/out metadata_size: bytes",
        "32 out gpu_id: the node",
        "32 out flags: as of ALLOC_MEMORY_OF_GPU",
        "32 in dmabuf_fd: the buffer",
    ),
    _ioctl(
        "IMPORT_DMABUF",
        0x1D,
        _RW,
        "64 in va_addr: GPU virtual address",
        "64 out handle: the buffer",
        _GPU,
        "32 in dmabuf_fd: the buffer",
    ),
    _ioctl(
        "ALLOC_QUEUE_GWS",
        0x1E,
        _RW,
        "32 in queue_id: the queue",
        "32 in num_gws: entries",
        "32 out first_gws: first entry",
        _P32,
    ),
    _ioctl("SMI_EVENTS", 0x1F, _RW, "32 in gpuid: the node", "32 out anon_fd: file to read events from"),
    _ioctl(
        "SVM",
        0x20,
        _RW,
        "64 in start_addr: range",
        "64 in size: bytes",
        "32 in op: 0 set, 1 get",
        "32 in nattr: attributes that follow, 8 bytes each",
    ),
    _ioctl("SET_XNACK_MODE", 0x21, _RW, "32 in/out xnack_enabled: 1 on, 0 off, -1 ask"),
    _ioctl("AVAILABLE_MEMORY", 0x23, _RW, "64 out available: bytes", _GPU, _P32),
    _ioctl(
        "EXPORT_DMABUF",
        0x24,
        _RW,
        "64 in handle: the buffer",
        "32 in flags: of the file",
        "32 out dmabuf_fd: the buffer",
    ),
    _ioctl(
        "RUNTIME_ENABLE",
        0x25,
        _RW,
        "64 in r_debug: address for the debugger; 0 switches off",
        "32 in mode_mask: 1 enable, 2 TTMP setup",
        "32 out capabilities_mask: capabilities",
    ),
    _ioctl(
        "DBG_TRAP",
        0x26,
        _RW,
        "32 in pid: process to debug",
        "32 in op: operation",
        *(f"64 in/out data{n}: by operation" for n in range(3)),
    ),
)
BY_NUMBER = {ioctl.number: ioctl for ioctl in IOCTLS}
BY_NAME = {ioctl.name: ioctl for ioctl in IOCTLS}

ALLOC_FLAGS: dict[str, int] = {
    "VRAM": 1 << 0,
    "GTT": 1 << 1,
    "USERPTR": 1 << 2,
    "DOORBELL": 1 << 3,
    "MMIO_REMAP": 1 << 4,
    "CONTIGUOUS": 1 << 23,
    "EXT_COHERENT": 1 << 24,
    "UNCACHED": 1 << 25,
    "COHERENT": 1 << 26,
    "AQL_QUEUE_MEM": 1 << 27,
    "NO_SUBSTITUTE": 1 << 28,
    "PUBLIC": 1 << 29,
    "EXECUTABLE": 1 << 30,
    "WRITABLE": 1 << 31,
}
"""``flags`` of ALLOC_MEMORY_OF_GPU (kfd_ioctl)."""

PROCESS_DEVICE_APERTURES = Record(
    "process_device_apertures",
    56,
    "kfd_ioctl",
    (
        *(
            Field(8 * n, 8, f"{space}_{end}", f"{space} aperture", "out")
            for n, (space, end) in enumerate(
                (space, end) for space in ("lds", "scratch", "gpuvm") for end in ("base", "limit")
            )
        ),
        Field(48, 4, "gpu_id", "the node", "out"),
        Field(52, 4, "pad", "padding"),
    ),
)
RECORDS = (*(ioctl.args for ioctl in IOCTLS), PROCESS_DEVICE_APERTURES)
