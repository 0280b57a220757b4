"""SVM: what a process has asked of ranges of its own memory.

Setting attributes makes a range of it, and splits those that it overlaps. What the driver forgets when memory is
unmapped is kept here, as a supervisor does not see that. Source: amdkfd kfd_svm.c (svm_range_check_attr, _apply_attrs,
_get_attr).
"""

from __future__ import annotations

import bisect
import errno
from collections.abc import Callable, Sequence
from operator import itemgetter

from ringscope.records import dataclass, replace

PREFERRED, PREFETCH, ACCESS, IN_PLACE, NO_ACCESS, SET_FLAGS, CLEAR_FLAGS, GRANULARITY = range(8)
"""Types of attributes (``enum kfd_ioctl_svm_attr_type``)."""
SYSTEM, UNDEFINED = 0, 0xFFFFFFFF
"""Locations beside the gpu_ids."""
_HIGHEST = 1 << 47
_LARGEST_GRANULARITY = 0x3F

Pair = tuple[int, int]
"""An attribute: type and value."""


@dataclass(frozen=True)
class Attributes:
    """Attributes of one range; what a new one has. ``access`` is that of the one GPU, as a type."""

    preferred: int = UNDEFINED
    prefetch: int = UNDEFINED
    access: int = NO_ACCESS
    flags: int = 3  # host access, coherent
    granularity: int = 9

    def changed(self, pairs: Sequence[Pair]) -> Attributes:
        """With those attributes set, in their order."""
        new = self
        for kind, value in pairs:
            if kind == PREFERRED:
                new = replace(new, preferred=value)
            elif kind == PREFETCH:
                new = replace(new, prefetch=value)
            elif kind == SET_FLAGS:
                new = replace(new, flags=new.flags | value)
            elif kind == CLEAR_FLAGS:
                new = replace(new, flags=new.flags & ~value)
            elif kind == GRANULARITY:
                new = replace(new, granularity=min(value, _LARGEST_GRANULARITY))
            else:
                new = replace(new, access=kind)
        return new


_Row = tuple[int, int, Attributes]
_start: Callable[[_Row], int] = itemgetter(0)


class Ranges:
    """The ranges of one process, in the order of their addresses; ``xnack`` opens the memory between them too."""

    def __init__(self) -> None:
        self.xnack = False
        self._rows: list[_Row] = []

    def _new(self) -> Attributes:
        return Attributes(access=ACCESS if self.xnack else NO_ACCESS)

    def set(self, start: int, size: int, pairs: Sequence[Pair], gpu_id: int) -> None:
        """Set attributes of ``size`` bytes at ``start``, all or none; OSError EINVAL for one that is none."""
        allowed = {PREFERRED: {SYSTEM, UNDEFINED, gpu_id}, PREFETCH: {SYSTEM, gpu_id}}
        allowed |= {kind: {gpu_id} for kind in (ACCESS, IN_PLACE, NO_ACCESS)}
        for kind, value in pairs:
            if kind > GRANULARITY or value not in allowed.get(kind, {value}):
                raise OSError(errno.EINVAL, f"SVM attribute {kind} = {value:#x}")
        at, end, new = start, start + size, self._new()
        rows = []
        for low, high, attributes in (*self._rows, (end, end, new)):
            if high < start or low > end:
                rows.append((low, high, attributes))
                continue
            if at < low:
                rows.append((at, min(low, end), new.changed(pairs)))
            inside = max(low, start), min(high, end)
            rows += [(low, start, attributes), (*inside, attributes.changed(pairs)), (end, high, attributes)]
            at = max(at, inside[1])
        self._rows = sorted((row for row in rows if row[0] < row[1]), key=_start)

    def get(self, start: int, size: int, pairs: Sequence[Pair], gpu_id: int) -> list[Pair]:
        """What ``size`` bytes at ``start`` have of the attributes asked for; OSError EINVAL for one that is none."""
        found = [row[2] for row in self._rows if row[0] < start + size and start < row[1]] or [self._new()]

        def common(of: Callable[[Attributes], int], otherwise: int) -> int:
            values = set(map(of, found))
            return values.pop() if len(values) == 1 else otherwise

        everywhere = somewhere = found[0].flags
        for attributes in found:
            everywhere, somewhere = everywhere & attributes.flags, somewhere | attributes.flags
        answers = {
            PREFERRED: common(lambda row: row.preferred, UNDEFINED),
            PREFETCH: common(lambda row: row.prefetch, UNDEFINED),
            SET_FLAGS: everywhere,
            CLEAR_FLAGS: ~somewhere & 0xFFFFFFFF,
            GRANULARITY: min(row.granularity for row in found),
        }
        answered = []
        for kind, value in pairs:
            if kind == ACCESS and value == gpu_id:
                answered.append((common(lambda row: row.access, NO_ACCESS), value))
            elif kind in answers:
                answered.append((kind, answers[kind]))
            else:
                raise OSError(errno.EINVAL, f"SVM attribute {kind} of {value:#x} cannot be asked for")
        return answered

    def size_at(self, start: int) -> int:
        """Bytes of the range that begins there and is open to the GPU; 0 when none is."""
        at = bisect.bisect_left(self._rows, start, key=_start)
        low, high, attributes = self._rows[at] if at < len(self._rows) else (0, 0, Attributes())
        return high - low if low == start and attributes.access != NO_ACCESS else 0

    def open_from(self, va: int) -> int:
        """How many bytes from ``va`` on the GPU may touch."""
        end = va
        for index in range(max(bisect.bisect_right(self._rows, va, key=_start) - 1, 0), len(self._rows)):
            low, high, attributes = self._rows[index]
            if high <= end:
                continue
            if low > end and not self.xnack:
                return end - va
            if attributes.access == NO_ACCESS:
                return max(low, end) - va
            end = high
        return (_HIGHEST if self.xnack else end) - va
