"""Writing a bundle: one ``.tar.gz`` or ``.tar.zst`` (or a folder) whose first file is the manifest of all others.

The format is :mod:`ringscope.evidence.bundle`'s, which opens it. The same content gives the same bytes: members carry
no owner and no time of their own.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from ringscope.evidence import zstd
from ringscope.evidence.bundle import MANIFEST, SCHEMA

_WROTE = re.compile(r"logs/amd-(\d+)\.log")


def manifest(files: Mapping[str, bytes], about: Mapping[str, Any]) -> bytes:
    """The manifest of some files: ``about`` and, of each file, its size, its SHA-256 and which process wrote it."""
    listed: dict[str, dict[str, int | str]] = {}
    for path, data in sorted(files.items()):
        listed[path] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        if wrote := _WROTE.fullmatch(path):
            listed[path]["pid"] = int(wrote[1])
    return json.dumps({"schema": SCHEMA, **about, "files": listed}, indent=1, ensure_ascii=False).encode() + b"\n"


def packed(files: Mapping[str, bytes], about: Mapping[str, Any], name: str, zst: bool = False) -> bytes:
    """The bundle as a tarball, gzipped or by zstd, whose members lie in the folder ``name``."""
    out = io.BytesIO()
    gz = partial(gzip.GzipFile, filename="", mode="wb", mtime=0, compresslevel=6)
    with (
        zstd.folding(out) if zst else gz(fileobj=out) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path, data in ((MANIFEST, manifest(files, about)), *sorted(files.items())):
            member = tarfile.TarInfo(str(PurePosixPath(name, path)))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()
