"""Request numbers and argument offsets, as computed from the uapi header by hand."""

import pytest

from ringscope.parts import ioctl
from ringscope.parts.record import Record

NUMBERS = {
    "GET_VERSION": (0x80084B01, 8),
    "CREATE_QUEUE": (0xC0604B02, 96),
    "DESTROY_QUEUE": (0xC0084B03, 8),
    "SET_MEMORY_POLICY": (0x40204B04, 32),
    "GET_CLOCK_COUNTERS": (0xC0284B05, 40),
    "UPDATE_QUEUE": (0x40184B07, 24),
    "CREATE_EVENT": (0xC0204B08, 32),
    "WAIT_EVENTS": (0xC0184B0C, 24),
    "SET_SCRATCH_BACKING_VA": (0xC0104B11, 16),
    "SET_TRAP_HANDLER": (0x40184B13, 24),
    "GET_PROCESS_APERTURES_NEW": (0xC0104B14, 16),
    "ACQUIRE_VM": (0x40084B15, 8),
    "ALLOC_MEMORY_OF_GPU": (0xC0284B16, 40),
    "FREE_MEMORY_OF_GPU": (0x40084B17, 8),
    "MAP_MEMORY_TO_GPU": (0xC0184B18, 24),
    "UNMAP_MEMORY_FROM_GPU": (0xC0184B19, 24),
    "SET_CU_MASK": (0x40104B1A, 16),
    "GET_QUEUE_WAVE_STATE": (0xC0184B1B, 24),
    "ALLOC_QUEUE_GWS": (0xC0104B1E, 16),
    "SMI_EVENTS": (0xC0084B1F, 8),
    "SET_XNACK_MODE": (0xC0044B21, 4),
    "AVAILABLE_MEMORY": (0xC0104B23, 16),
    "RUNTIME_ENABLE": (0xC0104B25, 16),
    "DBG_TRAP": (0xC0204B26, 32),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str) -> None:
    found = ioctl.BY_NAME[name]
    assert (found.number, found.args.size) == NUMBERS[name]
    assert ioctl.BY_NUMBER[found.number] is found


def test_numbers_are_unique() -> None:
    assert len(ioctl.BY_NUMBER) == len(ioctl.IOCTLS) == len(ioctl.BY_NAME)


@pytest.mark.parametrize("record", ioctl.RECORDS, ids=lambda r: r.name)
def test_records_are_filled_and_explained(record: Record) -> None:
    assert sum(field.size for field in record.fields) == record.size
    assert all(field.meaning for field in record.fields)
    assert all(field.offset % field.size == 0 for field in record.fields)
    assert all(field.direction in ("in", "out", "in/out") or field.name == "pad" for field in record.fields)


def test_create_and_update_queue() -> None:
    create = {f.name: f.offset for f in ioctl.BY_NAME["CREATE_QUEUE"].args.fields}
    assert create == {
        "ring_base_address": 0,
        "write_pointer_address": 8,
        "read_pointer_address": 16,
        "doorbell_offset": 24,
        "ring_size": 32,
        "gpu_id": 36,
        "queue_type": 40,
        "queue_percentage": 44,
        "queue_priority": 48,
        "queue_id": 52,
        "eop_buffer_address": 56,
        "eop_buffer_size": 64,
        "ctx_save_restore_address": 72,
        "ctx_save_restore_size": 80,
        "ctl_stack_size": 84,
        "sdma_engine_id": 88,
        "pad": 92,
    }
    update = [f.offset for f in ioctl.BY_NAME["UPDATE_QUEUE"].args.fields]
    assert update == [0, 8, 12, 16, 20]
    mask = {f.name: f.offset for f in ioctl.BY_NAME["SET_CU_MASK"].args.fields}
    assert mask == {"queue_id": 0, "num_cu_mask": 4, "cu_mask_ptr": 8}
