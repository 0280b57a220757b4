"""Databases are read and never run."""

import io
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.evidence import sqlite
from ringscope.evidence.sqlite import database


def make(path: Path, *statements: str) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA page_size = 1024")
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path


KERN = (
    'CREATE TABLE KERN ("KernelName" TEXT, "BeginNs" INTEGER)',
    "INSERT INTO KERN VALUES ('f', 7), ('g', 8)",
)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return make(tmp_path / "plain.db", *KERN)


def test_rows_by_column_and_none_for_what_is_missing(plain: Path) -> None:
    with database(plain, "p") as tables:
        assert tables.tables == {"KERN": ["KernelName", "BeginNs"]}
        assert list(tables.select("KERN", ("BeginNs", "EndNs"))) == [
            {"BeginNs": 7, "EndNs": None},
            {"BeginNs": 8, "EndNs": None},
        ]
        assert list(tables.select("KERN", ("Nothing",))) == [{"Nothing": None}] * 2


def test_a_stream_is_read_like_a_path(plain: Path) -> None:
    with plain.open("rb") as stream, database(stream, "p") as tables:
        assert len(list(tables.select("KERN", ("BeginNs",)))) == 2


def test_a_write_ahead_database_is_read_from_a_stream(tmp_path: Path) -> None:
    path = make(tmp_path / "wal.db", "PRAGMA journal_mode = WAL", *KERN)
    with database(io.BytesIO(path.read_bytes()), "p") as tables:
        assert "KERN" in tables.tables


def test_views_virtual_tables_and_odd_names_are_not_asked(tmp_path: Path) -> None:
    path = make(
        tmp_path / "x.db",
        *KERN,
        "CREATE VIEW kernels AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "CREATE VIRTUAL TABLE search USING fts5(body)",
        'CREATE TABLE "odd"" name" (a)',
    )
    with database(path, "p") as tables:
        assert set(tables.tables) & {"kernels", "search", 'odd" name'} == set()
        assert "KERN" in tables.tables


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM KERN",
        "ATTACH 'other.db' AS other",
        "PRAGMA writable_schema = ON",
        "SELECT load_extension('evil')",
        "SELECT randomblob(10)",
        "CREATE TABLE other (a)",
    ],
)
def test_nothing_but_reading_is_allowed(plain: Path, statement: str) -> None:
    before = plain.read_bytes()
    with pytest.raises(InputError, match=r"not authorized|prohibited"), database(plain, "p") as tables:
        list(tables.rows(statement))
    assert plain.read_bytes() == before


def test_work_without_end_is_stopped(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_STEP", 1000)
    endless = "WITH RECURSIVE n(i) AS (SELECT BeginNs FROM KERN UNION ALL SELECT i FROM n) SELECT i FROM n WHERE i < 0"
    monkeypatch.setattr(sqlite, "_only_reading", lambda *_: sqlite3.SQLITE_OK)
    with pytest.raises(InputError, match="interrupted"), database(plain, "p") as tables:
        list(tables.rows(endless))


def test_more_rows_than_bytes_is_damage(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_only_reading", lambda *_: sqlite3.SQLITE_OK)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n"
    with pytest.raises(InputError, match="more rows than the file has bytes"), database(plain, "p") as tables:
        list(tables.rows(endless))


def test_bad_files_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"", b"hello", b"SQLite format 3\0", b"SQLite format 3\0" + b"\xff" * 2000):
        path = tmp_path / "bad.db"
        path.write_bytes(content)
        for source in (path, io.BytesIO(content)):
            with pytest.raises(InputError, match=r"^p: (not a SQLite|a damaged SQLite)"), database(source, "p"):
                pass
    monkeypatch.setattr(sqlite, "MEMORY_BYTES", 1 << 20)
    large = io.BytesIO(b"SQLite format 3\0" + bytes(3 << 20))
    with pytest.raises(InputError, match="more than 1 MiB in an archive or a pipe; unpack it"), database(large, "p"):
        pass


@given(st.integers(0, 2**32))
@settings(max_examples=150)
def test_flipped_and_cut_databases_never_end_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = random.Random(seed)
    path = make(tmp_path_factory.mktemp("db") / "x.db", *KERN, "INSERT INTO KERN SELECT KernelName, 9 FROM KERN")
    content = bytearray(path.read_bytes())
    for _ in range(rng.randrange(1, 30)):
        content[rng.randrange(16, len(content))] = rng.randrange(256)
    if rng.random() < 0.3:
        del content[rng.randrange(20, len(content)) :]
    try:
        with database(io.BytesIO(bytes(content)), "p") as tables:
            for table in tables.tables:
                list(tables.select(table, ("KernelName", "BeginNs")))
    except InputError as error:
        assert "\n" not in str(error)


def test_a_page_that_asks_for_more_memory_than_there_is(tmp_path: Path) -> None:
    """Found by fuzzing: SQLite reports that as a MemoryError, which is none of ours."""
    page = bytearray(3836)
    page[:16] = b"SQLite format 3\0"
    for place, value in {16: 2, 21: 64, 22: 32, 23: 32, 100: 5, 111: 7, 3072: 13, 3076: 2, 3081: 237, 3083: 46}.items():
        page[place] = value
    page[3309:3324] = b"\xff" * 15
    page[3325] = 73
    with pytest.raises(InputError, match="damaged SQLite database"), database(io.BytesIO(page), "run.db"):
        pass
