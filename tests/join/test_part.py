"""Which part a device is, told by its queues or its topology; held against machines of which that is known."""

from dataclasses import replace

import pytest
from machines import machine

from ringscope.join import State, case_of
from ringscope.join.part import cus_per_xcc, parts_of
from ringscope.parts import catalogue
from ringscope.parts.layout import Generation
from ringscope.snapshot import Device
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse

NAMES = [part.key for part in catalogue.devices()]


def only(state: State) -> Device:
    (device,) = state.snapshot.devices
    return device


def names(state: State, device: Device) -> set[str]:
    return {part.name for part, _ in state.parts(device)}


@pytest.mark.parametrize("name", NAMES)
def test_every_part_is_among_what_its_own_queues_give_away(name: str) -> None:
    (state,) = case_of((rehearse(MachineSpec.of(name), [ProcessSpec((0,))]).snapshot(),)).states
    device = state.snapshot.devices[0]
    spec = catalogue.find(name)
    bare = replace(device, properties={})
    told = state.parts(bare)
    assert spec.name in {part.name for part, _ in told}
    for part, mode in told:
        assert part.generation is device.generation
        assert part.cus_per_xcc == spec.cus_per_xcc
        assert mode.xccs_per_node == device.xccs


def test_copy_queues_tell_nothing_and_hide_nothing() -> None:
    run = rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0,))])
    run.programs[0].rocr.copy_queues(run.kfd.machine.nodes[0])
    (state,) = case_of((run.snapshot(),)).states
    assert not state.queues[0].is_compute
    assert names(state, replace(only(state), properties={})) == {"MI308X"}


def test_the_save_area_tells_the_cus_of_an_xcc() -> None:
    (state,) = case_of((machine({500: [7]}, xccs=4),)).states
    part = catalogue.find("mi308x")
    assert cus_per_xcc(state.queues[0], part) == part.cus_per_xcc == 20
    assert names(state, only(state)) == {part.name}
    for register in ("cp_hqd_cntl_stack_size", "cp_hqd_ctx_save_size"):
        (without,) = case_of((machine({500: [7]}, xccs=4, mapped=False, saved={0: {register: 0}}),)).states
        assert cus_per_xcc(without.queues[0], part) is None
        assert not without.parts(only(without))


def test_nothing_tells_of_a_device_without_queues_but_its_topology_does() -> None:
    (state,) = case_of((machine({}, xccs=4),)).states
    device = only(state)
    assert parts_of(device, ()) == []
    part = catalogue.find("mi308x")
    told = {"gfx_target_version": part.gfx_target_version, "device_id": part.device_ids[0]}
    named = replace(device, properties=told)
    assert part.name in names(state, named)
    assert {mode.xccs_per_node for _, mode in parts_of(named, ())} == {4}
    assert names(state, replace(device, properties=told | {"device_id": 0xFFFF})) == set()
    assert names(state, replace(device, properties=told | {"gfx_target_version": 80003})) == set()
    assert names(state, replace(device, generation=Generation.V10, properties=told)) == set()
    assert names(state, replace(device, properties={"gfx_target_version": part.gfx_target_version})) == set()
