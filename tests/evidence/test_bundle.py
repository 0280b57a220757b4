"""Bundles, whole and hostile: opened, checked, and refused in one line."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.capture.bundle import manifest, packed
from ringscope.errors import InputError
from ringscope.evidence.bundle import BYTES_LIMIT, FILES_LIMIT, MANIFEST
from ringscope.evidence.collect import UNKNOWN_LIMIT, Capture, collect
from ringscope.evidence.files import GZIP_RATIO, OTHER_RATIO
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse

FILES = {
    f"1-now/{path}": text.encode()
    for path, text in rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0, 0))]).files().items()
    if path in ("mqds", "hqds", "rls") or path.startswith("proc/")
}
PID = 4242
LOG = b":3:rocdevice.cpp            :465 : 6266453079 us:  Initializing HSA stack.\n"


def about(**more: Any) -> dict[str, Any]:
    return {
        "snapshots": [{"folder": "1-now", "changed": []}],
        "unread": [],
        "processes": [],
        "facts": {"kernel": "6.8.0"},
    } | more


def tar_of(members: list[tuple[tarfile.TarInfo | str, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member, data in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def opened(tmp_path: Path, data: bytes) -> Capture:
    path = tmp_path / "bundle.tar.gz"
    path.write_bytes(data)
    return collect([path])


def refused(tmp_path: Path, data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        opened(tmp_path, data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_bundle_reads_like_the_files_in_it(tmp_path: Path) -> None:
    capture = opened(tmp_path, packed(FILES, about(), "bundle"))
    (snapshot,) = capture.snapshots
    assert len(snapshot.queues) == 3
    assert snapshot.sources == {"mqds", "hqds", "rls", "proc"}
    assert capture.unread == ()
    assert [recording.facts for recording in capture.recordings] == [{"kernel": "6.8.0"}]


def test_an_unpacked_bundle_reads_like_the_packed_one(tmp_path: Path) -> None:
    for path, data in {**FILES, MANIFEST: manifest(FILES, about())}.items():
        (tmp_path / "bundle" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bundle" / path).write_bytes(data)
    folder = collect([tmp_path / "bundle"])
    tarball = opened(tmp_path, packed(FILES, about(), "bundle"))
    assert [process.pid for process in folder.snapshots[0].processes] == [PID]
    assert len(folder.snapshots[0].queues) == len(tarball.snapshots[0].queues)


def test_the_same_evidence_gives_the_same_bytes() -> None:
    assert packed(FILES, about(), "bundle") == packed(dict(reversed(FILES.items())), about(), "bundle")


def test_what_was_not_read_and_what_changed_is_told(tmp_path: Path) -> None:
    said = about(
        snapshots=[{"folder": "1-now", "changed": ["2 queues of process 9 came"]}],
        unread=[{"path": "/sys/kernel/debug/kfd/rls", "why": "permission denied"}],
        processes=[{"pids": [PID, 7], "name": "app"}],
    )
    capture = opened(tmp_path, packed(FILES, said, "bundle"))
    assert capture.unread == (("/sys/kernel/debug/kfd/rls", "permission denied"),)
    assert "1-now: while it was read, 2 queues of process 9 came" in capture.snapshots[0].notes
    assert capture.snapshots[0].processes[0].name == "app"
    assert capture.recordings[-1].notes == (f"process {PID} (app) is 7 in its container",)


def test_pids_of_containers_become_the_hosts(tmp_path: Path) -> None:
    stream = (
        b":3:hip_stream.cpp :300 : 100 us: [pid:7 tid:0x7] Created SWq=0x7f00 to map on HWq=0x7f0000000000 with size "
        b"16384 with priority 1, cooperative: 0\n"
    )
    files = FILES | {"logs/amd.log": LOG + stream, "logs/amd-7.log": LOG + stream.replace(b"[pid:7 tid:0x7] ", b"")}
    said = about(processes=[{"pids": [PID, 7], "name": "app"}])
    recordings = {r.origin.rsplit("/", 1)[-1]: r for r in opened(tmp_path, packed(files, said, "bundle")).recordings}
    for name in ("amd.log", "amd-7.log"):
        assert recordings[name].events
        assert {event.pid for event in recordings[name].events} == {PID}


def test_files_for_other_readers_are_held_and_not_complained_of(tmp_path: Path) -> None:
    capture = opened(tmp_path, packed(FILES | {"machine/amd-smi-static.txt": b"GPU: 0\n"}, about(), "bundle"))
    assert capture.unread == ()


FORGED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another schema": (lambda m: m.update(schema="ringscope.bundle/9"), "this ringscope reads"),
    "no files": (lambda m: m.pop("files"), "no key 'files'"),
    "files that are a list": (lambda m: m.update(files=[]), "damaged manifest"),
    "a path that leads out": (
        lambda m: m["files"].update({"../../etc/passwd": {"bytes": 1, "sha256": "0" * 64}}), "leads out of the bundle",
    ),
    "an absolute path": (lambda m: m["files"].update({"/etc/passwd": {"bytes": 1, "sha256": "0" * 64}}), "leads out"),
    "a negative size": (lambda m: m["files"]["1-now/mqds"].update(bytes=-1), "a count expected"),
    "a size of true": (lambda m: m["files"]["1-now/mqds"].update(bytes=True), "a count expected"),
    "a digest that is none": (lambda m: m["files"]["1-now/mqds"].update(sha256="x"), "SHA-256 expected"),
    "another digest": (lambda m: m["files"]["1-now/mqds"].update(sha256="0" * 64), "SHA-256 is another"),
    "a smaller size": (lambda m: m["files"]["1-now/mqds"].update(bytes=5), "longer than its manifest says"),
    "a greater size": (lambda m: m["files"]["1-now/mqds"].update(bytes=1 << 20), "shorter than its manifest says"),
    "a bomb announced": (lambda m: m["files"]["1-now/mqds"].update(bytes=BYTES_LIMIT + 1), "longer than 4 GiB"),
    "a file that is absent": (
        lambda m: m["files"].update({"2-x/mqds": {"bytes": 0, "sha256": "0" * 64}}), "lists 2-x/mqds",
    ),
    "a file left out": (lambda m: m["files"].pop("1-now/hqds"), "not in its bundle's manifest"),
    "many files": (
        lambda m: m["files"].update({f"f{i}": {"bytes": 0, "sha256": "0" * 64} for i in range(FILES_LIMIT)}),
        "more than 20000",
    ),
    "escape codes": (lambda m: m.update(unread=[{"path": "\x1b[2J", "why": 3}]), "text expected"),
    "a pid of text": (lambda m: m.update(processes=[{"pids": ["1"], "name": ""}]), "a count expected"),
    "no object": (lambda m: m.clear(), "no key 'schema'"),
    "no pids": (lambda m: m.update(processes=[{"pids": [], "name": ""}]), "damaged manifest"),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_manifest_is_refused(tmp_path: Path, forgery: str) -> None:
    change, says = FORGED[forgery]
    forged = json.loads(manifest(FILES, about()))
    change(forged)
    members = [(f"bundle/{path}", data) for path, data in FILES.items()]
    line = refused(tmp_path, tar_of([("bundle/manifest.json", json.dumps(forged).encode()), *members]))
    assert says in line


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'{"schema": "ringscope.bundle/1", "files": "\xff\xfe"}', "decode"),
        (b'{"schema": "ringscope.bundle/1", ', "damaged manifest"),
        (b'{"schema": "ringscope.bundle/1", "files": ' + b"[" * 100_000, "damaged manifest"),
        (b'{"schema": "ringscope.bundle/1", "x": "' + b"x" * (9 << 20), "longer than 8 MiB"),
        (b'{"schema": "ringscope.bundle/1", "x": ' + b"9" * 100_000 + b"}", "damaged manifest"),
    ],
    ids=["invalid UTF-8", "cut", "nested", "long", "a number of 100000 digits"],
)
def test_a_manifest_that_is_no_json_is_refused(tmp_path: Path, raw: bytes, says: str) -> None:
    assert says in refused(tmp_path, tar_of([("bundle/manifest.json", raw)]))


def link(kind: bytes, name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


HOSTILE: dict[str, tuple[list[tuple[tarfile.TarInfo | str, bytes]], str]] = {
    "traversal": ([("bundle/../../../etc/cron.d/x", b"x")], "leads out of the archive"),
    "absolute": ([("/etc/cron.d/x", b"x")], "leads out of the archive"),
    "symbolic link": ([(link(tarfile.SYMTYPE, "bundle/1-now/x", "/etc/passwd"), b"")], "a link or a special file"),
    "hard link": ([(link(tarfile.LNKTYPE, "bundle/1-now/x", "/etc/passwd"), b"")], "a link or a special file"),
    "device": ([(link(tarfile.CHRTYPE, "bundle/1-now/x", ""), b"")], "a link or a special file"),
    "pipe": ([(link(tarfile.FIFOTYPE, "bundle/1-now/x", ""), b"")], "a link or a special file"),
    "unlisted": ([("bundle/1-now/more", b"x")], "not in its bundle's manifest"),
    "twice": ([("bundle/1-now/mqds", FILES["1-now/mqds"])] * 2, "twice in its bundle"),
    "a second manifest": ([("bundle/manifest.json", manifest({}, about()))], "a second manifest"),
    "a name of bytes": ([("bundle/\udcff\udcfe", b"x")], "not in its bundle's manifest"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_member_is_refused(tmp_path: Path, case: str) -> None:
    members, says = HOSTILE[case]
    head = ("bundle/manifest.json", manifest(FILES, about()))
    listed = [(f"bundle/{path}", data) for path, data in FILES.items()]
    assert says in refused(tmp_path, tar_of([head, *members, *listed]))
    assert not (tmp_path / "etc").exists()


def test_a_bomb_behind_a_manifest_is_not_unfolded(tmp_path: Path) -> None:
    zeros = tarfile.TarInfo("bundle/zeros")
    zeros.size = 1 << 40
    listed = manifest(FILES, about())
    head = tarfile.TarInfo("bundle/manifest.json")
    head.size = len(listed)
    data = gzip.compress(head.tobuf() + listed + bytes(-len(listed) % 512) + zeros.tobuf() + bytes(1 << 20), 1)
    assert "not in its bundle's manifest" in refused(tmp_path, data)


@pytest.mark.parametrize("form", ["gz", "xz", "zst"])
def test_a_bomb_that_its_manifest_announces_is_not_unfolded_far(tmp_path: Path, form: str) -> None:
    listed = manifest(FILES, about()).replace(b'"1-now/hqds"', b'"zeros"', 1)
    forged = json.loads(listed)
    forged["files"]["zeros"]["bytes"] = 1 << 30
    listed = json.dumps(forged).encode()
    head, zeros = tarfile.TarInfo("bundle/manifest.json"), tarfile.TarInfo("bundle/zeros")
    head.size, zeros.size = len(listed), 1 << 30
    begin = head.tobuf() + listed + bytes(-len(listed) % 512) + zeros.tobuf()
    packers: dict[str, Callable[[], Any]] = {
        "gz": lambda: zlib.compressobj(9, wbits=31),
        "xz": lzma.LZMACompressor,
        "zst": zstandard.ZstdCompressor().compressobj,
    }
    packer = packers[form]()
    data = packer.compress(begin) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(128)) + packer.flush()
    ratio = GZIP_RATIO if form == "gz" else OTHER_RATIO
    assert f"unfolds to more than {ratio} times its size" in refused(tmp_path, data)


def test_a_bundle_by_zstd_reads_like_the_gzipped_one(tmp_path: Path) -> None:
    whole = packed(FILES, about(), "bundle", zst=True)
    assert opened(tmp_path, whole).snapshots == opened(tmp_path, packed(FILES, about(), "bundle")).snapshots
    assert "cannot be read: it ends inside a frame" in refused(tmp_path, whole[: len(whole) // 2])


def test_a_flood_of_files_ends_early(tmp_path: Path) -> None:
    flood = tar_of([(f"f{number}", b"") for number in range(UNKNOWN_LIMIT + 100)])
    assert f"{UNKNOWN_LIMIT} files that are no evidence" in refused(tmp_path, flood)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_one_flipped_byte_is_found_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever byte of a bundle's tar is damaged: the reader answers in one line, or every file was intact."""
    whole = bytearray(gzip.decompress(packed(FILES, about(), "bundle")))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flipped") / "bundle.tar"
    path.write_bytes(whole)
    try:
        capture = collect([path])
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert len(capture.snapshots[0].queues) == 3
