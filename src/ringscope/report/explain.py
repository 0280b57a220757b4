"""``ringscope explain``: what a capture shows, as text for a terminal and as JSON.

The order is the reader's: the machine, who holds which queue, what the streams share, the answers, and only then
what changed between snapshots and what could not be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ringscope.join import Case, State
from ringscope.join.intervals import Interval
from ringscope.join.queues import (
    JoinedQueue,
    PipePriority,
    doorbell_of,
    mqd_address_of,
    ring_base_of,
    ring_bytes_of,
)
from ringscope.join.streams import HSA_PRIORITY, Stream
from ringscope.parts.mqd import HQD_DWORDS, HQD_FIRST_DWORD
from ringscope.recording import Recording
from ringscope.report.terminal import Terminal, columns, wrapped
from ringscope.report.timeline import timeline
from ringscope.snapshot import Device
from ringscope.verdicts.answer import Answer, Verdict, count
from ringscope.verdicts.runlists import words

SCHEMA = "ringscope.explain/1"


def size(number: int | None) -> str:
    """Bytes in the unit that divides them."""
    if number is None:
        return "?"
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= factor and number % factor == 0:
            return f"{number // factor} {unit}"
    return f"{number} B"


def _hex(number: int | None) -> str | None:
    return None if number is None else f"{number:#x}"


def _registers(queue: JoinedQueue) -> dict[str, str]:
    """Registers of the first XCC that do not read 0, live ones where a slot holds the queue; pairs as one value."""
    image = queue.slots[0].hqd.image if queue.slots else queue.queue.mqds[0].image if queue.queue.mqds else None
    if image is None:
        return {}
    first, last = (HQD_FIRST_DWORD, HQD_FIRST_DWORD + HQD_DWORDS - 1) if queue.is_compute else (0, 127)
    found: dict[str, int] = {}
    for dword, word in enumerate(image.words, image.first_dword):
        register = next(iter(image.layout.by_dword.get(dword, ())), None)
        if register is None or not word or not first <= dword <= last:
            continue
        name, upper = register.name, register.name.endswith("_hi")
        if name.endswith(("_lo", "_hi")):
            name = name[:-3]
        found[name] = found.get(name, 0) | word << (32 if upper else 0)
    return {name: f"{value:#x}" for name, value in found.items()}


def _queue_data(place: int, queue: JoinedQueue) -> dict[str, Any]:
    return {
        "id": place,
        "name": queue.name,
        "gpu_id": queue.gpu_id,
        "type": queue.queue.type.value,
        "qid": queue.queue.qid,
        "ring_base": _hex(queue.ring_base),
        "ring_bytes": queue.ring_bytes,
        "doorbell_index": queue.doorbell_index,
        "doorbell_id": queue.doorbell_id,
        "pipe_priority": queue.pipe_priority,
        "queue_priority": queue.queue_priority,
        "vmid": queue.vmid,
        "live": queue.live,
        "state": _state(queue),
        "read_pointer_dwords": queue.read_pointer,
        "write_pointer_dwords": queue.write_pointer,
        "mqd_copies": len(queue.queue.mqds),
        "mqds": [
            {
                "xcc": mqd.xcc,
                "address": _hex(mqd_address_of(mqd.image)) if queue.is_compute else None,
                "at": str(mqd.source),
            }
            for mqd in queue.queue.mqds
        ],
        "hqds": [
            {"xcc": slot.hqd.xcc, "pipe": slot.hqd.pipe, "queue": slot.hqd.queue, "at": str(slot.hqd.source)}
            for slot in queue.slots
        ],
        "saved_differs": [
            {"xcc": diff.xcc, "register": diff.register, "saved": diff.saved, "live": diff.live}
            for diff in queue.differences
        ],
        "registers": _registers(queue),
        "at": str(queue.queue.source),
    }


def _device_data(main: State, device: Device, claimed: frozenset[int]) -> dict[str, Any]:
    part = part_name(main, device)
    return {
        "node": device.node,
        "gpu_id": device.gpu_id,
        "name": part[0] if part else None,
        "generation": device.generation.value if device.generation else None,
        "xccs": device.xccs,
        "hws": any(hiq.active for hiq in device.hiqs),
        "hqd_slots_per_xcc": device.slots_per_xcc,
        "hqds_active": sum(hqd.active for hqd in device.hqds),
        "hqds_active_per_xcc": device.slots_used,
        "slots": sorted({hqd.name for hqd in device.hqds}),
        "unclaimed": [
            {
                "xcc": hqd.xcc,
                "pipe": hqd.pipe,
                "queue": hqd.queue,
                "ring_base": _hex(ring_base_of(hqd.image)),
                "ring_bytes": ring_bytes_of(hqd.image),
                "doorbell_index": doorbell_of(hqd.image),
                "vmid": hqd.image.get("cp_hqd_vmid", "vmid"),
                "at": str(hqd.source),
            }
            for hqd in device.hqds
            if hqd.active and id(hqd) not in claimed
        ],
        "at": str(device.source),
    }


def _processes(queues: Sequence[JoinedQueue]) -> dict[int, list[JoinedQueue]]:
    grouped: dict[int, list[JoinedQueue]] = {}
    for queue in queues:
        grouped.setdefault(queue.pid, []).append(queue)
    return grouped


def data(case: Case, answers: Sequence[Answer], unread: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The whole result in JSON types; addresses and registers are hex strings, all else that counts is a number.

    A queue's ``id`` is its place among all queues, by which streams refer to it.
    """
    main = case.main
    ids = {id(queue): place for place, queue in enumerate(main.queues if main else ())}
    claimed = frozenset(id(slot.hqd) for queue in (main.queues if main else ()) for slot in queue.slots)
    return {
        "schema": SCHEMA,
        "snapshot": main.snapshot.label if main else None,
        "devices": [_device_data(main, device, claimed) for device in main.snapshot.devices] if main else [],
        "processes": [
            {
                "pid": pid,
                "name": queues[0].process.name,
                "queues": [_queue_data(ids[id(queue)], queue) for queue in queues],
                "at": str(queues[0].process.source),
            }
            for pid, queues in _processes(main.queues if main else ()).items()
        ],
        "streams": [
            {
                "stream": _hex(stream.stream),
                "priority": stream.priority,
                "ring_base": _hex(stream.ring_base),
                "pid": stream.pid,
                "queue": stream.queue.name if stream.queue else None,
                "queue_id": ids[id(stream.queue)] if stream.queue else None,
                "recording": stream.recording,
                "at": str(stream.source),
            }
            for stream in case.streams
        ],
        "snapshots": [
            {
                "label": state.snapshot.label,
                "processes": len(state.snapshot.processes),
                "queues": len(state.queues),
                "hqds_active": sum(hqd.active for device in state.snapshot.devices for hqd in device.hqds),
                "notes": list(state.snapshot.notes),
            }
            for state in case.states
        ],
        "intervals": [
            {
                "gpu_id": account.gpu_id,
                "from": account.before,
                "to": account.after,
                "hiq_dwords": account.dwords,
                "explained": account.explained,
                "created": account.created,
                "destroyed": account.destroyed,
                "steps": [
                    {"what": step.what, "count": step.count, "dwords": step.dwords, "seen": step.seen}
                    for step in account.steps
                ],
            }
            for account in case.intervals
        ],
        "answers": [answer_data(answer) for answer in answers],
        "recordings": [
            {"origin": recording.origin, "facts": dict(recording.facts), "counters": dict(recording.counters)}
            for recording in case.recordings
        ],
        "time": [found for recording in case.recordings if (found := timeline(recording))],
        "notes": _note_texts(case),
        "unread": [{"path": path, "why": why} for path, why in unread],
    }


def answer_data(answer: Answer) -> dict[str, Any]:
    """One answer in JSON types."""
    return {
        "id": answer.id,
        "question": answer.question,
        "answer": answer.verdict.value,
        "summary": answer.summary,
        "confidence": answer.confidence.word if answer.confidence else None,
        "confidence_why": answer.confidence.why if answer.confidence else None,
        "finding": answer.finding,
        "quiet": answer.quiet,
        "because": [{"text": item.text, "at": [str(source) for source in item.at]} for item in answer.because],
        "missing": [{"what": item.what, "how": item.how} for item in answer.missing],
        "overturned_by": answer.overturned_by,
        "rests_on": answer.rests_on,
        "todo": answer.todo,
    }


def text(
    case: Case, answers: Sequence[Answer], unread: Sequence[tuple[str, str]], terminal: Terminal, verbose: bool = False
) -> str:
    """The same for people: the machine, the queues, the streams, the answers."""
    lines: list[str] = []
    if case.main is not None:
        lines += _machine(case, case.main, terminal)
        for pid, queues in _processes(case.main.queues).items():
            lines += ["", *_process(pid, queues, case.streams, terminal)]
        if "mqds" not in case.main.snapshot.sources and not case.main.queues:
            lines += _slots(case.main, terminal)
        elif not case.main.queues:
            lines += ["", "  No process holds a queue."]
    lines += _streams(case, terminal)
    lines += _recordings(case, terminal)
    if len(case.states) > 1:
        lines += ["", *_changes(case, terminal)]
    lines += ["", *answer_lines(answers, terminal, verbose)]
    lines += _open(answers, terminal, verbose)
    lines += _notes(case, unread, verbose, terminal)
    return "\n".join(lines).strip("\n")


def _machine(case: Case, main: State, terminal: Terminal) -> list[str]:
    used = {queue.gpu_id for queue in main.queues} or {
        device.gpu_id for device in main.snapshot.devices if device.slots_used
    }
    shapes: dict[str, list[Device]] = {}
    for device in main.snapshot.devices:
        if device.gpu_id in used or not used:
            shapes.setdefault(" · ".join(_shape(main, device)), []).append(device)
    lines = []
    for shape, devices in shapes.items():
        names = " ".join(f"{device.gpu_id:x}" for device in devices)
        where = f" (node {devices[0].node})" if len(devices) == 1 and devices[0].node is not None else ""
        lines.append(terminal.bold(f"gpu {names}{where} · {shape}" if shape else f"gpu {names}{where}"))
    rest = [device for device in main.snapshot.devices if used and device.gpu_id not in used]
    if rest:
        busy = sum(hqd.active for device in rest for hqd in device.hqds)
        lines.append(terminal.dim(f"and {len(rest)} more devices without a process: {busy} active slots"))
    if len(case.states) > 1:
        labels = " → ".join(
            terminal.bold(state.snapshot.label) if state is main else state.snapshot.label for state in case.states
        )
        lines.append(f"{len(case.states)} snapshots in time order: {labels}")
    return lines


def _shape(main: State, device: Device) -> list[str]:
    shape = part_name(main, device)
    if device.xccs:
        shape += [f"{device.xccs} XCC", f"{device.slots_used} of {device.slots_per_xcc} slots busy on each"]
    if any(hiq.active for hiq in device.hiqs):
        shape.append("scheduled by firmware (HWS)")
    return shape


def _slots(main: State, terminal: Terminal) -> list[str]:
    """Occupied slots without their processes, when no MQD tells whose they are."""
    rows = [
        (
            f"{device.gpu_id:x}",
            f"pipe {hqd.pipe} queue {hqd.queue}",
            f"{ring_base_of(hqd.image):x}",
            size(ring_bytes_of(hqd.image)),
            f"{doorbell_of(hqd.image):#x}",
            str(hqd.image.get("cp_hqd_vmid", "vmid")),
        )
        for device in main.snapshot.devices
        for hqd in device.hqds
        if hqd.active and hqd.xcc == 0
    ]
    if not rows:
        return ["", "  No slot holds a queue."]
    table = columns(rows, head=("gpu", "slot on XCC 0", "ring", "size", "doorbell", "VMID"))
    lead = f"  {len(rows)} queues hold a slot; whose they are is in mqds, which was not captured."
    return ["", lead, "", terminal.dim(table[0]), *table[1:]]


def part_name(main: State, device: Device) -> list[str]:
    """What the device is called, in words; none when nothing tells."""
    parts = main.parts(device)
    names = {part.name for part, _ in parts}
    if len(names) == 1:
        modes = {mode.name for _, mode in parts}
        return [names.pop() + (f" {modes.pop()}" if len(modes) == 1 and len(parts[0][0].partitions) > 1 else "")]
    return [f"MQD {device.generation.value}"] if device.generation else []


def _process(pid: int, queues: list[JoinedQueue], streams: Sequence[Stream], terminal: Terminal) -> list[str]:
    copies = sum(len(queue.queue.mqds) for queue in queues)
    plural = "s" if len(queues) != 1 else ""
    name = f" ({queues[0].process.name})" if queues[0].process.name else ""
    lead = f"  Process {pid}{name} holds {terminal.bold(f'{len(queues)} queue{plural}')}"
    if copies > len(queues):
        lead += f" (shown {copies} times in mqds: one MQD copy per XCC)"
    lines = [lead + "."]
    own = {id(queue) for queue in queues}
    mine = [stream for stream in streams if id(stream.queue) in own]
    if mine:
        shared = {stream.queue.name for stream in mine if stream.queue}
        lines.append(f"  {len(mine)} streams of this process share {len(shared)} of them.")
    several = len({queue.gpu_id for queue in queues}) > 1
    rows = []
    for queue in queues:
        row = [
            queue.name,
            f"{queue.ring_base:x}" if queue.ring_base is not None else "?",
            size(queue.ring_bytes),
            f"{queue.doorbell_index:#x}" if queue.doorbell_index is not None else "?",
            _priority(queue),
            _slot(queue),
            _state(queue),
        ]
        rows.append([f"{queue.gpu_id:x}", *row] if several else row)
    head = ["queue", "ring", "size", "doorbell", "priority", "slot", "state"]
    table = columns(rows, head=["gpu", *head] if several else head)
    return [*lines, "", terminal.dim(table[0]), *table[1:]]


def _priority(queue: JoinedQueue) -> str:
    if queue.queue_priority is None or queue.pipe_priority is None:
        return "none" if not queue.is_compute else "?"
    level = PipePriority(queue.pipe_priority).name if queue.pipe_priority in (0, 1, 2) else f"{queue.pipe_priority}?"
    return f"{queue.queue_priority} → {level}"


def _slot(queue: JoinedQueue) -> str:
    if not queue.is_compute:
        return "SDMA"
    if not queue.slots:
        return "none" if queue.queue.mqds and queue.slots_read else "?"
    names = {slot.hqd.name for slot in queue.slots}
    if len(names) == 1:
        hqd = queue.slots[0].hqd
        where = "every XCC" if queue.mapped == "all" and len(queue.slots) > 1 else f"XCC {hqd.xcc}"
        return f"pipe {hqd.pipe} queue {hqd.queue} on {where}"
    return ", ".join(f"{slot.hqd.xcc}:{slot.hqd.name}" for slot in queue.slots)


def _state(queue: JoinedQueue) -> str:
    waiting, written = queue.waiting, queue.written
    if waiting is None or written is None:
        return "saved" if queue.is_compute and queue.queue.mqds else ""
    where = "mapped" if queue.live else "not in a slot" if queue.slots_read else "saved"
    if waiting:
        return f"{where}, {count(waiting, queue.unit)} waiting"
    return f"{where}, idle" + (f", ran {count(written, queue.unit)}" if written else "")


def _streams(case: Case, terminal: Terminal) -> list[str]:
    if not case.streams:
        return []
    lines = []
    by_log: dict[str, list[Stream]] = {}
    for stream in case.streams:
        by_log.setdefault(stream.recording, []).append(stream)
    for origin, streams in by_log.items():
        rings: dict[int | None, list[tuple[int, Stream]]] = {}
        for place, stream in enumerate(streams, 1):
            rings.setdefault(stream.ring_base, []).append((place, stream))
        verb = "share" if len(rings) < len(streams) else "have"
        lines += ["", f"  {origin}: {terminal.bold(f'{len(streams)} streams {verb} {len(rings)} queues')}.", ""]
        rows = [
            (
                f"{ring:x}" if ring is not None else "?",
                members[0][1].queue.name if members[0][1].queue else "-",
                "/".join(sorted({HSA_PRIORITY.get(m.priority, "?") for _, m in members if m.priority is not None})),
                " ".join(f"#{place}" for place, _ in members),
            )
            for ring, members in rings.items()
        ]
        table = columns(rows, head=("ring (HWq)", "queue", "priority", "streams in order of creation"))
        lines += [terminal.dim(table[0]), *table[1:]]
        if case.main and case.main.queues and not any(stream.queue for stream in streams):
            lines.append("  None of these rings is in the captured MQDs: the log is of another process or run.")
    return lines


def _recordings(case: Case, terminal: Terminal) -> list[str]:
    """What each log or trace holds, by kind of event, where no stream has told of it already."""
    told = {stream.recording for stream in case.streams}
    rows = []
    for recording in case.recordings:
        if recording.origin in told:
            continue
        kinds = Counter(event.kind for event in recording.events)
        pids = {event.pid for event in recording.events if event.pid is not None}
        what = ", ".join(f"{count} {kind.value}" for kind, count in kinds.most_common(6)) or _facts(recording)
        rows.append((recording.origin, what + (f", of {len(pids)} processes" if len(pids) > 1 else "")))
    return ["", terminal.dim("  events in logs and traces"), *columns(rows)] if rows else []


def _facts(recording: Recording) -> str:
    """What a source without events says; of a bundle's module parameters only that they are there."""
    told = [f"{name} {value}" for name, value in recording.facts.items() if not name.startswith("amdgpu.")][:6]
    parameters = sum(name.startswith("amdgpu.") for name in recording.facts)
    told += [count(parameters, "module parameter")] if parameters else []
    return ", ".join(told) or "nothing about queues"


def _changes(case: Case, terminal: Terminal) -> list[str]:
    lines = [terminal.dim("  between snapshots")]
    accounts: dict[tuple[str, str], list[Interval]] = {}
    for account in case.intervals:
        accounts.setdefault((account.before, account.after), []).append(account)
    rows = []
    for before, after in zip(case.states, case.states[1:], strict=False):
        old = {(queue.pid, queue.gpu_id, queue.ring_base) for queue in before.queues}
        new = {(queue.pid, queue.gpu_id, queue.ring_base) for queue in after.queues}
        made, gone = len(new - old), len(old - new)
        what = ", ".join([*([f"{made} queues made"] if made else []), *([f"{gone} queues gone"] if gone else [])])
        where = f"{before.snapshot.label} → {after.snapshot.label}"
        here = accounts.get((before.snapshot.label, after.snapshot.label), [])
        hiq = "; ".join(
            f"HIQ of {a.gpu_id:x} moved {a.dwords} dwords = {words(a.steps) if a.exact else 'not accounted for'}"
            for a in here
        )
        rows.append((where, what or "same queues", hiq or "HIQ did not move"))
    return [*lines, *columns(rows)]


def answer_lines(answers: Sequence[Answer], terminal: Terminal, verbose: bool = False) -> list[str]:
    """The table of answers: decided ones first; those that this evidence does not touch only when asked for all."""
    told = [answer for answer in answers if verbose or not answer.quiet]
    width = max((len(answer.question) for answer in told), default=0)
    indent = width + 15
    lines = []
    bare = [a for a in told if a.verdict is Verdict.UNDECIDED and not (verbose or a.because or a.finding)]
    for answer in sorted(told, key=lambda answer: answer.verdict is Verdict.UNDECIDED):
        if len(bare) > 1 and answer in bare:
            continue
        word = answer.verdict.value.ljust(9)
        paint = (
            terminal.bad
            if answer.finding
            else terminal.unsure
            if answer.verdict is Verdict.UNDECIDED
            else terminal.good
        )
        lead = f"  {terminal.bold(answer.question.ljust(width))}  {paint(word)}  "
        lines += wrapped(lead, answer.summary, terminal.width, indent)
        for name, what in _details(answer, verbose):
            lines += [terminal.dim(line) for line in wrapped(f"      {name} ", what, terminal.width)]
    if len(bare) > 1:
        asked = " · ".join(answer.question for answer in bare)
        lines += wrapped(f"  {terminal.unsure('undecided')}  ", asked, terminal.width, 13)
    if not verbose:
        rest = len(answers) - len(told)
        more = f"; {count(rest, 'question')} that nothing here bears on" if rest else ""
        lines += ["", terminal.dim(f"  --verbose: the evidence of every answer{more}")]
    return lines


def _details(answer: Answer, verbose: bool) -> list[tuple[str, str]]:
    """What stands below an answer: for a finding why and what to do, and everything when asked for all."""
    shown = answer.because if verbose else answer.because[:1] if answer.finding else ()
    details = [("because", item.text + _at(item.at)) for item in shown]
    if answer.finding and answer.todo:
        details.append(("do", answer.todo))
    if verbose:
        if answer.confidence:
            details.append((answer.confidence.word, answer.confidence.why))
        details += [("missing", item.what) for item in answer.missing]
        details += [("overturned by", answer.overturned_by)] if answer.overturned_by else []
        details += [("rests on", answer.rests_on)] if answer.rests_on else []
    return details


def _open(answers: Sequence[Answer], terminal: Terminal, verbose: bool) -> list[str]:
    """How to get what the undecided answers lack; a command stands whole on its line, to be copied."""
    needs: dict[str, dict[str, None]] = {}
    for answer in answers:
        if answer.verdict is Verdict.UNDECIDED and (verbose or not answer.quiet):
            for item in answer.missing:
                needs.setdefault(item.how, {})[item.what] = None
    lines = []
    for how, whats in needs.items():
        lines += [*wrapped("    ", "; ".join(whats), terminal.width), f"      {terminal.bold(how)}"]
    return ["", terminal.dim("  to decide what is open"), *lines] if needs else []


def _at(sources: Sequence[object]) -> str:
    if not sources:
        return ""
    places = tuple(dict.fromkeys(map(str, sources)))
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return f" ({', '.join(places[:3])}{more})"


def _note_texts(case: Case) -> list[str]:
    """What a reader must know of this evidence before trusting it."""
    notes = []
    stale = [queue for queue in (case.main.queues if case.main else ()) if queue.live and queue.differences]
    if stale:
        names = ", ".join(queue.name for queue in stale[:4]) + (" and others" if len(stale) > 4 else "")
        notes.append(f"the MQDs of {names} were saved before the slots were read: pointers and VMID come from hqds")
    notes += [
        f"{queue.name}: {diff.register} is {diff.saved:#x} in mqds and {diff.live:#x} in its slot on XCC {diff.xcc}"
        for queue in stale
        for diff in queue.differences
        if not diff.expected
    ]
    notes += [note for state in case.states for note in state.snapshot.notes]
    notes += [note for recording in case.recordings for note in recording.notes]
    return list(dict.fromkeys(notes))


def _notes(case: Case, unread: Sequence[tuple[str, str]], verbose: bool, terminal: Terminal) -> list[str]:
    notes = _note_texts(case)
    notes += [f"not read: {path} ({why})" for path, why in (unread if verbose else unread[:3])]
    if len(unread) > 3 and not verbose:
        notes.append(f"{len(unread) - 3} more files were not read; --verbose names them")
    unique = list(dict.fromkeys(notes))
    if not unique:
        return []
    return ["", *(terminal.dim(line) for note in unique for line in wrapped("  Note: ", note, terminal.width))]
