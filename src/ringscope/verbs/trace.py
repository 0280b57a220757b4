"""Walks one HIP stream down the stack, layer by layer, and one packet from its doorbell to the CUs.

Every value is computed by running the stack on a modelled machine. Give --rocm or --priority several times to see what
differs, --hard-coded-normal to see what a ROCr without priorities would do.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from ringscope.report.terminal import Terminal, columns, wrapped
from ringscope.stack.hip import HipSettings, StreamPriority
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rocm import RocmVersion
from ringscope.stack.rocr import HsaPriority
from ringscope.stack.walk import PIPE_PRIORITIES, WORKGROUPS, Line, Walk, walk
from ringscope.verbs import Result

SCHEMA = "ringscope.trace/1"
DIFFERS, UNSURE = "≠", "~"
_ACRONYMS = {"hip", "hsa", "kfd", "hiq", "vmid"}
_SHOWN: dict[str, Callable[[int], str]] = {
    "hip_priority": lambda value: f"{value} {StreamPriority(value).name}",
    "hsa_priority": lambda value: f"{value} {HsaPriority(value).name}",
    "cp_hqd_pipe_priority": lambda value: f"{value} {PIPE_PRIORITIES[value]}",
    "cp_hqd_quantum": hex,
    "doorbell_index": hex,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    priorities = [priority.name.lower() for priority in StreamPriority]
    parser.add_argument("--gpu", default="mi308x", metavar="KEY", help="a part of the catalogue (default: %(default)s)")
    parser.add_argument("--rocm", action="append", metavar="X.Y", help="release, or develop; may repeat (default: 7.0)")
    parser.add_argument("--priority", action="append", choices=priorities, help="may repeat (default: high)")
    parser.add_argument("--stream", type=int, default=1, metavar="N", help="follow the N-th stream (default: 1)")
    parser.add_argument("--hw-queues", type=int, default=4, metavar="N", help="GPU_MAX_HW_QUEUES (default: 4)")
    parser.add_argument(
        "--dynamic-queues", type=int, choices=(0, 1, 2), help="DEBUG_HIP_DYNAMIC_QUEUES (default: the release's)"
    )
    parser.add_argument("--hard-coded-normal", action="store_true", help="set beside it a ROCr that drops priorities")


def run(args: argparse.Namespace) -> Result:
    """Walk every combination asked for."""
    machine = MachineSpec.of(args.gpu)
    settings = HipSettings(gpu_max_hw_queues=args.hw_queues, dynamic_queues=args.dynamic_queues)
    versions = dict.fromkeys(RocmVersion.parse(text) for text in args.rocm or ["7.0"])
    priorities = tuple(dict.fromkeys(StreamPriority[name.upper()] for name in args.priority or ["high"]))
    walks = [
        one
        for version in versions
        for hard_coded in ([False, True] if args.hard_coded_normal else [False])
        for one in walk(machine, version, priorities, settings, stream=args.stream, hard_coded_normal=hard_coded)
    ]
    if len(walks) == 1:
        return Result(_data(walks), lambda terminal: _one(walks[0], settings, terminal))
    return Result(_data(walks), lambda terminal: _beside(walks, settings, terminal))


def _shown(walk: Walk, name: str) -> str:
    """A value as people write it."""
    value = walk.values[name]
    return _SHOWN[name](value) if name in _SHOWN and isinstance(value, int) else str(value) or "-"


def _label(name: str) -> str:
    if name.startswith("cp_"):
        return name
    return " ".join(word.upper() if word in _ACRONYMS else word for word in name.split("_"))


def _differing(walks: Sequence[Walk]) -> list[str]:
    return [name for name in walks[0].values if len({walk.values[name] for walk in walks}) > 1]


def _data(walks: Sequence[Walk]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "gpu": walks[0].node.part.key,
        "workgroups": WORKGROUPS,
        "walks": [
            {
                "rocm": str(walk.rocm),
                "priority": walk.priority.name.lower(),
                "hard_coded_normal": walk.hard_coded_normal,
                "lines": [_line(line) for line in walk.lines],
                "packet": [_line(line) for line in walk.packet],
                "values": dict(walk.values),
                "notes": list(walk.notes),
            }
            for walk in walks
        ],
        "differs": _differing(walks),
    }


def _line(line: Line) -> dict[str, object]:
    return {"layer": line.layer, "act": line.act, "says": line.says, "inferred": not line.sure}


def _machine(walk: Walk, settings: HipSettings) -> str:
    node = walk.node
    xccs = f"{node.xccs} XCC × {node.part.cus_per_xcc} CU" if node.xccs > 1 else f"{node.cus} CU"
    return f"{node.part.name} · {xccs} · {node.scheduling.name} · GPU_MAX_HW_QUEUES {settings.gpu_max_hw_queues}"


def _one(walk: Walk, settings: HipSettings, terminal: Terminal) -> str:
    answer = f"A stream of priority {walk.priority.name} reaches the hardware as {_arrival(walk)}."
    head = [f"{_machine(walk, settings)} · ROCm {walk.rocm}", "", f"  {terminal.bold(answer)}", ""]
    body = _table(walk.lines, terminal)
    packet = ["", f"  One packet on this queue: a dispatch of {WORKGROUPS} workgroups", ""]
    return "\n".join([*head, *body, *packet, *_table(walk.packet, terminal), "", *_notes([walk], terminal)])


def _arrival(walk: Walk) -> str:
    pipe, queue = (_shown(walk, f"cp_hqd_{what}_priority") for what in ("pipe", "queue"))
    return f"pipe priority {pipe}, queue priority {queue}"


def _table(lines: Sequence[Line], terminal: Terminal) -> list[str]:
    layers, acts = (
        max(len(cell) for cell in column) for column in zip(*((x.layer, x.act) for x in lines), strict=True)
    )
    rows: list[str] = []
    last = ""
    for line in lines:
        layer = "" if line.layer == last else line.layer
        last = line.layer
        lead = f"{' ' if line.sure else UNSURE} {layer:<{layers}}  {line.act:<{acts}}  "
        rows += wrapped(lead, line.says, terminal.width)
    return rows


def _beside(walks: Sequence[Walk], settings: HipSettings, terminal: Terminal) -> str:
    differing = _differing(walks)
    differ = f"They differ in {', '.join(map(_label, differing))}." if differing else "They differ in nothing."
    several = {
        "ROCm": len({walk.rocm for walk in walks}) > 1,
        "priority": len({walk.priority for walk in walks}) > 1,
    }
    titles = [_title(walk, several) for walk in walks]
    answer = "; ".join(f"{title} arrives as {_arrival(walk)}" for title, walk in zip(titles, walks, strict=True))
    rows = [
        (DIFFERS if name in differing else "", _label(name), *(_shown(walk, name) for walk in walks))
        for name in walks[0].values
    ]
    table = columns(rows, head=("", "", *titles), indent=0)
    table = [terminal.bold(line) if line.lstrip().startswith(DIFFERS) else line for line in table]
    fixed = "" if several["ROCm"] else f" · ROCm {walks[0].rocm}"
    return "\n".join(
        [
            f"{_machine(walks[0], settings)}{fixed}",
            "",
            *(terminal.bold(line) for line in wrapped("  ", f"{answer}.", terminal.width)),
            *wrapped("  ", differ, terminal.width),
            "",
            *table,
            "",
            *_notes(walks, terminal),
        ]
    )


def _title(walk: Walk, several: dict[str, bool]) -> str:
    words = [f"ROCm {walk.rocm}"] if several["ROCm"] else []
    words += [walk.priority.name] if several["priority"] or not words else []
    return " ".join([*words, *(["hard-coded"] if walk.hard_coded_normal else [])])


def _notes(walks: Sequence[Walk], terminal: Terminal) -> list[str]:
    notes = dict.fromkeys(note for walk in walks for note in walk.notes)
    marked = any(not line.sure for walk in walks for line in (*walk.lines, *walk.packet))
    texts = [f"{UNSURE} inferred from captures or other sources, not documented"] if marked and len(walks) == 1 else []
    return [terminal.dim(line) for note in [*texts, *notes] for line in wrapped("  ", note, terminal.width)]
