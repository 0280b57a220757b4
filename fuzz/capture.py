"""Several files at once, as explain reads them: joined, judged, and told as JSON and on a terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from fuzz import held, joined, made, parts_of
from ringscope.evidence import collect
from ringscope.evidence.files import HEAD_BYTES, Forward, InputFile, Unread
from ringscope.join import case_of
from ringscope.report import explain
from ringscope.report.terminal import Terminal
from ringscope.verdicts import answers


def seeds() -> Iterator[bytes]:
    """Machines of three generations: all files of one, dumps of others."""
    whole = made.machine("mi210")
    yield joined(whole)
    yield joined({path: data for path, data in whole.items() if path in ("hqds", "rls") or path.startswith("proc/")})
    yield joined({path: data for path, data in whole.items() if path in ("mqds", "dmesg", "trace") or "amd" in path})
    yield joined({f"{moment}/{path}": whole[path] for moment in ("1", "2") for path in ("mqds", "hqds")})
    yield joined({path: data for path, data in made.machine("mi300a").items() if path in ("mqds", "rls")})


def one(data: bytes) -> None:
    """Explain it."""
    parts = parts_of(data)

    def walked(paths: Sequence[str | Path], unread: Unread) -> Iterator[InputFile]:
        for name, content in parts:
            path = PurePosixPath("/capture", name)
            yield InputFile(name, path, 0, content[:HEAD_BYTES], Forward(io.BytesIO(content), name))

    collect.walk = walked  # type: ignore[attr-defined]
    held(lambda: _explained(collect.collect(["/capture"])))


def _explained(found: collect.Capture) -> None:
    case = case_of(found.snapshots, found.recordings)
    told = answers(case)
    json.dumps(explain.data(case, told, found.unread))
    explain.text(case, told, found.unread, Terminal(), verbose=True)
