"""TOML read so that whatever is wrong in a file is said with its key and line, and written again."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

from ringscope.errors import InputError

T = TypeVar("T")
_NAMED = ("kernel", "copy", "process")
_PLAIN = ("device", "run", "policies", "costs")


class Lines:
    """Where each key of a TOML text stands: by path, numbers counting the tables of an array."""

    def __init__(self, text: str) -> None:
        self.at: dict[tuple[str | int, ...], int] = {}
        path: tuple[str | int, ...] = ()
        seen: dict[str, int] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if found := re.match(r"\s*\[\[\s*([\w.-]+)\s*\]\]", line):
                seen[found[1]] = seen.get(found[1], -1) + 1
                path = (found[1], seen[found[1]])
                self.at[path] = number
            elif found := re.match(r"\s*\[\s*([\w.-]+)\s*\]", line):
                path = (found[1],)
                self.at[path] = number
            elif found := re.match(r"""\s*(?:["']([^"']*)["']|([\w-]+))\s*=""", line):
                self.at.setdefault((*path, found[1] or found[2]), number)

    def of(self, path: tuple[str | int, ...]) -> int:
        """The line of a key, or of what it lies in; 0 when neither was seen."""
        while path and path not in self.at:
            path = path[:-1]
        return self.at.get(path, 0)


class Table:
    """One table of the file: hands its keys out once, checked, and complains about those that are left."""

    def __init__(self, file: str, lines: Lines, path: tuple[str | int, ...], values: object) -> None:
        self.file, self.lines, self.path = file, lines, path
        if not isinstance(values, dict):
            raise self.wrong("must be a table")
        self.values = dict(values)

    def wrong(self, what: str, key: str = "", todo: str = "") -> InputError:
        """The error that says ``what`` is wrong with a key, or with the whole table."""
        path = (*self.path, key) if key else self.path
        line = self.lines.of(path)
        name = ".".join(f"[{part}]" if isinstance(part, int) else part for part in path).replace(".[", "[")
        return InputError(f"{name}: {what}" if name else what, f"{self.file}:{line}" if line else self.file, todo)

    def take(self, key: str, default: T, convert: Callable[[Any], T]) -> T:
        """The value of ``key``, checked and converted, or ``default`` when it is not there."""
        if key not in self.values:
            return default
        try:
            return convert(self.values.pop(key))
        except InputError as error:
            raise self.wrong(error.what, key, error.todo) from None
        except ValueError as error:
            raise self.wrong(str(error), key) from None

    def need(self, key: str, convert: Callable[[Any], T]) -> T:
        """The value of ``key``, which must be there."""
        if key not in self.values:
            raise self.wrong(f"{key!r} is missing")
        return self.take(key, cast("T", None), convert)

    def tables(self, key: str) -> Iterator[Table]:
        """Every table of the array ``key``."""
        rows = self.values.pop(key, [])
        if not isinstance(rows, list):
            raise self.wrong("must be an array of tables", key, f"write [[{key}]]")
        for number, row in enumerate(rows):
            yield Table(self.file, self.lines, (*self.path, key, number), row)

    def table(self, key: str) -> Table:
        """The table ``key``; empty when it is not there."""
        return Table(self.file, self.lines, (*self.path, key), self.values.pop(key, {}))

    def done(self, known: str) -> None:
        """Complain about a key that nobody took."""
        if self.values:
            key = next(iter(self.values))
            raise self.wrong("unknown key", key, f"known: {known}")


def a_text(value: Any) -> str:
    """A short text; ValueError for anything else."""
    if not isinstance(value, str) or not value or len(value) > 200:
        raise ValueError(f"{value!r} must be a text")
    return value


def a_whole(low: int, high: int) -> Callable[[Any], int]:
    """A whole number within bounds."""

    def convert(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{value!r} must be a whole number from {low} to {high}")
        return value

    return convert


def a_share(value: Any) -> float:
    """A number from 0 to 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} must be a number from 0 to 1")
    return float(value)


def a_truth(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} must be true or false")
    return value


def one_of(*names: str) -> Callable[[Any], str]:
    """One of some words."""

    def convert(value: Any) -> str:
        if value not in names:
            raise InputError(f"{value!r} is not known", todo=f"one of {', '.join(names)}")
        return str(value)

    return convert


def values_of(text: str, file: str) -> dict[str, Any]:
    """What the text, which came from ``file``, says; InputError when it is no TOML."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        where = f"{file}:{line[1]}" if line else file
        raise InputError(f"is no TOML ({str(error).partition(' (at')[0]})", where) from None


def text_of(values: dict[str, Any]) -> str:
    """Values as TOML text: plain keys, then a table each, and one of an array at a time; :func:`values_of` reads it."""
    plain = {key: value for key, value in values.items() if not _tabular(value)}
    blocks = ["\n".join(f"{_key(key)} = {_value(value)}" for key, value in plain.items())] if plain else []
    for key, value in values.items():
        if key not in plain:
            head = f"[{_key(key)}]" if isinstance(value, dict) else f"[[{_key(key)}]]"
            rows = [value] if isinstance(value, dict) else value
            blocks += ["\n".join([head, *(f"{_key(k)} = {_value(v)}" for k, v in row.items())]) for row in rows]
    return "\n\n".join(blocks) + "\n"


def _tabular(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    )


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):  # TOML's escapes are JSON's, but for DEL and for characters beyond 16 bits
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_value(item)}' for key, item in value.items())} }}"
    return str(value)  # numbers and dates print as TOML has them


def read(path: Path) -> str:
    """The text of a file; InputError when there is none."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", str(path)) from error
    except UnicodeDecodeError:
        raise InputError("is no UTF-8 text", str(path), "give a file in TOML") from None


def put(values: dict[str, Any], key: str, value: Any) -> tuple[tuple[str | int, ...], str]:
    """Write ``value`` into a scenario's values where ``key`` leads; whether such a key exists is the schema's to say.

    ``device.num_kcq``, ``costs.packet``, ``kernel.NAME.duration``: tables by name, kernels, copies and processes by
    theirs. Returns the path of the table and the key within it. InputError for a key that leads nowhere.
    """
    head, _, rest = key.partition(".")
    table: Any = values
    path: tuple[str | int, ...] = (head,)
    if head in _PLAIN:
        table = values.setdefault(head, {})
    elif head in _NAMED:
        rows = values.get(head, [])
        named = {
            row.get("name", f"process {number + 1}" if head == "process" else ""): row
            for number, row in enumerate(rows if isinstance(rows, list) else [])
            if isinstance(row, dict)
        }
        name = next((name for name in named if isinstance(name, str) and rest.startswith(f"{name}.")), None)
        if name is None:
            raise InputError(f"names no {head} of the file", todo=f"{head}.NAME.KEY with {', '.join(map(str, named))}")
        table, rest = named[name], rest.removeprefix(f"{name}.")
        path = (head, next(number for number, row in enumerate(rows) if row is table))
    else:
        raise InputError(f"has no key {key!r}", todo=f"it begins with {', '.join((*_PLAIN, *_NAMED))}")
    *inner, last = rest.split(".")
    for step in inner:
        table = table.setdefault(step, {}) if isinstance(table, dict) else None
    if not isinstance(table, dict) or not last or last == "name":
        raise InputError("names no key that can be varied")
    table[last] = value
    return path, rest
