"""What a hostile bundle costs before it is refused: seconds and memory of a whole ``ringscope explain``.

Each is packed by gzip, xz and zstd. The peer is what a careless reader does: ``tar tf``, which reads the same archive
to its end.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain, product
from pathlib import Path
from typing import Any

import zstandard

from bench import Row
from ringscope.capture.bundle import manifest

MEMBERS = 1_000_000
BOMB_BYTES = 1 << 30
ABOUT: dict[str, object] = {"snapshots": [], "unread": [], "processes": [], "facts": {}}
GOAL = "1 s, 200 MB"

# VmHWM counts from exec on; ru_maxrss would count what the parent held when it forked.
_CHILD = """
import sys
from ringscope.cli import main
code = main(["explain", sys.argv[1]])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
sys.exit(code)
"""


def _header(name: str, size: int = 0, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    if link:
        info.type, info.linkname = tarfile.SYMTYPE, link
    return info.tobuf()


def _member(name: str, data: bytes) -> bytes:
    return _header(name, len(data)) + data + bytes(-len(data) % 512)


def _listed(**files: int) -> bytes:
    found = json.loads(manifest({}, ABOUT))
    found["files"] = {name: {"bytes": size, "sha256": "0" * 64} for name, size in files.items()}
    return _member("b/manifest.json", json.dumps(found).encode())


def _bomb() -> Iterator[bytes]:
    yield _listed(zeros=BOMB_BYTES)
    yield _header("b/zeros", BOMB_BYTES)
    yield from (bytes(1 << 20) for _ in range(BOMB_BYTES >> 20))


def _flood(head: bytes) -> Iterator[bytes]:
    """Empty files, their headers put together by hand: tarfile takes a minute for so many."""
    yield head
    model = _header("b/f0000000")
    base = int(model[148:154], 8) - sum(model[:10])
    for number in range(MEMBERS):
        name = b"b/f%07d" % number
        yield name + model[10:148] + b"%06o" % (base + sum(name)) + model[154:]


CASES: dict[str, Callable[[], Iterator[bytes]]] = {
    "a path that leads out": lambda: iter([_listed(), _member("../../x", b"x")]),
    "a link": lambda: iter([_listed(), _header("b/x", link="/etc/passwd")]),
    "a bomb of 1 GiB that its manifest lists": _bomb,
    "10^6 members behind a manifest": lambda: _flood(_listed()),
    "10^6 members and no manifest": lambda: _flood(b""),
    "10^6 files listed": lambda: iter([_listed(**{f"f{number}": 0 for number in range(MEMBERS)})]),
    "a manifest of invalid UTF-8": lambda: iter([_member("b/manifest.json", b'{"schema": "\xff\xfe"}')]),
}


PACKERS: dict[str, Callable[[Any], Any]] = {
    "gz": lambda file: gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1),
    "xz": lambda file: lzma.LZMAFile(file, "wb", preset=0),  # noqa: SIM115
    "zst": lambda file: zstandard.ZstdCompressor(level=1).stream_writer(file, closefd=False),
}


def run() -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for (what, parts), (form, packer) in product(CASES.items(), PACKERS.items()):
            path = Path(folder) / f"bundle.tar.{form}"
            with path.open("wb") as file, packer(file) as packed, io.BufferedWriter(packed, 1 << 20) as out:
                for part in chain(parts(), [bytes(1024)]):
                    out.write(part)
            seconds, peak, code = _measured([sys.executable, "-c", _CHILD, str(path)])
            if code != 2:
                raise AssertionError(f"{what} in {form}: exit code {code}, not refused")
            peer, _, _ = _measured(["tar", "tf", str(path)])
            rows.append(
                Row(f"{what}, {form}", f"{seconds:.2f} s, {int(peak) >> 10} MB", f"tar tf: {peer:.2f} s", goal=GOAL)
            )
    return rows


def _measured(command: list[str]) -> tuple[float, str, int]:
    """CPU seconds (other work on the machine does not change them), what was printed, and the exit code."""
    before = os.times()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    after = os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, done.stdout.decode(errors="replace"), done.returncode
