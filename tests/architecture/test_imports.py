"""The house keeps its one-way arrows: a room imports only what architecture allows it."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "ringscope"
CURRENCY = {"snapshot", "recording"}
EVERYONE = {"errors", "log", "records", "tabular"}
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "log": set(),
    "records": set(),
    "tabular": set(),
    "parts": set(),
    "recording": set(),
    "snapshot": {"parts", "recording"},
    "stack": {"parts", *CURRENCY},
    "engine": {"parts"},
    "scenario": {"parts", "stack", "engine", *CURRENCY},
    "virtual": {"parts", "stack", "engine", "scenario", *CURRENCY},  # its kernels take the time that a simulation says
    "evidence": {"parts", *CURRENCY},
    "capture": {"parts", "evidence", *CURRENCY},
    "join": {"parts", *CURRENCY},
    "verdicts": {"parts", "join", *CURRENCY},
    "report": {"parts", "join", "verdicts", *CURRENCY},
    "claims": {"parts", "join", "stack", "engine", "scenario", "evidence", "verdicts", *CURRENCY},
    # Collects what modules say of themselves; it imports them by name.
    "fidelity": {"parts"},
    "verbs": {
        "claims",
        "fidelity",
        "parts",
        "join",
        "stack",
        "engine",
        "scenario",
        "virtual",
        "evidence",
        "capture",
        "verdicts",
        "report",
        *CURRENCY,
    },
    "cli": {"verbs", "report"},
    "__main__": {"cli"},
    "__init__": set(),
}
# Within the stack a layer knows only the one below it (and the ioctl records that cross the border).
MODULES = sorted(SRC.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(SRC).parts[0]
    return first.removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the room's name"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "ringscope" else [module]
        for name in names:
            head, _, rest = name.partition(".")
            if head == "ringscope" and rest and rest != "__version__":
                rooms.add(rest.split(".")[0])
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SRC)))
def test_room_imports_only_what_lies_below_it(path: Path) -> None:
    room = room_of(path)
    assert room in ROOMS, f"{path}: a new room; give it a place in architecture and here"
    forbidden = imported_rooms(path) - ROOMS[room] - EVERYONE - {room}
    assert not forbidden, f"{room} may not import {sorted(forbidden)}"


def imported_modules(path: Path, modules: set[str]) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & modules) or {node.module or ""}
    return found & modules


def test_modules_import_each_other_in_one_direction() -> None:
    """Also where only types are meant, or an import is made late."""
    paths = {".".join(("ringscope", *path.relative_to(SRC).with_suffix("").parts)): path for path in MODULES}
    paths = {name.removesuffix(".__init__"): path for name, path in paths.items()}
    left = {name: imported_modules(path, paths.keys() - {name}) for name, path in paths.items()}
    while ready := {name for name, wants in left.items() if not wants & left.keys()}:
        left = {name: wants for name, wants in left.items() if name not in ready}
    # What is left is in a circle or stands above one.
    assert not left
