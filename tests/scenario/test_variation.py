"""A scenario that is varied: what controls do to its text, and its text in an address."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.parts import catalogue
from ringscope.scenario import toml
from ringscope.scenario.schema import Scenario, parse
from ringscope.scenario.variation import MAX_BYTES, Variation, controls_of

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))
TEXT = """
name = "it"
device = { gpu = "mi308x", partition = "cpx" }
kernel = [{ name = "k", workgroups = 8, duration = "20 us" }]
process = [{ name = "p", streams = ["low", "high", "high"], request = ["k"] }, { streams = 2, request = ["k*2"] }]
run = { horizon = "500 us" }
"""


def scenario(variation: Variation) -> Scenario:
    return parse(variation.text, "x", Path())


def controls(variation: Variation) -> dict[str, Any]:
    return {control.field: control for control in controls_of(toml.values_of(variation.text, "x"))}


def test_controls_show_what_the_file_says() -> None:
    found = controls(Variation(TEXT))
    shown = {name: control.value for name, control in found.items()}
    assert shown == {
        "gpu": "mi308x", "partition": "cpx", "scheduler": "", "rocm": "7.0",
        "p0.count": "1", "p0.high": "2", "p0.normal": "0", "p0.low": "1", "p0.hw_queues": "4",
        "p1.count": "1", "p1.high": "0", "p1.normal": "2", "p1.low": "0", "p1.hw_queues": "4",
    }  # fmt: skip
    assert {value for value, _ in found["gpu"].choices} == {part.key for part in catalogue.devices()}
    assert [value for value, _ in found["partition"].choices] == ["spx", "dpx", "cpx"]


def test_turning_nothing_changes_nothing() -> None:
    one = Variation(TEXT)
    assert one.changed({name: control.value for name, control in controls(one).items()}) is one


def test_each_control_turns_what_it_says() -> None:
    one = Variation(TEXT)
    assert scenario(one.changed({"p0.count": "3"})).processes[0].count == 3
    assert scenario(one.changed({"p1.hw_queues": "1"})).processes[1].hw_queues == 1
    assert scenario(one.changed({"p0.normal": "1"})).processes[0].streams == (-1, -1, 0, 1)
    assert scenario(one.changed({"p1.low": "1", "p1.normal": "0"})).processes[1].streams == (1,)
    assert scenario(one.changed({"rocm": "6.1"})).device.rocm == "6.1"
    assert scenario(one.changed({"scheduler": "nocpsch"})).device.scheduler == "nocpsch"
    assert scenario(one.changed({"partition": "spx"})).device.partition == "spx"
    assert scenario(one.changed({"scheduler": "nocpsch"}).changed({"scheduler": ""})).device.scheduler is None


@pytest.mark.parametrize("part", catalogue.devices(), ids=lambda part: part.key)
def test_any_part_can_take_the_place_of_any(part: catalogue.Device) -> None:
    """Its scheduler and partition are then ones that it has."""
    before = Variation(TEXT).changed({"scheduler": "nocpsch"})
    after = scenario(before.changed({"gpu": part.key})).device
    assert after.gpu == part.key
    assert after.partition.upper() in {mode.name for mode in part.partitions}
    assert after.scheduler in (None, "nocpsch")
    assert after.scheduler is None or part.scheduler.value == "cpsch"


@pytest.mark.parametrize(
    "fields",
    [{"p7.count": "1"}, {"p0.trace": "x"}, {"p0.count": "many"}, {"p0.count": ""}, {"gpu": "mi9000"}, {"p0.low": "-1"}],
)
def test_what_is_no_control_or_no_value_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(InputError):
        Variation(TEXT).changed(fields)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_address_holds_the_whole_scenario(path: Path) -> None:
    one = Variation(path.read_text())
    assert Variation.unpacked(one.packed) == one
    assert len(one.packed) < 1500
    turned = one.changed({"p0.count": "2"})
    assert scenario(turned).kernels == scenario(one).kernels


@given(st.text(max_size=200))
def test_any_text_comes_back_from_its_address(text: str) -> None:
    assert Variation.unpacked(Variation(text).packed).text == text


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_an_address_that_is_none_is_refused(packed: str) -> None:
    try:
        Variation.unpacked(packed)
    except InputError as error:
        assert "address" in str(error)


def test_an_address_cannot_blow_up() -> None:
    bomb = base64.urlsafe_b64encode(zlib.compress(b" " * (MAX_BYTES + 1), 9)).decode()
    with pytest.raises(InputError):
        Variation.unpacked(bomb)
