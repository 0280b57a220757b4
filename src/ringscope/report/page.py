"""A result as one HTML file that opens anywhere: no network, no server, nothing beside it.

The page is made of what ``--json`` prints and of nothing else. Words (answers, evidence, notes) are written here; the
drawing is made in the browser by ``page.js`` from the same JSON, which the file carries deflated. The browser may run
that one script and use that one style sheet, named by their hashes, and may load nothing (Content-Security-Policy).

Text of a capture is never trusted: it is escaped, kept from turning the direction of its surroundings, and its control
characters are shown as ``\\u202e`` and the like.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from ringscope import __version__
from ringscope.verdicts.answer import count

Json = Mapping[str, Any]

SHOWN = 24
"""Pieces of evidence shown of one answer."""

CLIPPED = 800
"""Characters shown of one piece."""

AT = 6
"""Places shown where one piece was read. What is not shown is in the JSON that the page carries."""

# C0, C1, and the marks that turn the direction of text or have no width.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udfff]")


def visible(text: object) -> str:
    """Text of unknown origin, escaped for HTML, with unseen characters spelled out."""
    return escape(_UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", str(text)))


def packed(data: Json) -> str:
    """JSON as base64 of its deflate stream."""
    return base64.b64encode(zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)).decode()


def unpacked(text: str) -> Any:
    """What :func:`packed` packed."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


def page(data: Json) -> bytes:
    """The page of an ``explain`` or ``rehearse`` result; the same result gives the same bytes."""
    style, script = _asset("page.css"), _asset("page.js")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    body = [
        *_head(data),
        *_findings(data),
        *_simulation(data),
        *_answers(data),
        *_machine(data),
        *_time(data),
        *_changes(data),
        *_open(data),
        *_fidelity(data),
        *_notes(data),
        "<footer><button type=button id=save>Save this page’s data as JSON</button>"
        f"<span>ringscope {visible(__version__)}</span></footer>",
    ]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">',
            f"<title>{visible(_title(data))} · ringscope</title>",
            f"<style>{style}</style></head><body>",
            *body,
            f'<script type="application/octet-stream" id="data">{packed(data)}</script>',
            f"<script>{script}</script></body></html>\n",
        ]
    ).encode()


def _asset(name: str) -> str:
    return resources.files("ringscope.report").joinpath(name).read_text("utf-8").strip()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _used(data: Json) -> list[Json]:
    """Devices that a queue or an active slot is on; all of them when nothing is."""
    holding = {queue["gpu_id"] for process in data["processes"] for queue in process["queues"]}
    used = [device for device in data["devices"] if device["gpu_id"] in holding or device["hqds_active"]]
    return used or list(data["devices"])


def _title(data: Json) -> str:
    names = list(dict.fromkeys(device["name"] for device in _used(data) if device["name"]))
    return ", ".join(names) or "Queues"


def _head(data: Json) -> list[str]:
    facts = []
    for device in _used(data)[:8]:
        words = [f"gpu {device['gpu_id']:x}"]
        words += [f"node {device['node']}"] if device["node"] is not None else []
        if device["xccs"]:
            words += [f"{device['xccs']} XCC", f"{device['hqd_slots_per_xcc']} slots on each"]
        words += ["scheduled by firmware (HWS)"] if device["hws"] else []
        facts.append(f"<p class=facts>{visible(' · '.join(words))}</p>")
    rest = len(data["devices"]) - len(facts)
    if rest:
        facts.append(f"<p class=facts>and {count(rest, 'more device')}</p>")
    origin = "a modelled machine" if data.get("fidelity") else data["snapshot"]
    return [
        "<header><p class=kicker>ringscope" + (f" · <bdi>{visible(origin)}</bdi>" if origin else "") + "</p>",
        f"<h1>{visible(_title(data))}</h1>",
        *facts,
        f"<p class=lead>{visible(_lead(data))}</p></header>",
    ]


def _lead(data: Json) -> str:
    """The state in two sentences: who holds what, and whether anything needs attention."""
    processes = [process for process in data["processes"] if process["queues"]]
    queues = sum(len(process["queues"]) for process in processes)
    if queues:
        told = f"{count(len(processes), 'process')} hold{'s' if len(processes) == 1 else ''} {count(queues, 'queue')}"
        slots = [device for device in _used(data) if device["hqd_slots_per_xcc"]]
        if len(slots) == 1:
            busy, of = slots[0]["hqds_active_per_xcc"], slots[0]["hqd_slots_per_xcc"]
            each = f" of {count(slots[0]['xccs'], 'XCC')}".removesuffix("s") if slots[0]["xccs"] > 1 else ""
            told += f"; {busy} of {of} hardware slots are busy" + (f" on each{each}." if each else ".")
        else:
            told += "."
    elif data["streams"]:
        told = f"{count(len(data['streams']), 'stream')}; their queues were not captured."
    else:
        told = "No process holds a queue."
    if ran := data.get("simulation"):
        each = f"{_estimate(ran['requests_per_second'])} requests/s in {duration(ran['horizon_ns'])} of simulated time"
        told = f"{each}, CUs busy {_estimate(ran['cu_busy'], 100)} % of it. {told}"
    findings = sum(answer["finding"] for answer in data["answers"])
    undecided = sum(answer["answer"] == "undecided" and not answer["quiet"] for answer in data["answers"])
    told += f" {count(findings, 'finding')}." if findings else " Nothing found that needs attention."
    if undecided:
        verb = "is" if undecided == 1 else "are"
        told += f" {count(undecided, 'question')} {verb} undecided: the evidence is not here."
    return told


def _findings(data: Json) -> list[str]:
    lines = []
    for answer in data["answers"]:
        if not answer["finding"]:
            continue
        lines.append(
            f"<li><strong>{visible(answer['question'])} {visible(answer['answer'])}</strong>: "
            f"{visible(answer['summary'])}"
        )
        lines += [f"<p>{visible(_clipped(why['text']))}{_at(why['at'])}</p>" for why in answer["because"][:1]]
        lines += [f"<p class=do>{visible(answer['todo'])}</p>"] if answer["todo"] else []
        lines.append("</li>")
    return ["<section aria-label=Findings><ul class=findings>", *lines, "</ul></section>"] if lines else []


def _clipped(text: str) -> str:
    return text if len(text) <= CLIPPED else f"{text[:CLIPPED]} … the rest is in this page’s data"


def _at(sources: Sequence[str]) -> str:
    different = list(dict.fromkeys(sources))
    shown = ", ".join(f"<bdi>{visible(source)}</bdi>" for source in different[:AT])
    more = f" and {len(different) - AT} more" if len(different) > AT else ""
    return f" <cite>{shown}{more}</cite>" if sources else ""


def _answers(data: Json) -> list[str]:
    told = [answer for answer in data["answers"] if not answer["quiet"]]
    quiet = [answer for answer in data["answers"] if answer["quiet"]]
    told.sort(key=lambda answer: answer["answer"] == "undecided")
    lines = ["<section aria-labelledby=h-answers><h2 id=h-answers>Questions and answers</h2>"]
    lines += ["<p class=hint>Open an answer to see what it rests on.</p>", *map(_answer, told)]
    if quiet:
        lines.append(
            f"<details class=more><summary>{count(len(quiet), 'question')} that nothing here bears on</summary>"
        )
        lines += [*map(_answer, quiet), "</details>"]
    return [*lines, "</section>"]


def _answer(answer: Json) -> str:
    rows: list[tuple[str, str]] = [
        ("because", visible(_clipped(why["text"])) + _at(why["at"])) for why in answer["because"][:SHOWN]
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


def _machine(data: Json) -> list[str]:
    """The frame of the drawing; page.js fills it."""
    if not data["processes"] and not any(device["hqd_slots_per_xcc"] for device in data["devices"]):
        return _loose_streams(data)
    return [
        "<section aria-labelledby=h-machine><h2 id=h-machine>From stream to slot</h2>",
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
        "</section>",
        *_loose_streams(data),
    ]


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
        rows = (
            f"<tr><th scope=row>{visible(ring)}</th><td>{visible(' '.join(who))}</td></tr>"
            for ring, who in rings.items()
        )
        lines += [
            f"<h3><bdi>{visible(log)}</bdi>: "
            f"{count(sum(map(len, rings.values())), 'stream')} on {count(len(rings), 'queue')}</h3>",
            "<table class=plain><thead><tr><th scope=col>ring (HWq)</th>"
            "<th scope=col>streams in order of creation</th></tr></thead><tbody>",
            *rows,
            "</tbody></table>",
        ]
    if not lines:
        return []
    why = "<p class=hint>None of their rings is in the captured MQDs: another process or run, or none was captured.</p>"
    return [
        "<section aria-labelledby=h-streams><h2 id=h-streams>Streams seen only in a log</h2>",
        why,
        *lines,
        "</section>",
    ]


def duration(ns: float) -> str:
    """Nanoseconds in a unit that leaves three or four figures."""
    for unit, factor in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if ns >= factor:
            return f"{ns / factor:.4g} {unit}"
    return f"{ns:.4g} ns"


def _figure(value: float) -> str:
    """Four figures, without an exponent."""
    return f"{value:.4g}" if abs(value) < 10_000 else f"{float(f'{value:.4g}'):.0f}"


def _estimate(value: Json, scale: float = 1.0) -> str:
    shown, width = _figure(scale * value["mean"]), value["ci95"]
    return shown if width is None else f"{shown} ± {_figure(float(f'{scale * width:.2g}'))}"


def _simulation(data: Json) -> list[str]:
    """Who got what of a simulated device, and what a request waited for."""
    ran = data.get("simulation")
    if not ran:
        return []
    parts = list(dict.fromkeys(part for share in ran["processes"] for part in share["where_ns"]))
    head = ["process", "requests/s", "mean", "p50", "p90", "p99"]
    rows = []
    waits = []
    for share in ran["processes"]:
        who = f"<th scope=row><bdi>{visible(share['name'])}</bdi> × {share['count']}</th>"
        latency = (share["latency_ns"][name] for name in head[2:])
        cells = [_estimate(share["requests_per_second"]), *("–" if ns is None else duration(ns) for ns in latency)]
        rows.append(f"<tr>{who}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
        took = (duration(share["where_ns"][part]) if part in share["where_ns"] else "–" for part in parts)
        waits.append(f"<tr>{who}{''.join(f'<td>{cell}</td>' for cell in took)}</tr>")
    return [
        "<section aria-labelledby=h-shares><h2 id=h-shares>Who got what</h2>",
        *_table(head, rows),
        "<h3>What a request waited for, in the mean</h3>",
        *_table(["process", *parts], waits),
        "</section>",
    ]


def _table(head: Iterable[str], rows: Iterable[str]) -> list[str]:
    columns = "".join(f"<th scope=col>{visible(name)}</th>" for name in head)
    return [
        f"<div class=wide><table class=plain><thead><tr>{columns}</tr></thead><tbody>",
        *rows,
        "</tbody></table></div>",
    ]


def _time(data: Json) -> list[str]:
    lines = []
    for number, found in enumerate(data["time"]):
        share = f", {100 * found['busy_ns'] / found['span_ns']:.3g} % of their span" if found["span_ns"] else ""
        caption = f"kernels ran {duration(found['busy_ns'])}{share}" if found["busy_ns"] else "copies"
        rows = [
            f"<tr><th scope=row><bdi>{visible(cost['name'])}</bdi></th><td>{cost['count']}</td>"
            + "".join(f"<td>{duration(cost[key])}</td>" for key in ("total_ns", "min_ns", "max_ns"))
            + "</tr>"
            for cost in found["kernels"]
        ]
        if found["more_kernels"]:
            rest = f"{found['more_kernels']} more</th><td></td><td>{duration(found['more_total_ns'])}"
            rows.append(f"<tr><th scope=row>{rest}</td><td></td><td></td></tr>")
        lines += [
            f"<h3><bdi>{visible(found['origin'])}</bdi></h3><p>{visible(caption)} · "
            f"{duration(found['shown_ns'])} in all, by the {visible(found['clock'])} clock</p>",
            f"<div class=timeline data-time={number}></div>",
            "<div class=wide><table class=plain><thead><tr><th scope=col>what ran</th><th scope=col>times</th>"
            "<th scope=col>in all</th><th scope=col>shortest</th><th scope=col>longest</th></tr></thead><tbody>",
            *rows,
            "</tbody></table></div>",
        ]
    if not lines:
        return []
    return ["<section aria-labelledby=h-time><h2 id=h-time>Where the time went</h2>", *lines, "</section>"]


def _changes(data: Json) -> list[str]:
    if len(data["snapshots"]) < 2:
        return []
    states = (
        f"<tr><th scope=row><bdi>{visible(state['label'])}</bdi></th><td>{state['processes']}</td>"
        f"<td>{state['queues']}</td><td>{state['hqds_active']}</td></tr>"
        for state in data["snapshots"]
    )
    accounts = (
        f"<tr><th scope=row><bdi>{visible(account['from'])}</bdi> → <bdi>{visible(account['to'])}</bdi></th>"
        f"<td>{account['gpu_id']:x}</td><td>{account['hiq_dwords']}</td><td>{visible(_steps(account))}</td></tr>"
        for account in data["intervals"]
    )
    lines = [
        "<section aria-labelledby=h-changes><h2 id=h-changes>Between snapshots</h2>",
        "<div class=wide><table class=plain><thead><tr><th scope=col>snapshot</th><th scope=col>processes</th>"
        "<th scope=col>queues</th><th scope=col>active slots</th></tr></thead><tbody>",
        *states,
        "</tbody></table></div>",
    ]
    if data["intervals"]:
        lines += [
            "<div class=wide><table class=plain><thead><tr><th scope=col>between</th><th scope=col>gpu</th>"
            "<th scope=col>HIQ dwords</th><th scope=col>are</th></tr></thead><tbody>",
            *accounts,
            "</tbody></table></div>",
        ]
    else:
        lines.append("<p>No HIQ moved.</p>")
    return [*lines, "</section>"]


def _steps(account: Json) -> str:
    steps = (
        f"{'' if step['seen'] else 'unseen '}{step['what']} × {step['count']} ({step['dwords']})"
        for step in account["steps"]
    )
    return ", ".join(steps) or "not accounted for"


def _open(data: Json) -> list[str]:
    needs = dict.fromkeys(
        (missing["how"], missing["what"])
        for answer in data["answers"]
        if answer["answer"] == "undecided" and not answer["quiet"]
        for missing in answer["missing"]
    )
    if not needs:
        return []
    rows = (f"<dt>{visible(what)}</dt><dd><code>{visible(how)}</code></dd>" for how, what in needs)
    return [
        "<section aria-labelledby=h-open><h2 id=h-open>To decide what is open</h2><dl class=needs>",
        *rows,
        "</dl></section>",
    ]


def _fidelity(data: Json) -> list[str]:
    rules = data.get("fidelity", ())
    if not rules:
        return []
    rows = (
        f"<dt>{visible(rule['rule'])}: {visible(rule['setting'])}</dt>"
        f"<dd><em>{visible(rule['standing'])}</em>: {visible(rule['source'])}</dd>"
        for rule in rules
    )
    return [
        "<section aria-labelledby=h-fidelity><h2 id=h-fidelity>What the model rests on</h2>",
        "<p class=hint>This machine is modelled. The firmware’s program is not public; each rule is a switch.</p>",
        "<dl class=needs>",
        *rows,
        "</dl></section>",
    ]


def _notes(data: Json) -> list[str]:
    notes = [f"<li>{visible(note)}</li>" for note in data["notes"]]
    unread = [f"<li><bdi>{visible(item['path'])}</bdi>: {visible(item['why'])}</li>" for item in data["unread"]]
    lines = _list("Notes", notes) + _list("Not read", unread)
    return ["<section class=notes>", *lines, "</section>"] if lines else []


def _list(title: str, items: Iterable[str]) -> list[str]:
    rows = list(items)
    return [f"<h2>{title}</h2><ul>", *rows, "</ul>"] if rows else []
