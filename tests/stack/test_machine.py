from typing import Any

import pytest

from ringscope.errors import InputError
from ringscope.parts import catalogue
from ringscope.stack.machine import (
    Batching,
    DeviceSpec,
    DriverSpec,
    GartPlan,
    MachineSpec,
    NodeSpec,
    SaveArea,
    SchedPolicy,
    Scheduling,
)


def node(part: str, partition: str = "spx", **switches: Any) -> NodeSpec:
    return MachineSpec.of(part, 1, partition, **switches).nodes[0]


@pytest.mark.parametrize("device", catalogue.devices(), ids=lambda device: device.key)
def test_slots_left_to_kfd_are_those_of_the_catalogue(device: catalogue.Device) -> None:
    spec = MachineSpec.of(device.key).nodes[0]
    assert len(spec.slots) == device.kfd_queues_per_xcc
    assert len(spec.vmids) == device.vmids


def test_amdgpu_keeps_the_first_queues_of_each_pipe() -> None:
    assert node("mi308x").slots == tuple((pipe, queue) for pipe in range(4) for queue in range(2, 8))
    assert node("mi308x", num_kcq=2).slots[:8] == (*((0, q) for q in range(1, 8)), (1, 1))
    assert node("navi48").slots == ((0, 2), (0, 3), (1, 2), (1, 3))
    assert node("navi31").slots == tuple((pipe, queue) for pipe in range(4) for queue in (2, 3))


def test_a_part_of_single_pipe_policy_loses_a_whole_pipe() -> None:
    assert {pipe for pipe, _ in node("polaris11").slots} == {1, 2, 3}
    assert node("polaris11", compute_multipipe=True).slots == node("fiji").slots
    assert node("fiji", compute_multipipe=False).slots == node("polaris11").slots


@pytest.mark.parametrize(
    ("part", "policy", "expected"),
    [
        ("mi308x", SchedPolicy.HWS, Scheduling.CPSCH),
        ("mi308x", SchedPolicy.HWS_NO_OVERSUBSCRIPTION, Scheduling.CPSCH),
        ("mi308x", SchedPolicy.NO_HWS, Scheduling.NOCPSCH),
        ("navi10", SchedPolicy.HWS, Scheduling.CPSCH),
        ("navi31", SchedPolicy.HWS, Scheduling.MES),
        ("navi48", SchedPolicy.HWS, Scheduling.MES),
        ("navi48", SchedPolicy.NO_HWS, Scheduling.NOCPSCH),
    ],
)
def test_who_schedules(part: str, policy: SchedPolicy, expected: Scheduling) -> None:
    assert node(part, sched_policy=policy).scheduling is expected


def test_save_areas_as_measured() -> None:
    # MI308X by capture, gfx90a by CREATE_QUEUE of real ROCm 6 on a virtual one.
    mi308x = node("mi308x").save_area
    assert (mi308x.ctl_stack_bytes, mi308x.cwsr_bytes, mi308x.debug_bytes) == (0x2000, 0xBA6000, 25600)
    assert mi308x.total_bytes == 0x2EB1000
    mi210 = node("mi210").save_area
    assert (mi210.ctl_stack_bytes, mi210.cwsr_bytes, mi210.total_bytes) == (36864, 63508480, 0x3CB1000)
    assert node("mi308x", cwsr=False).save_area == SaveArea(0, 0, 0, 0)


def test_gfx10_control_stack_is_capped() -> None:
    assert node("navi21").save_area.ctl_stack_bytes == 0x7000


def test_partitions() -> None:
    cpx = MachineSpec.of("mi308x", 2, "cpx", cpu_nodes=2).nodes
    assert [(n.device, n.index, n.node, n.xccs, n.vmids[0]) for n in cpx[:5]] == [
        *((0, 0, 2, 1, 4), (0, 1, 3, 1, 10), (0, 2, 4, 1, 4), (0, 3, 5, 1, 10), (1, 0, 6, 1, 4))
    ]
    dpx = MachineSpec.of("mi300x", 1, "DPX").nodes
    assert [(n.xccs, n.cus, n.vmids) for n in dpx] == [(4, 152, tuple(range(3, 16)))] * 2
    assert [n.sdma_engines for n in MachineSpec.of("mi300x", 1, "qpx").nodes] == [(2, 2)] * 4
    with pytest.raises(InputError, match="no partition mode 'tpx'"):
        MachineSpec.of("mi308x", 1, "tpx")


def test_processes_at_once() -> None:
    assert node("mi308x").processes_at_once == 13
    assert node("mi308x", hws_max_conc_proc=4).processes_at_once == 4
    assert node("vega10", hws_max_conc_proc=15).processes_at_once == 8
    assert node("mi308x", hws_max_conc_proc=0).processes_at_once == 1


@pytest.mark.parametrize(
    ("part", "entries"), [("mi308x", 64), ("vega10", 64), ("fiji", 0), ("navi10", 0), ("navi21", 64), ("navi31", 64)]
)
def test_gws(part: str, entries: int) -> None:
    assert node(part).gws == entries
    assert node(part, sched_policy=SchedPolicy.NO_HWS).gws == 0


def test_active_cus_by_array() -> None:
    assert node("mi308x").arrays == ((5,), (5,), (5,), (5,))
    assert node("mi300x").arrays == ((10,), (10,), (9,), (9,))
    assert node("navi10").arrays == ((10, 10), (10, 10))
    with pytest.raises(InputError, match="shader engines of vangogh"):
        _ = node("vangogh").arrays


def test_made_up_gpu_ids_are_the_same_every_time() -> None:
    ids = [n.gpu_id for n in MachineSpec.of("mi308x", 8).nodes]
    assert len(set(ids)) == 8
    assert ids[:4] == [n.gpu_id for n in MachineSpec.of("mi308x", 4).nodes]


def test_bad_specs_fail_when_built() -> None:
    part = catalogue.find("mi308x")
    with pytest.raises(InputError, match="4 KFD nodes but 1"):
        DeviceSpec(part, "cpx", (1,))
    with pytest.raises(InputError, match="16-bit"):
        DeviceSpec(part, "spx", (0,))
    with pytest.raises(InputError, match="gpu_id of its own"):
        MachineSpec((DeviceSpec(part, "spx", (1,)), DeviceSpec(part, "spx", (1,))))
    with pytest.raises(InputError, match="num_kqc"):
        MachineSpec.of("mi308x", num_kqc=4)
    with pytest.raises(InputError, match="1 nodes, 2 gpu_ids"):
        MachineSpec.of("mi308x", gpu_ids=(1, 2))
    with pytest.raises(InputError, match="hws_max_conc_proc is 16"):
        DriverSpec(hws_max_conc_proc=16)
    with pytest.raises(InputError, match="switches off"):
        DriverSpec(sched_policy=SchedPolicy.NO_HWS, proposal=Batching())
    with pytest.raises(InputError, match="threshold"):
        Batching(threshold=0)
    with pytest.raises(InputError, match="do not overlap"):
        GartPlan(holes=((0, 0x2000), (0x1000, 0x3000)))
    with pytest.raises(InputError, match="has no HIQ packets"):
        _ = node("navi31").packets
