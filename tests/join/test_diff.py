"""What differs between two states, held against machines made by hand."""

from __future__ import annotations

from dataclasses import replace

from machines import GPU, machine

from ringscope.join import State
from ringscope.join.diff import Change, diff
from ringscope.join.queues import join_queues
from ringscope.parts.layout import Generation
from ringscope.snapshot import Snapshot


def state(snapshot: Snapshot) -> State:
    return State(snapshot, join_queues(snapshot))


def changes(before: Snapshot, after: Snapshot) -> dict[str, list[Change]]:
    """Changes by queue name, of machines with one process."""
    (process,) = diff(state(before), state(after)).processes
    return {queue.queue.name: list(queue.changes) for queue in process.queues if not queue.same}


def test_a_state_is_the_same_as_itself() -> None:
    one = state(machine({40: [7, 7, 11], 41: [7]}))
    found = diff(one, one)
    assert found.same
    assert {(process.before, process.after, process.same_run) for process in found.processes} == {
        (40, 40, True),
        (41, 41, True),
    }
    assert sum(len(process.queues) for process in found.processes) == 4


def test_a_priority_that_changed_is_named_with_the_pipes_word() -> None:
    assert changes(machine({40: [7, 7]}), machine({40: [7, 11]})) == {
        "HIP #1": [Change("priority", "7 → MEDIUM", "11 → HIGH")]
    }


def test_a_queue_that_lost_its_slot_and_one_that_moved() -> None:
    assert changes(machine({40: [7]}), machine({40: [7]}, mapped=False))["ROCr internal"][0] == Change(
        "slot", "pipe 0 queue 2", "none"
    )
    # Behind another process the same queues sit two slots on; by their doorbells they are another run's.
    found = diff(state(machine({40: [7, 7]})), state(machine({39: [7, 7], 40: [7, 7]})))
    assert [(process.before, process.after) for process in found.processes] == [(40, 40), (None, 39)]
    assert [queue.changes for queue in found.processes[0].queues] == [
        (Change("slot", "pipe 1 queue 2", "pipe 3 queue 2"),),
        (Change("slot", "pipe 0 queue 2", "pipe 2 queue 2"),),
    ]


def test_a_queue_made_between_two_states_is_only_in_the_later() -> None:
    (process,) = diff(state(machine({40: [7, 7]})), state(machine({40: [7, 7, 7]}))).processes
    new = [queue for queue in process.queues if queue.before is None]
    assert [queue.queue.name for queue in new] == ["HIP #2"]
    assert process.same_run
    assert all(queue.same for queue in process.queues if queue.before)


def test_pointers_count_within_a_run() -> None:
    before, after = (machine({40: [7]}, live={0: {"cp_hqd_pq_wptr_lo": at}}) for at in (0, 32))
    assert [change.what for change in changes(before, after)["ROCr internal"]] == ["packets written", "packets waiting"]


def test_pids_addresses_and_pointers_do_not_count_across_runs() -> None:
    before = machine({40: [7, 7]})
    after = machine({50: [7, 7]}, live={0: {"cp_hqd_pq_wptr_lo": 32, "cp_hqd_vmid": 0x404}})
    found = diff(state(before), state(after))
    assert found.same
    assert [(process.before, process.after, process.same_run) for process in found.processes] == [(40, 50, False)]


def test_slots_are_compared_only_where_both_sides_show_them() -> None:
    found = diff(state(machine({40: [7]}, sources=("mqds",))), state(machine({40: [7]})))
    assert found.same
    assert found.sources == (Change("hqds", "", "read"),)


def test_what_a_device_is_and_how_full() -> None:
    (device,) = diff(state(machine({40: [7]})), state(machine({40: [7, 7]}, xccs=1))).devices
    assert [(change.what, change.before, change.after) for change in device.changes] == [
        ("XCCs", "2", "1"),
        ("slots busy", "1", "2"),
    ]


def test_a_device_is_missed_only_where_both_sides_list_devices() -> None:
    one = machine({40: [7]})
    two = replace(one, devices=(*one.devices, replace(one.devices[0], gpu_id=9)))
    found = diff(state(one), state(two))
    assert [(device.before, device.after) for device in found.devices] == [(GPU, GPU), (None, 9)]
    assert not found.same
    assert not diff(state(two), state(one)).same
    blind = replace(one, sources=frozenset({"mqds"}))
    assert [(device.before, device.after) for device in diff(state(blind), state(two)).devices] == [(GPU, GPU)]


def test_the_layout_of_its_mqds_is_part_of_what_a_device_is() -> None:
    old = machine({})
    new = replace(old, devices=(replace(old.devices[0], generation=Generation.V9),))
    (device,) = diff(state(old), state(new)).devices
    assert device.changes == (Change("MQD", Generation.V9_4_3.value, Generation.V9.value),)


def test_a_cu_mask_that_changed_is_named() -> None:
    masked = {0: {"compute_static_thread_mgmt_se0": 0xF}}
    ((what, *_),) = [
        [change for change in found if change.what == "CU mask"]
        for found in changes(machine({40: [7]}), machine({40: [7]}, saved=masked)).values()
    ]
    assert what.before.split() == ["ffffffff"] * 4
    assert what.after.split() == ["0000000f", *["ffffffff"] * 3]
