"""Print the reference: devices, MQD and HQD registers, packets and ioctls, each row with its source.

ringscope parts                                    what there is
ringscope parts devices [KEY...]                   the catalogue, or some devices in full
ringscope parts mqd [NAME...] --gfx 942            the compute MQD; NAME is a register or a glob
ringscope parts mqd --dword 145 --value 0x1401c511 take a value apart
ringscope parts hqd | hiq | sdma-mqd [NAME...]     the same for HQD block, HIQ and SDMA MQD
ringscope parts pm4 | aql | sdma | ioctl [PACKET [NAME...]]
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from ringscope.errors import InputError
from ringscope.parts import aql, catalogue, ioctl, mqd, pm4, sdma
from ringscope.parts.layout import ALL, Bits, Generation, Layout
from ringscope.parts.record import Record
from ringscope.parts.sources import SOURCES, keys
from ringscope.records import dataclass, replace
from ringscope.report.terminal import Terminal, columns
from ringscope.verbs import Result

SCHEMA = "ringscope.parts/1"
DEFAULT_GFX = "942"


@dataclass(frozen=True, slots=True)
class _Row:
    """A register or a field, with what is printed of it."""

    name: str
    byte: int
    size: int
    unit: str
    meaning: str
    source: str
    generations: tuple[Generation, ...]
    bits: tuple[Bits, ...]
    direction: str = ""


@dataclass(frozen=True, slots=True)
class _Table:
    """An image or packet. ``mark`` is its header or number, empty when it has none; ``note`` says what it holds for."""

    name: str
    size: int
    rows: tuple[_Row, ...]
    mark: str = ""
    note: str = ""
    hqd: bool = False


def _of_layout(layout: Layout, mark: str = "", note: str = "") -> _Table:
    rows = tuple(
        _Row(r.name, r.dword * 4, 4, r.unit, r.meaning, r.source, r.gens if layout.generation else (), r.bits)
        for r in sorted(layout.registers, key=lambda r: r.dword)
    )
    return _Table(layout.name, layout.dwords * 4, rows, mark, note)


def _of_record(record: Record, name: str = "", mark: str = "") -> _Table:
    rows = tuple(
        _Row(f.name, f.offset, f.size, "", f.meaning, record.source, (), f.bits, f.direction) for f in record.fields
    )
    return _Table(name or record.name, record.size, rows, mark)


def _hqd(generation: Generation) -> _Table:
    whole = _of_layout(mqd.compute(generation))
    first, last = mqd.HQD_FIRST_DWORD * 4, (mqd.HQD_FIRST_DWORD + mqd.HQD_DWORDS) * 4
    return _Table("HQD block", last - first, tuple(r for r in whole.rows if first <= r.byte < last), hqd=True)


def _pm4_format(gfx: str, generation: Generation) -> pm4.Format:
    aldebaran = generation is Generation.V9_4_3 or any(
        d.packet_format is pm4.Format.ALDEBARAN for d in catalogue.devices() if d.gfx == gfx
    )
    return pm4.Format.ALDEBARAN if aldebaran else pm4.user_format(generation)


def _pm4(gfx: str, generation: Generation) -> list[_Table]:
    fmt = _pm4_format(gfx, generation)
    layouts = [(op, pm4.packet_layout(op, fmt)) for op in pm4.OPCODES]
    note = f"format {fmt.value}"
    return [_of_layout(found, f"{pm4.header(op, found.dwords):#010x}", note) for op, found in layouts]


def _sdma(_: str, generation: Generation) -> list[_Table]:
    found = [p for p in sdma.PACKETS if generation in p.gens]
    if not found:
        raise InputError(f"SDMA packets of {generation.value} are not in the tables", todo="they begin with gfx9")
    return [_of_layout(sdma.packet_layout(p, generation), f"{p.header:#06x}") for p in found]


# Images have one table, in which NAME is a register; packets have many, of which the first NAME picks some.
_IMAGES: dict[str, tuple[str, Callable[[Generation], _Table]]] = {
    "mqd": ("compute MQD: the queue's descriptor in memory", lambda g: _of_layout(mqd.compute(g))),
    "hqd": ("HQD block: the 56 registers of a hardware slot", _hqd),
    "hiq": ("HIQ MQD: the queue that carries the driver's packets", lambda g: _of_layout(mqd.hiq(g))),
    "sdma-mqd": ("SDMA MQD", lambda g: _of_layout(mqd.sdma(g))),
}
_PACKETS: dict[str, tuple[str, Callable[[str, Generation], list[_Table]]]] = {
    "pm4": ("PM4 packets of HIQ, runlists and user queues", _pm4),
    "aql": ("AQL packets, amd_queue_t, amd_signal_t", lambda *_: [_of_record(r) for r in aql.RECORDS]),
    "sdma": ("SDMA packets", _sdma),
    "ioctl": (
        "ioctls of /dev/kfd and their arguments",
        lambda *_: [_of_record(i.args, i.name, f"{i.number:#010x}") for i in ioctl.IOCTLS],
    ),
}
_WHAT = ("devices", *_IMAGES, *_PACKETS)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("what", nargs="?", choices=_WHAT, metavar="WHAT", help=", ".join(_WHAT))
    parser.add_argument("names", nargs="*", metavar="NAME", help="device, packet, register or glob")
    parser.add_argument("--gfx", default=DEFAULT_GFX, metavar="TARGET", help="ISA target, default: %(default)s")
    parser.add_argument("--dword", type=integer, metavar="N", help="rows at this dword (of the MQD, for an HQD)")
    parser.add_argument("--value", type=integer, metavar="V", help="take V apart by the bits of one register")


def integer(text: str) -> int:
    """A number of the command line, decimal or ``0x``; not below zero."""
    value = int(text, 0)
    if value < 0:
        raise ValueError(text)
    return value


def run(args: argparse.Namespace) -> Result:
    """Print what was asked for."""
    if args.what is None:
        return _overview()
    if args.what == "devices":
        return _devices(args)
    gfx = args.gfx.lower().removeprefix("gfx")
    generation = catalogue.generation_of_gfx(gfx)
    if args.what in _IMAGES:
        tables, wanted = [_IMAGES[args.what][1](generation)], args.names
    else:
        tables, wanted = _PACKETS[args.what][1](gfx, generation), args.names[1:]
        if args.names:
            tables = _pick_tables(tables, args.names[0])
    shown = _pick_rows(tables, wanted, args.dword)
    if args.value is not None:
        return _decoded(args, generation, shown)
    index = not args.names and args.dword is None
    return Result(
        _data(args.what, gfx, generation, shown), lambda t: _text(t, shown, index, args.what, gfx, generation)
    )


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name.lower(), pattern.lower())


def _near(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    lower = {name.lower(): name for name in known}
    near = [lower[n] for n in get_close_matches(word.lower(), lower, 3, 0.4)]
    return f"near ones: {', '.join(near)}" if near else "print the table without a name to see all"


def _pick_tables(tables: Sequence[_Table], pattern: str) -> list[_Table]:
    found = [t for t in tables if _matches(t.name, pattern) or t.mark == pattern.lower()]
    if not found:
        raise InputError(f"no packet {pattern!r} in this table", todo=_near(pattern, (t.name for t in tables)))
    return found


def _pick_rows(tables: Sequence[_Table], patterns: Sequence[str], dword: int | None) -> list[_Table]:
    names = [row.name for table in tables for row in table.rows]
    for pattern in patterns:
        if not any(_matches(name, pattern) for name in names):
            raise InputError(f"no register {pattern!r} in this table", todo=_near(pattern, names))
    picked = [
        replace(
            table,
            rows=tuple(
                row
                for row in table.rows
                if (not patterns or any(_matches(row.name, p) for p in patterns))
                and (dword is None or row.byte <= dword * 4 < row.byte + row.size)
            ),
        )
        for table in tables
    ]
    shown = [table for table in picked if table.rows] if patterns or dword is not None else picked
    if not shown:
        raise InputError(f"nothing named at dword {dword}", todo="unlisted words are reserved")
    return shown


# What is printed, as JSON types.


def _bits_data(bits: Bits) -> dict[str, Any]:
    return {
        "high": bits.high,
        "low": bits.low,
        "name": bits.name,
        "meaning": bits.meaning,
        "generations": [g.value for g in bits.gens],
    }


def _row_data(row: _Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "dword": row.byte // 4,
        "byte": row.byte,
        "size": row.size,
        "unit": row.unit,
        "direction": row.direction,
        "meaning": row.meaning,
        "generations": [g.value for g in row.generations],
        "source": row.source,
        "bits": [_bits_data(b) for b in row.bits],
    }


def _used_sources(tables: Iterable[_Table]) -> dict[str, str]:
    used = {key for table in tables for row in table.rows for key in keys(row.source)}
    return {key: text for key, text in SOURCES.items() if key in used}


def _data(what: str, gfx: str, generation: Generation, tables: Sequence[_Table]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "table": what,
        "gfx": gfx,
        "generation": generation.value,
        "tables": [
            {"name": t.name, "mark": t.mark, "note": t.note, "bytes": t.size, "rows": [_row_data(r) for r in t.rows]}
            for t in tables
        ],
        "sources": _used_sources(tables),
    }


# What is printed, as text.


def _generations(held: tuple[Generation, ...]) -> str:
    """``all``, ``v9+``, ``vi..v10``, or names where the generations do not follow one another."""
    at = [ALL.index(g) for g in held]
    if len(at) == len(ALL):
        return "all"
    if len(at) == 1:
        return held[0].value
    if at == list(range(at[0], at[-1] + 1)):
        return f"{held[0].value}+" if at[-1] == len(ALL) - 1 else f"{held[0].value}..{held[-1].value}"
    return " ".join(g.value for g in held)


def _span(bits: Bits) -> str:
    return str(bits.low) if bits.high == bits.low else f"{bits.high}:{bits.low}"


def _hang(first: str, text: str, width: int) -> list[str]:
    """``text`` behind ``first``, wrapped so that it stays in its column."""
    lines = textwrap.wrap(text, max(width - len(first), 24)) or [""]
    return [(first + lines[0]).rstrip(), *(" " * len(first) + line for line in lines[1:])]


def _index(table: _Table, width: int) -> list[str]:
    wide = max(len(row.name) for row in table.rows)
    lines = [f"  {'dword':>5}  {'byte':>5}  {'name':<{wide}}  meaning"]
    for row in table.rows:
        lines += _hang(f"  {row.byte // 4:>5}  {row.byte:#05x}  {row.name:<{wide}}  ", row.meaning, width)
    return lines


def _block(terminal: Terminal, table: _Table, row: _Row) -> list[str]:
    place = f"dword {row.byte // 4}, byte {row.byte:#x}"
    if row.size != 4:
        place = f"byte {row.byte:#x}, {row.size} bytes"
    if table.hqd:
        place += f", word {row.byte // 4 - mqd.HQD_FIRST_DWORD} of the block"
    facts = [
        place,
        row.direction and f"direction: {row.direction}",
        row.unit and f"unit: {row.unit}",
        row.generations and f"generations: {_generations(row.generations)}",
        f"source: {row.source}",
    ]
    lines = [f"  {terminal.bold(row.name)}"]
    lines += [terminal.dim(line) for line in _hang("    ", "; ".join(fact for fact in facts if fact), terminal.width)]
    lines += _hang("    ", row.meaning, terminal.width)
    if row.bits:
        wide = max(len(bits.name) for bits in row.bits)
        for bits in row.bits:
            held = "" if bits.gens == ALL or set(row.generations) <= set(bits.gens) else f" [{_generations(bits.gens)}]"
            lines += _hang(f"    {_span(bits):>5}  {bits.name:<{wide}}  ", bits.meaning + held, terminal.width)
    return lines


def _packet_index(terminal: Terminal, tables: Sequence[_Table], what: str) -> list[str]:
    """One line a packet: name, size, mark and the names of its fields."""
    mark = {"pm4": "header", "sdma": "op", "ioctl": "number"}.get(what, "")
    rows = [(t.name, str(t.size), t.mark) for t in tables]
    head, *starts = columns(rows, ("name", "bytes", mark))
    wide = max(map(len, (head, *starts))) + 2
    lines = [terminal.dim(head.ljust(wide) + "fields")]
    for start, table in zip(starts, tables, strict=True):
        lines += _hang(start.ljust(wide), ", ".join(row.name for row in table.rows), terminal.width)
    return [*lines, "", terminal.dim(f"ringscope parts {what} NAME shows the fields and bits of one.")]


def _title(table: _Table) -> str:
    size = f"{table.size // 4} dwords" if table.size % 4 == 0 else f"{table.size} bytes"
    return ", ".join(filter(None, (f"{table.name}: {size}", table.mark, table.note)))


def _text(
    terminal: Terminal, tables: Sequence[_Table], index: bool, what: str, gfx: str, generation: Generation
) -> str:
    depends = what in _IMAGES or what in ("pm4", "sdma")
    head = f" (gfx{gfx}, generation {generation.value})" if depends else ""
    if index and what in _PACKETS:
        return "\n".join([terminal.bold(_PACKETS[what][0]) + head, *_packet_index(terminal, tables, what)])
    lines = []
    for table in tables:
        lines.append(terminal.bold(_title(table)) + head)
        if index:
            lines += _index(table, terminal.width)
        else:
            for row in table.rows:
                lines += _block(terminal, table, row)
        lines.append("")
    if index:
        lines.append(
            terminal.dim(f"ringscope parts {what} NAME shows bits, unit, generations and source of a register.")
        )
    else:
        lines += _source_lines(terminal, _used_sources(tables))
    return "\n".join(lines)


def _source_lines(terminal: Terminal, used: dict[str, str]) -> list[str]:
    lines = [line for key, text in used.items() for line in _hang(f"  {key}: ", text, terminal.width)]
    return [terminal.dim(line) for line in ("sources:", *lines)]


def _decoded(args: argparse.Namespace, generation: Generation, tables: Sequence[_Table]) -> Result:
    rows = [row for table in tables for row in table.rows]
    if len(rows) != 1:
        raise InputError(
            f"--value needs one register, {len(rows)} match", todo="name it, or give --dword where only one stands"
        )
    row, value = rows[0], args.value
    if value >> row.size * 8:
        raise InputError(f"{value:#x} does not fit the {row.size} bytes of {row.name}")
    rest = value
    for bits in row.bits:
        rest &= ~bits.mask
    rest = rest if row.bits else 0
    data = {
        "schema": SCHEMA,
        "table": args.what,
        "generation": generation.value,
        "register": _row_data(row),
        "value": f"{value:#x}",
        "fields": {bits.name: bits.get(value) for bits in row.bits},
        "unnamed": f"{rest:#x}",
    }

    def text(terminal: Terminal) -> str:
        lines = [f"{terminal.bold(row.name)} = {value:#010x}  {terminal.dim(row.meaning)}"]
        shift = int(row.unit.rpartition(" >> ")[2]) if " >> " in row.unit else 0
        if shift:
            lines.append(f"  address bits {value << shift:#x}")
        wide = max((len(bits.name) for bits in row.bits), default=0)
        for bits in row.bits:
            got = bits.get(value)
            line = f"  {_span(bits):>5}  {bits.name:<{wide}}  {got:>6}  {f'{got:#x}':>8}  "
            painted = _hang(line, bits.meaning, terminal.width)
            lines += painted if got else [terminal.dim(one) for one in painted]
        if rest:
            lines.append(f"  set, but not named for {generation.value}: {rest:#x}")
        return "\n".join(lines)

    return Result(data, text)


# The catalogue.


def _plain(value: object) -> object:
    """A field of a device as JSON types."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, catalogue.Partition):
        return {name: _plain(getattr(value, name)) for name in ("name", "nodes", "xccs_per_node", "vmids")}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


_HEX = ("device_ids", "non_cp_doorbells", "sdma_doorbell_base", "hiq_doorbell", "first_process_doorbell")


def _shown(name: str, value: object) -> str:
    """A field of a device as text; ``-`` where the device has no such thing."""
    if value is None or value == ():
        return "-"
    if isinstance(value, catalogue.Partition):
        vmids = " or ".join(f"{first}-{last}" for first, last in value.vmids)
        return f"{value.name}: {value.nodes} x {value.xccs_per_node} XCC, VMIDs {vmids}"
    if isinstance(value, tuple):
        joint = {"partitions": "; ", "non_cp_doorbells": " to "}.get(name, ", ")
        return joint.join(_shown(name, item) for item in value)
    if name in _HEX and isinstance(value, int):
        return f"{value:#x}"
    return str(_plain(value)).lower() if isinstance(value, bool) else str(_plain(value))


def _devices(args: argparse.Namespace) -> Result:
    found = tuple(catalogue.find(key) for key in args.names) or catalogue.devices()
    data = {
        "schema": SCHEMA,
        "table": "devices",
        "devices": [
            {name: _plain(value) for name, value in catalogue.known_fields(d).items()}
            | {"cus": d.cus, "vmids": d.vmids}
            for d in found
        ],
    }

    def listing(terminal: Terminal) -> str:
        head = ("key", "gfx", "MQD", "XCC", "CUs", "slots", "VMIDs", "SDMA", "scheduler", "partitions", "name")
        rows = [
            (
                *(d.key, d.gfx, d.generation.value, str(d.xccs), str(d.cus), str(d.kfd_queues_per_xcc), str(d.vmids)),
                "-"
                if d.sdma_engines is None or d.sdma_xgmi_engines is None
                else f"{d.sdma_engines}+{d.sdma_xgmi_engines}",
                d.scheduler.value,
                " ".join(p.name for p in d.partitions),
                d.name.partition(" (")[0],
            )
            for d in found
        ]
        note = "slots: hardware slots of an XCC left to KFD; SDMA: engines for PCIe + xGMI, -: unknown"
        more = "ringscope parts devices KEY shows all that is known of one."
        return "\n".join([*columns(rows, head), "", terminal.dim(note), terminal.dim(more)])

    def full(terminal: Terminal) -> str:
        lines = []
        for d in found:
            lines += [terminal.bold(d.key), *_device_lines(d, terminal.width), ""]
        used = {key for d in found for key in keys(d.source)}
        return "\n".join([*lines, *_source_lines(terminal, {k: v for k, v in SOURCES.items() if k in used})])

    return Result(data, full if args.names else listing)


def _device_lines(device: catalogue.Device, width: int) -> list[str]:
    values = catalogue.known_fields(device)
    names = [name for name in values if name not in ("key", "unknown")]
    wide = max(map(len, names))
    lines = []
    for name in names:
        shown = "unknown" if name in device.unknown else _shown(name, values[name])
        if name == "cus_per_xcc":
            shown += f" ({device.cus} in all)"
        lines += _hang(f"  {name:<{wide}}  ", shown, width)
    return lines


def _overview() -> Result:
    targets = sorted({d.gfx for d in catalogue.devices()}, key=lambda g: (len(g), g))
    tables = {"devices": f"{len(catalogue.devices())} devices"}
    tables |= {name: text for name, (text, _) in (*_IMAGES.items(), *_PACKETS.items())}
    data = {"schema": SCHEMA, "tables": tables, "gfx": targets, "sources": SOURCES}

    def text(terminal: Terminal) -> str:
        lines = [terminal.bold("What AMD parts are, as the compute queue stack sees them"), ""]
        lines += columns(tables.items())
        lines += ["", *_hang("targets for --gfx: ", ", ".join(targets), terminal.width), ""]
        lines += [
            "for example:",
            "  ringscope parts devices mi308x",
            "  ringscope parts mqd --gfx 942 cp_hqd_quantum",
            "  ringscope parts mqd --gfx 942 cp_hqd_pq_control --value 0x1401c511",
            "  ringscope parts pm4 MAP_QUEUES",
        ]
        return "\n".join(lines)

    return Result(data, text)
