"""The folder of a sweep: a part file a finished shard, then one merged file. Killed at any instant, it is whole.

``manifest.json`` says which sweep it is; ``part-000012.parquet`` is shard 12; ``results.parquet`` has every point in
order and takes the place of the parts. Every file is written aside and renamed, so it is there in full or not at all.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ringscope.errors import InputError
from ringscope.scenario.sweep.points import Sweep
from ringscope.scenario.sweep.results import Columns

if TYPE_CHECKING:
    from polars import DataFrame

SCHEMA = "ringscope.sweep-manifest/1"
Write = Callable[[Path, bytes], None]
"""Writes a file aside and renames it into place."""


@contextmanager
def opened(folder: Path, sweep: Sweep, write: Write) -> Iterator[Store]:
    """The folder of ``sweep``, made or gone on with; nobody else writes to it meanwhile.

    Raises:
        InputError: it cannot be written, belongs to another sweep or is being written by another process, or polars
            is missing.
    """
    if find_spec("polars") is None:
        raise InputError("a sweep needs polars", todo="pip install 'ringscope[frames]'")
    try:
        folder.mkdir(exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise InputError(f"cannot be made ({error.strerror})", str(folder), "name a writable folder") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError("another sweep is writing to it", str(folder), "wait for it, or give --dir") from None
        yield Store(folder, sweep, write)
    finally:
        os.close(handle)


class Store:
    """See :func:`opened`."""

    def __init__(self, folder: Path, sweep: Sweep, write: Write) -> None:
        self.folder, self.sweep, self.write = folder, sweep, write
        self.results = folder / "results.parquet"
        self._claim()
        for pattern in (".manifest.json.*", ".part-*.parquet.*", ".results.parquet.*"):
            for aside in folder.glob(pattern):  # what a kill left half written
                aside.unlink()

    def _claim(self) -> None:
        manifest = self.folder / "manifest.json"
        identity = {"schema": SCHEMA, **self.sweep.identity}
        try:
            found = json.loads(manifest.read_bytes())
        except FileNotFoundError:
            if any(not path.name.startswith(".manifest.json.") for path in self.folder.iterdir()):
                raise InputError("holds something else", str(self.folder), "name a new folder with --dir") from None
            self.write(manifest, (json.dumps(identity, indent=1) + "\n").encode())
            return
        except (OSError, ValueError, RecursionError):
            raise InputError("cannot be read", str(manifest), "name a new folder with --dir") from None
        if found != identity:
            changed = [key for key in identity if not isinstance(found, dict) or found.get(key) != identity[key]]
            what = f"holds another sweep, which differs in {', '.join(changed) or 'its keys'}"
            raise InputError(what, str(self.folder), "name a new folder with --dir")

    def _part(self, shard: int) -> Path:
        return self.folder / f"part-{shard:06}.parquet"

    def missing(self) -> list[int]:
        """Shards that are yet to run. A part file that does not read as its shard is as good as missing."""
        if self.results.exists():
            return []
        return [shard for shard in range(self.sweep.shards) if not self._whole(shard)]

    def _whole(self, shard: int) -> bool:
        import polars  # noqa: PLC0415

        part = self._part(shard)
        if not part.exists():
            return False
        try:
            points = polars.read_parquet(part, columns=["point"])["point"].to_list()
        except (polars.exceptions.PolarsError, OSError):
            return False
        return points == list(self.sweep.shard(shard))

    def keep(self, shard: int, rows: Columns) -> None:
        """A finished shard."""
        import polars  # noqa: PLC0415

        # A result that there is not is NaN in an array of them, and null in a file.
        self.write(self._part(shard), _parquet(polars.DataFrame(rows, schema=self._schema(), nan_to_null=True)))

    def _schema(self) -> dict[str, type]:
        import polars  # noqa: PLC0415

        types = {"int": polars.Int64, "float": polars.Float64, "bool": polars.Boolean, "text": polars.String}
        schema: dict[str, type] = {"point": polars.Int64}
        schema |= {axis.column: types[axis.kind] for axis in self.sweep.axes}
        schema["refused"] = polars.String
        return schema | dict.fromkeys(self.sweep.metrics, polars.Float64)

    def merged(self) -> DataFrame:
        """Every row, in the order of the points, once all parts are there; they become one file."""
        import polars  # noqa: PLC0415

        if not self.results.exists():
            parts = polars.read_parquet([self._part(shard) for shard in range(self.sweep.shards)])
            self.write(self.results, _parquet(parts))
        for shard in range(self.sweep.shards):
            self._part(shard).unlink(missing_ok=True)
        try:
            return polars.read_parquet(self.results)
        except (polars.exceptions.PolarsError, OSError):
            raise InputError("cannot be read", str(self.results), "delete it and run again") from None


def _parquet(frame: DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(buffer)
    return buffer.getvalue()
