"""rocprof (the first): its kernel CSV, its Chrome trace JSON, its SQLite database.

The three hold the same columns: a kernel's ``DispatchNs`` (packet written), ``BeginNs``, ``EndNs`` and
``CompleteNs`` (completion seen by the host); an API call's and a copy's ``BeginNs`` and ``EndNs``. In the JSON they
are texts in ``args``, beside ``ts`` and ``dur`` cut to microseconds; a process named ``GPU9`` is the GPU of node 9.
The clock is ROCr's (see :mod:`~ringscope.evidence.profile`). ``queue-id`` counts the queues of a process from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ringscope.errors import InputError
from ringscope.evidence.drift import Drift, Held
from ringscope.evidence.lines import BLOCK_BYTES, PathOrStream, opened
from ringscope.evidence.profile import Field, Timeline, extent, integer, kept, text
from ringscope.evidence.sqlite import database
from ringscope.evidence.tables import Csv, parse_json
from ringscope.recording import Kind, Recording, Source, Value

HELD = Held("rocprof of ROCm 7.0.2", "CSV, JSON and database of one run on an MI308X")

_REMEDY = "give the .db file of the same run"
_KERNEL_COLUMNS = (
    *("KernelName", "gpu-id", "queue-id", "queue-index", "pid", "tid", "grd", "wgr"),
    *("DispatchNs", "BeginNs", "EndNs", "CompleteNs"),
)
_CALL_COLUMNS = ("Name", "pid", "tid", "BeginNs", "EndNs")
# Those that an event does not keep are known all the same.
_KNOWN = frozenset({
    *_KERNEL_COLUMNS, *_CALL_COLUMNS, "Index", "lds", "scr", "arch_vgpr", "accum_vgpr", "sgpr", "wave_size", "sig",
    "obj", "DurationNs", "args", "Data", "__section", "__lane",
})  # fmt: skip
_KINDS = {"HIP": Kind.API, "HSA": Kind.API, "ROCTX": Kind.API, "COPY": Kind.COPY}
_GPU = re.compile(r"GPU ?(\d{1,9})")


def read(source: PathOrStream, name: str, block_bytes: int = BLOCK_BYTES, drift: Drift | None = None) -> Recording:
    """Reads any of the three, known by how it begins.

    Events: DISPATCH (``queue``, ``agent``, ``kernel``, ``index`` in the queue, ``grid`` and ``workgroup`` in all,
    ``begin``, ``end``, and ``dispatch`` and ``complete`` where recorded), COPY (``direction``, ``begin``, ``end``),
    API (``name``, ``domain``, ``duration_ns``); times are CLOCK_BOOTTIME. Counters as
    :func:`ringscope.evidence.rocprofv3.read`; so are columns that no table here knows, as hardware counters are.

    Raises:
        InputError: none of the three, damaged, or without times (as without ``--timestamp on``).
    """
    timeline = Timeline(name)
    with opened(source, name) as stream:
        head = stream.peek(64)
        if head.startswith(b"SQLite format 3"):
            _database(source if isinstance(source, Path) else stream, timeline, drift or Drift())
        elif head.lstrip()[:1] == b"{":
            _json(parse_json(stream, name, _REMEDY), timeline, drift or Drift())
        else:
            _csv(Csv(stream, name, block_bytes), timeline, drift or Drift())
    return timeline.recording()


def _csv(rows: Csv, timeline: Timeline, drift: Drift) -> None:
    if not {"beginns", "endns"} <= set(rows.columns):
        raise InputError("a rocprof CSV without BeginNs and EndNs", timeline.name, "record with --timestamp on")
    wanted = {column.lower(): column for column in _KNOWN}
    strange = drift.names("column", rows.columns, wanted, Source(timeline.name, 1))
    for line, row in rows:
        if row:
            _dispatch({wanted.get(key, key): value for key, value in row.items()}, timeline, line, strange)
        else:
            timeline.bad(Source(timeline.name, line))
    if rows.note:
        timeline.notes.append(rows.note)


def _database(source: PathOrStream, timeline: Timeline, drift: Drift) -> None:
    with database(source, timeline.name) as tables:
        if not {"KERN", *_KINDS} & set(tables.tables):
            todo = "give the .db file that rocprof wrote"
            raise InputError("none of the tables KERN, HIP, HSA, COPY", timeline.name, todo)
        if "KERN" in tables.tables:
            strange = drift.names("column", tables.tables["KERN"], _KNOWN, Source(timeline.name))
            for row in tables.select("KERN", (*_KERNEL_COLUMNS, *strange)):
                _dispatch(row, timeline, strange=strange)
        for table, kind in _KINDS.items():
            if table in tables.tables:
                strange = drift.names("column", tables.tables[table], _KNOWN, Source(timeline.name))
                for row in tables.select(table, (*_CALL_COLUMNS, *strange)):
                    _call(kind, table, row, timeline, strange)


def _json(document: object, timeline: Timeline, drift: Drift) -> None:
    events = document.get("traceEvents") if isinstance(document, dict) else None
    if not isinstance(events, list):
        raise InputError("no traceEvents in this JSON", timeline.name, "give the .json file that rocprof wrote")
    tracks: dict[object, str] = {}
    for event in events:
        if not isinstance(event, dict):
            continue
        args = event.get("args")
        given: dict[str, Field] = args if isinstance(args, dict) else {}
        process = integer(event.get("pid"))
        if event.get("ph") == "M":
            tracks[process] = text(given.get("name"))
        elif event.get("ph") == "X":
            strange = drift.names("key", given, _KNOWN, Source(timeline.name)) if not given.keys() <= _KNOWN else ()
            _slice(event, given, tracks.get(process, ""), timeline, strange)


def _slice(
    event: dict[str, Field], args: dict[str, Field], track: str, timeline: Timeline, strange: Iterable[str]
) -> None:
    begin, duration = integer(event.get("ts")), integer(event.get("dur"))
    row: dict[str, Field] = {"Name": event.get("name"), "KernelName": event.get("name")}
    if begin is not None and duration is not None:
        row |= {"BeginNs": begin * 1000, "EndNs": (begin + duration) * 1000}
    row |= args
    if gpu := _GPU.fullmatch(track):
        _dispatch({"gpu-id": int(gpu[1])} | row, timeline, strange=strange)
    elif track == "COPY":
        _call(Kind.COPY, track, row, timeline, strange)
    elif not track.startswith("GPU"):  # GPU Barriers
        _call(Kind.API, track.removeprefix("CPU ").partition(" ")[0], row, timeline, strange)


def _dispatch(row: Mapping[str, Field], timeline: Timeline, line: int = 0, strange: Iterable[str] = ()) -> None:
    attrs = {
        "queue": integer(row.get("queue-id")),
        "agent": integer(row.get("gpu-id")),
        "kernel": text(row.get("KernelName")).strip('"'),
        "index": integer(row.get("queue-index")),
        "tid": integer(row.get("tid")),
        "grid": extent([row.get("grd")]),
        "workgroup": extent([row.get("wgr")]),
        "dispatch": integer(row.get("DispatchNs")),
        "complete": integer(row.get("CompleteNs")),
        **kept(row, strange),
    }
    timeline.add(Kind.DISPATCH, (row.get("BeginNs"), row.get("EndNs")), attrs, pid=row.get("pid"), line=line)


def _call(kind: Kind, table: str, row: Mapping[str, Field], timeline: Timeline, strange: Iterable[str]) -> None:
    named = text(row.get("Name"))
    attrs: dict[str, Value | None] = {"tid": integer(row.get("tid")), **kept(row, strange)}
    attrs |= {"direction": named or None} if kind is Kind.COPY else {"name": named, "domain": table.lower()}
    timeline.add(kind, (row.get("BeginNs"), row.get("EndNs")), attrs, pid=row.get("pid"))
