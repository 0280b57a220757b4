"""A result as one HTML file that opens anywhere: no network, no server, nothing beside it.

The page is made of what ``--json`` prints and of nothing else. Words (answers, evidence, notes) are written by
:mod:`.results` and :mod:`.sections`; the drawing is made in the browser by ``page.js`` from the same JSON, which the
file carries deflated. The browser may run that one script and use that one style sheet, named by their hashes, and may
load nothing (Content-Security-Policy).

Text of a capture is never trusted: it is escaped, kept from turning the direction of its surroundings, and its control
characters are shown as ``\\u202e`` and the like.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

from ringscope import __version__
from ringscope.report.markup import Json, visible
from ringscope.report.results import TOLD, Told


def packed(data: Json) -> str:
    """JSON as base64 of its deflate stream."""
    return base64.b64encode(zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)).decode()


def unpacked(text: str) -> Any:
    """What :func:`packed` packed."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


def page(data: Json, bar: Sequence[str] = ()) -> bytes:
    """The page of a verb's result, told by its ``schema``; the same result gives the same bytes.

    With a ``bar`` (HTML) the page is one that a server gives: the bar stands before everything else, ``serve.js`` runs
    as well, and both may ask that server, and nobody else.
    """
    told = TOLD[data["schema"].partition("/")[0]](data)
    parts = ("page", "serve") if bar else ("page",)
    style, scripts = "\n".join(_asset(f"{part}.css") for part in parts), [_asset(f"{part}.js") for part in parts]
    served = ["connect-src 'self'", "form-action 'self'"] if bar else ["form-action 'none'"]
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src {_source(style)}",
            f"script-src {' '.join(map(_source, scripts))}",
            "base-uri 'none'",
            *served,
        ]
    )
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">',
            f"<title>{visible(told.title)} · ringscope</title>",
            f"<style>{style}</style></head><body>",
            *bar,
            *_head(told),
            "<main>",
            *told.body,
            "</main><footer><button type=button id=save>Save this page’s data as JSON</button>"
            f"<span>ringscope {visible(__version__)}</span></footer>",
            f'<script type="application/octet-stream" id="data">{packed(data)}</script>',
            *(f"<script>{script}</script>" for script in scripts),
            "</body></html>\n",
        ]
    ).encode()


def _head(told: Told) -> list[str]:
    facts = (f"<p class=facts>{visible(fact)}</p>" for fact in told.facts)
    return [
        f"<header><p class=kicker><bdi>{visible(told.kicker)}</bdi></p>",
        f"<h1>{visible(told.title)}</h1>",
        *facts,
        f"<p class=lead>{visible(told.lead)}</p></header>",
    ]


def _asset(name: str) -> str:
    return resources.files("ringscope.report").joinpath(name).read_text("utf-8").strip()


def _source(text: str) -> str:
    """A script or style as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
