"""SQLite files as tables that are only read: nothing that a database brings along is ever run.

A database is opened read-only and immutable; only plain tables are asked, never its views, triggers or virtual
tables; an authorizer refuses everything but reading, and the work is bounded by the file's size, so that a damaged or
hostile file ends in one clear error.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from ringscope.errors import InputError
from ringscope.evidence.lines import PathOrStream, opened
from ringscope.evidence.profile import text

MEMORY_BYTES = 256 << 20
"""Largest database that is read from a tarball or a pipe, where it must be held whole."""

_MAGIC = b"SQLite format 3\0"
_NAME = re.compile(r"\w{1,200}", re.ASCII)
_STEP = 1_000_000  # virtual machine instructions between two looks at the clock
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 64 << 20,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1 << 20,
    sqlite3.SQLITE_LIMIT_COLUMN: 500,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 50,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 2,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
}


class Database:
    """The plain tables of an open database: ``tables`` lists the columns of each."""

    def __init__(self, connection: sqlite3.Connection, name: str, size: int) -> None:
        self._connection = connection
        self.name = name
        # A b-tree whose pages point in circles has no end: no table has more rows than its file has bytes.
        self._rows_left = size
        self._steps_left = 200 + size // 500_000
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        for limit, value in _LIMITS.items():
            connection.setlimit(limit, value)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA query_only = ON")
        connection.set_authorizer(_only_reading)
        connection.set_progress_handler(self._step, _STEP)
        self.tables: dict[str, list[str]] = {}
        for table, sql in self.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table'"):
            plain = isinstance(sql, str) and not re.match(r"\s*CREATE\s+VIRTUAL", sql, re.IGNORECASE)
            if plain and isinstance(table, str) and _NAME.fullmatch(table):
                self.tables[table] = self._columns(table)

    def _step(self) -> int:
        self._steps_left -= 1
        return int(self._steps_left < 0)

    def _columns(self, table: str) -> list[str]:
        with self._errors():
            cursor = self._connection.execute(f'SELECT * FROM "{table}" LIMIT 0')  # noqa: S608  its name is \w only
            return [column[0] for column in cursor.description]

    def rows(self, sql: str) -> Iterator[tuple[object, ...]]:
        """The rows of one SELECT.

        Raises:
            InputError: the database is damaged, or would take longer than its size can explain.
        """
        with self._errors():
            for row in self._connection.execute(sql):
                self._rows_left -= 1
                if self._rows_left < 0:
                    raise InputError("more rows than the file has bytes: the database is damaged", self.name)
                yield row

    def select(self, table: str, columns: Sequence[str]) -> Iterator[dict[str, object]]:
        """The rows of one table; a column that it lacks is None."""
        there = [column for column in columns if column in self.tables[table]]
        nothing = dict.fromkeys(columns)
        listed = ", ".join(map(quoted, there)) or "NULL"
        for row in self.rows(f'SELECT {listed} FROM "{table}"'):  # noqa: S608  names are the reader's own, and \w only
            yield nothing | dict(zip(there, row, strict=bool(there)))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except _ERRORS as error:
            raise _damaged(error, self.name) from None


def quoted(name: str) -> str:
    """A column as SQL names it, whatever its name holds."""
    return '"' + name.replace('"', '""') + '"'


# SQLite asks for as much memory as a damaged page says it holds.
_ERRORS = (sqlite3.Error, UnicodeError, MemoryError)


def _damaged(error: Exception, name: str) -> InputError:
    # SQLite quotes the broken schema in its message.
    return InputError(
        f"a damaged SQLite database ({text(str(error)) or 'it asks for too much memory'})",
        name,
        "record the program again",
    )


def _only_reading(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ} else sqlite3.SQLITE_DENY


@contextmanager
def database(source: PathOrStream, name: str) -> Iterator[Database]:
    """Opens a database for reading.

    Raises:
        InputError: not a SQLite database, damaged, not readable, or too large to be read from a stream.
    """
    with opened(source, name) as stream:
        head = stream.peek(len(_MAGIC))
        if isinstance(source, Path):
            size = source.stat().st_size
            place = f"file:{quote(str(source.absolute()))}?mode=ro&immutable=1"
        else:
            content = bytearray()
            while block := stream.read(1 << 20):
                content += block
                if len(content) > MEMORY_BYTES:
                    raise InputError(
                        f"a database of more than {MEMORY_BYTES >> 20} MiB in an archive or a pipe", name, "unpack it"
                    )
            size, place = len(content), ":memory:"
    if head != _MAGIC:
        raise InputError("not a SQLite database", name, "give the .db file that the profiler wrote")
    try:
        connection = sqlite3.connect(place, uri=True)
    except sqlite3.Error as error:
        raise _damaged(error, name) from None
    try:
        if not isinstance(source, Path):
            content[18:20] = b"\1\1"  # not write-ahead: there is no second file to look for in memory
            connection.deserialize(bytes(content))
        yield Database(connection, name, size)
    except _ERRORS as error:
        raise _damaged(error, name) from None
    finally:
        connection.close()
