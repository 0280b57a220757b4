"""The bar of a served page: a form whose fields are a scenario's controls, and what the page cannot hold.

The form works without a script, by its button; ``serve.js`` makes it answer at every change.
"""

from __future__ import annotations

from collections.abc import Sequence

from ringscope.records import dataclass
from ringscope.report.markup import Json, visible


@dataclass(frozen=True)
class Bar:
    """What the bar shows.

    Attributes:
        state: the scenario for an address.
        address: of this page as a whole; empty when nothing but this server can show it.
        device: the device's controls, each with ``field``, ``label``, ``value`` and ``choices``.
        processes: name and controls of each kind of process, each with ``field``, ``value``, ``least`` and ``most``.
        said: sentences about what is shown.
        back: whether there is a capture to go back to.
    """

    state: str
    address: str
    device: Sequence[Json]
    processes: Sequence[tuple[str, Sequence[Json]]]
    said: Sequence[str]
    back: bool = False


def bar(shown: Bar) -> list[str]:
    """The bar as HTML."""
    labels = [control["label"] for _, controls in shown.processes[:1] for control in controls]
    heads = "".join(f"<th scope=col>{visible(label)}</th>" for label in labels)
    links = [f'<a href="/scenario.toml?s={visible(shown.state)}" download="scenario.toml">Save as scenario.toml</a>']
    links += ['<a href="/">Back to the capture</a>'] if shown.back else []
    return [
        '<form id=controls class=controls action="/" aria-label="What is simulated" '
        f'data-address="{visible(shown.address)}">',
        f'<input type=hidden name=s value="{visible(shown.state)}">',
        "<fieldset class=device><legend class=unseen>Device</legend>",
        *(_choice(control) for control in shown.device),
        "</fieldset>",
        "<div class=wide><table class=kinds><caption class=unseen>Processes, their streams by priority, their cap of "
        f"hardware queues</caption><thead><tr><th scope=col>process</th>{heads}</tr></thead><tbody>",
        *(_kind(name, controls) for name, controls in shown.processes),
        "</tbody></table></div>",
        "<div class=bottom><button>Simulate</button>",
        f"<p id=said role=status>{visible(' '.join(shown.said))}</p><p class=links>",
        *links,
        "<label class=open>Open a scenario… <input type=file id=open accept=.toml></label>",
        "</p></div></form>",
    ]


def _choice(control: Json) -> str:
    options = "".join(
        f'<option value="{visible(value)}"{" selected" if value == control["value"] else ""}>{visible(name)}</option>'
        for value, name in control["choices"]
    )
    name = visible(control["field"])
    return f'<label>{visible(control["label"])} <select name="{name}">{options}</select></label>'


def _kind(name: str, controls: Sequence[Json]) -> str:
    cells = "".join(
        f'<td data-label="{visible(_brief(one["label"]))}"><input type=number required name="{visible(one["field"])}" '
        f'value="{visible(one["value"])}" min={one["least"]} max={one["most"]} '
        f'aria-label="{visible(name)}: {visible(one["label"])}"></td>'
        for one in controls
    )
    return f"<tr><th scope=row><bdi>{visible(name)}</bdi></th>{cells}</tr>"


def _brief(label: str) -> str:
    return {"GPU_MAX_HW_QUEUES": "HW queues"}.get(label, label)
