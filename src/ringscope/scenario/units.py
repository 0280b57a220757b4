"""Quantities as people write them: ``85 us``, ``32 KiB``."""

from __future__ import annotations

import re
from decimal import Decimal

from ringscope.errors import InputError

_PICOSECONDS = {"ps": 1, "ns": 1000, "us": 10**6, "µs": 10**6, "ms": 10**9, "s": 10**12, "min": 60 * 10**12}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-zµ]+)\s*")


def _quantity(text: object, units: dict[str, int], example: str) -> int:
    found = _QUANTITY.fullmatch(text) if isinstance(text, str) and len(text) < 64 else None
    if text == 0:
        return 0
    if found is None or found[2] not in units:
        raise InputError(f"{text!r} is no quantity", todo=f"write it like {example!r}; units: {', '.join(units)}")
    return round(Decimal(found[1]) * units[found[2]])


def picoseconds(text: object) -> int:
    """``"0.76 ns"`` as 760; 0 needs no unit."""
    return _quantity(text, _PICOSECONDS, "85 us")


def nanoseconds(text: object) -> int:
    """``"85 us"`` as 85000, rounded to a nanosecond."""
    return round(Decimal(picoseconds(text)) / 1000)


def size(text: object) -> int:
    """``"32 KiB"`` as 32768 bytes; 0 needs no unit."""
    return _quantity(text, _BYTES, "32 KiB")


def spoken(time_ns: float) -> str:
    """A time with three digits and the unit that suits it."""
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if abs(time_ns) >= scale:
            return f"{time_ns / scale:.3g} {unit}" if abs(time_ns) < 1000 * scale else f"{time_ns / scale:.0f} {unit}"
    return f"{time_ns:.0f} ns"
