"""rocpd: the SQLite database that rocprofv3 writes by default from ROCm 7 on.

Its tables end in the run's GUID (``rocpd_kernel_dispatch_00006409_…``), so that the databases of several processes can
be merged into one; each run is read on its own. Two schemas are read: version 3 keeps ``start``, ``end`` and the ids
of process, agent, queue and stream in each row; version 4 keeps times in ``rocpd_timestamp`` and ids in
``rocpd_track``. The views beside the tables are not used: they are code that a file brings along.

Schemas after rocprofiler-sdk ``share/rocprofiler-sdk-rocpd`` versions 3.0 to 4.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ringscope.errors import InputError
from ringscope.evidence.drift import Drift, Held
from ringscope.evidence.lines import BLOCK_BYTES, PathOrStream
from ringscope.evidence.profile import Field, Timeline, extent, integer, kept, text
from ringscope.evidence.sqlite import Database, database, quoted
from ringscope.recording import Kind, Recording, Source
from ringscope.records import dataclass

HELD = Held(
    "rocprofiler-sdk-rocpd schemas 3.0 to 4.1 (ROCm 7)",
    "the schemas' source; no database of a machine was at hand",
)

_TABLE = re.compile(
    r"rocpd_(kernel_dispatch|memory_copy|region|string|event|timestamp|track|info_process|info_agent"
    r"|info_kernel_symbol|metadata)((?:_\w{1,64})?)",
    re.ASCII,
)
_PLACE = ("pid", "tid", "agent_id", "queue_id", "stream_id")
_SIZES = tuple(f"{what}_size_{axis}" for what in ("grid", "workgroup") for axis in "xyz")


@dataclass(frozen=True)
class _Run:
    """The tables of one run, by their name without prefix and GUID."""

    tables: dict[str, str]
    database: Database

    def rows(self, table: str, own: tuple[str, ...], names: dict[str, tuple[str, str]]) -> Iterator[dict[str, Field]]:
        """Rows of a table with begin, end, place and the columns asked; what the schema lacks is None.

        Args:
            table: which, as in ``kernel_dispatch``.
            own: its columns.
            names: texts of other tables, by alias: the column that holds its id, and which table.
        """
        columns = self.columns(table)
        split = "start_id" in columns
        select = {"begin": "b.value", "end_": "e.value"} if split else {"begin": 'd."start"', "end_": 'd."end"'}
        joins = []
        if split:
            joins += [self._join("timestamp", "b", "d.start_id"), self._join("timestamp", "e", "d.end_id")]
            joins.append(self._join("track", "t", "d.track_id"))
        for column in _PLACE:
            if column in columns:
                select[column] = f"d.{column}"
            elif split and column in self.columns("track"):
                select[column] = f"t.{column}"
        select |= {column: f"d.{quoted(column)}" for column in own if column in columns}
        for number, (alias, (key, of)) in enumerate(names.items()):
            named = next((name for name in _NAME_COLUMNS if name in self.columns(of)), None)
            if key in columns and named:
                joins.append(self._join(of, f"n{number}", f"d.{key}"))
                select[alias] = f'n{number}."{named}"'
        listed = ", ".join(select.values())
        # Every name is one of this module's or was matched by _TABLE.
        sql = f'SELECT {listed} FROM "{self.tables[table]}" d {" ".join(joins)}'  # noqa: S608
        nothing: dict[str, Field] = dict.fromkeys((*_PLACE, *own, *names))
        for row in self.database.rows(sql):
            yield nothing | dict(zip(select, row, strict=True))

    def simple(self, table: str, columns: tuple[str, ...]) -> Iterator[dict[str, Field]]:
        """Those columns of a small table; nothing when the run lacks it."""
        return self.database.select(self.tables[table], columns) if table in self.tables else iter(())

    def columns(self, table: str) -> list[str]:
        """Columns of a table; none when the run lacks it."""
        return self.database.tables[self.tables[table]] if table in self.tables else []

    def _join(self, table: str, alias: str, key: str) -> str:
        if table not in self.tables:
            raise InputError(f"a rocpd database without rocpd_{table}", self.database.name, "record the program again")
        return f'LEFT JOIN "{self.tables[table]}" {alias} ON {alias}.id = {key}'


# What a joined table calls its text: rocpd_string, rocpd_info_kernel_symbol.
_NAME_COLUMNS = ("string", "display_name", "kernel_name")


# Columns of the tables that are read here; those that an event does not keep are known all the same.
_KNOWN = {
    "kernel_dispatch": frozenset({
        "id", "guid", "nid", *_PLACE, "kernel_id", "dispatch_id", "start", "end", "start_id", "end_id", "track_id",
        "private_segment_size", "group_segment_size", *_SIZES, "region_name_id", "event_id", "extdata",
    }),
    "memory_copy": frozenset({
        "id", "guid", "nid", *_PLACE, "start", "end", "start_id", "end_id", "track_id", "name_id", "dst_agent_id",
        "dst_address", "src_agent_id", "src_address", "size", "region_name_id", "event_id", "extdata",
    }),
    "region": frozenset({
        "id", "guid", "nid", *_PLACE, "start", "end", "start_id", "end_id", "track_id", "name_id", "event_id",
        "extdata",
    }),
}  # fmt: skip
_OTHER_TABLES = re.compile(
    r"rocpd_(info_(node|thread|queue|stream|pmc|code_object)|arg|pmc_event|sample|memory_allocate)(_\w{1,64})?",
    re.ASCII,
)


def read(source: PathOrStream, name: str, block_bytes: int = BLOCK_BYTES, drift: Drift | None = None) -> Recording:
    """Reads every run of a database.

    Events and counters as :func:`ringscope.evidence.rocprofv3.read`; ``agent`` is the agent's absolute index.
    Facts: ``schema`` (the version that the file says it has). A column that no table here knows stays an
    attribute, ``unknown:NAME``, and is told to ``drift``, as is a table.

    Raises:
        InputError: no rocpd tables, a damaged database, or one too large to be read from a stream.
    """
    timeline, drift = Timeline(name), drift or Drift()
    with database(source, name) as opened:
        runs: dict[str, dict[str, str]] = {}
        for table in opened.tables:
            if found := _TABLE.fullmatch(table):
                runs.setdefault(found[2], {})[found[1]] = table
            elif table.startswith("rocpd_") and not _OTHER_TABLES.fullmatch(table):
                drift.add("table", table, Source(name))
        if not any({"kernel_dispatch", "memory_copy", "region"} & tables.keys() for tables in runs.values()):
            raise InputError("no rocpd tables in this database", name, "give the *_results.db of rocprofv3")
        for tables in runs.values():
            _run(_Run(tables, opened), timeline, drift)
    return timeline.recording()


def _run(run: _Run, timeline: Timeline, drift: Drift) -> None:
    strange = {
        table: drift.names("column", run.columns(table), known, Source(timeline.name))
        for table, known in _KNOWN.items()
    }
    for row in run.simple("metadata", ("tag", "value")):
        if row["tag"] == "schema_version":
            timeline.facts.setdefault("schema", text(row["value"]) or str(integer(row["value"])))
    processes = {row["id"]: integer(row["pid"]) for row in run.simple("info_process", ("id", "pid"))}
    agents = {row["id"]: integer(row["absolute_index"]) for row in run.simple("info_agent", ("id", "absolute_index"))}

    def pid(row: dict[str, Field]) -> Field:
        return processes.get(row["pid"], row["pid"])

    def agent(value: Field) -> int | None:
        index = agents.get(value)
        return integer(value) if index is None else index

    if "kernel_dispatch" in run.tables:
        named = {"kernel": ("kernel_id", "info_kernel_symbol"), "region": ("region_name_id", "string")}
        own: tuple[str, ...] = ("dispatch_id", *_SIZES, *strange["kernel_dispatch"])
        for row in run.rows("kernel_dispatch", own, named):
            attrs = {
                "queue": integer(row["queue_id"]),
                "stream": integer(row["stream_id"]),
                "agent": agent(row["agent_id"]),
                "kernel": text(row["kernel"] or row["region"]),
                "dispatch_id": integer(row["dispatch_id"]),
                "tid": integer(row["tid"]),
                "grid": extent(row[size] for size in _SIZES[:3]),
                "workgroup": extent(row[size] for size in _SIZES[3:]),
                **kept(row, strange["kernel_dispatch"]),
            }
            timeline.add(Kind.DISPATCH, (row["begin"], row["end_"]), attrs, pid=pid(row))
    if "memory_copy" in run.tables:
        own = ("size", "src_agent_id", "dst_agent_id", *strange["memory_copy"])
        for row in run.rows("memory_copy", own, {"direction": ("name_id", "string")}):
            attrs = {
                "direction": text(row["direction"]) or None,
                "source": agent(row["src_agent_id"]),
                "destination": agent(row["dst_agent_id"]),
                "queue": integer(row["queue_id"]),
                "stream": integer(row["stream_id"]),
                "bytes": integer(row["size"]),
                "tid": integer(row["tid"]),
                **kept(row, strange["memory_copy"]),
            }
            timeline.add(Kind.COPY, (row["begin"], row["end_"]), attrs, pid=pid(row))
    if "region" in run.tables:
        for row in run.rows("region", strange["region"], {"name": ("name_id", "string")}):
            called = text(row["name"])
            attrs = {"name": called, "domain": _domain(called), "tid": integer(row["tid"])}
            attrs |= kept(row, strange["region"])
            timeline.add(Kind.API, (row["begin"], row["end_"]), attrs, pid=pid(row))


def _domain(name: str) -> str:
    """``hip`` or ``hsa`` by the function's name: categories are stored in three ways, names in one."""
    plain = name.lstrip("_").lower()
    return next((domain for domain in ("hip", "hsa", "rccl", "nccl", "roctx") if plain.startswith(domain)), "other")
