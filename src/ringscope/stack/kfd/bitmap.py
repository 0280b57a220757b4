"""A fixed-size bitmap with the kernel's ``find_first_zero_bit``: ids, doorbells and SDMA queues come out of these."""

from __future__ import annotations


class Bitmap:
    """``size`` bits, all clear at first."""

    __slots__ = ("_bits", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._bits = 0

    def __contains__(self, bit: int) -> bool:
        return bool(self._bits >> bit & 1)

    def __len__(self) -> int:
        return self._bits.bit_count()

    def set(self, bit: int) -> None:
        """Set one bit; ValueError outside the map or when it is set already, for both are bugs of a caller."""
        if not 0 <= bit < self.size or bit in self:
            raise ValueError(f"bit {bit} of {self.size} cannot be taken")
        self._bits |= 1 << bit

    def clear(self, bit: int) -> None:
        """Clear one bit; ValueError when it is not set."""
        if bit not in self:
            raise ValueError(f"bit {bit} is not taken")
        self._bits &= ~(1 << bit)

    def first_free(self) -> int | None:
        """The lowest clear bit; None when every bit is set."""
        free = ~self._bits & (self._bits + 1)
        bit = free.bit_length() - 1
        return bit if bit < self.size else None
