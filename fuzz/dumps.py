"""``mqds``, ``hqds`` and ``rls``: each text is given to the reader that its first line asks for."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import PurePosixPath

from fuzz import held, made
from ringscope.evidence import hqds, mqds, rls
from ringscope.evidence.files import HEAD_BYTES, Forward, InputFile
from ringscope.evidence.sniff import FileKind, sniff
from ringscope.parts.layout import Generation

SHARED = ("mi308x/**/rls*",)
_READERS = {FileKind.MQDS: mqds.read, FileKind.HQDS: hqds.read}


def seeds() -> Iterator[bytes]:
    """Dumps of small machines, and of a large one its beginning."""
    for data in made.all_with("mqds", "hqds", "rls"):
        yield data[:12_000]


def one(data: bytes) -> None:
    """Read it; of a runlist every packet, too."""
    name = PurePosixPath("dump")
    file = InputFile(str(name), name, 0, data[:HEAD_BYTES], Forward(io.BytesIO(data), str(name)))
    kind = sniff(file.head, file.location)
    if kind in _READERS:
        held(lambda: _READERS[kind](file))
    elif kind is FileKind.RLS:
        held(lambda: [rls.decode(dump.runlist, generation) for dump in rls.read(file) for generation in Generation])
