"""CSV and JSON files as records, with bounds: what every profiler's text output comes in."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

from ringscope.errors import InputError
from ringscope.evidence.files import Readable
from ringscope.evidence.lines import BLOCK_BYTES, Blocks

JSON_BYTES = 128 << 20
"""Largest JSON that is read: it is held whole, in some ten times its size of memory."""


class Csv:
    """The rows of a CSV, by column name in lower case, with the line each begins at.

    Column names drift in case and order between releases, so that a reader asks by name and takes what is there.

    Args:
        stream: read from its beginning to its end, a block at a time.
        name: what the file is called in errors.
        block_bytes: bytes read at once; changes speed only.

    Raises:
        InputError: no header, or a field larger than any profiler writes.
    """

    def __init__(self, stream: Readable, name: str, block_bytes: int = BLOCK_BYTES) -> None:
        self._blocks = Blocks(stream, block_bytes)
        self._name = name
        self._reader = csv.reader(self._lines())
        header = self._next()
        if not header:
            raise InputError("an empty CSV", name, "record the program again")
        self.columns = [column.strip().lower() for column in header]

    @property
    def note(self) -> str | None:
        """A sentence about lines left out, or None."""
        return self._blocks.note

    def _lines(self) -> Iterator[str]:
        for _, data in self._blocks:
            yield from io.StringIO(data.decode("utf-8", "replace"), newline="")  # ends lines at \n, \r and \r\n alone

    def _next(self) -> list[str] | None:
        try:
            return next(self._reader, None)
        except csv.Error as error:
            place = f"{self._name}:{self._reader.line_num}"
            raise InputError(f"not a CSV any more ({error})", place, "record the program again") from None

    def __iter__(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Rows; one of another length than the header comes as an empty dict."""
        while True:
            line = self._reader.line_num + 1
            row = self._next()
            if row is None:
                return
            if row:
                whole = len(row) == len(self.columns)
                yield line, dict(zip(self.columns, row, strict=True)) if whole else {}


def parse_json(stream: Readable, name: str, remedy: str) -> object:
    """The value of a JSON file; text that is no UTF-8 is replaced, as profilers copy raw memory into strings.

    Raises:
        InputError: larger than :data:`JSON_BYTES`, cut, or nested beyond reason; ``remedy`` is what to do about size.
    """
    data = bytearray()
    while block := stream.read(1 << 20):
        data += block
        if len(data) > JSON_BYTES:
            raise InputError(f"larger than {JSON_BYTES >> 20} MiB, which JSON is read up to", name, remedy)
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"not whole JSON ({error.msg})", f"{name}:{error.lineno}", "record the program again"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"JSON that no profiler writes ({error})", name, "record the program again") from None
