"""Within the stack a layer knows only the one below it, and the ioctl records that cross the driver's border."""

import ast
from pathlib import Path

import pytest

STACK = Path(__file__).parents[2] / "src" / "ringscope" / "stack"
# What any layer may know: the modelled machine, release rules and the observer's shape, none of which acts.
COMMON = {"machine", "rocm", "journal", "kfd.records"}
BELOW = {"hip": {"rocr"}, "rocr": {"thunk"}, "thunk": set[str](), "firmware": set[str]()}


def stack_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ringscope.stack"):
            name = (node.module or "").removeprefix("ringscope.stack").removeprefix(".")
            found |= {name} if name else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("layer", BELOW)
def test_a_layer_imports_the_one_below(layer: str) -> None:
    assert stack_modules(STACK / f"{layer}.py") - COMMON <= BELOW[layer]


@pytest.mark.parametrize("path", sorted((STACK / "kfd").rglob("*.py")), ids=lambda path: path.stem)
def test_the_driver_knows_nothing_of_user_space(path: Path) -> None:
    assert not stack_modules(path) & {"hip", "rocr", "thunk", "program", "rehearse", "walk", "rocm", "journal"}


@pytest.mark.parametrize("path", sorted((STACK / "text").glob("*.py")), ids=lambda path: path.stem)
def test_writers_need_only_the_currency(path: Path) -> None:
    known = {name for name in stack_modules(path) if not name.startswith("text")}
    assert known <= {"rocm", "machine"}
