"""What a page says of the verbs that have more to tell than a capture does: shares, limits, tables, charts.

Each function takes what its verb prints as JSON and gives a :class:`Told`: the head of the page, and its sections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ringscope.records import dataclass, field
from ringscope.report import sections
from ringscope.report.markup import Json, bar, duration, estimate, figure, legend, row, section, table, visible
from ringscope.verdicts.answer import count


@dataclass(frozen=True)
class Told:
    """A page's content: ``kicker``, ``title``, ``facts`` and ``lead`` are text; ``body`` is HTML, line by line."""

    kicker: str
    title: str
    facts: tuple[str, ...]
    lead: str
    body: list[str] = field(default_factory=list)


def _explained(data: Json) -> list[str]:
    """Every section of what a capture shows, but for what comes first and last."""
    return [
        *sections.answers(data),
        *sections.machine(data),
        *sections.time(data),
        *sections.changes(data),
        *sections.needs(data),
    ]


def explain(data: Json) -> Told:
    """A capture, or a rehearsal, which has rules that it rests on."""
    origin = "a modelled machine" if data.get("fidelity") else data["snapshot"]
    return Told(
        "ringscope" + (f" · {origin}" if origin else ""),
        sections.title(data),
        tuple(sections.devices(data)),
        f"{sections.state(data)} {sections.verdict(data)}",
        [*sections.findings(data), *_explained(data), *sections.fidelity(data), *sections.notes(data)],
    )


def simulate(data: Json) -> Told:
    """Who got what of a simulated device, where the time went, and the traced run as a capture would show it."""
    seen, device = data["explained"], data["device"]
    each = f"{estimate(data['requests_per_second'])} requests/s in {duration(data['horizon_ns'])} of simulated time"
    fits = f"over-subscribed: {' and '.join(data['oversubscribed'])}" if data["oversubscribed"] else "all are mapped"
    queues = f"{count(data['compute_queues'], 'compute queue')} for {device['slots']} slots on each XCC: {fits}."
    return Told(
        f"ringscope simulate · {data['scenario']}",
        sections.title(seen),
        (
            f"{count(device['cus'], 'CU')} · {device['xccs']} XCC · {device['scheduler']} · ROCm {device['rocm']}",
            f"{count(data['replications'], 'run')}, seed {data['seed']}",
        ),
        f"{each}, CUs busy {estimate(data['cu_busy'], 100)} % of it. {queues} {sections.verdict(seen)}",
        [
            *sections.findings(seen),
            *_shares(data),
            *_explained(seen),
            *sections.fidelity(data),
            *sections.notes(seen),
        ],
    )


_WAITS = {"run": "run", "host": "host", "slot": "slot", "save": "slot"}
"""How a part of a request's time is shaded; every other part is a wait behind other work."""
_SHADES = (
    ("run", "running"),
    ("wait", "waiting behind other work"),
    ("slot", "without a slot"),
    ("host", "on the host"),
)


def _shares(data: Json) -> list[str]:
    parts = list(dict.fromkeys(part for share in data["processes"] for part in share["where_ns"]))
    order = sorted(parts, key=lambda part: [kind for kind, _ in _SHADES].index(_WAITS.get(part, "wait")))
    longest = max((share["latency_ns"]["mean"] or 0 for share in data["processes"]), default=0)
    head = ["process", "requests/s", "mean", "p50", "p90", "p99"]
    rows, waits, drawn = [], [], []
    for share in data["processes"]:
        who = f"<bdi>{visible(share['name'])}</bdi> × {share['count']}"
        latency = ("–" if (ns := share["latency_ns"][name]) is None else duration(ns) for name in head[2:])
        rows.append(row(who, [estimate(share["requests_per_second"]), *latency]))
        spent = share["where_ns"]
        waits.append(row(who, [duration(spent[part]) if part in spent else "–" for part in parts]))
        pieces = [(_WAITS.get(part, "wait"), spent.get(part, 0)) for part in order]
        mean = share["latency_ns"]["mean"]
        drawn.append(row(who, [bar(pieces, longest), "–" if mean is None else duration(mean)]))
    return section(
        "shares",
        "Who got what",
        *table(head, rows),
        "<h3>What a request waited for, in the mean</h3>",
        *table(["process", "its time", "mean"], drawn, "plain bars"),
        legend(_SHADES),
        *table(["process", *parts], waits),
    )


def exec_(data: Json) -> Told:
    """A program on a virtual GPU, as its recording and captures show it."""
    seen = data["explained"]
    ended = "ended well" if data["exit_code"] == 0 else f"ended with exit code {data['exit_code']}"
    return Told(
        f"ringscope exec · {data['command']}",
        sections.title(seen),
        (*sections.devices(seen), f"kernels of the program: {data['kernels']}"),
        f"The program {ended} on a virtual GPU. {sections.state(seen)} {sections.verdict(seen)}",
        [*sections.findings(seen), *_explained(seen), *sections.fidelity(data), *sections.notes(seen)],
    )


def study(data: Json) -> Told:
    """A question, its answer in sentences, and the figures that they were made of."""
    said = [f"<li>{visible(sentence)}</li>" for sentence in data["conclusion"]]
    lines = []
    for chart in data["charts"]:
        most = max((value for _, value in chart["bars"]), default=0.0)
        rows = (row(visible(name), [bar([("run", max(0.0, v))], most), figure(v)]) for name, v in chart["bars"])
        lines += [f"<h3>{visible(chart['title'])}</h3>", *table(("", chart["unit"], ""), rows, "plain bars")]
    for found in data["tables"]:
        rows = (row(_cell(first), map(_cell, rest)) for first, *rest in found["rows"])
        lines += [f"<h3>{visible(found['title'])}</h3>", *table(found["head"], rows)]
    limits = "".join(f"<li>{visible(limit)}</li>" for limit in data["limits"])
    experiments = ", ".join(data["experiments"])
    return Told(
        "ringscope study",
        data["study"],
        (f"plays {experiments} of the research notes, seed {data['seed']}" if experiments else f"seed {data['seed']}",),
        data["question"],
        [
            f"<section aria-label=Conclusion><ul class=said>{''.join(said)}</ul></section>",
            *section("figures", "The figures", *lines),
            *section("limits", "What it does not cover", f"<ul>{limits}</ul>"),
            *sections.fidelity(data),
        ],
    )


def _cell(cell: str | float | None) -> str:
    if cell is None:
        return "–"
    return figure(cell) if isinstance(cell, float) else visible(cell)


def check(data: Json) -> Told:
    """Whether a launch fits a GPU: each limit beside the need, and which knob helps."""
    over = [row for row in data["budgets"] if row["over"]]
    first = next(row for row in data["budgets"] if row["name"] == data["binds"])
    if data["refused"]:
        lead = f"Refused: {data['refused']}."
    elif over:
        beyond: dict[str, list[str]] = {}
        for limit in over:
            beyond.setdefault(limit["beyond"], []).append(limit["name"])
        lead = "Does not fit. " + ". ".join(f"Too few {', '.join(who)}: {what}" for what, who in beyond.items()) + "."
    else:
        lead = "Fits: every queue is mapped all the time."
    facts = [f"ROCm {data['rocm']}", f"GPU_MAX_HW_QUEUES={data['gpu_max_hw_queues']} ({data['cap_from']})"]
    facts += [f"MPI {data['mpi']}"] if data["mpi"] != "none" else []
    facts += [f"one of {data['logical_gpus']} logical GPUs"] if data["logical_gpus"] > 1 else []
    return Told(
        "ringscope check",
        f"{count(data['ranks'], 'process')} on {data['name']} {data['partition']}",
        (" · ".join(facts),),
        f"{lead} {first['name'].capitalize()} run out first, beyond {count(first['most_ranks'], 'process')}.",
        [
            *_fixes(data),
            *section("limits", "What there is, and what it needs", *_limits(data)),
            *section("queues", "Queues of one process", *_stages(data)),
            *_cost(data),
            *(sections.time(data) if "time" in data else ()),
            *sections.fidelity(data),
            *sections.notes(data),
        ],
    )


def _limits(data: Json) -> list[str]:
    rows = []
    for found in data["budgets"]:
        need, limit, more = found["need"], found["limit"], found["over"]
        drawn = bar([("run", need - more), ("slot", more)], max(need, limit), limit)
        said = f"{need} of {limit}" + (f", <b>over by {more}</b>" if more else "")
        name = visible(found["name"]) + (" <em>(assumed)</em>" if found["inferred"] else "")
        rows.append(row(name, [drawn, said, f"<cite>{visible(found['source'])}</cite>"]))
    return table(("limit", "", "need", "from"), rows, "plain bars")


def _stages(data: Json) -> list[str]:
    most = max(stage["compute"] + stage["sdma"] for stage in data["stages"])
    rows = (
        row(
            visible(stage["name"]),
            [
                bar([("run", stage["compute"]), ("host", stage["sdma"])], most),
                f"{stage['compute']} compute, {stage['sdma']} SDMA",
            ],
        )
        for stage in data["stages"]
    )
    shades = legend((("run", "compute"), ("host", "SDMA")))
    return [*table(("after", "", "queues"), rows, "plain bars"), shades]


def _fixes(data: Json) -> list[str]:
    if data["fits"]:
        return []
    fixes = [f"<li><strong>{visible(fix['knob'])}</strong>: {visible(fix['gives'])}</li>" for fix in data["fixes"]]
    rest = ["<li>None of the knobs makes this fit; use more GPUs.</li>"]
    hint = ["<p class=hint>Any one of these makes it fit.</p>"] if fixes else []
    return ["<section aria-label=Remedies>", *hint, "<ul class=said>", *(fixes or rest), "</ul></section>"]


def _cost(data: Json) -> list[str]:
    cost = data["cost"]
    if cost is None:
        return []
    if "unknown" in cost:
        return section("cost", "What it costs", f"<p>Not simulated: {visible(cost['unknown'])}</p>")
    alone, sliced = cost["step_ns"], cost["time_sliced_step_ns"]
    rows = [
        row("with room for every queue", [bar([("run", alone)], sliced), duration(alone)]),
        row("in time slices", [bar([("run", alone), ("slot", max(0, sliced - alone))], sliced), duration(sliced)]),
    ]
    told = f"{figure(cost['slower'])} times as long, where processes wait for their neighbours."
    spread = f"<p class=hint>{visible(cost['published'])}.</p>"
    return section("cost", "A step, simulated", f"<p>{told}</p>", *table(("", "step", ""), rows, "plain bars"), spread)


TOLD: Mapping[str, Callable[[Json], Told]] = {
    "ringscope.explain": explain,
    "ringscope.simulate": simulate,
    "ringscope.exec": exec_,
    "ringscope.study": study,
    "ringscope.check": check,
}
"""Who tells of a result, by its schema without the version."""
