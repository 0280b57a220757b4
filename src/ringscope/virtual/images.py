"""Images as HIP's blit kernels copy them: from and to buffers, and to each other.

No other kernel that could look at an image is computed, so where its elements lie is nobody else's business: here they
lie row behind row, whatever the tiling, which never takes more room. An image is named by the address of its hardware
descriptor; eight words of that are followed by the channel type and order for kernels that ask. Sources: SQ_IMG_RSRC of
gfx9, gfx10 and gfx12 (Mesa's register tables); hsa_ext_image.h; arguments as CLR rocblit.cpp writes them, as seen on
5.2.3, 5.7.1 and 6.4.3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from ringscope.records import dataclass
from ringscope.virtual.memory import AddressSpace

_CHANNEL_BYTES = (1, 2, 1, 2, 0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 2, 4)
"""By ``hsa_ext_image_channel_type_t``; 0 for those that share their bits."""
_CHANNELS = (1, 1, 2, 2, 3, 2, 3, 4, 4, 4, 4, 4, 3, 4, 4, 4, 1, 1, 1, 2)
"""By ``hsa_ext_image_channel_order_t``."""


@dataclass(frozen=True)
class Image:
    """Where an image begins, its width and height in elements, and an element's bytes (0 when it does not say)."""

    base: int
    width: int
    height: int
    element: int

    def place(self, x: int, y: int, z: int, element: int) -> int:
        """The address of an element; layers count as slices, or as rows of an array of lines."""
        return self.base + ((z * self.height + y) * self.width + x) * element


def image_at(space: AddressSpace, address: int, gfx: str) -> Image | None:
    """The image whose descriptor lies there; None for one level of several, which begins elsewhere."""
    words = struct.unpack("<10I", space.read(address, 40))
    if words[3] >> 12 & 0xFF:
        return None
    base = (words[0] | (words[1] & 0xFF) << 32) << 8
    if len(gfx) == 3:
        width, height = words[2] & 0x3FFF, words[2] >> 14 & 0x3FFF
    elif gfx < "12":
        width, height = words[1] >> 30 | (words[2] & 0xFFF) << 2, words[2] >> 14 & 0x3FFF
    else:
        width, height = words[1] >> 30 | (words[2] & 0x3FFF) << 2, words[2] >> 14 & 0xFFFF
    kind, order = words[8:10]
    known = kind < len(_CHANNEL_BYTES) and order < len(_CHANNELS)
    return Image(base, width + 1, height + 1, _CHANNEL_BYTES[kind] * _CHANNELS[order] if known else 0)


def _buffer(space: AddressSpace, args: Mapping[str, Any], gfx: str, into: bool) -> bool:
    """A box between a buffer and an image.

    ``format`` holds components, bytes of each, and units an element takes in the buffer, a unit being 4 bytes at most;
    ``pitch`` elements of a row and of a slice.
    """
    image = image_at(space, args["dst" if into else "src"], gfx)
    if image is None:
        return False
    components, size, units = struct.unpack_from("<3I", args["format"])
    x0, y0, z0 = struct.unpack_from("<3i", args["dstOrigin" if into else "srcOrigin"])
    (start,) = struct.unpack_from("<Q", args["srcOrigin" if into else "dstOrigin"])
    width, height, depth = struct.unpack_from("<3i", args["size"])
    row, slice_ = struct.unpack_from("<2Q", args["pitch"])
    element = components * size
    for z in range(depth):
        for y in range(height):
            at = (start + (z * slice_ + y * row) * units) * min(element, 4)
            there = image.place(x0, y0 + y, z0 + z, element)
            if into:
                space.copy(there, args["src"] + at, width * element)
            else:
                space.copy(args["dstUInt"] + at, there, width * element)
    return True


def _image(space: AddressSpace, args: Mapping[str, Any], gfx: str) -> bool:
    """A box between two images of one format."""
    source, target = (image_at(space, args[name], gfx) for name in ("src", "dst"))
    if not source or not target or not source.element or source.element != target.element:
        return False
    (x, y, z), (tx, ty, tz) = (struct.unpack_from("<3i", args[name]) for name in ("srcOrigin", "dstOrigin"))
    width, height, depth = struct.unpack_from("<3i", args["size"])
    element = source.element
    for slice_ in range(depth):
        for row in range(height):
            there = target.place(tx, ty + row, tz + slice_, element)
            space.copy(there, source.place(x, y + row, z + slice_, element), width * element)
    return True


COPIES: dict[str, Callable[[AddressSpace, Mapping[str, Any], str], bool]] = {
    "__amd_rocclr_copyBufferToImage": lambda space, args, gfx: _buffer(space, args, gfx, into=True),
    "__amd_rocclr_copyImageToBuffer": lambda space, args, gfx: _buffer(space, args, gfx, into=False),
    "__amd_rocclr_copyImage": _image,
    "__amd_rocclr_copyImage1DA": _image,
}
"""By the kernel's name; False when it cannot be carried out."""
