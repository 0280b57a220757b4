"""Records in memory that are not made of 32-bit words alone: AQL packets, HSA structures, ioctl arguments.

A :class:`Record` is the table of one structure; it also packs and unpacks bytes by it, little-endian.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from ringscope.parts.layout import Bits
from ringscope.records import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One integer at byte ``offset`` of a record, ``size`` bytes long.

    ``direction`` is that of an ioctl argument (``in`` to the driver, ``out`` of it, ``in/out``), else empty.
    """

    offset: int
    size: int
    name: str
    meaning: str = ""
    direction: str = ""
    signed: bool = False
    bits: tuple[Bits, ...] = ()


@dataclass(frozen=True)
class Record:
    """A structure of ``size`` bytes; bytes that no field covers are reserved."""

    name: str
    size: int
    source: str
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        end = 0
        for field in sorted(self.fields, key=lambda f: f.offset):
            if field.offset < end or field.offset + field.size > self.size:
                raise ValueError(f"{self.name}: {field.name} at byte {field.offset} overlaps or leaves the record")
            end = field.offset + field.size

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """Fields by name."""
        return {field.name: field for field in self.fields}

    def __getitem__(self, name: str) -> Field:
        return self.by_name[name]

    def unpack(self, data: bytes | bytearray | memoryview) -> dict[str, int]:
        """Every field's value; ValueError when ``data`` is shorter than the record."""
        if len(data) < self.size:
            raise ValueError(f"{self.name}: {len(data)} bytes, {self.size} needed")
        return {
            f.name: int.from_bytes(data[f.offset : f.offset + f.size], "little", signed=f.signed) for f in self.fields
        }

    def pack(self, **values: int) -> bytes:
        """The record with these values and zeros elsewhere; KeyError and OverflowError for what does not belong."""
        data = bytearray(self.size)
        for name, value in values.items():
            field = self.by_name[name]
            data[field.offset : field.offset + field.size] = value.to_bytes(field.size, "little", signed=field.signed)
        return bytes(data)
