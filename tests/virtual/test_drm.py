import ctypes
import errno
import os
import struct

import pytest

from ringscope.virtual import drm
from ringscope.virtual.model import Model, model_of


@pytest.fixture
def model() -> Model:
    return model_of("mi308x")


def asked(query: int, size: int, model: Model, unknown: list[str]) -> bytes:
    """What an AMDGPU_INFO of this process writes into ``size`` bytes, and the 8 behind them."""
    room = ctypes.create_string_buffer(b"\xee" * (size + 8), size + 8)
    arguments = bytearray(struct.pack("<QII", ctypes.addressof(room), size, query))
    drm.info(os.getpid(), arguments, model, unknown.append)
    return room.raw


def test_the_driver_names_itself_in_the_room_it_is_given() -> None:
    rooms = [ctypes.create_string_buffer(b"\xee" * 16, 16) for _ in drm.STRINGS]
    arguments = bytearray(16)
    for room, size in zip(rooms, (16, 3, 0), strict=True):
        arguments += struct.pack("<QQ", size, ctypes.addressof(room))
    drm.version(os.getpid(), arguments)
    assert struct.unpack_from("<3i", arguments) == drm.RELEASE
    assert [room.raw.rstrip(b"\xee") for room in rooms] == [b"amdgpu", b"201", b""]
    # The whole lengths are told, so that a caller can ask again with more room.
    assert [struct.unpack_from("<Q", arguments, 16 + 16 * i)[0] for i in range(3)] == [6, 8, 7]


def test_a_device_works_and_has_no_graphics(model: Model) -> None:
    assert asked(0x00, 4, model, []) == struct.pack("<I", 1) + b"\xee" * 8
    for query in (0x02, 0x03, 0x15):
        assert asked(query, 24, model, []) == bytes(24) + b"\xee" * 8


@pytest.mark.parametrize("size", [24, 440, 448, 4096])
def test_the_device_is_described_as_far_as_the_caller_has_room(size: int, model: Model) -> None:
    raw = asked(0x16, size, model, [])
    assert raw[size:] == b"\xee" * 8
    assert struct.unpack_from("<5I", raw) == (0x74A2, 0, model.external_revision, model.revision, 141)
    if size >= 448:
        assert struct.unpack_from("<I", raw, 48)[0] == 80
        bitmaps = struct.unpack_from("<16I", raw, 56)
        assert {bits.bit_count() for bits in bitmaps} == {model.cus_per_array}


def test_a_query_that_is_not_known_is_refused_and_counted(model: Model) -> None:
    unknown: list[str] = []
    with pytest.raises(OSError) as refused:
        asked(0x7F, 8, model, unknown)
    assert refused.value.errno == errno.EINVAL and unknown == ["AMDGPU_INFO query 0x7f"]
    with pytest.raises(OSError) as nowhere:
        drm.info(os.getpid(), bytearray(struct.pack("<QII", 8, 4, 0)), model, unknown.append)
    assert nowhere.value.errno == errno.EFAULT
