"""Input files: found in folders and tarballs, opened once, read with bounded memory.

Whatever a user names (a file, a folder, a tarball, a compressed file, a pipe) becomes a sequence of :class:`InputFile`
records in a fixed order. Each is read at most once and in turn, so that a tarball is streamed and never unpacked to
disk. Names shown to the user are relative to what the user gave; they are labels and are never opened.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from ringscope.errors import InputError, printable
from ringscope.evidence.sniff import is_detail
from ringscope.records import dataclass, field

if TYPE_CHECKING:
    import tarfile

HEAD_BYTES = 64 * 1024
"""How much of a file is looked at to know it: an SQLite schema may lie some pages in."""

TEXT_LIMIT = 256 << 20
"""Most bytes of a file that is read whole. The mqds of 240 processes with 16 queues each on four XCCs are 84 MB."""

FILES_LIMIT = 200_000
"""Most files below one argument: the sysfs topology of a large machine has some 10 000."""

ARCHIVE_LIMIT = 64 << 30
"""Most bytes that one compressed file may unfold to; they pass by, they are not kept."""

BOMB_BYTES = 64 << 20
GZIP_RATIO, OTHER_RATIO = 150, 1000
"""A compressed file that unfolds to more bytes than this, and to so many times its size, is taken for a bomb. Register
dumps of idle slots unfold to 34 times their size from gzip and to 370 times from xz and zstd; nothing but zeros to 230
(gzip -1), 1030 (gzip -9), some 6800 (xz) and 33 000 times (zstd). xz and zstd with a large window also fold equal
snapshots into each other, a hundred of them to 6000 times: no reader can tell that from a bomb before it has unfolded
it, so that the user must."""

_CHUNK = 1 << 20
_PACKED_CHUNK = 16 << 10  # reading far ahead would hide what a compressed file unfolds to


class Readable(Protocol):
    """The one thing asked of an open file."""

    def read(self, size: int, /) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""


class Forward(io.RawIOBase):
    """An open file that only goes forward, raises nothing but InputError and keeps no more than was asked for.

    It is what tarfile needs of a seekable file and no more, so that hostile sizes meet a limit here. ``size`` is set
    for a file in an archive, where an early end is an error; ``packed`` for a compressed file, whose bytes it unfolds
    at most ``ratio`` times.
    """

    def __init__(
        self, source: Readable, name: str, size: int | None = None, packed: Forward | None = None, ratio: int = 0
    ) -> None:
        super().__init__()
        self._source = source
        self._name = name
        self._size = size
        self._packed = packed
        self._ratio = ratio
        self._taken = 0
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, which stay to be read."""
        if len(self._ahead) < size:
            self._ahead += self._take(size - len(self._ahead))
        return self._ahead[:size]

    def readable(self) -> bool:
        """True: it is open."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed asks for any writable buffer
        """Fill ``buffer``, less only at the end."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""
        if not 0 <= size <= TEXT_LIMIT + 1:
            raise InputError(f"asks for {size} bytes at once", self._name)
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data + self._take(size - len(data)) if len(data) < size else data

    def tell(self) -> int:
        """Bytes read so far."""
        return self._taken - len(self._ahead)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Skip forward to ``offset``."""
        if whence != io.SEEK_SET or offset < self.tell():
            raise InputError("an archive whose parts overlap", self._name)
        while self.tell() < offset and self.read(min(_CHUNK, offset - self.tell())):
            pass
        return self.tell()

    def _take(self, size: int) -> bytes:
        if self._size is not None:
            size = min(size, self._size - self._taken)
        try:
            data = self._source.read(size)
        except InputError:
            raise
        except Exception as error:  # each decompressor has its own for damaged data
            what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise InputError(f"cannot be read: {what}", self._name) from None
        self._taken += len(data)
        if self._size is not None and len(data) < size:
            raise InputError("the archive ends inside this file", self._name, "copy the archive again")
        if self._taken > ARCHIVE_LIMIT:
            raise InputError(f"longer than {ARCHIVE_LIMIT >> 30} GiB", self._name)
        if self._packed and self._taken > max(BOMB_BYTES, self._ratio * self._packed.tell()):
            raise InputError(
                f"unfolds to more than {self._ratio} times its size", self._name, "unpack it, if you trust it"
            )
        return data


@dataclass(frozen=True)
class InputFile:
    """One file, open and not yet read; ``head`` is how it begins.

    ``name`` is what messages and :class:`~ringscope.recording.Source` show; ``location`` its absolute place (a
    tarball counts as a folder), by which files are grouped; ``given`` the index of the argument it came from;
    ``path`` the real file for a reader that must open it itself (SQLite), None in a tarball or a pipe.
    """

    name: str
    location: PurePosixPath
    given: int
    head: bytes = field(repr=False)
    content: Forward = field(repr=False)
    path: Path | None = None

    def stream(self) -> BinaryIO:
        """The whole content as a buffered stream; take it once, before the next file is asked for."""
        return _buffered(self.content)

    def data(self, limit: int = TEXT_LIMIT) -> bytes:
        """The whole content; InputError when it is longer than ``limit`` bytes."""
        data = self.content.read(limit + 1)
        if len(data) > limit:
            raise InputError(f"longer than {limit >> 20} MiB, which no file of this kind is", self.name)
        return data

    def text(self) -> str:
        """The whole content as ASCII text with ``\\n`` line ends; InputError names the first line that is none."""
        data = self.data()
        if not data.isascii() or b"\0" in data:
            number = next(n for n, line in enumerate(data.split(b"\n"), 1) if not line.isascii() or b"\0" in line)
            raise InputError("binary data in a text file", f"{self.name}:{number}", "capture the file again")
        return data.decode("ascii").replace("\r\n", "\n")

    def attribute(self) -> str:
        """The content of a sysfs attribute. tar stores one as a page, the text first and NUL bytes after it."""
        data = self.data(1 << 20)
        if len(data) % 4096 == 0:
            data = data.rstrip(b"\0")
        if not data.isascii() or b"\0" in data:
            raise InputError("binary data in a sysfs attribute", self.name, "capture the file again")
        return data.decode("ascii").replace("\r\n", "\n")


Unread = Callable[[str, str], None]
"""Told of each path that is passed over, and why."""


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which ``16`` stands before ``100``."""
    parts = re.split(r"([0-9]+)", text)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)


def walk(paths: Sequence[str | Path], unread: Unread) -> Iterator[InputFile]:
    """Every file below ``paths``: arguments in the order given, folders in natural order, no file twice.

    Take what you need of a file before you ask for the next one. A path that the user named and a broken archive raise
    InputError; a file below a folder that cannot be read is told to ``unread`` instead.
    """
    # abspath, for resolve() would follow the user's links; "-" is standard input, by custom.
    roots = [Path("/dev/stdin" if str(path) == "-" else os.path.abspath(path)) for path in paths]  # noqa: PTH100
    base = _base(roots)
    seen: set[tuple[int, int]] = set()
    for given, root in enumerate(roots):
        try:
            if root.is_dir():
                yield from _below(root, base, given, seen, unread)
            else:
                yield from _open(root, base, given, seen, unread)
        except OSError as error:
            todo = "run as root, or copy it where you may read it" if isinstance(error, PermissionError) else ""
            raise InputError(_why(error), str(paths[given]), todo) from None


def _below(root: Path, base: Path, given: int, seen: set[tuple[int, int]], unread: Unread) -> Iterator[InputFile]:
    """The files below a folder; links to other folders are not followed, they may lead anywhere."""
    next(os.scandir(root), None)  # the folder that the user named must be readable; os.walk would pass it over
    count = 0
    for folder, folders, names in os.walk(root, onerror=lambda e: unread(_shown(Path(e.filename), base), _why(e))):
        # A large machine has thousands of files on caches and links; they are not even opened.
        folders[:] = (name for name in sorted(folders, key=natural) if not is_detail(PurePosixPath(folder, name)))
        for name in folders:
            if Path(folder, name).is_symlink():
                unread(_shown(Path(folder, name), base), "a link to a folder; name that folder itself")
        for path in (Path(folder, name) for name in sorted(names, key=natural)):
            count += 1
            if count > FILES_LIMIT:
                raise InputError(f"more than {FILES_LIMIT} files", str(root), "name the capture's own folder")
            try:
                if stat.S_ISREG(path.stat().st_mode):
                    yield from _open(path, base, given, seen, unread)
                else:
                    unread(_shown(path, base), "not a regular file")
            except OSError as error:
                unread(_shown(path, base), _why(error))


def _base(roots: Sequence[Path]) -> Path:
    """What shown names are relative to: the folder or tarball given, or where several arguments meet."""
    if len(roots) == 1:
        return roots[0]
    return Path(os.path.commonpath([root.parent for root in roots])) if roots else Path("/")


def _shown(path: Path, base: Path) -> str:
    """The name to show: one printable line, whatever bytes a file's name holds."""
    name = path.name if path == base else str(path.relative_to(base) if path.is_relative_to(base) else path)
    return printable(name)


def _why(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _open(path: Path, base: Path, given: int, seen: set[tuple[int, int]], unread: Unread) -> Iterator[InputFile]:
    """The file, or the files of the tarball, at ``path``; nothing when it was seen before."""
    name = _shown(path, base)
    with path.open("rb") as raw:
        about = os.fstat(raw.fileno())
        if (about.st_dev, about.st_ino) in seen:
            return
        seen.add((about.st_dev, about.st_ino))
        packed = Forward(raw, name)
        content = _decompressed(packed, name)
        real = path if content is packed and stat.S_ISREG(about.st_mode) else None
        head = content.peek(HEAD_BYTES)
        if head[257:262] == b"ustar":
            yield from _members(content, path, base, given, unread)
        else:
            yield InputFile(name, PurePosixPath(path), given, head, content, real)


def _decompressed(packed: Forward, name: str) -> Forward:
    """What a compressed file holds, known by how it begins; any other file as it is."""
    magic = packed.peek(6)
    if magic.startswith(b"\x1f\x8b"):
        import gzip  # noqa: PLC0415  most captures are not compressed

        return Forward(gzip.GzipFile(fileobj=_buffered(packed, _PACKED_CHUNK)), name, packed=packed, ratio=GZIP_RATIO)
    if magic == b"\xfd7zXZ\0":
        import lzma  # noqa: PLC0415

        return Forward(lzma.LZMAFile(_buffered(packed, _PACKED_CHUNK)), name, packed=packed, ratio=OTHER_RATIO)
    if magic.startswith(b"BZh"):
        import bz2  # noqa: PLC0415

        return Forward(bz2.BZ2File(_buffered(packed, _PACKED_CHUNK)), name, packed=packed, ratio=OTHER_RATIO)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        from ringscope.evidence import zstd  # noqa: PLC0415

        unfolded = zstd.Unfolded(_buffered(packed, _PACKED_CHUNK), name)
        return Forward(unfolded, name, packed=packed, ratio=OTHER_RATIO)
    return packed


def _buffered(content: Forward, chunk: int = _CHUNK) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(content, chunk))


def _members(archive: Forward, path: Path, base: Path, given: int, unread: Unread) -> Iterator[InputFile]:
    """The regular files of a tarball, in its order; members that are none or lead out of it go to ``unread``."""
    for member in _headers(archive, _shown(path, base)):
        inside = PurePosixPath(member.name)
        shown = _shown(path / inside.relative_to(inside.anchor), base)
        if member.isdir():
            continue
        if not member.isreg() or member.issparse():
            unread(shown, "a link or a special file in an archive")
        elif inside.is_absolute() or ".." in inside.parts:
            unread(shown, "a name that leads out of the archive")
        else:
            content = Forward(archive, shown, member.size)
            yield InputFile(shown, PurePosixPath(path / inside), given, content.peek(HEAD_BYTES), content)


def _headers(archive: Forward, name: str) -> Iterator[tarfile.TarInfo]:
    """The members of a tarball up to its end mark; InputError when it lacks one or a header is damaged."""
    import tarfile  # noqa: PLC0415

    damaged = InputError("a damaged or cut tar archive", name, "copy the archive again")
    tar: tarfile.TarFile | None = None
    for _ in range(FILES_LIMIT):
        try:
            tar = tar or tarfile.open(fileobj=archive, mode="r:")  # noqa: SIM115  it holds nothing to be closed
            member = tar.next()
        except InputError:
            raise
        except Exception:  # tarfile meets hostile headers with whatever its arithmetic raises
            raise damaged from None
        if member is None:  # what tarfile takes for the end is a damaged header: the end mark is looked for here
            raise damaged
        tar.members.clear()  # type: ignore[attr-defined]  # else every member seen would be remembered
        yield member
        archive.seek(tar.offset)
        block = archive.peek(512)
        if len(block) < 512:
            raise damaged
        if not any(block):
            return
    raise InputError(f"more than {FILES_LIMIT} files", name, "name the capture's own files")
