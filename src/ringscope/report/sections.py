"""The sections of a page about queues: what ``explain`` prints as JSON, in words and frames for the drawing."""

from __future__ import annotations

from ringscope.report.markup import (
    Json,
    at,
    bullets,
    clipped,
    duration,
    row,
    section,
    table,
    terms,
    visible,
)
from ringscope.verdicts.answer import count

SHOWN = 24
"""Pieces of evidence shown of one answer; the others are in the JSON that the page carries."""


def used(data: Json) -> list[Json]:
    """Devices that a queue or an active slot is on; all of them when nothing is."""
    holding = {queue["gpu_id"] for process in data["processes"] for queue in process["queues"]}
    found = [device for device in data["devices"] if device["gpu_id"] in holding or device["hqds_active"]]
    return found or list(data["devices"])


def title(data: Json) -> str:
    """What the machine is."""
    names = list(dict.fromkeys(device["name"] for device in used(data) if device["name"]))
    return ", ".join(names) or "Queues"


def devices(data: Json) -> list[str]:
    """A line a device."""
    facts = []
    for device in used(data)[:8]:
        words = [f"gpu {device['gpu_id']:x}"]
        words += [f"node {device['node']}"] if device["node"] is not None else []
        if device["xccs"]:
            words += [f"{device['xccs']} XCC", f"{device['hqd_slots_per_xcc']} slots on each"]
        words += ["scheduled by firmware (HWS)"] if device["hws"] else []
        facts.append(" · ".join(words))
    rest = len(data["devices"]) - len(facts)
    return [*facts, f"and {count(rest, 'more device')}"] if rest else facts


def state(data: Json) -> str:
    """Who holds what, in a sentence."""
    processes = [process for process in data["processes"] if process["queues"]]
    queues = sum(len(process["queues"]) for process in processes)
    if not queues:
        if data["streams"]:
            return f"{count(len(data['streams']), 'stream')}; their queues were not captured."
        return "No process holds a queue."
    told = f"{count(len(processes), 'process')} hold{'s' if len(processes) == 1 else ''} {count(queues, 'queue')}"
    slots = [device for device in used(data) if device["hqd_slots_per_xcc"]]
    if len(slots) != 1:
        return f"{told}."
    busy, of, xccs = (slots[0][name] for name in ("hqds_active_per_xcc", "hqd_slots_per_xcc", "xccs"))
    return f"{told}; {busy} of {of} hardware slots are busy" + (f" on each of {xccs} XCC." if xccs > 1 else ".")


def verdict(data: Json) -> str:
    """Whether anything needs attention, and how much is open."""
    findings = sum(answer["finding"] for answer in data["answers"])
    undecided = sum(answer["answer"] == "undecided" and not answer["quiet"] for answer in data["answers"])
    told = f"{count(findings, 'finding')}." if findings else "Nothing found that needs attention."
    if undecided:
        verb = "is" if undecided == 1 else "are"
        told += f" {count(undecided, 'question')} {verb} undecided: the evidence is not here."
    return told


def findings(data: Json) -> list[str]:
    """What the reader must know, above all else."""
    lines = []
    for answer in data["answers"]:
        if not answer["finding"]:
            continue
        lines.append(
            f"<li><strong>{visible(answer['question'])} {visible(answer['answer'])}</strong>: "
            f"{visible(answer['summary'])}"
        )
        lines += [f"<p>{visible(clipped(why['text']))}{at(why['at'])}</p>" for why in answer["because"][:1]]
        lines += [f"<p class=do>{visible(answer['todo'])}</p>"] if answer["todo"] else []
        lines.append("</li>")
    return ["<section aria-label=Findings><ul class=findings>", *lines, "</ul></section>"] if lines else []


def answers(data: Json) -> list[str]:
    """Every question with its answer, and what that rests on, folded."""
    told = [answer for answer in data["answers"] if not answer["quiet"]]
    quiet = [answer for answer in data["answers"] if answer["quiet"]]
    told.sort(key=lambda answer: answer["answer"] == "undecided")
    lines = ["<p class=hint>Open an answer to see what it rests on.</p>", *map(_answer, told)]
    if quiet:
        lines.append(
            f"<details class=more><summary>{count(len(quiet), 'question')} that nothing here bears on</summary>"
        )
        lines += [*map(_answer, quiet), "</details>"]
    return section("answers", "Questions and answers", *lines)


def _answer(answer: Json) -> str:
    rows: list[tuple[str, str]] = [
        ("because", visible(clipped(why["text"])) + at(why["at"])) for why in answer["because"][:SHOWN]
    ]
    if len(answer["because"]) > SHOWN:
        rows.append(("because", f"{len(answer['because']) - SHOWN} more pieces of evidence, in this page’s data"))
    if answer["confidence"]:
        rows.append((answer["confidence"], visible(answer["confidence_why"])))
    rows += [
        ("missing", f"{visible(missing['what'])} <code>{visible(missing['how'])}</code>")
        for missing in answer["missing"]
    ]
    rows += [
        (name, visible(answer[key]))
        for name, key in (("do", "todo"), ("overturned by", "overturned_by"), ("rests on", "rests_on"))
        if answer[key]
    ]
    details = "".join(f"<dt>{visible(name)}</dt><dd>{text}</dd>" for name, text in rows)
    kind = "finding" if answer["finding"] else answer["answer"]
    return (
        f'<details class="answer {kind}" id="a-{visible(answer["id"])}"><summary>'
        f"<span class=q>{visible(answer['question'])}</span> <b>{visible(answer['answer'])}</b> "
        f"<span class=s>{visible(answer['summary'])}</span></summary><dl>{details}</dl></details>"
    )


def machine(data: Json) -> list[str]:
    """The frame of the drawing; page.js fills it."""
    if not data["processes"] and not any(device["hqd_slots_per_xcc"] for device in data["devices"]):
        return _loose_streams(data)
    drawing = section(
        "machine",
        "From stream to slot",
        "<p class=hint>Point at a queue or a slot to read its registers; choose it to follow it from end to end. "
        "<span class=keys><kbd>↑</kbd> <kbd>↓</kbd> move, <kbd>Enter</kbd> follows, <kbd>Esc</kbd> lets go, "
        "<kbd>/</kbd> finds.</span></p>",
        "<noscript><p>The drawing and the table of queues need JavaScript; everything else on this page does not."
        "</p></noscript>",
        "<div id=machine class=machine hidden>",
        "<div class=find><label for=find>Find</label> <input id=find type=search autocomplete=off spellcheck=false "
        'placeholder="pid, queue, ring, doorbell"><output id=found></output></div>',
        '<div class=stack id=stack></div><aside class=side aria-label="Hardware slots">'
        "<div id=slots></div><div id=detail class=detail tabindex=-1></div></aside>"
        "<svg id=wires class=wires aria-hidden=true focusable=false></svg></div>",
        "<p id=status class=unseen role=status></p>",
    )
    return [*drawing, *_loose_streams(data)]


def _loose_streams(data: Json) -> list[str]:
    """Streams whose queue is in no MQD here, with the rings that they share."""
    logs: dict[str, dict[str, list[str]]] = {}
    places: dict[str, int] = {}
    for stream in data["streams"]:
        log = stream["recording"]
        places[log] = places.get(log, 0) + 1
        if stream["queue_id"] is None:
            logs.setdefault(log, {}).setdefault(stream["ring_base"] or "?", []).append(f"#{places[log]}")
    lines = []
    for log, rings in logs.items():
        lines.append(
            f"<h3><bdi>{visible(log)}</bdi>: "
            f"{count(sum(map(len, rings.values())), 'stream')} on {count(len(rings), 'queue')}</h3>"
        )
        rows = (row(visible(ring), [visible(" ".join(who))]) for ring, who in rings.items())
        lines += table(("ring (HWq)", "streams in order of creation"), rows)
    if not lines:
        return []
    why = "<p class=hint>None of their rings is in the captured MQDs: another process or run, or none was captured.</p>"
    return section("streams", "Streams seen only in a log", why, *lines)


def time(data: Json) -> list[str]:
    """What ran when, and what took how long."""
    lines = []
    for number, found in enumerate(data["time"]):
        share = f", {100 * found['busy_ns'] / found['span_ns']:.3g} % of their span" if found["span_ns"] else ""
        caption = f"kernels ran {duration(found['busy_ns'])}{share} · " if found["busy_ns"] else ""
        rows = [
            row(
                f"<bdi>{visible(cost['name'])}</bdi>",
                [str(cost["count"]), *(duration(cost[key]) for key in ("total_ns", "min_ns", "max_ns"))],
            )
            for cost in found["kernels"]
        ]
        if found["more_kernels"]:
            rows.append(row(f"{found['more_kernels']} more", ["", duration(found["more_total_ns"]), "", ""]))
        lines += [
            f"<h3><bdi>{visible(found['origin'])}</bdi></h3><p>{visible(caption)}"
            f"{duration(found['shown_ns'])} in all, by the {visible(found['clock'])} clock</p>",
            f"<div class=timeline data-time={number}></div>",
            *(table(("what ran", "times", "in all", "shortest", "longest"), rows) if rows else ()),
        ]
    return section("time", "Where the time went", *lines) if lines else []


def changes(data: Json) -> list[str]:
    """What happened between snapshots, to the dword."""
    if len(data["snapshots"]) < 2:
        return []
    states = (
        row(
            f"<bdi>{visible(state['label'])}</bdi>",
            [str(state[name]) for name in ("processes", "queues", "hqds_active")],
        )
        for state in data["snapshots"]
    )
    accounts = [
        row(
            f"<bdi>{visible(account['from'])}</bdi> → <bdi>{visible(account['to'])}</bdi>",
            [f"{account['gpu_id']:x}", str(account["hiq_dwords"]), visible(_steps(account))],
        )
        for account in data["intervals"]
    ]
    moved = table(("between", "gpu", "HIQ dwords", "are"), accounts) if accounts else ["<p>No HIQ moved.</p>"]
    lines = [*table(("snapshot", "processes", "queues", "active slots"), states), *moved]
    return section("changes", "Between snapshots", *lines)


def _steps(account: Json) -> str:
    steps = (
        f"{'' if step['seen'] else 'unseen '}{step['what']} × {step['count']} ({step['dwords']})"
        for step in account["steps"]
    )
    return ", ".join(steps) or "not accounted for"


def needs(data: Json) -> list[str]:
    """How to get what the undecided answers lack."""
    lacking = dict.fromkeys(
        (missing["how"], missing["what"])
        for answer in data["answers"]
        if answer["answer"] == "undecided" and not answer["quiet"]
        for missing in answer["missing"]
    )
    rows = [f"<dt>{visible(what)}</dt><dd><code>{visible(how)}</code></dd>" for how, what in lacking]
    return section("open", "To decide what is open", *terms(rows)) if rows else []


def fidelity(data: Json) -> list[str]:
    """What a modelled answer rests on."""
    rows = [
        f"<dt>{visible(rule['rule'])}{' = ' if rule['setting'] else ''}{visible(rule['setting'])}</dt>"
        f"<dd><em>{visible(rule['standing'])}</em> {visible(rule['says'])}<br>"
        f"<cite>{visible(rule['holds_for'])}; {visible(rule['source'])}</cite></dd>"
        for rule in data.get("fidelity", ())
    ]
    if not rows:
        return []
    hint = "<p class=hint>This is modelled. The firmware’s program is not public; each rule is a switch.</p>"
    return section("fidelity", "What the model rests on", hint, *terms(rows))


def notes(data: Json) -> list[str]:
    """What a reader must know of the evidence, and what could not be read."""
    unread = (f"<bdi>{visible(item['path'])}</bdi>: {visible(item['why'])}" for item in data.get("unread", ()))
    lines = bullets("Notes", map(visible, data["notes"])) + bullets("Not read", unread)
    return ["<section class=notes>", *lines, "</section>"] if lines else []
