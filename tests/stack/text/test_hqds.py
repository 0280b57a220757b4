import struct

import pytest

from ringscope.parts.layout import Generation, Image, Layout
from ringscope.recording import Source
from ringscope.snapshot import Device, Hqd, Run, SdmaRlc, Snapshot
from ringscope.stack.text import hqds
from ringscope.stack.text.hqds import address

HERE = Source("test")
LAYOUT = Layout("compute", Generation.V9_4_3, 512, ())


def slot(xcc: int, mec: int, pipe: int, queue: int, word: int = 0) -> Hqd:
    return Hqd(xcc, mec, pipe, queue, Image(LAYOUT, struct.pack("<9I", word, *[0] * 8), 128), HERE)


def device(xccs: int, generation: Generation = Generation.V9_4_3) -> Device:
    return Device(2, 0xF7BC, HERE, generation, hqds=tuple(slot(xcc, 1, 0, 2, xcc) for xcc in range(xccs)))


def test_hiq_then_slots_of_each_xcc_then_sdma() -> None:
    zeros = " ".join(["00000000"] * 7)
    sdma = SdmaRlc(0, 1, (Run(0x4E40, struct.pack("<2I", 0x40000, 0)), Run(0x4EE0, struct.pack("<I", 1))), HERE)
    busy = Device(
        2,
        0xF7BC,
        HERE,
        Generation.V9_4_3,
        hqds=(slot(0, 1, 1, 2, 0xB), slot(0, 1, 0, 2, 0xA)),
        hiqs=(slot(0, 2, 0, 0, 0xC),),
        sdma=(sdma,),
    )
    assert hqds(Snapshot("one", devices=(busy,))) == (
        "Node 2, gpu_id f7bc:\n"
        "   Inst 0, HIQ on MEC 2 Pipe 0 Queue 0\n"
        f"    0000c914: 0000000c {zeros}\n    0000c934: 00000000\n"
        " Inst 0,  CP Pipe 0, Queue 2\n"
        f"    0000c914: 0000000a {zeros}\n    0000c934: 00000000\n"
        " Inst 0,  CP Pipe 1, Queue 2\n"
        f"    0000c914: 0000000b {zeros}\n    0000c934: 00000000\n"
        "  SDMA Engine 0, RLC 1\n"
        "    00004e40: 00040000 00000000\n    00004ee0: 00000001\n"
    )


def test_a_stopped_device_shows_nothing_else() -> None:
    stopped = Device(3, 0xF05B, HERE, stopped=True, hqds=(slot(0, 1, 0, 2),))
    assert hqds(Snapshot("one", devices=(stopped,))) == "Node 3, gpu_id f05b:\n Device is stopped\n"


def test_no_device_is_an_empty_file() -> None:
    assert hqds(Snapshot("none")) == ""


@pytest.mark.parametrize(
    ("generation", "xccs", "expected"),
    [
        (Generation.V9_4_3, 4, [0xC914, 0xCC914, 0x10C914, 0x1CC914]),  # the MI308X captures
        (Generation.V9_4_3, 8, [0xC914 + 0x40000 * xcc for xcc in range(8)]),
        (Generation.V9, 1, [0xC914]),
        (Generation.V11, 1, [0xC824]),
    ],
)
def test_register_addresses(generation: Generation, xccs: int, expected: list[int]) -> None:
    part = device(xccs, generation)
    assert [address(part, xcc) for xcc in range(xccs)] == expected


def test_vi_prints_the_cu_masks_before_its_54_registers() -> None:
    image = Image(LAYOUT, struct.pack("<56I", *range(56)), 128)
    part = Device(1, 0xABCD, HERE, Generation.VI, hqds=(Hqd(0, 1, 0, 2, image, HERE),))
    lines = hqds(Snapshot("one", devices=(part,))).splitlines()[2:]
    assert lines[:2] == ["    0000b858: ffffffff ffffffff", "    0000b864: ffffffff ffffffff"]
    words = [word for line in lines[2:] for word in line.partition(":")[2].split()]
    assert lines[2].startswith("    0000c914: 00000000 00000001")
    assert len(words) == 54
