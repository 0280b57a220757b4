"""Damaged files: flipped bytes, cuts and mixtures end in a result or one clear line, never in anything else."""

import random
from pathlib import Path

import pytest
from dumps import SDMA_SHAPE, device, mqd, process, queue, rows, sdma
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.errors import RingscopeError
from ringscope.evidence.collect import collect

RUNLIST = [0xC00EA100, *[0] * 15, 0xC005A200, *[0] * 6]
MADE = {
    "mqds": process(1, queue(0xF7BC, mqd(), mqd()), queue(0xF7BC, [1] * 128, kind="SDMA queue")) + process(2),
    "hqds": device() + "Node 3, gpu_id f05b:\n Device is stopped\n",
    "rls": "Node 2, gpu_id f7bc:\n" + rows(RUNLIST, indent="  ") + "Node 3, gpu_id f05b:\n  No active runlist\n",
    "topology/nodes/2/gpu_id": f"{0xF7BC}\n",
    "topology/nodes/2/properties": "simd_count 320\ngfx_target_version 90402\nunique_id 1\n",
    "proc/1/queues/0/gpuid": f"{0xF7BC}",
    "proc/1/queues/0/size": "4096",
    "proc/1/queues/0/type": "0",
}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def survives(folder: Path) -> None:
    """Reads the folder; an error must be one printable line that names a place."""
    try:
        collect([folder])
    except RingscopeError as error:
        line = str(error)
        assert line.isprintable(), line
        assert len(line) < 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("made"), {name: text.encode() for name, text in MADE.items()})


@settings(max_examples=300)
@given(
    name=st.sampled_from(sorted(MADE)),
    edits=st.lists(
        st.tuples(st.integers(0, 1 << 20), st.binary(max_size=3), st.integers(0, 90)), min_size=1, max_size=4
    ),
)
def test_edited_files(folder: Path, name: str, edits: list[tuple[int, bytes, int]]) -> None:
    whole = MADE[name].encode()
    data = whole
    for at, new, dropped in edits:
        place = at % (len(data) + 1)
        data = data[:place] + new + data[place + dropped :]
    write(folder, {name: data})
    try:
        survives(folder)
    finally:
        write(folder, {name: whole})


@settings(max_examples=150)
@given(name=st.sampled_from(sorted(MADE)), keep=st.integers(0, 1 << 20))
def test_cut_files(folder: Path, name: str, keep: int) -> None:
    whole = MADE[name].encode()
    write(folder, {name: whole[: keep % len(whole)]})
    try:
        survives(folder)
    finally:
        write(folder, {name: whole})


@settings(max_examples=60)
@given(st.permutations(sorted(MADE)))
def test_contents_in_each_others_files(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    mixed = {name: MADE[other].encode() for name, other in zip(sorted(MADE), names, strict=True)}
    survives(write(tmp_path_factory.mktemp("mixed"), mixed))


@settings(max_examples=100)
@given(st.sampled_from(sorted(MADE)), st.binary(max_size=300))
def test_any_bytes_at_all(folder: Path, name: str, data: bytes) -> None:
    write(folder, {name: data})
    try:
        survives(folder)
    finally:
        write(folder, {name: MADE[name].encode()})


def test_a_line_without_end(tmp_path: Path) -> None:
    survives(write(tmp_path, {"mqds": b"Process 1 PASID 2:\n" + b"0" * 5_000_000}))
    survives(write(tmp_path, {"mqds": b"    00000000: 00000000 " * 200_000}))
    survives(write(tmp_path, {"hqds": b"Node 1, gpu_id " + b"f" * 5_000_000}))


def test_a_dump_of_many_rows_under_one_heading(tmp_path: Path) -> None:
    text = "Node 1, gpu_id a:\n" + sdma(0, 0, [*SDMA_SHAPE, (0x100000, 400_000)])
    survives(write(tmp_path, {"hqds": text.encode()}))


@pytest.mark.parametrize("name", ["mqds", "hqds"])
def test_the_real_files_damaged(shared: Path, tmp_path: Path, name: str) -> None:
    whole = (shared / "mi308x" / "streams-16" / "active" / name).read_bytes()
    dice = random.Random(name)
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        survives(write(tmp_path, {name: bytes(data)}))
    for _ in range(40):
        survives(write(tmp_path, {name: whole[: dice.randrange(len(whole))]}))
