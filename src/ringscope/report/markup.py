"""The words of a page: text of unknown origin made harmless, figures as people write them, tables, and bars.

Nothing that a page shows goes into it but through :func:`visible`. A page may not carry styles of its own, so what a
bar's length says is an attribute of its SVG.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

Json = Mapping[str, Any]

CLIPPED = 800
"""Characters shown of one piece of text."""

AT = 6
"""Places shown where one piece was read. What is not shown is in the JSON that the page carries."""

# C0, C1, and the marks that turn the direction of text or have no width.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udfff]")


def visible(text: object) -> str:
    """Text of unknown origin, escaped for HTML, with unseen characters spelled out."""
    return escape(_UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", str(text)))


def clipped(text: str) -> str:
    """As much of a text as a page shows."""
    return text if len(text) <= CLIPPED else f"{text[:CLIPPED]} … the rest is in this page’s data"


def at(sources: Sequence[str]) -> str:
    """Where something was read."""
    different = list(dict.fromkeys(sources))
    shown = ", ".join(f"<bdi>{visible(source)}</bdi>" for source in different[:AT])
    more = f" and {len(different) - AT} more" if len(different) > AT else ""
    return f" <cite>{shown}{more}</cite>" if sources else ""


def duration(ns: float) -> str:
    """Nanoseconds in a unit that leaves three or four figures."""
    for unit, factor in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if ns >= factor:
            return f"{ns / factor:.4g} {unit}"
    return f"{ns:.4g} ns"


def figure(value: float) -> str:
    """Four figures, without an exponent."""
    return f"{value:.4g}" if abs(value) < 10_000 else f"{float(f'{value:.4g}'):.0f}"


def estimate(value: Json, scale: float = 1.0) -> str:
    """A mean with the half width of its interval, where there is one."""
    shown, width = figure(scale * value["mean"]), value["ci95"]
    return shown if width is None else f"{shown} ± {figure(float(f'{scale * width:.2g}'))}"


def section(name: str, title: str, *lines: str) -> list[str]:
    """A section under its heading; ``name`` tells it from the page's others."""
    heading = f"<section aria-labelledby=h-{name}><h2 id=h-{name}>{visible(title)}</h2>"
    return [heading, *lines, "</section>"]


def table(head: Iterable[str], rows: Iterable[str], kind: str = "plain") -> list[str]:
    """Rows (as HTML) under a head; wide ones scroll by themselves."""
    columns = "".join(f"<th scope=col>{visible(name)}</th>" for name in head)
    opened = f'<div class=wide><table class="{kind}"><thead><tr>{columns}</tr></thead><tbody>'
    return [opened, *rows, "</tbody></table></div>"]


def row(name: str, cells: Iterable[str]) -> str:
    """A row of a table: what it is about (as HTML), and its cells."""
    return f"<tr><th scope=row>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def bar(pieces: Iterable[tuple[str, float]], whole: float, limit: float | None = None) -> str:
    """Lengths end to end, each of a kind of its own, on a scale that ends at ``whole``; a mark stands at ``limit``."""
    drawn, x = [], 0.0
    for kind, length in pieces:
        width = 1000 * length / whole if whole > 0 else 0.0
        drawn.append(f'<rect class={kind} x="{x:.1f}" width="{width:.1f}" height="10"/>')
        x += width
    if limit is not None and whole > 0:
        place = min(1000 * limit / whole, 1000)
        drawn.append(f'<path class=limit d="M{place:.1f} -2v14"/>')
    return f'<svg class=bar viewBox="0 0 1000 10" preserveAspectRatio=none aria-hidden=true>{"".join(drawn)}</svg>'


def legend(shades: Iterable[tuple[str, str]]) -> str:
    """What the shades of a bar's pieces stand for: (kind, meaning)."""
    items = "".join(f'<li><i class="{kind}"></i>{visible(meaning)}</li>' for kind, meaning in shades)
    return f"<ul class=legend aria-label=Shades>{items}</ul>"


def terms(rows: Iterable[str], kind: str = "needs") -> list[str]:
    """A list of terms and what is said of each (as HTML)."""
    return [f"<dl class={kind}>", *rows, "</dl>"]


def bullets(title: str, items: Iterable[str]) -> list[str]:
    """A list under its title; nothing when it is empty."""
    rows = list(items)
    return [f"<h2>{title}</h2><ul>", *(f"<li>{item}</li>" for item in rows), "</ul>"] if rows else []
