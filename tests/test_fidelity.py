import ast
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ringscope.engine.policies import Policies
from ringscope.engine.spec import Costs
from ringscope.fidelity import ANNOTATED, table
from ringscope.parts.fidelity import Standing
from ringscope.stack.firmware import FirmwareSpec
from ringscope.stack.hip import HipSettings
from ringscope.stack.machine import DriverSpec

ROOT = Path(__file__).parents[1]
SWITCHES: dict[str, type[Any]] = {
    "firmware": FirmwareSpec,
    "policy": Policies,
    "cost": Costs,
    "driver": DriverSpec,
    "hip": HipSettings,
}


def test_every_annotated_module_is_in_the_table() -> None:
    source = ROOT / "src" / "ringscope"
    annotated = set()
    for path in source.rglob("*.py"):
        targets = [
            target
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        ]
        if any(isinstance(target, ast.Name) and target.id == "FIDELITY" for target in targets):
            annotated.add(".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"))
    assert annotated == set(ANNOTATED)


def test_rows_are_complete_and_their_names_their_own() -> None:
    rows = table()
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert all((row.says, row.holds_for, row.source)), row.name


@pytest.mark.parametrize("area", SWITCHES)
def test_every_named_switch_has_a_row_with_its_default(area: str) -> None:
    rows = {row.name: row for row in table() if row.setting}
    for field in fields(SWITCHES[area]):
        assert f"{area}.{field.name}" in rows, f"{area}.{field.name} is a switch without a word on what it rests on"


@pytest.mark.parametrize("name", sorted({row.test for row in table()}))
def test_the_test_that_is_named_exists(name: str) -> None:
    path, _, function = name.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_all_standings_are_in_use_and_explained() -> None:
    assert {row.standing for row in table()} == set(Standing)
    meanings = [standing.meaning for standing in Standing]
    assert all(isinstance(meaning, str) and meaning for meaning in meanings)
    assert len(set(meanings)) == len(meanings)
