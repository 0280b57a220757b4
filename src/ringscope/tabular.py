"""Results that are tables: they show themselves in a notebook, and become data frames.

A type that inherits :class:`Tabular` says what its records are and nothing else; how a table looks and how it becomes a
Polars frame (``ringscope[frames]``) stands here once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from ringscope.errors import InputError, printable

if TYPE_CHECKING:
    from polars import DataFrame, DataType

Cell = str | int | float | None
Row = Mapping[str, Cell]

SHOWN = 100
"""Rows that a notebook shows; a frame has all of them."""

_HEXADECIMAL = ("gpu_id", "_base", "doorbell", "doorbell_index", "stream", "hsa_queue")
"""How columns end whose numbers people read in hexadecimal."""
_INT64, _UINT64, _EXACT = range(-(1 << 63), 1 << 63), range(1 << 64), range(-(1 << 53), (1 << 53) + 1)


class Tabular(ABC):
    """Something that is a table."""

    __slots__ = ()

    @abstractmethod
    def records(self) -> Iterable[Row]:
        """Its rows, each a value by column; a column that a row lacks is empty there."""

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        rows = iter(self.records())
        shown = list(islice(rows, SHOWN))
        return html(shown, sum(1 for _ in rows))

    def to_polars(self) -> DataFrame:
        """The table as a Polars frame; InputError when Polars is not installed.

        Columns that hold both text and numbers, or numbers that no 64 bits hold exactly, become text.
        """
        try:
            import polars  # noqa: PLC0415 - an extra
        except ImportError:
            raise InputError("a frame needs Polars", todo="pip install 'ringscope[frames]'") from None
        rows = list(self.records())
        columns = {name: [row.get(name) for row in rows] for name in _names(rows)}
        return polars.DataFrame({name: polars.Series(name, *_typed(cells)) for name, cells in columns.items()})


def _names(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _typed(cells: list[Cell]) -> tuple[list[Cell], type[DataType]]:
    """Cells of one type, and that type."""
    import polars  # noqa: PLC0415 - imported before

    held = [cell for cell in cells if cell is not None]
    if not held:
        return cells, polars.Null
    if all(isinstance(cell, int) for cell in held):
        if all(cell in _INT64 for cell in held):
            return cells, polars.Int64
        if all(cell in _UINT64 for cell in held):
            return cells, polars.UInt64
    elif all(isinstance(cell, float) or (isinstance(cell, int) and cell in _EXACT) for cell in held):
        return cells, polars.Float64
    return [cell if cell is None else str(cell) for cell in cells], polars.String


def _shown(name: str, cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, int) and name.endswith(_HEXADECIMAL):
        return f"{cell:#x}"
    return _escaped(f"{cell:.4g}" if isinstance(cell, float) else str(cell))


def _escaped(text: str) -> str:
    from html import escape  # noqa: PLC0415 - every command would wait for it

    return escape(printable(text))


def html(rows: list[Row], more: int = 0) -> str:
    """Rows as an HTML table; ``more`` are said to be left out."""
    names = _names(rows)
    head = "".join(f"<th>{_escaped(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{_shown(n, row.get(n))}</td>' for n in names)}</tr>" for row in rows)
    rest = f"<p>and {more} more rows; to_polars() has all of them</p>" if more else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"
