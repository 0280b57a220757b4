"""What is written is what :mod:`ringscope.evidence.bundle` opens; its hostile cases are in tests/evidence."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile

import zstandard

from ringscope.capture.bundle import manifest, packed
from ringscope.evidence.bundle import MANIFEST, SCHEMA
from ringscope.evidence.zstd import WINDOW_LOG

FILES = {"1-now/mqds": b"", "logs/amd-77.log": b"x\n", "logs/amd.log": b"y\n"}


def test_the_manifest_lists_each_file() -> None:
    found = json.loads(manifest(FILES, {"redacted": False}))
    assert found["schema"] == SCHEMA
    assert found["redacted"] is False
    assert found["files"]["1-now/mqds"] == {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    assert found["files"]["logs/amd-77.log"]["pid"] == 77
    assert "pid" not in found["files"]["logs/amd.log"]


def test_zstd_holds_the_same_tarball_and_never_looks_like_a_bomb() -> None:
    plain = gzip.decompress(packed(FILES, {}, "run"))
    folded = packed(FILES, {}, "run", zst=True)
    assert zstandard.ZstdDecompressor().stream_reader(folded).read() == plain
    assert folded == packed(FILES, {}, "run", zst=True)
    # What repeats beyond the window stays as long as it is.
    noise = random.Random(7).randbytes(2 << WINDOW_LOG)
    repeated = packed({f"{number}/hqds": noise for number in range(4)}, {}, "run", zst=True)
    assert len(repeated) > 4 * len(noise)


def test_the_manifest_comes_first_and_nobody_is_named() -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(FILES, {}, "run"))) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == [f"run/{MANIFEST}", *(f"run/{path}" for path in FILES)]
    assert {(member.uid, member.uname, member.mtime) for member in members} == {(0, "", 0)}
