"""What a modelled answer rests on: the rules that AMD does not publish, each with its setting and its grounds.

A row is what JSON and pages show of a :class:`~ringscope.parts.fidelity.Behaviour`: ``rule`` (its name), ``setting``,
``says``, ``standing``, ``holds_for`` and ``source``.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from ringscope.engine import costs, policies
from ringscope.engine.policies import Policies
from ringscope.engine.spec import Costs
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.records import fields
from ringscope.stack import rocm
from ringscope.stack.firmware import FirmwareSpec
from ringscope.stack.rocm import RocmVersion

Row = dict[str, str]


def spelled(reading: Enum) -> str:
    """A reading of a rule as options and files write it: ``free-slot``."""
    return reading.name.lower().replace("_", "-")


def chosen(policies: Policies) -> dict[str, str]:
    """The setting of every rule of the engine, by its name."""
    return {name: spelled(getattr(policies, name)) for name in policies.__dataclass_fields__}


def row(rule: Behaviour, setting: str = "") -> Row:
    """One behaviour, under a setting of its own."""
    return {
        "rule": rule.name,
        "setting": setting or rule.setting,
        "says": rule.says,
        "standing": rule.standing.value,
        "holds_for": rule.holds_for,
        "source": rule.source,
    }


def _with(rules: Iterable[Behaviour], settings: dict[str, str]) -> list[Row]:
    """Rules called ``area.name``, with the settings of those names."""
    return [row(rule, settings.get(rule.name.partition(".")[2], "")) for rule in rules]


def of_engine(readings: Policies, given: Costs | None = None) -> list[Row]:
    """The rules by which queues and workgroups take turns, as a run took them, and what its steps cost, if given."""
    rows = _with(policies.FIDELITY, chosen(readings))
    if given is not None:
        rows += _with(costs.FIDELITY, {one.name: str(getattr(given, one.name)) for one in fields(given)})
    return rows


def of_firmware() -> list[Row]:
    """The rules by which queues get their slots, and what registers hold then."""
    return [row(rule) for rule in FirmwareSpec().rules()]


def of_release(version: RocmVersion) -> list[Row]:
    """The rules of a release that nobody has read, taken from the one before it."""
    return [
        row(
            Behaviour(
                f"rocm.{name.removeprefix('the ').replace(' ', '-')}",
                name,
                Standing.INFERRED,
                f"ROCm {version}",
                "taken from the release before",
                "",
            )
        )
        for name, table in rocm.RULES.items()
        if version.inferred(table)
    ]
