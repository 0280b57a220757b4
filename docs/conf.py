"""How the book is built (``make docs``): pages are Markdown, the reference comes from the code."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "src"))

project = "ringscope"
author = "the ringscope developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.apidoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "ringscope"
html_copy_source = False
suppress_warnings = ["ref.python"]  # a name such as Ring exists in several rooms
nitpicky = False  # types of other packages have no page here; links between pages are checked as warnings are errors
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # the signatures of 250 modules are read fastest in the code
napoleon_use_ivar = True
toc_object_entries = False  # the side bar names modules; with every function in it the build takes minutes
autodoc_member_order = "bysource"
apidoc_modules = [
    {
        "path": "../src/ringscope",
        "destination": "reference/code",
        "separate_modules": False,
        "exclude_patterns": ["**/stack/text/[a-z]*"],  # functions named like their modules; the package lists them
        "automodule_options": {"members", "show-inheritance", "ignore-module-all"},
    }
]


def _verbs() -> str:
    """The command line's own help, a section a verb."""
    from ringscope.cli import VERBS, main

    lines = ["# Verbs", "", "What `ringscope VERB --help` prints.", ""]
    for verb in VERBS:
        screen = io.StringIO()
        with contextlib.redirect_stdout(screen), contextlib.suppress(SystemExit):
            main([verb, "--help"])
        lines += [f"## {verb}", "", "```text", screen.getvalue().rstrip(), "```", ""]
    return "\n".join(lines)


def _fidelity() -> str:
    """The fidelity table in full."""
    rows = importlib.import_module("ringscope.fidelity").table()
    lines = ["# The fidelity table in full", "", "{doc}`../fidelity` is its short form.", ""]
    for row in rows:
        lines += [f"`{row.name}`" + (f" = {row.setting}" if row.setting else "")]
        lines += [f": **{row.standing.value}**. {row.says}. Holds for: {row.holds_for}. Source: {row.source}."]
        lines += [f"  Held by `{row.test}`.", ""]
    return "\n".join(lines)


def _generate(app: Any) -> None:
    for name, make in (("verbs", _verbs), ("fidelity-table", _fidelity)):
        target = HERE / "reference" / f"{name}.md"
        text = make()
        if not target.exists() or target.read_text() != text:
            target.write_text(text)


def setup(app: Any) -> None:
    """Make the generated pages before Sphinx looks for pages."""
    app.connect("builder-inited", _generate, priority=100)
