import struct

import pytest
from virtual_machines import Bench, bench

from ringscope.virtual.images import COPIES, Image, image_at

WORDS = {
    # 64 x 16 elements of 32 bits, as ROCr 6.4.3 describes them on vega10, navi31 and navi48.
    "900": (0x2E274000, 0x1040007F, 0x0003C03F, 0x91600204, 0x2007E000),
    "1100": (0x87732000, 0xC140007F, 0x8003C00F, 0x93600204, 0x0000003F),
    "1201": (0x2DA62000, 0xC028007F, 0x0003C00F, 0x92200204, 0x0000003F),
}


def describe(b: Bench, base: int, gfx: str = "900", levels: int = 0, kind: int = 13, order: int = 1) -> int:
    """A descriptor of such an image at ``base``; its address."""
    words = list(WORDS[gfx]) + [0] * 3 + [kind, order]
    words[0], words[1] = base >> 8 & 0xFFFFFFFF, words[1] & ~0xFF | base >> 40
    words[3] |= levels << 16
    where = b.memory()
    b.client.space.write(where, struct.pack("<10I", *words))
    return where


@pytest.mark.parametrize("gfx", WORDS)
def test_a_descriptor_is_read_on_every_generation(gfx: str) -> None:
    with bench() as b:
        base = b.memory()
        assert image_at(b.client.space, describe(b, base, gfx), gfx) == Image(base, 64, 16, 4)
        assert image_at(b.client.space, describe(b, base, gfx, levels=1), gfx) is None
        for kind, order, size in ((15, 8, 16), (11, 3, 2), (6, 6, 0), (99, 0, 0), (0, 99, 0)):
            found = image_at(b.client.space, describe(b, base, gfx, 0, kind, order), gfx)
            assert found and found.element == size


def box(**origins: tuple[int, int, int]) -> dict[str, bytes]:
    return {name: struct.pack("<3i4x", *value) for name, value in origins.items()}


def test_a_box_keeps_its_place_in_buffer_and_image() -> None:
    with bench() as b:
        space = b.client.space
        image, buffer, other = b.memory(64 * 16 * 4), b.memory(4096), b.memory(64 * 16 * 4)
        space.write(buffer, bytes(range(256)) * 16)
        # 3 x 2 elements from dword 5 of a buffer with rows of 10 elements.
        there = {"format": struct.pack("<4I", 1, 4, 1, 0), "pitch": struct.pack("<4Q", 10, 100, 0, 0)}
        here = {"src": buffer, "dst": describe(b, image), "srcOrigin": struct.pack("<4Q", 5, 0, 0, 0)}
        assert COPIES["__amd_rocclr_copyBufferToImage"](
            space, here | there | box(dstOrigin=(60, 1, 0), size=(3, 2, 1)), "900"
        )
        for row in range(2):
            assert space.read(image + 4 * (64 * (1 + row) + 60), 12) == bytes(range(20 + 40 * row, 32 + 40 * row))
        assert sum(map(bool, space.read(image, 64 * 16 * 4))) == 24
        pair = {"src": describe(b, image), "dst": describe(b, other)}
        moved = box(srcOrigin=(60, 1, 0), dstOrigin=(0, 2, 0), size=(3, 2, 1))
        assert COPIES["__amd_rocclr_copyImage"](space, pair | moved, "900")
        assert space.read(other + 4 * 128, 12) == bytes(range(20, 32))
        back = {"src": describe(b, other), "dstUInt": buffer, "dstOrigin": struct.pack("<4Q", 0, 0, 0, 0)}
        assert COPIES["__amd_rocclr_copyImageToBuffer"](
            space, back | there | box(srcOrigin=(1, 2, 0), size=(2, 2, 1)), "900"
        )
        assert space.read(buffer, 8) == bytes(range(24, 32)) and space.read(buffer + 40, 8) == bytes(range(64, 72))


@pytest.mark.parametrize(
    ("name", "levels", "kind"), [("copyImage", 0, 6), ("copyImage", 1, 13), ("copyImage1DA", 0, 14)]
)
def test_what_is_not_understood_is_not_carried_out(name: str, levels: int, kind: int) -> None:
    with bench() as b:
        image = b.memory(64 * 16 * 4)
        pair = {"src": describe(b, image), "dst": describe(b, image, "900", levels, kind)}
        moved = box(srcOrigin=(0, 0, 0), dstOrigin=(0, 0, 0), size=(3, 2, 1))
        assert not COPIES[f"__amd_rocclr_{name}"](b.client.space, pair | moved, "900")
