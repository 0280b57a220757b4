"""Whole lines of a text that may be larger than memory, a block at a time.

Every reader of a growing text (logs, traces, CSV) stands on this: it searches a block of some MiB at once instead of
splitting lines, and never holds more than two blocks. What a block boundary tears is put together again, so that the
result does not depend on where the boundaries fell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ringscope.errors import InputError
from ringscope.evidence.files import Forward, Readable

# A block that stays in the second-level cache while it is searched several times over.
BLOCK_BYTES = 256 << 10
# CLR cuts a message at 4096 bytes and the kernel at 1 KiB; only a broken or hostile text has a longer line than this.
LINE_BYTES = 4 << 20

PathOrStream = Path | Readable


@contextmanager
def opened(source: PathOrStream, name: str) -> Iterator[Forward]:
    """The bytes of a path (closed afterwards) or of a stream (left open, as its owner opened it).

    Raises:
        InputError: the file cannot be opened or read; ``name`` is the place named.
    """
    if not isinstance(source, Path):
        yield Forward(source, name)
        return
    try:
        stream = source.open("rb", buffering=0)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", name) from None
    with stream:
        yield Forward(stream, name)


class Blocks:
    """Iterates over ``(number of the first line, whole lines)`` of a stream; numbers count from 1.

    A line longer than :data:`LINE_BYTES` is left out; ``dropped`` counts them and ``note`` says where the first was.

    Args:
        stream: read from its present position to its end.
        size: bytes read at once, at most :data:`LINE_BYTES`.
    """

    def __init__(self, stream: Readable, size: int = BLOCK_BYTES) -> None:
        if not 0 < size <= LINE_BYTES:
            raise ValueError(f"size {size} must be 1 to {LINE_BYTES} bytes")
        self._stream = stream
        self._size = size
        self.lines = 0
        self.dropped = 0
        self._first_dropped = 0

    @property
    def note(self) -> str | None:
        """A sentence about the lines left out, or None."""
        if not self.dropped:
            return None
        what = "1 line is" if self.dropped == 1 else f"{self.dropped} lines are"
        return f"{what} longer than {LINE_BYTES >> 20} MiB and left out (the first is line {self._first_dropped})"

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        carry = b""
        dropping = False
        while block := self._stream.read(self._size):
            if dropping:
                cut = block.find(b"\n")
                if cut < 0:
                    continue
                block = block[cut + 1 :]
                dropping = False
                self.lines += 1
            end = block.rfind(b"\n") + 1
            if not end:
                carry += block
                if len(carry) > LINE_BYTES:
                    carry = b""
                    dropping = True
                    self._drop()
                continue
            data = carry + block[:end]
            carry = block[end:]
            if len(data) > LINE_BYTES and (first := data.index(b"\n")) > LINE_BYTES:
                data = data[first + 1 :]
                self._drop()
                self.lines += 1
            if data:
                yield self.lines + 1, data
                self.lines += data.count(b"\n")
        if dropping:
            self.lines += 1
        elif carry:
            yield self.lines + 1, carry
            self.lines += 1

    def _drop(self) -> None:
        if not self.dropped:
            self._first_dropped = self.lines + 1
        self.dropped += 1


def lines_with(data: bytes, words: Sequence[re.Pattern[bytes]], first: int = 1) -> Iterator[tuple[int, bytes]]:
    """The lines that hold any of some words, in order, with their numbers; ``first`` is the number of the first line.

    Each word is looked for in all lines at once. Where the first words stand in nearly every line, the few lines left
    are asked one by one: looking for each further word would visit every line again.
    """
    lines = data.count(b"\n") + 1
    starts: set[int] = set()
    for asked, word in enumerate(words, 1):
        position = 0
        while found := word.search(data, position):
            starts.add(data.rfind(b"\n", position, found.start()) + 1 or position)
            end = data.find(b"\n", found.end())
            if end < 0:
                break
            position = end + 1
        if len(starts) * 8 > lines * 7:
            yield from _each(data, starts, words[asked:], first)
            return
    number, counted = first, 0
    for start in sorted(starts):
        end = data.find(b"\n", start)
        number += data.count(b"\n", counted, start)
        counted = start
        yield number, data[start : end if end >= 0 else len(data)]


def _each(data: bytes, starts: set[int], words: Sequence[re.Pattern[bytes]], first: int) -> Iterator[tuple[int, bytes]]:
    start = 0
    for number, line in enumerate(data.split(b"\n"), first):
        if start in starts or any(word.search(line) for word in words):
            yield number, line
        start += len(line) + 1
