"""How a register image or a packet is described: words, and named bits within them.

A :class:`Layout` is the table of one image (an MQD, an HQD, a packet) for one :class:`Generation`; its rows are
:class:`Register` records, one 32-bit word each, in the order of the hardware header. Rows are data: reading them is
:class:`Image`'s job, writing them :class:`Builder`'s.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cached_property

from ringscope.records import dataclass, field


class Generation(Enum):
    """Family of MQD layouts; the value is the name used in tables, on the command line and in JSON."""

    VI = "vi"
    V9 = "v9"
    V9_4_3 = "v9.4.3"
    V10 = "v10"
    V11 = "v11"
    V12 = "v12"


ALL = tuple(Generation)
V9_FAMILY = (Generation.V9, Generation.V9_4_3)
V9_AND_LATER = tuple(g for g in Generation if g is not Generation.VI)
V10_AND_LATER = (Generation.V10, Generation.V11, Generation.V12)


@dataclass(frozen=True, slots=True)
class Bits:
    """Named bits ``high:low`` (inclusive) of one 32-bit word.

    ``gens`` narrows the row to the generations it holds for; ``meaning`` says what a reader needs to know.
    """

    high: int
    low: int
    name: str
    meaning: str = ""
    gens: tuple[Generation, ...] = ALL

    def __post_init__(self) -> None:
        if not 31 >= self.high >= self.low >= 0:
            raise ValueError(f"{self.name}: bits {self.high}:{self.low} do not lie in a 32-bit word")

    @property
    def mask(self) -> int:
        """The bits in place, as a 32-bit mask."""
        return ((1 << (self.high - self.low + 1)) - 1) << self.low

    def get(self, word: int) -> int:
        """Value of these bits in ``word``."""
        return (word & self.mask) >> self.low

    def put(self, value: int) -> int:
        """``value`` moved into place; ValueError when it does not fit."""
        if value < 0 or value << self.low & ~self.mask:
            raise ValueError(f"{self.name}: {value:#x} does not fit bits {self.high}:{self.low}")
        return value << self.low


@dataclass(frozen=True, slots=True)
class Register:
    """One 32-bit word of an image.

    ``dword`` counts from the start of the image; ``unit`` is the unit of the raw value (``dwords``, ``bytes``,
    ``address >> 8`` …); ``source`` is where the row was read (file or capture, see the reference notes).
    """

    dword: int
    name: str
    meaning: str
    source: str
    unit: str = ""
    gens: tuple[Generation, ...] = ALL
    bits: tuple[Bits, ...] = ()


@dataclass(frozen=True)
class Layout:
    """The words of one image for one generation. ``dwords`` is the image's size; unlisted words are reserved."""

    name: str
    generation: Generation | None
    dwords: int
    registers: tuple[Register, ...]

    def __post_init__(self) -> None:
        seen: dict[str, int] = {}
        for reg in self.registers:
            if not 0 <= reg.dword < self.dwords:
                raise ValueError(f"{self.name}: {reg.name} at dword {reg.dword} lies outside {self.dwords} dwords")
            if reg.name in seen:
                raise ValueError(f"{self.name}: {reg.name} stands twice, at {seen[reg.name]} and {reg.dword}")
            seen[reg.name] = reg.dword

    @cached_property
    def by_name(self) -> Mapping[str, Register]:
        """Registers by name."""
        return {reg.name: reg for reg in self.registers}

    @cached_property
    def by_dword(self) -> Mapping[int, tuple[Register, ...]]:
        """Registers by dword; unions put several names on one word."""
        rows: dict[int, tuple[Register, ...]] = {}
        for reg in self.registers:
            rows[reg.dword] = (*rows.get(reg.dword, ()), reg)
        return rows

    @cached_property
    def _bits(self) -> Mapping[tuple[str, str], Bits]:
        return {(reg.name, b.name): b for reg in self.registers for b in reg.bits}

    def __contains__(self, name: str) -> bool:
        return name in self.by_name

    def __getitem__(self, name: str) -> Register:
        return self.by_name[name]

    def bits(self, register: str, name: str) -> Bits:
        """The named bits of a register; KeyError when this generation has none."""
        return self._bits[register, name]


def layout_for(name: str, generation: Generation, dwords: int, registers: Iterable[Register]) -> Layout:
    """The rows of a several-generation table that hold for ``generation``."""
    rows = []
    for reg in registers:
        if generation not in reg.gens:
            continue
        kept = tuple(b for b in reg.bits if generation in b.gens)
        rows.append(Register(reg.dword, reg.name, reg.meaning, reg.source, reg.unit, reg.gens, kept))
    return Layout(name, generation, dwords, tuple(rows))


@dataclass(frozen=True)
class Image:
    """Raw words read through a layout.

    ``data`` is little-endian bytes; ``first_dword`` is the layout's dword at which it starts, so that an HQD block
    (MQD dwords 128 to 183) is read through the MQD's own table.
    """

    layout: Layout
    data: bytes = field(repr=False)
    first_dword: int = 0

    def word(self, dword: int) -> int:
        """The 32-bit word at the layout's ``dword``; IndexError when the image does not cover it."""
        at = (dword - self.first_dword) * 4
        if at < 0 or at + 4 > len(self.data):
            raise IndexError(f"{self.layout.name}: dword {dword} is not in this image")
        return int.from_bytes(self.data[at : at + 4], "little")

    def get(self, register: str, bits: str | None = None) -> int:
        """Value of a register, or of some of its bits; KeyError when this generation has no such name."""
        word = self.word(self.layout[register].dword)
        return word if bits is None else self.layout.bits(register, bits).get(word)

    def get64(self, low: str, high: str) -> int:
        """A 64-bit value kept in two registers."""
        return self.get(high) << 32 | self.get(low)

    @cached_property
    def words(self) -> tuple[int, ...]:
        """Every word of the image, from ``first_dword`` on."""
        return struct.unpack(f"<{len(self.data) // 4}I", self.data)


class Builder:
    """A writable image: starts as zeros, set by name, turned into bytes at the end."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._words = [0] * layout.dwords

    def set(self, register: str, value: int) -> Builder:
        """Write a whole register; ValueError when the value is no 32-bit word."""
        if not 0 <= value <= 0xFFFFFFFF:
            raise ValueError(f"{register}: {value:#x} is not a 32-bit word")
        self._words[self.layout[register].dword] = value
        return self

    def set64(self, low: str, high: str, value: int) -> Builder:
        """Write a 64-bit value into two registers."""
        return self.set(low, value & 0xFFFFFFFF).set(high, value >> 32)

    def put(self, register: str, **values: int) -> Builder:
        """Write named bits of a register and keep its other bits."""
        dword = self.layout[register].dword
        for name, value in values.items():
            bits = self.layout.bits(register, name)
            self._words[dword] = self._words[dword] & ~bits.mask | bits.put(value)
        return self

    def bytes(self) -> bytes:
        """The image, little-endian."""
        return struct.pack(f"<{len(self._words)}I", *self._words)

    def image(self) -> Image:
        """The image, readable."""
        return Image(self.layout, self.bytes())
