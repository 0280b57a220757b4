"""Scenario files: checked, and played on the modelled stack when they are sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fuzz import held
from ringscope.scenario.build import build
from ringscope.scenario.schema import parse

EXAMPLES = Path(__file__).parents[1] / "examples"


def seeds() -> Iterator[bytes]:
    """The examples."""
    for path in sorted(EXAMPLES.glob("*.toml")):
        yield path.read_bytes()


def one(data: bytes) -> None:
    """Parse and build; what only the engine would find is not looked for here."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    held(lambda: build(parse(text, "run.toml", Path("/nowhere"))))
