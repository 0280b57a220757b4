"""rocpd databases, of both schemas, of one and of several runs."""

import io
import random
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.evidence.rocpd import read
from ringscope.recording import Kind

GUID = "_00006409_00d1_70d1_a5cb_b5ab88214544"
SIZES = "workgroup_size_x, workgroup_size_y, workgroup_size_z, grid_size_x, grid_size_y, grid_size_z"


def common(guid: str, pid: int) -> list[str]:
    return [
        f'CREATE TABLE "rocpd_metadata{guid}" (id INTEGER PRIMARY KEY, tag TEXT, value TEXT)',
        f'CREATE TABLE "rocpd_string{guid}" (id INTEGER PRIMARY KEY, string TEXT)',
        f'CREATE TABLE "rocpd_info_process{guid}" (id INTEGER PRIMARY KEY, nid INTEGER, pid INTEGER)',
        f'CREATE TABLE "rocpd_info_agent{guid}" (id INTEGER PRIMARY KEY, absolute_index INTEGER, type TEXT)',
        f'CREATE TABLE "rocpd_info_kernel_symbol{guid}" (id INTEGER PRIMARY KEY, kernel_name TEXT, display_name TEXT)',
        f"INSERT INTO \"rocpd_string{guid}\" VALUES (1, 'hipLaunchKernel'), (2, 'MEMORY_COPY_HOST_TO_DEVICE'), (3, '')",
        f'INSERT INTO "rocpd_info_process{guid}" VALUES (1, 1, {pid})',
        f"INSERT INTO \"rocpd_info_agent{guid}\" VALUES (2, 4, 'GPU'), (1, 0, 'CPU')",
        f"INSERT INTO \"rocpd_info_kernel_symbol{guid}\" VALUES (7, 'f.kd', 'f(int)')",
    ]


def version_3(guid: str = GUID, pid: int = 4711) -> list[str]:
    place = "nid INTEGER, pid INTEGER, tid INTEGER"
    return [
        *common(guid, pid),
        f"INSERT INTO \"rocpd_metadata{guid}\" (tag, value) VALUES ('schema_version', '3')",
        f'CREATE TABLE "rocpd_kernel_dispatch{guid}" (id INTEGER PRIMARY KEY, {place}, agent_id INTEGER,'
        f'kernel_id INTEGER, dispatch_id INTEGER, queue_id INTEGER, stream_id INTEGER, start BIGINT, "end" BIGINT,'
        f"{SIZES})",
        f'CREATE TABLE "rocpd_memory_copy{guid}" (id INTEGER PRIMARY KEY, {place}, start BIGINT, "end" BIGINT,'
        "name_id INTEGER, dst_agent_id INTEGER, src_agent_id INTEGER, size INTEGER, queue_id INTEGER,"
        "stream_id INTEGER)",
        f'CREATE TABLE "rocpd_region{guid}" (id INTEGER PRIMARY KEY, {place}, start BIGINT, "end" BIGINT,'
        "name_id INTEGER)",
        f'INSERT INTO "rocpd_kernel_dispatch{guid}" VALUES '
        "(1, 1, 1, 9, 2, 7, 42, 1, 3, 100, 250, 256, 1, 1, 1024, 1, 1)",
        f'INSERT INTO "rocpd_memory_copy{guid}" VALUES (1, 1, 1, 9, 50, 80, 2, 2, 1, 4096, NULL, 3)',
        f'INSERT INTO "rocpd_region{guid}" VALUES (1, 1, 1, 9, 10, 20, 1)',
    ]


def version_4(guid: str = GUID, pid: int = 4711) -> list[str]:
    return [
        *common(guid, pid),
        f"INSERT INTO \"rocpd_metadata{guid}\" (tag, value) VALUES ('schema_version', '4.1.0')",
        f'CREATE TABLE "rocpd_track{guid}" (id INTEGER PRIMARY KEY, pid INTEGER, tid INTEGER, agent_id INTEGER,'
        "queue_id INTEGER, stream_id INTEGER)",
        f'CREATE TABLE "rocpd_timestamp{guid}" (id INTEGER PRIMARY KEY, value BIGINT)',
        f'CREATE TABLE "rocpd_kernel_dispatch{guid}" (id INTEGER PRIMARY KEY, track_id INTEGER, kernel_id INTEGER,'
        f"dispatch_id INTEGER, start_id INTEGER, end_id INTEGER, {SIZES})",
        f'CREATE TABLE "rocpd_memory_copy{guid}" (id INTEGER PRIMARY KEY, track_id INTEGER, start_id INTEGER,'
        "end_id INTEGER, name_id INTEGER, dst_agent_id INTEGER, src_agent_id INTEGER, size INTEGER)",
        f'CREATE TABLE "rocpd_region{guid}" (id INTEGER PRIMARY KEY, track_id INTEGER, name_id INTEGER,'
        "start_id INTEGER, end_id INTEGER)",
        f'INSERT INTO "rocpd_track{guid}" VALUES (1, 1, 9, 2, 1, 3), (2, 1, 9, NULL, NULL, 3)',
        f'INSERT INTO "rocpd_timestamp{guid}" VALUES (1, 100), (2, 250), (3, 50), (4, 80), (5, 10), (6, 20)',
        f'INSERT INTO "rocpd_kernel_dispatch{guid}" VALUES (1, 1, 7, 42, 1, 2, 256, 1, 1, 1024, 1, 1)',
        f'INSERT INTO "rocpd_memory_copy{guid}" VALUES (1, 2, 3, 4, 2, 2, 1, 4096)',
        f'INSERT INTO "rocpd_region{guid}" VALUES (1, 2, 1, 5, 6)',
    ]


def make(path: Path, statements: Iterable[str]) -> Path:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path


@pytest.mark.parametrize(("statements", "schema"), [(version_3(), "3"), (version_4(), "4.1.0"), (version_3(""), "3")])
def test_both_schemas_say_the_same(tmp_path: Path, statements: list[str], schema: str) -> None:
    found = read(make(tmp_path / "r.db", statements), "r.db")
    kernel, copy, call = found.events
    assert dict(kernel.attrs) == {
        "queue": 1,
        "stream": 3,
        "agent": 4,
        "kernel": "f(int)",
        "dispatch_id": 42,
        "tid": 9,
        "grid": "1024x1x1",
        "workgroup": "256x1x1",
        "begin": 100,
        "end": 250,
    }
    assert dict(copy.attrs) == {
        "direction": "MEMORY_COPY_HOST_TO_DEVICE",
        "source": 0,
        "destination": 4,
        "stream": 3,
        "bytes": 4096,
        "tid": 9,
        "begin": 50,
        "end": 80,
    }
    assert dict(call.attrs) == {"name": "hipLaunchKernel", "domain": "hip", "tid": 9, "duration_ns": 10}
    assert {event.pid for event in found.events} == {4711}
    assert found.facts["schema"] == schema
    assert found.notes == ()


def test_merged_runs_are_read_each_on_its_own(tmp_path: Path) -> None:
    path = make(tmp_path / "r.db", [*version_3("_aaaa", 1), *version_4("_bbbb", 2)])
    assert sorted(event.pid or 0 for event in read(path, "r.db").of(Kind.DISPATCH)) == [1, 2]


def test_a_run_without_kernels_or_names_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = make(
        tmp_path / "r.db",
        [
            'CREATE TABLE rocpd_region (id INTEGER PRIMARY KEY, start, "end")',
            "INSERT INTO rocpd_region VALUES (1, 2, 3)",
        ],
    )
    (call,) = read(path, "r.db").events
    assert dict(call.attrs) == {"name": "", "domain": "other", "duration_ns": 1}


def test_views_that_a_file_brings_along_are_not_used(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id FROM n"
    path = make(tmp_path / "r.db", [*version_3(), f"CREATE VIEW rocpd_kernel_dispatch AS {endless}"])
    assert len(read(path, "r.db").events) == 3


def test_bad_databases_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^r.db: no rocpd tables in this database; give the \*_results.db"):
        read(make(tmp_path / "a.db", ["CREATE TABLE rocpd_string (id)"]), "r.db")
    cut = [statement for statement in version_4() if "rocpd_timestamp" not in statement]
    with pytest.raises(InputError, match="a rocpd database without rocpd_timestamp"):
        read(make(tmp_path / "b.db", cut), "r.db")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make(tmp_path_factory.mktemp("rocpd") / "r.db", version_4()).read_bytes()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=100)
def test_flipped_and_cut_databases_never_end_in_a_traceback(whole: bytes, seed: int) -> None:
    rng = random.Random(seed)
    content = bytearray(whole)
    used = [index for index, byte in enumerate(content) if byte]
    for _ in range(rng.randrange(1, 20)):
        content[rng.choice(used)] = rng.randrange(256)
    if rng.random() < 0.2:
        del content[rng.randrange(1, len(content)) :]
    try:
        assert read(io.BytesIO(bytes(content)), "r.db") is not None
    except InputError as error:
        assert "\n" not in str(error)
