"""rocprofv3 output: CSV traces and the results JSON.

A CSV is known by its header, whose letter case, columns and agent names drift between releases (``Agent_Id`` was a
number, is ``Agent 4`` or ``GPU-0``; files derived from rocpd add ``Guid``): columns are taken by name. Of one run,
rocprofv3 writes a file a domain: ``kernel_trace``, ``hip_api_trace``, ``hsa_api_trace``, ``memory_copy_trace``.

Formats after rocprofiler-sdk's documentation and ``rocprofv3-schema.json`` (ROCm 6.2 to 7.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ringscope.errors import InputError
from ringscope.evidence.drift import Drift, Held
from ringscope.evidence.lines import BLOCK_BYTES, PathOrStream, opened
from ringscope.evidence.profile import Field, Timeline, extent, integer, kept, label, text
from ringscope.evidence.tables import Csv, parse_json
from ringscope.recording import Kind, Recording, Source, Value

HELD = Held(
    "rocprofiler-sdk of ROCm 6.2 to 7.2",
    "its documentation and rocprofv3-schema.json; no file of a machine was at hand",
)

_REMEDY = "record with --output-format csv or rocpd"
_SDK = ("rocprofiler-sdk-tool", "rocprofiler-sdk-json-tool")


# Columns of the traces that are read here, in lower case; those that an event does not keep are known all the same.
_COLUMNS = {
    "dispatch": frozenset({
        "guid", "kind", "agent_id", "queue_id", "stream_id", "thread_id", "process_id", "dispatch_id", "kernel_id",
        "kernel_name", "correlation_id", "start_timestamp", "end_timestamp", "private_segment_size",
        "group_segment_size", "lds_block_size", "scratch_size", "vgpr_count", "accum_vgpr_count", "sgpr_count",
        *(f"{what}_size_{axis}" for what in ("grid", "workgroup") for axis in "xyz"),
    }),
    "call": frozenset({
        "guid", "domain", "kind", "function", "process_id", "thread_id", "correlation_id", "start_timestamp",
        "end_timestamp",
    }),
    "copy": frozenset({
        "guid", "kind", "direction", "operation", "stream_id", "thread_id", "process_id", "source_agent_id",
        "destination_agent_id", "correlation_id", "start_timestamp", "end_timestamp", "bytes", "size",
    }),
}  # fmt: skip
# Keys of the JSON's records, after the SDK's rocprofiler_buffer_tracing_*_record_t.
_RECORD = {"size", "kind", "operation", "thread_id", "correlation_id", "start_timestamp", "end_timestamp", "stream_id"}
_KEYS = {
    "dispatch": frozenset(_RECORD | {"dispatch_info"}),
    "dispatch_info": frozenset({
        "size", "agent_id", "queue_id", "kernel_id", "dispatch_id", "private_segment_size", "group_segment_size",
        "workgroup_size", "grid_size",
    }),
    "copy": frozenset(_RECORD | {"src_agent_id", "dst_agent_id", "src_address", "dst_address", "bytes"}),
    "call": frozenset(_RECORD | {"args", "retval"}),
}  # fmt: skip
_RECORDS = frozenset({
    "kernel_dispatch", "memory_copy", "memory_allocation", "scratch_memory", "page_migration", "counter_collection",
    "pc_sample_host_trap", "pc_sample_stochastic", "ompt",
})  # fmt: skip
"""Kinds of record beside the APIs', whose names end in ``_api``."""


def read(source: PathOrStream, name: str, block_bytes: int = BLOCK_BYTES, drift: Drift | None = None) -> Recording:
    """Reads one file, CSV or JSON.

    Events: DISPATCH (``queue``, ``stream``, ``agent``, ``kernel``, ``dispatch_id``, ``grid`` and ``workgroup`` as
    ``1024x1x1``, ``begin``, ``end``), COPY (``direction``, ``source``, ``destination``, ``bytes``), API (``name``,
    ``domain``, ``duration_ns``), as far as the file says them; times are CLOCK_BOOTTIME. Counters: ``dispatches``,
    also per agent, queue and stream, ``copies``, ``hip_calls``, ``hsa_calls``, ``calls:…``. A column or key that no
    table here knows stays an attribute, ``unknown:NAME``, and is told to ``drift``.

    Raises:
        InputError: neither a known CSV header nor a results JSON, cut JSON, or JSON too large to hold.
    """
    with opened(source, name) as stream:
        timeline = Timeline(name)
        if stream.peek(64).lstrip()[:1] == b"{":
            _json(parse_json(stream, name, _REMEDY), timeline, drift or Drift())
        else:
            _csv(Csv(stream, name, block_bytes), timeline, drift or Drift())
    return timeline.recording()


# --- CSV -----------------------------------------------------------------------------------------------------------


def _csv(rows: Csv, timeline: Timeline, drift: Drift) -> None:
    columns = set(rows.columns)
    if not {"start_timestamp", "end_timestamp"} <= columns:
        raise InputError(
            "a CSV without Start_Timestamp and End_Timestamp",
            timeline.name,
            "give the *_kernel_trace.csv, *_api_trace.csv or *_memory_copy_trace.csv of rocprofv3",
        )
    if "kernel_name" in columns:
        add, kind = _dispatch_row, "dispatch"
    elif "function" in columns:
        add, kind = _call_row, "call"
    elif {"direction", "source_agent_id"} & columns:
        add, kind = _copy_row, "copy"
    else:
        timeline.notes.append("a trace of neither kernels, calls nor copies: nothing here is about queues")
        return
    strange = drift.names("column", rows.columns, _COLUMNS[kind], Source(timeline.name, 1))
    for line, row in rows:
        if row:
            add(row, line, timeline, strange)
        else:
            timeline.bad(Source(timeline.name, line))
    if rows.note:
        timeline.notes.append(rows.note)


def _times(row: Mapping[str, Field]) -> tuple[Field, Field]:
    return row.get("start_timestamp"), row.get("end_timestamp")


def _dispatch_row(row: Mapping[str, str], line: int, timeline: Timeline, strange: Iterable[str]) -> None:
    place = {name: label(row.get(f"{name}_id")) for name in ("queue", "stream", "agent")}

    def details() -> dict[str, Value | None]:
        return {
            "kernel": text(row["kernel_name"]),
            "dispatch_id": integer(row.get("dispatch_id")),
            "tid": integer(row.get("thread_id")),
            "grid": extent(row.get(f"grid_size_{axis}") for axis in "xyz"),
            "workgroup": extent(row.get(f"workgroup_size_{axis}") for axis in "xyz"),
            **kept(row, strange),
        }

    timeline.add(Kind.DISPATCH, _times(row), place, details, row.get("process_id"), line)


def _call_row(row: Mapping[str, str], line: int, timeline: Timeline, strange: Iterable[str]) -> None:
    def details() -> dict[str, Value | None]:
        return {"tid": integer(row.get("thread_id")), **kept(row, strange)}

    called = {"name": text(row["function"]), "domain": _domain(row.get("domain") or row.get("kind"))}
    timeline.add(Kind.API, _times(row), called, details, row.get("process_id"), line)


def _copy_row(row: Mapping[str, str], line: int, timeline: Timeline, strange: Iterable[str]) -> None:
    def details() -> dict[str, Value | None]:
        return {
            "direction": text(row.get("direction") or row.get("operation")) or None,
            "source": label(row.get("source_agent_id")),
            "destination": label(row.get("destination_agent_id")),
            "bytes": integer(row.get("bytes") or row.get("size")),
            **kept(row, strange),
        }

    place = {"stream": label(row.get("stream_id"))}
    timeline.add(Kind.COPY, _times(row), place, details, row.get("process_id"), line)


def _domain(value: Field) -> str:
    """``hip``, ``hsa``… of ``HIP_RUNTIME_API``, ``HSA_CORE_API``…"""
    return text(value).partition("_")[0].lower() or "other"


# --- JSON ----------------------------------------------------------------------------------------------------------


def _json(document: object, timeline: Timeline, drift: Drift) -> None:
    runs = next((_list(_get(document, key)) for key in _SDK if isinstance(_get(document, key), list)), None)
    if runs is None:
        raise InputError("no rocprofiler-sdk-tool in this JSON", timeline.name, "give the *_results.json of rocprofv3")
    for run in runs:
        _run(run, timeline, drift)


def _run(run: object, timeline: Timeline, drift: Drift) -> None:
    pid = integer(_get(run, "metadata", "pid"))
    agents = {
        integer(_get(agent, "id", "handle")): integer(_get(agent, "node_id")) for agent in _list(_get(run, "agents"))
    }
    symbols = {
        integer(_get(symbol, "kernel_id")): text(
            _get(symbol, "formatted_kernel_name")
            or _get(symbol, "truncated_kernel_name")
            or _get(symbol, "kernel_name")
        )
        for symbol in _list(_get(run, "kernel_symbols"))
    }
    names = _list(_get(run, "strings", "buffer_records"))
    records = _get(run, "buffer_records")

    source = Source(timeline.name)
    for key, found in _items(records):
        if key not in _RECORDS and not key.endswith("_api"):
            drift.add("record", key, source, max(1, len(_list(found))))

    def more(record: object, kind: str) -> dict[str, Value | None]:
        keys = [key for key, _ in _items(record)]
        strange = drift.names("key", keys, _KEYS[kind], source) if not _KEYS[kind].issuperset(keys) else ()
        return kept(dict(_items(record)), strange)

    def agent(record: object, *path: str) -> int | None:
        handle = integer(_get(record, *path, "handle"))
        return agents.get(handle, handle) if handle is not None else None

    for record in _list(_get(records, "kernel_dispatch")):
        info = _get(record, "dispatch_info")
        attrs: dict[str, Value | None] = {
            "queue": integer(_get(info, "queue_id", "handle")),
            "stream": integer(_get(record, "stream_id", "handle")),
            "agent": agent(info, "agent_id"),
            "kernel": symbols.get(integer(_get(info, "kernel_id")), ""),
            "dispatch_id": integer(_get(info, "dispatch_id")),
            "tid": integer(_get(record, "thread_id")),
            "grid": extent(_get(info, "grid_size", axis) for axis in "xyz"),
            "workgroup": extent(_get(info, "workgroup_size", axis) for axis in "xyz"),
            **more(record, "dispatch"),
            **more(info, "dispatch_info"),
        }
        timeline.add(Kind.DISPATCH, _stamps(record), attrs, pid=pid)
    for record in _list(_get(records, "memory_copy")):
        attrs = {
            "direction": _operation(record, names) or None,
            "source": agent(record, "src_agent_id"),
            "destination": agent(record, "dst_agent_id"),
            "stream": integer(_get(record, "stream_id", "handle")),
            "bytes": integer(_get(record, "bytes")),
            **more(record, "copy"),
        }
        timeline.add(Kind.COPY, _stamps(record), attrs, pid=pid)
    for key, value in _items(records):
        for record in _list(value) if key.endswith("_api") else ():
            attrs = {
                "name": _operation(record, names),
                "domain": _domain(key),
                "tid": integer(_get(record, "thread_id")),
                **more(record, "call"),
            }
            timeline.add(Kind.API, _stamps(record), attrs, pid=pid)


def _stamps(record: object) -> tuple[Field, Field]:
    return _get(record, "start_timestamp"), _get(record, "end_timestamp")


def _operation(record: object, names: list[object]) -> str:
    """The name of a record's operation: written out, or a number into the strings of its kind."""
    operation, kind = _get(record, "operation"), integer(_get(record, "kind"))
    if isinstance(operation, str):
        return text(operation)
    number = integer(operation)
    if number is None or kind is None or not 0 <= kind < len(names):
        return ""
    operations = _list(_get(names[kind], "operations"))
    return text(operations[number]) if 0 <= number < len(operations) else ""


def _get(value: object, *path: str) -> Field:
    """What lies at a path of keys; None where it ends early."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _items(value: object) -> Iterator[tuple[str, object]]:
    return iter(value.items()) if isinstance(value, dict) else iter(())
