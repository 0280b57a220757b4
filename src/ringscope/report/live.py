"""``ringscope top``: how queues got on between two readings of a machine, as JSON, as tables, and as text.

:func:`data` is the whole of it; tables and text are made of what it says and of nothing else. A value that was not
read, or that takes a second reading, is None, and shown as ``?``: never as a zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ringscope.join.progress import Progress
from ringscope.join.queues import JoinedQueue, PipePriority
from ringscope.join.runlist import read_runlist
from ringscope.records import dataclass
from ringscope.report.explain import part_name, size
from ringscope.report.terminal import Terminal, wrapped
from ringscope.snapshot import Device, Process, QueueType
from ringscope.verdicts.oversubscribed import beyond_limits, limits

SCHEMA = "ringscope.top/1"

Json = Mapping[str, Any]
T = TypeVar("T", int, float)

_TELLS = {
    "mqds": "priorities, whose each slot is",
    "hqds": "slots, progress, the HIQ",
    "rls": "the runlist",
    "proc": "queue ids, VRAM, CUs",
}
"""What each source tells, for the line that says it could not be read."""


def data(
    progress: Progress, unread: Sequence[tuple[str, str]], changed: Sequence[str], read_ns: Mapping[str, int]
) -> dict[str, Any]:
    """A reading in JSON types.

    Args:
        progress: the machine now, and before.
        unread: paths that could not be read, each with the reason.
        changed: what came or went while it was read.
        read_ns: how long each debugfs file took.
    """
    state = progress.state
    queues = [_queue(progress, queue) for queue in state.queues]
    mine: dict[int, list[Json]] = {}
    for queue in queues:
        mine.setdefault(queue["pid"], []).append(queue)
    stuck = [queue for queue in queues if queue["still_ns"] is not None]
    return {
        "schema": SCHEMA,
        "elapsed_ns": progress.elapsed_ns or None,
        "sources": sorted(state.snapshot.sources),
        "devices": [_device(progress, device) for device in state.snapshot.devices],
        "processes": [_process(process, mine.get(process.pid, ())) for process in state.snapshot.processes],
        "queues": queues,
        "oldest_stuck": max(stuck, key=lambda queue: queue["still_ns"], default=None),
        "unread": [{"path": path, "why": why} for path, why in unread],
        "changed": list(changed),
        "read_ns": dict(read_ns),
    }


def _device(progress: Progress, device: Device) -> dict[str, Any]:
    state = progress.state
    (_, queues, _), (_, processes, most) = limits(state, device)
    over = beyond_limits(state, device)
    if device.runlist and read_runlist(device.runlist).chained:
        over = True
    captured = "mqds" in state.snapshot.sources
    return {
        "gpu_id": device.gpu_id,
        "node": device.node,
        "name": " ".join(part_name(state, device)) or None,
        "xccs": device.xccs or None,
        "slots": device.slots_per_xcc or None,
        "slots_used": device.slots_used if device.hqds else None,
        "queues": queues if captured else None,
        "processes": processes if captured or "proc" in state.snapshot.sources else None,
        "process_limit": most,
        "over_subscribed": over,
        "hiq_dwords_per_second": _rounded(progress.hiq_dwords_per_second(device)),
    }


def _queue(progress: Progress, queue: JoinedQueue) -> dict[str, Any]:
    level = queue.pipe_priority
    return {
        "pid": queue.pid,
        "process": queue.process.name,
        "gpu_id": queue.gpu_id,
        "name": queue.name,
        "type": queue.queue.type.value,
        "qid": queue.queue.qid,
        "priority": queue.queue_priority,
        "pipe_priority": PipePriority(level).name.lower() if level in (0, 1, 2) else None,
        "slots": sorted({slot.hqd.name for slot in queue.slots}),
        "slot_known": queue.is_compute and {"mqds", "hqds"} <= progress.state.snapshot.sources,
        "fetched_per_second": _rounded(progress.fetched_per_second(queue)),
        "waiting": queue.waiting if queue.live else None,
        "unit": queue.unit if queue.written is not None else None,
        "still_ns": progress.still_ns(queue),
        "ring_base": None if queue.ring_base is None else f"{queue.ring_base:#x}",
        "ring_bytes": queue.ring_bytes,
        "doorbell_index": queue.doorbell_index,
    }


def _process(process: Process, mine: Sequence[Json]) -> dict[str, Any]:
    compute = [queue for queue in mine if queue["type"] == QueueType.COMPUTE.value]
    return {
        "pid": process.pid,
        "name": process.name,
        "gpu_ids": sorted({queue["gpu_id"] for queue in mine}),
        "queues": len(mine),
        "in_slots": sum(bool(q["slots"]) for q in mine) if all(q["slot_known"] for q in compute) else None,
        "fetched_per_second": _total(queue["fetched_per_second"] for queue in compute),
        "waiting": _total(queue["waiting"] for queue in compute),
        "still_ns": max((queue["still_ns"] for queue in mine if queue["still_ns"] is not None), default=None),
        "vram_bytes": _used(process, "vram_", ""),
        "cu_occupancy": _used(process, "stats_", "/cu_occupancy"),
        "evicted_ms": _used(process, "stats_", "/evicted_ms"),
    }


def _used(process: Process, begin: str, end: str) -> int | None:
    """A value of sysfs, of all devices together."""
    return _total(value for name, value in process.usage.items() if name.startswith(begin) and name.endswith(end))


def _total(values: Iterator[T | None]) -> T | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 1)


def findings(found: Json) -> bool:
    """Whether something needs attention: a device over-subscribed, or a queue that is still."""
    return bool(found["oldest_stuck"]) or any(device["over_subscribed"] for device in found["devices"])


# --- tables ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """One column: heading, width, and ``rank``: of columns that do not fit, the highest rank goes first."""

    title: str
    width: int
    rank: int
    cell: Callable[[Json], str]
    right: bool = False


@dataclass(frozen=True)
class Table:
    """Columns that fit, and the rows as cells no wider than these; ``stuck`` tells which rows need attention."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    stuck: tuple[bool, ...]


VIEWS = ("queues", "processes")
SORTS = ("activity", "waiting", "pid")


def table(found: Json, view: str = "queues", sort: str = "activity", width: int = 80) -> Table:
    """A table of :data:`VIEWS` in an order of :data:`SORTS`, no wider than ``width`` columns with one blank between.

    ``activity``: what is stuck first, the longest before others, then by packets per second.
    """
    several = len({queue["gpu_id"] for queue in found["queues"]}) > 1
    columns = [column for column in _COLUMNS[view] if several or column.title != "GPU"]
    while sum(column.width + 1 for column in columns) - 1 > width and len(columns) > 1:
        columns.remove(max(columns, key=lambda column: column.rank))
    rows = sorted(found[view], key=_KEYS[sort])
    cells = tuple(tuple(_cut(column.cell(row), column.width) for column in columns) for row in rows)
    return Table(tuple(columns), cells, tuple(row["still_ns"] is not None for row in rows))


_KEYS: dict[str, Callable[[Json], tuple[Any, ...]]] = {
    "activity": lambda row: (-(row["still_ns"] or -1), -(row["fetched_per_second"] or 0), row["pid"]),
    "waiting": lambda row: (-(row["waiting"] or 0), row["pid"]),
    "pid": lambda row: (row["pid"],),
}


def short(number: float | None) -> str:
    """A number in at most six characters: ``0``, ``0.4``, ``950``, ``12.3k``, ``1.25M``; ``?`` for None."""
    if number is None:
        return "?"
    if number < 1000:
        return f"{round(number, 2):g}" if number < 10 else f"{number:.0f}"
    for unit, factor in (("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if number < 999.5 * factor:
            return f"{number / factor:.3g}{unit}"
    return f"{number / 1e12:.3g}T"


def _bytes(number: int | None) -> str:
    if number is None:
        return "?"
    for unit, factor in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if number >= factor:
            return f"{number / factor:.3g}{unit}"
    return f"{number}"


def _age(ns: int) -> str:
    seconds = ns // 1_000_000_000
    return f"{seconds}s" if seconds < 600 else f"{seconds // 60}m" if seconds < 36_000 else f"{seconds // 3600}h"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _plain(name: str) -> str:
    """A process's name is its own to choose: what is no printable character is shown as one dot."""
    return "".join(letter if letter.isprintable() else "·" for letter in name)


def _priority(queue: Json) -> str:
    if queue["priority"] is None:
        return "?" if queue["type"] == QueueType.COMPUTE.value else "-"
    return f"{queue['priority']} {(queue['pipe_priority'] or '?').removesuffix('ium')}"


def _slot(queue: Json) -> str:
    if queue["type"] != QueueType.COMPUTE.value:
        return "-"
    if not queue["slot_known"]:
        return "?"
    names: list[str] = queue["slots"] or ["none"]
    return names[0] + ("+" if len(names) > 1 else "")


def _state(queue: Json) -> str:
    if queue["still_ns"] is not None:
        return f"stuck {_age(queue['still_ns'])}"
    if not queue["slot_known"]:
        return "-" if queue["type"] != QueueType.COMPUTE.value else "?"
    if not queue["slots"]:
        return "no slot"
    return "busy" if queue["waiting"] or queue["fetched_per_second"] else "idle"


def _gpus(process: Json) -> str:
    return " ".join(f"{gpu:x}" for gpu in process["gpu_ids"]) or "-"


_COLUMNS: dict[str, tuple[Column, ...]] = {
    "queues": (
        Column("PID", 7, 1, lambda q: str(q["pid"]), right=True),
        Column("PROCESS", 10, 5, lambda q: _plain(q["process"]) or "?"),
        Column("GPU", 4, 6, lambda q: f"{q['gpu_id']:x}"),
        Column("QUEUE", 13, 0, lambda q: q["name"]),
        Column("PRIO", 7, 3, _priority),
        Column("SLOT", 5, 4, _slot),
        Column("PKT/s", 6, 0, lambda q: short(q["fetched_per_second"]), right=True),
        Column("WAIT", 6, 2, lambda q: short(q["waiting"]), right=True),
        Column("STATE", 10, 0, _state),
        Column("DOORBELL", 8, 7, lambda q: "?" if q["doorbell_index"] is None else f"{q['doorbell_index']:#x}"),
        Column("RING", 14, 8, lambda q: q["ring_base"] or "?"),
        Column("SIZE", 8, 9, lambda q: size(q["ring_bytes"]), right=True),
    ),
    "processes": (
        Column("PID", 7, 0, lambda p: str(p["pid"]), right=True),
        Column("PROCESS", 15, 0, lambda p: _plain(p["name"]) or "?"),
        Column("GPU", 9, 6, _gpus),
        Column("QUEUES", 6, 1, lambda p: str(p["queues"]), right=True),
        Column("SLOTS", 5, 3, lambda p: short(p["in_slots"]), right=True),
        Column("PKT/s", 6, 0, lambda p: short(p["fetched_per_second"]), right=True),
        Column("WAIT", 6, 4, lambda p: short(p["waiting"]), right=True),
        Column("VRAM", 6, 2, lambda p: _bytes(p["vram_bytes"]), right=True),
        Column("CUs", 4, 5, lambda p: short(p["cu_occupancy"]), right=True),
        Column(
            "EVICTED", 7, 5, lambda p: "?" if (ms := p["evicted_ms"]) is None else f"{short(ms / 1000)}s", right=True
        ),
    ),
}


# --- words ----------------------------------------------------------------------------------------------------------


def head(found: Json) -> list[tuple[str, str]]:
    """What stands above the table: ``plain``, ``alarm`` or ``unsure``, and a sentence."""
    lines = [("alarm" if device["over_subscribed"] else "plain", _device_line(device)) for device in _shown(found)]
    lines += [("alarm", line)] if (line := _stuck_line(found)) else []
    lines += [("unsure", line)] if (line := _unread_line(found)) else []
    if found["changed"]:
        lines.append(("unsure", f"while it was read: {'; '.join(found['changed'])}"))
    return lines or [("plain", "no GPU node is here")]


def _shown(found: Json) -> list[Json]:
    """Devices in use; all that have slots when none is. Other nodes of the topology are CPUs."""
    holding = {queue["gpu_id"] for queue in found["queues"]}
    used = [device for device in found["devices"] if device["gpu_id"] in holding or device["slots_used"]]
    return used or [device for device in found["devices"] if device["slots"] or device["name"]]


def _device_line(device: Json) -> str:
    return " · ".join(
        [
            f"{device['gpu_id']:x} {device['name'] or ''}".strip(),
            f"{_of(device['slots_used'], device['slots'])} slots",
            f"{_of(device['processes'], device['process_limit'])} processes",
            {None: "fits: ?", True: "OVER-SUBSCRIBED", False: "fits"}[device["over_subscribed"]],
            f"HIQ {short(device['hiq_dwords_per_second'])} dw/s",
        ]
    )


def _of(have: int | None, limit: int | None) -> str:
    return f"{'?' if have is None else have}/{'?' if limit is None else limit}"


def _stuck_line(found: Json) -> str:
    """The queue that has been still for longest; empty when none is."""
    queue = found["oldest_stuck"]
    if queue is None:
        return ""
    who = f"{queue['name']} of {queue['pid']}" + (f" ({_plain(queue['process'])})" if queue["process"] else "")
    waiting = f"{short(queue['waiting'])} {queue['unit']}{'s' if queue['waiting'] != 1 else ''}"
    return f"stuck longest: {who}, {waiting} waiting, none fetched for {_age(queue['still_ns'])}"


def _unread_line(found: Json) -> str:
    """What could not be read and is therefore not known; empty when all was."""
    lacks: dict[str, list[str]] = {}
    for row in found["unread"]:
        name = row["path"].rsplit("/", 1)[-1]
        if name in _TELLS:
            lacks.setdefault(row["why"], []).append(f"{name} ({_TELLS[name]})")
    if not lacks:
        return ""
    told = "; ".join(f"{', '.join(names)}: {why}" for why, names in lacks.items())
    how = "sudo ringscope top shows it" if "permission denied" in lacks else "ringscope doctor says how to get it"
    return f"not read: {told}. {how}"


def text(found: Json, terminal: Terminal) -> str:
    """One reading for a terminal or a log."""
    paints = {"plain": terminal.bold, "alarm": terminal.bad, "unsure": terminal.unsure}
    lines = [paints[kind](row) for kind, line in head(found) for row in wrapped("", line, terminal.width)]
    for view in VIEWS:
        shown = table(found, view, width=terminal.width)
        if not shown.rows:
            continue
        lines += ["", terminal.dim(aligned(shown, tuple(column.title for column in shown.columns)))]
        lines += [
            terminal.bad(aligned(shown, row)) if stuck else aligned(shown, row)
            for row, stuck in zip(shown.rows, shown.stuck, strict=True)
        ]
    if not found["queues"]:
        lines += ["", "No process holds a queue."]
    return "\n".join(lines)


def aligned(shown: Table, cells: Sequence[str]) -> str:
    """A row of the table as text."""
    pairs = zip(shown.columns, cells, strict=True)
    return " ".join(
        cell.rjust(column.width) if column.right else cell.ljust(column.width) for column, cell in pairs
    ).rstrip()
