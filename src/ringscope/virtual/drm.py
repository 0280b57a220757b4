"""The render node: what libdrm_amdgpu asks before ROCr trusts a device."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable

from ringscope.virtual import remote
from ringscope.virtual.model import Model

VERSION, AMDGPU_INFO = 0x00, 0x45
_ACCEL_WORKING, _HW_IP_INFO, _HW_IP_COUNT, _READ_MMR, _DEV_INFO = 0x00, 0x02, 0x03, 0x15, 0x16
_LONGEST = 4096
"""Bytes of the longest answer; a caller may say that it has room for more."""
STRINGS = (b"amdgpu", b"20150101", b"AMD GPU")
RELEASE = (3, 57, 0)


def version(tid: int, arguments: bytearray) -> None:
    """DRM_IOCTL_VERSION: three numbers, then (length, pointer) of name, date and description."""
    struct.pack_into("<3i", arguments, 0, *RELEASE)
    for index, string in enumerate(STRINGS):
        room, where = struct.unpack_from("<QQ", arguments, 16 + 16 * index)
        if room and where:
            remote.write(tid, where, string[:room])
        struct.pack_into("<Q", arguments, 16 + 16 * index, len(string))


def device_info(model: Model, size: int) -> bytes:
    """``struct drm_amdgpu_info_device``, as far as the caller's version of it goes."""
    out = bytearray(max(size, 512))
    mhz = 1000
    struct.pack_into(
        "<8IQQII", out, 0,
        model.device_id, 0, model.external_revision, model.revision, model.family,
        model.part.shader_engines_per_xcc or 1, 1, 100 * mhz, model.clock_mhz * mhz, 1300 * mhz, model.part.cus, 0,
    )  # fmt: skip
    for index in range(16):
        struct.pack_into("<I", out, 56 + 4 * index, (1 << model.cus_per_array) - 1)
    struct.pack_into("<4I", out, 120, 0xFFFF, 16, 8, 4)  # render backends, their pipes, contexts, clocks
    struct.pack_into("<QQQ4I2I", out, 136, 0, 0x200000, 1 << 47, 4096, 9, 4096, 0, 6, 8192)
    return bytes(out[:size])


def info(tid: int, arguments: bytearray, model: Model, unknown: Callable[[str], None]) -> None:
    """AMDGPU_INFO: ``return_pointer``, ``return_size``, ``query``."""
    where, size, query = struct.unpack_from("<QII", arguments)
    size = min(size, _LONGEST)
    if query == _DEV_INFO:
        answer = device_info(model, size)
    elif query == _ACCEL_WORKING:
        answer = struct.pack("<I", 1)
    elif query in (_HW_IP_INFO, _HW_IP_COUNT, _READ_MMR):
        answer = b""  # no graphics rings, and registers that read zero: nothing of compute depends on them
    else:
        unknown(f"AMDGPU_INFO query {query:#x}")
        raise OSError(errno.EINVAL, "no such query")
    remote.write(tid, where, answer[:size].ljust(size, b"\0"))
