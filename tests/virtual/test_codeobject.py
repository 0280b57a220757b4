import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_machines import Bench, bench

from ringscope.virtual.codeobject import kernel_at


def pack(value: object) -> bytes:
    """MessagePack, as compilers write metadata."""
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return bytes([value]) if 0 <= value < 128 else b"\xce" + struct.pack(">I", value)
    if isinstance(value, str):
        data = value.encode()
        return (bytes([0xA0 | len(data)]) if len(data) < 32 else b"\xd9" + bytes([len(data)])) + data
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(pack, value))
    assert isinstance(value, dict)
    return bytes([0x80 | len(value)]) + b"".join(pack(k) + pack(v) for k, v in value.items())


def code_object(name: str, descriptor: int) -> bytes:
    """An ELF image as a loader leaves it in memory: headers, note, dynamic symbols, one kernel descriptor."""
    note = pack({"amdhsa.kernels": [{
        ".name": name, ".symbol": f"{name}.kd", ".kernarg_segment_size": 300,
        ".args": [{".name": "first", ".offset": 0, ".size": 8}, {".offset": 8, ".size": 4}],
    }]})  # fmt: skip
    note = struct.pack("<3I", 7, len(note), 32) + b"AMDGPU\0\0" + note
    strings = b"\0" + f"{name}.kd\0other\0".encode()
    symbols = (
        bytes(24)
        + struct.pack("<I2BH2Q", 1 + len(name) + 4, 0, 0, 1, 4, 0)
        + struct.pack("<I2BH2Q", 1, 0, 0, 1, descriptor, 64)
    )
    tables = {
        "note": (0x200, note),
        "hash": (0x600, struct.pack("<2I", 1, 3)),
        "strings": (0x700, strings),
        "symbols": (0x800, symbols),
    }
    dynamic = struct.pack("<8Q", 4, 0x600, 5, 0x700, 6, 0x800, 10, len(strings))
    tables["dynamic"] = (0x900, dynamic)
    image = bytearray(descriptor + 64)
    image[:64] = (
        b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<2HI3QI6H", 3, 224, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    )
    image[64:120] = struct.pack("<2I6Q", 4, 4, 0, 0x200, 0, len(note), len(note), 4)
    image[120:176] = struct.pack("<2I6Q", 2, 4, 0, 0x900, 0, len(dynamic), len(dynamic), 8)
    for at, content in tables.values():
        image[at : at + len(content)] = content
    image[descriptor : descriptor + 64] = struct.pack("<3I4xq40x", 0, 0, 300, 0x1000)
    return bytes(image)


def load(b: Bench, image: bytes) -> int:
    va = b.memory(len(image) + 4096)
    b.client.space.write(va, image)
    return va


def test_a_kernel_is_named_with_its_arguments() -> None:
    with bench() as b:
        va = load(b, code_object("saxpy", 0x2040))
        kernel = kernel_at(b.client.space, va + 0x2040)
        assert (kernel.name, kernel.kernarg_bytes, kernel.bare) == ("saxpy", 300, False)
        assert kernel.arguments == {"first": (0, 8), "1": (8, 4)}


def test_a_descriptor_without_code_object_is_named_by_its_address() -> None:
    with bench() as b:
        va = b.memory()
        assert kernel_at(b.client.space, va).name == f"at {va:#x}"
        b.client.space.write(va + 16, struct.pack("<q", 256))
        assert kernel_at(b.client.space, va).bare


@given(st.data())
def test_damage_costs_the_name_and_nothing_more(data: st.DataObject) -> None:
    image = bytearray(code_object("kernel", 0xA40))
    for _ in range(data.draw(st.integers(1, 12))):
        image[data.draw(st.integers(7, 0xA3F))] = data.draw(st.integers(0, 255))
    with bench() as b:
        assert kernel_at(b.client.space, load(b, bytes(image)) + 0xA40).name


@pytest.mark.parametrize("size", [1, 31, 32, 200])
def test_long_names_are_read(size: int) -> None:
    with bench() as b:
        va = load(b, code_object("k" * size, 0xA40))
        assert kernel_at(b.client.space, va + 0xA40).name == "k" * size
