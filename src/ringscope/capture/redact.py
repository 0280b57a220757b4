"""Taking names out of a bundle so that its joins still hold: each name becomes one pseudonym everywhere.

Removed: user names, host names, paths (but those below /sys, /proc and /dev), command lines, and names of processes
where the driver prints them. Kept: pids, addresses, ids, times, kernel names, serial numbers of devices: by those the
sources are joined. Of the kernel log only the lines of the graphics driver are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# A path starts where no word does before it; what stands between its slashes may be of any language.
_PATH = re.compile(
    rb"(?<![\w.\x80-\xff/*-])/(?!(?:sys|proc|dev)(?:/|\b))(?:[\w.+@~%:\x80-\xff-]+/)*[\w.+@~%\x80-\xff-]+/?"
)
_DRIVER = re.compile(rb"amdgpu|kfd|drm|[Aa][Mm][Dd]-[Vv]i")
_NAMED = (
    re.compile(rb"(?<=process )([^\s]{1,32})(?= pid \d)"),
    re.compile(rb"(?<=Process )([^\s]{1,32})(?= pid \d)"),
    re.compile(rb"(?<=thread )([^\s]{1,32})(?= pid \d)"),
)


class Redactor:
    """Pseudonyms for the names of one capture.

    Args:
        users: user names; ``root`` stays, it names nobody.
        hosts: host names; the part before the first dot is removed, too.
        texts: exact texts to remove: command lines, paths that may hold blanks.
    """

    def __init__(self, users: Iterable[str], hosts: Iterable[str], texts: Iterable[str]) -> None:
        self._given: dict[tuple[str, bytes], str] = {}
        whole = sorted({text.encode() for text in texts if len(text) > 2}, key=lambda text: (-len(text), text))
        self._texts = re.compile(b"|".join(map(re.escape, whole))) if whole else None
        hosts = {part for host in hosts for part in (host, host.split(".")[0]) if part not in {"", "localhost"}}
        self._words = [("host", _word(host)) for host in sorted(hosts, key=lambda host: (-len(host), host))]
        self._words += [("user", _word(user)) for user in sorted(set(users) - {"", "root"})]

    def _name(self, kind: str, was: bytes) -> bytes:
        """The pseudonym; the same for the same name, numbered in the order of meeting."""
        known = [key for key in self._given if key[0] == kind]
        return self._given.setdefault((kind, was), f"{kind}-{len(known) + 1}").encode()

    def program(self, name: str) -> str:
        """The pseudonym of a process's name."""
        return self._name("program", name.encode()).decode()

    def data(self, data: bytes) -> bytes:
        """The text without names."""
        if self._texts:
            data = self._texts.sub(lambda found: b"/" + self._name("path", found[0]), data)
        data = _PATH.sub(
            lambda found: found[0] if _made(found[0]) else b"/" + self._name("path", found[0].rstrip(b"/")), data
        )
        for kind, word in self._words:
            data = word.sub(lambda found, kind=kind: self._name(kind, found[0].lower()), data)  # type: ignore[misc]
        for pattern in _NAMED:
            data = pattern.sub(lambda found: self._name("program", found[1].split(b":")[0]), data)
        return data

    def kernel_log(self, data: bytes) -> bytes:
        """The driver's lines of a kernel log, without names."""
        return self.data(b"".join(line for line in data.splitlines(keepends=True) if _DRIVER.search(line)))

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it redacted; keys are ours and stay."""
        if isinstance(value, str):
            return self.data(value.encode()).decode("utf-8", "replace")
        if isinstance(value, Mapping):
            return {key: self.value(item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list | tuple) else value


def _word(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"(?<![\w\x80-\xff])" + re.escape(name.encode()) + rb"(?![\w\x80-\xff])", re.IGNORECASE)


def _made(path: bytes) -> bool:
    """Whether a path is a pseudonym already."""
    return re.fullmatch(rb"/path-\d+", path) is not None


def redacted(files: Mapping[str, bytes], redactor: Redactor) -> dict[str, bytes]:
    """The files of a bundle without names: dumps and sysfs values hold numbers only and stay as they are."""
    free = {path: data for path, data in files.items() if not path.startswith(("logs/", "machine/"))}
    for path, data in files.items():
        if path not in free:
            free[path] = redactor.kernel_log(data) if path == "logs/kernel.log" else redactor.data(data)
    return {path: data for path, data in free.items() if data or not files[path]}
