"""Zstandard, by the extra ``zstd``: Python brings none before 3.14."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO, cast

from ringscope.errors import InputError

if TYPE_CHECKING:
    from zstandard import ZstdDecompressionObj

WINDOW_LIMIT = 1 << 27
"""Largest window that is unfolded, bytes, which is also what ``zstd -d`` allows: it is held in memory."""

WINDOW_LOG = 16
"""Window of what is written: small enough that equal snapshots do not fold into each other, which a reader could not
tell from a bomb. The registers of idle slots still fold to a three-hundredth."""

_LEVEL = 9
_STEP_BYTES = 1 << 10
"""Unfolded at once: to 32 MiB at most, as four bytes may stand for a block of 128 KiB."""


class Unfolded:
    """The content of a compressed stream.

    The package's own reader takes a stream that is cut for one that ends; here it is an error.

    Raises:
        InputError: the package is missing.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        try:
            import zstandard  # noqa: PLC0415  an extra
        except ImportError:
            todo = "pip install 'ringscope[zstd]', or unpack it by zstd -d"
            raise InputError("compressed with zstd, which needs the package zstandard", name, todo) from None
        self._stream = stream
        self._unfolding = zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT)
        self._frame: ZstdDecompressionObj | None = None
        self._folded = b""
        self._ready = bytearray()

    def read(self, size: int, /) -> bytes:
        """The next ``size`` bytes, fewer only at the end; EOFError when that comes within a frame."""
        while len(self._ready) < size:
            self._folded = self._folded or self._stream.read(_STEP_BYTES)
            if not self._folded:
                if self._frame:
                    raise EOFError("it ends inside a frame")
                break
            self._frame = self._frame or self._unfolding.decompressobj()
            self._ready += self._frame.decompress(self._folded)
            self._folded = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data


def folding(out: BinaryIO) -> AbstractContextManager[BinaryIO]:
    """A stream that compresses what is written to it into ``out``; ModuleNotFoundError when the package is missing."""
    import zstandard  # noqa: PLC0415  an extra

    form = zstandard.ZstdCompressionParameters.from_level(_LEVEL, window_log=WINDOW_LOG, write_checksum=True)
    writer = zstandard.ZstdCompressor(compression_params=form).stream_writer(out, closefd=False)
    return cast(AbstractContextManager[BinaryIO], writer)
