"""``ringscope diff``: what differs between two captures, as text for a terminal and as JSON.

The order is the reader's: what the two sides are, what changed of the machine, queue by queue what changed, and which
answers are others now.
"""

from __future__ import annotations

from typing import Any

from ringscope.join import Case
from ringscope.join.diff import Change, Diff, ProcessDiff, QueueDiff, priority, slot
from ringscope.records import dataclass
from ringscope.report.explain import size
from ringscope.report.terminal import Terminal, columns, wrapped
from ringscope.verdicts.answer import Answer, count

SCHEMA = "ringscope.diff/1"


@dataclass(frozen=True)
class Side:
    """One of the two: what the user called it, what was read, and what it answers."""

    name: str
    case: Case
    answers: tuple[Answer, ...]


def settings(before: Case, after: Case) -> tuple[Change, ...]:
    """What the logs and traces of both sides say of how they were run, where it differs; streams too."""
    old, new = _facts(before), _facts(after)
    changes = [Change(name, old[name], new[name]) for name in old if name in new and old[name] != new[name]]
    streams = _streams(before), _streams(after)
    if all(streams) and streams[0] != streams[1]:
        changes.append(Change("streams", *streams))
    return tuple(changes)


def _facts(case: Case) -> dict[str, str]:
    """Facts that a run was given; not when it ran or who it was."""
    return {
        name: str(value)
        for recording in case.recordings
        for name, value in recording.facts.items()
        if name != "pid" and not name.endswith("_ns")
    }


def _streams(case: Case) -> str:
    if not case.streams:
        return ""
    rings = {(stream.recording, stream.ring_base) for stream in case.streams}
    return f"{count(len(case.streams), 'stream')} on {count(len(rings), 'queue')}"


def changed_answers(before: Side, after: Side) -> list[tuple[Answer, Answer]]:
    """Answers that read otherwise, in word or in summary."""
    old = {answer.id: answer for answer in before.answers}
    return [
        (old[answer.id], answer)
        for answer in after.answers
        if answer.id in old and (old[answer.id].verdict, old[answer.id].summary) != (answer.verdict, answer.summary)
    ]


def data(before: Side, after: Side, found: Diff | None) -> dict[str, Any]:
    """The whole result in JSON types."""
    return {
        "schema": SCHEMA,
        "before": _side_data(before),
        "after": _side_data(after),
        "same": is_same(before, after, found),
        "sources": [_change_data(change) for change in (found.sources if found else ())],
        "devices": [
            {"before": device.before, "after": device.after, "changes": [_change_data(c) for c in device.changes]}
            for device in (found.devices if found else ())
        ],
        "processes": [
            {
                "before": process.before,
                "after": process.after,
                "same_run": process.same_run,
                "queues": [
                    {
                        "name": queue.queue.name,
                        "gpu_id": queue.queue.gpu_id,
                        "before": queue.before is not None,
                        "after": queue.after is not None,
                        "changes": [_change_data(change) for change in queue.changes],
                        "at": [str(side.queue.source) for side in (queue.before, queue.after) if side],
                    }
                    for queue in process.queues
                ],
            }
            for process in (found.processes if found else ())
        ],
        "settings": [_change_data(change) for change in settings(before.case, after.case)],
        "answers": [
            {
                "id": new.id,
                "question": new.question,
                "before": {"answer": old.verdict.value, "summary": old.summary},
                "after": {"answer": new.verdict.value, "summary": new.summary},
            }
            for old, new in changed_answers(before, after)
        ],
    }


def is_same(before: Side, after: Side, found: Diff | None) -> bool:
    """Whether nothing differs: no device, process or queue, no setting, and no answer in its word."""
    answers = any(old.verdict is not new.verdict for old, new in changed_answers(before, after))
    return (found is None or found.same) and not settings(before.case, after.case) and not answers


def _side_data(side: Side) -> dict[str, Any]:
    main = side.case.main
    return {"path": side.name, "snapshot": main.snapshot.label if main else None, "snapshots": len(side.case.states)}


def _change_data(change: Change) -> dict[str, str | None]:
    return {"what": change.what, "before": change.before or None, "after": change.after or None}


def text(before: Side, after: Side, found: Diff | None, terminal: Terminal, verbose: bool = False) -> str:
    """The same for people; answers that only read otherwise are shown when ``verbose``."""
    lines = [_side("A", before, terminal), _side("B", after, terminal)]
    sections = [
        _machine(found) if found else [],
        [row for process in (found.processes if found else ()) for row in _process(process, terminal)],
        columns([(change.what, change.before, "→", change.after) for change in settings(before.case, after.case)]),
    ]
    for section in sections:
        lines += ["", *section] if section else []
    if is_same(before, after, found):
        lines += ["", terminal.good("  No difference in queues, slots, priorities, limits or answers.")]
    lines += _answers(before, after, terminal, verbose)
    if found and found.sources:
        only = [f"{change.what} only in {'A' if change.before else 'B'}" for change in found.sources]
        note = f"read {', '.join(only)}: what only one side shows is not compared"
        lines += ["", *(terminal.dim(line) for line in wrapped("  Note: ", note, terminal.width))]
    return "\n".join(lines)


def _side(letter: str, side: Side, terminal: Terminal) -> str:
    main = side.case.main
    if main is None:
        return f"{terminal.bold(letter)}  {side.name} · {count(len(side.case.recordings), 'recording')}"
    of = f" · snapshot {main.snapshot.label}, the last with the most queues of {len(side.case.states)}"
    processes = len({queue.pid for queue in main.queues})
    queues = f"{count(processes, 'process')} with {count(len(main.queues), 'queue')}"
    held = f" · {queues}" if processes else " · no process holds a queue"
    return f"{terminal.bold(letter)}  {side.name}{of if len(side.case.states) > 1 else ''}{held}"


def _machine(found: Diff) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for device in found.devices:
        ids = [gpu for gpu in (device.before, device.after) if gpu is not None]
        name = "gpu " + " → ".join(f"{gpu_id:x}" for gpu_id in dict.fromkeys(ids))
        if device.before is None or device.after is None:
            rows.append((name, f"only in {'A' if device.after is None else 'B'}"))
        rows += [(name, change.what, change.before, "→", change.after) for change in device.changes]
    return columns(rows)


def _process(process: ProcessDiff, terminal: Terminal) -> list[str]:
    if process.before is None or process.after is None:
        letter, pid = ("A", process.before) if process.after is None else ("B", process.after)
        return [f"  Process {pid} is only in {letter}, with {count(len(process.queues), 'queue')}."]
    changed = [queue for queue in process.queues if not queue.same]
    name = f"  Process {process.before}" if process.same_run else f"  Process {process.before} → {process.after}"
    same = len(process.queues) - len(changed)
    how = "" if process.same_run else " (two runs: compared by name, addresses and pointers aside)"
    if not changed:
        return [f"{name}: {count(same, 'queue')}, all the same{how}."]
    rows = [row for queue in changed for row in _rows(queue, _several_devices(process))]
    also = f", {same} the same" if same else ""
    return [terminal.bold(f"{name}: {count(len(changed), 'queue')} changed{also}{how}."), *columns(rows, indent=4)]


def _several_devices(process: ProcessDiff) -> bool:
    """Then a queue's name does not tell which it is."""
    return len({queue.queue.gpu_id for queue in process.queues}) > 1


def _rows(found: QueueDiff, several: bool) -> list[tuple[str, ...]]:
    queue = found.queue
    name = f"{queue.gpu_id:x} {queue.name}" if several else queue.name
    if found.before is None or found.after is None:
        facts = [size(queue.ring_bytes), f"priority {priority(queue)}" if priority(queue) else "", slot(queue) or ""]
        about = " · ".join(fact for fact in facts if fact and fact != "none")
        return [(name, f"only in {'A' if found.after is None else 'B'}", "", "", about)]
    return [(name if not n else "", c.what, c.before, "→", c.after) for n, c in enumerate(found.changes)]


def _answers(before: Side, after: Side, terminal: Terminal, verbose: bool) -> list[str]:
    changed = changed_answers(before, after)
    told = [(old, new) for old, new in changed if verbose or old.verdict is not new.verdict]
    lines = ["", terminal.dim("  answers that changed")] if told else []
    for old, new in told:
        lines.append(f"  {terminal.bold(new.question)}")
        for letter, answer in (("A", old), ("B", new)):
            paint = terminal.bad if answer.finding else terminal.dim if answer is old else terminal.good
            lead = f"    {letter}  {paint(answer.verdict.value.ljust(9))}  "
            lines += wrapped(lead, answer.summary, terminal.width, 18)
    if rest := len(changed) - len(told):
        which = "keeps its word and reads" if rest == 1 else "keep their word and read"
        lines += ["", terminal.dim(f"  --verbose: {count(rest, 'answer')} that {which} otherwise")]
    return lines
