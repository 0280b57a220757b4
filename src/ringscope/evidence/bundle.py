"""A capture bundle, opened: every file is held against the manifest, and nothing of it is trusted.

A bundle is a folder or tarball that begins with ``manifest.json``, which lists each of its files by path with its size
and SHA-256, says what could not be read and why, what changed while it was read, and what the machine was. The checks
find damage and clumsy forgery; a manifest is not signed, so that a bundle is no more than what its sender says.

A file is checked while it is read, once, so that a bundle is streamed and never unpacked: a file that the manifest does
not list, is longer than listed, or reads otherwise ends the reading in one line.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from ringscope.errors import InputError, printable
from ringscope.evidence.drift import Drift, Held
from ringscope.evidence.files import Forward, InputFile
from ringscope.recording import Recording, Source
from ringscope.records import dataclass, field, replace
from ringscope.snapshot import Process

HELD = Held("ringscope.bundle/1", "bundles of this version")

SCHEMA = "ringscope.bundle/1"
MANIFEST = "manifest.json"

MANIFEST_LIMIT = 8 << 20
"""Most bytes of a manifest: some 40 000 files."""

FILES_LIMIT = 20_000
"""Most files of a bundle: 1000 snapshots of a machine have some 15 000."""

BYTES_LIMIT = 4 << 30
"""Most bytes that the files of a bundle say they hold together."""

_KEYS = frozenset({
    "schema", "files", "snapshots", "unread", "processes", "facts", "ringscope", "redacted", "root", "in_container",
    "command", "exit_code", "clocks", "disturbs",
})  # fmt: skip
_AGAIN = "copy the bundle again"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One file as the manifest has it; ``pid`` is the process that wrote it, as itself knows its number."""

    bytes: int
    sha256: str
    pid: int | None = None


@dataclass(frozen=True)
class Moment:
    """One snapshot: its folder in the bundle, and what changed while it was read."""

    folder: str
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Pids:
    """A process by its pid on the host, and in each namespace below (NSpid), the innermost last."""

    host: int
    inner: tuple[int, ...]
    name: str


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself.

    ``unread`` lists what the capture could not read, with the reason; ``facts`` versions, module parameters and
    environment variables by name.
    """

    name: str
    files: Mapping[str, Entry]
    moments: tuple[Moment, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    processes: tuple[Pids, ...] = ()
    facts: Mapping[str, int | str] = field(default_factory=dict)


def read_manifest(file: InputFile, drift: Drift | None = None) -> Manifest:
    """The manifest; InputError in one line when it is damaged, forged or of another version."""
    try:
        found = json.loads(file.data(MANIFEST_LIMIT).decode("utf-8"))
        manifest = _manifest(found, file.name)
        (drift or Drift()).names("key", found, _KEYS, Source(file.name))
        return manifest
    except RecursionError:
        raise InputError("a damaged manifest: nested too deeply", file.name, _AGAIN) from None
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        what = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"a damaged manifest: {' '.join(what.split())[:120]}", file.name, _AGAIN) from None


def _manifest(found: Any, name: str) -> Manifest:
    """The manifest of a decoded JSON value; any of the errors caught above when it has another shape."""
    if found["schema"] != SCHEMA:
        raise InputError(f"schema {str(found['schema'])[:40]!r}", name, f"this ringscope reads {SCHEMA}")
    files = {
        _path(path): Entry(
            _count(row["bytes"]), _digest(row["sha256"]), _count(row["pid"]) if row.get("pid") is not None else None
        )
        for path, row in found["files"].items()
    }
    if len(files) > FILES_LIMIT:
        raise ValueError(f"{len(files)} files, more than {FILES_LIMIT}")
    if sum(entry.bytes for entry in files.values()) > BYTES_LIMIT:
        raise ValueError(f"its files are longer than {BYTES_LIMIT >> 30} GiB together")
    return Manifest(
        name,
        files,
        tuple(Moment(_path(row["folder"]), tuple(map(_text, row["changed"]))) for row in found["snapshots"]),
        tuple((_text(row["path"]), _text(row["why"])) for row in found["unread"]),
        tuple(
            Pids(_count(row["pids"][0]), tuple(map(_count, row["pids"][1:])), _text(row["name"]))
            for row in found["processes"]
        ),
        {_text(key): _fact(value) for key, value in found["facts"].items()},
    )


def _path(value: object) -> str:
    """A relative path that stays below the bundle."""
    path = PurePosixPath(_text(value))
    if path.is_absolute() or ".." in path.parts or not path.parts or str(path) != value:
        raise ValueError(f"a path that leads out of the bundle: {str(value)[:60]!r}")
    return str(path)


def _text(value: object) -> str:
    """Text of one line that a terminal may show."""
    if not isinstance(value, str) or len(value) > 4096:
        raise TypeError(f"text expected: {str(value)[:40]!r}")
    return printable(value)


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise TypeError(f"a count expected: {str(value)[:40]!r}")
    return value


def _digest(value: object) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise TypeError(f"a SHA-256 expected: {str(value)[:40]!r}")
    return value


def _fact(value: object) -> int | str:
    return _text(value) if isinstance(value, str) else _count(value)


def is_manifest(head: bytes) -> bool:
    """Whether a file that begins like this is the manifest of a bundle."""
    return re.match(rb'\s{0,16}\{\s{0,16}"schema"\s{0,4}:\s{0,4}"ringscope\.bundle/', head) is not None


class _Hashing:
    """A file's bytes on their way to a reader, counted and hashed; InputError once they are not the listed ones."""

    def __init__(self, content: Forward, entry: Entry, name: str) -> None:
        self._content = content
        self._entry = entry
        self._name = name
        self._hash = hashlib.sha256()
        self._bytes = 0

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        data = self._content.read(size)
        self._hash.update(data)
        self._bytes += len(data)
        if self._bytes > self._entry.bytes:
            raise InputError("longer than its manifest says", self._name, _AGAIN)
        return data

    def finish(self) -> None:
        """Read on to the end, and hold the whole against the manifest."""
        while self.read(_CHUNK):
            pass
        if self._bytes < self._entry.bytes:
            raise InputError("shorter than its manifest says", self._name, _AGAIN)
        if self._hash.hexdigest() != self._entry.sha256:
            raise InputError("not the file that was captured: its SHA-256 is another", self._name, _AGAIN)


class Bundles:
    """The bundles met on a walk, by the place of their manifest."""

    def __init__(self, drift: Drift | None = None) -> None:
        self._drift = drift
        self._manifests: dict[PurePosixPath, Manifest] = {}
        self._seen: dict[PurePosixPath, set[str]] = {}

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """Those met, in order."""
        return tuple(self._manifests.values())

    def take(self, file: InputFile) -> bool:
        """Take the file as a bundle's manifest; False when it is none.

        In an archive any file of that name is taken for one; in a folder it may be another tool's.
        """
        if file.location.name != MANIFEST or (file.path is not None and not is_manifest(file.head)):
            return False
        root = file.location.parent
        if root in self._manifests:
            raise InputError("a second manifest in one bundle", file.name, _AGAIN)
        self._manifests[root] = read_manifest(file, self._drift)
        self._seen[root] = set()
        return True

    def _root(self, file: InputFile) -> PurePosixPath | None:
        return next((parent for parent in file.location.parents if parent in self._manifests), None)

    def hold(self, file: InputFile) -> bool:
        """Whether the file lies in a bundle."""
        return self._root(file) is not None

    @contextmanager
    def checked(self, file: InputFile) -> Iterator[InputFile]:
        """The file to be read within; when it is of a bundle, held against the manifest by the end."""
        root = self._root(file)
        if root is None:
            yield file
            return
        path = str(file.location.relative_to(root))
        entry = self._manifests[root].files.get(path)
        if entry is None:
            raise InputError("not in its bundle's manifest", file.name, "give it beside the bundle, not in it")
        if path in self._seen[root]:
            raise InputError("twice in its bundle", file.name, _AGAIN)
        self._seen[root].add(path)
        hashing = _Hashing(file.content, entry, file.name)
        yield replace(file, content=Forward(hashing, file.name), path=None)
        hashing.finish()

    def complete(self) -> None:
        """Every listed file was met; InputError names the first that was not."""
        for root, manifest in self._manifests.items():
            for path in manifest.files.keys() - self._seen[root]:
                raise InputError(f"its manifest lists {path}, which is not behind it", manifest.name, _AGAIN)

    def refuse(self, path: str, why: str) -> None:
        """A walk passed something over: in a bundle nothing may be."""
        if self._manifests:
            raise InputError(f"a damaged or hostile bundle: {why}", path, "do not unpack it; ask for it again")

    def named(self, place: PurePosixPath, processes: tuple[Process, ...]) -> tuple[Process, ...]:
        """The processes of the snapshot at that place with the names that the manifest has for them."""
        names = {
            process.host: process.name
            for root, manifest in self._manifests.items()
            if place.is_relative_to(root)
            for process in manifest.processes
        }
        return tuple(replace(process, name=names.get(process.pid, process.name)) for process in processes)

    def changed(self, place: PurePosixPath) -> tuple[str, ...]:
        """What changed while the snapshot at that place was read, as notes."""
        return tuple(
            f"{moment.folder}: while it was read, {what}"
            for root, manifest in self._manifests.items()
            for moment in manifest.moments
            if root / moment.folder == place
            for what in moment.changed
        )

    def hosted(self, file: InputFile, recording: Recording) -> Recording:
        """The recording with pids of containers replaced by the host's, which are the driver's."""
        root = self._root(file)
        if root is None:
            return recording
        manifest = self._manifests[root]
        wrote = manifest.files[str(file.location.relative_to(root))].pid
        hosts = {process.inner[-1]: process.host for process in manifest.processes if process.inner}
        for process in manifest.processes:
            hosts.pop(process.host, None)  # a pid of both is the host's

        def hosted(pid: int | None) -> int | None:
            pid = wrote if pid is None else pid
            return pid if pid is None else hosts.get(pid, pid)

        if wrote is None and not any(event.pid in hosts for event in recording.events):
            return recording
        return replace(recording, events=tuple(replace(event, pid=hosted(event.pid)) for event in recording.events))


def recording_of(manifest: Manifest) -> Recording:
    """What the bundle says of the machine and its processes, as a recording without events."""
    notes = tuple(
        f"process {process.host} ({process.name or 'gone'}) is {process.inner[-1]} in its container"
        for process in manifest.processes
        if process.inner
    )
    return Recording(manifest.name, facts=manifest.facts, notes=notes)
