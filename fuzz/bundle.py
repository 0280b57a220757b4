"""A bundle or archive as a file: raw bytes, or members put into a tarball that is whole, so that what lies behind the
header's checksum is reached. ``AUTO`` for a manifest stands for the right one of the members behind it."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from fuzz import held, joined, made, parts_of
from ringscope.capture.bundle import manifest, packed
from ringscope.evidence.collect import collect

_ABOUT = {"snapshots": [], "unread": [], "processes": [{"pids": [7, 1], "name": "app"}], "facts": {"kernel": "6.8"}}
_FILES = {f"1-now/{path}": data for path, data in made.machine().items() if path.startswith(("rls", "proc/"))}


def seeds() -> Iterator[bytes]:
    """A whole bundle, its members, and its manifest in the open."""
    yield packed(_FILES, _ABOUT, "b")
    yield packed(_FILES, _ABOUT, "b", zst=True)
    yield b"T" + joined({"b/manifest.json": b"AUTO"} | {f"b/{path}": data for path, data in _FILES.items()})
    yield b"T" + joined({"b/manifest.json": manifest(_FILES, _ABOUT), "b/../x": b"", "/etc/x": b"1"})
    for kind in ("gz", "bz2", "xz"):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode=f"w:{kind}") as tar:  # type: ignore[call-overload]
            info = tarfile.TarInfo("rls")
            info.size = len(_FILES["1-now/rls"])
            tar.addfile(info, io.BytesIO(_FILES["1-now/rls"]))
        yield out.getvalue()


def one(data: bytes) -> None:
    """Collect it from a file that has no name."""
    handle = os.memfd_create("fuzz")
    try:
        os.write(handle, _tarball(data[1:]) if data[:1] == b"T" else data)
        held(lambda: collect([Path(f"/proc/self/fd/{handle}")]))
    finally:
        os.close(handle)


def _tarball(data: bytes) -> bytes:
    out = io.BytesIO()
    parts = parts_of(data)
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in parts:
            info = tarfile.TarInfo(name)
            if content == b"AUTO":
                root = name.rpartition("/")[0]
                listed = {other.removeprefix(f"{root}/"): found for other, found in parts if other != name}
                content = manifest(listed, json.loads(json.dumps(_ABOUT)))  # noqa: PLW2901
            if content.startswith(b"LINK "):
                info.type, info.linkname = tarfile.SYMTYPE, content[5:105].decode("latin-1")
                tar.addfile(info)
                continue
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()
