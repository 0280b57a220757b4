"""The join of MQD copies, slots and doorbells into queues."""

from dataclasses import replace

from machines import GPU, machine, mqd_image, slot

from ringscope.join import case_of
from ringscope.join.queues import join_queues
from ringscope.snapshot import Device


def test_xcc_copies_fold_into_one_queue_with_a_slot_on_each_xcc() -> None:
    queues = join_queues(machine({500: [7, 7, 7]}, xccs=4))
    assert [(queue.name, len(queue.queue.mqds), len(queue.slots), queue.mapped) for queue in queues] == [
        ("HIP #2", 4, 4, "all"),
        ("HIP #1", 4, 4, "all"),
        ("ROCr internal", 4, 4, "all"),
    ]
    assert [{slot.hqd.name for slot in queue.slots} for queue in queues] == [{"2.2"}, {"1.2"}, {"0.2"}]


def test_ring_is_not_the_mqd_address() -> None:
    queue = join_queues(machine({500: [7]}))[0]
    assert queue.ring_base == 0x7F00_0000_0000 + 500 * 0x1000_0000
    assert queue.ring_bytes == 4096


def test_doorbell_index_gives_slice_and_id() -> None:
    queues = join_queues(machine({500: [7, 7], 501: [7, 7]}))
    assert [(q.pid, q.doorbell_index, q.doorbell_slice, q.doorbell_id) for q in queues] == [
        (500, 0x1002, 0x1000, 1),
        (500, 0x1000, 0x1000, 0),
        (501, 0x1802, 0x1800, 1),
        (501, 0x1800, 0x1800, 0),
    ]


def test_a_free_slot_with_old_registers_holds_nothing() -> None:
    snapshot = machine({500: [7]}, mapped=False)
    image = snapshot.processes[0].queues[0].mqds[0].image
    device: Device = snapshot.devices[0]
    stale = slot(0, 0, 2, None, 1, stale=image)
    queue = join_queues(replace(snapshot, devices=(replace(device, hqds=(stale,)),)))[0]
    assert queue.mapped == "none"


def test_a_slot_of_another_xcc_with_the_same_address_is_not_taken() -> None:
    snapshot = machine({500: [7]}, xccs=2, mapped=False)
    image = snapshot.processes[0].queues[0].mqds[0].image
    device = replace(snapshot.devices[0], hqds=(slot(1, 0, 2, image, 1),))
    assert join_queues(replace(snapshot, devices=(device,)))[0].slots == ()


def test_live_values_come_from_the_slot_and_the_difference_is_said() -> None:
    queue = join_queues(machine({500: [7]}))[0]
    assert queue.vmid == 3
    assert {(diff.register, diff.saved, diff.live, diff.expected) for diff in queue.differences} >= {
        ("cp_hqd_vmid", 0, 0x303, True)
    }
    assert not [diff for diff in queue.differences if not diff.expected]


def test_a_configuration_register_that_differs_is_not_expected() -> None:
    snapshot = machine({500: [7]}, xccs=1)
    image = snapshot.processes[0].queues[0].mqds[0].image
    device = replace(snapshot.devices[0], hqds=(slot(0, 0, 2, image, 1, cp_hqd_queue_priority=15),))
    (queue,) = join_queues(replace(snapshot, devices=(device,)))
    assert [diff.register for diff in queue.differences if not diff.expected] == ["cp_hqd_queue_priority"]
    assert queue.queue_priority == 15


def test_main_state_is_the_last_one_with_the_most_queues() -> None:
    states = {
        "before": {}, "first": {1: [7]}, "both": {1: [7], 2: [7]}, "both-again": {1: [7], 2: [7]}, "going": {2: [7]},
        "after": {},
    }  # fmt: skip
    case = case_of(tuple(machine(pids, label=label) for label, pids in states.items()))
    assert case.main is not None
    assert case.main.snapshot.label == "both-again"
    assert case_of(()).main is None


def test_intervals_name_the_operations() -> None:
    case = case_of(
        (
            machine({}, label="a", write_pointer=8),
            machine({1: [7, 7]}, label="b", write_pointer=8 + 4 + 17),
            machine({}, label="c", write_pointer=8 + 4 + 17 + 13),
        )
    )
    told = [[(step.what, step.count, step.dwords) for step in account.steps] for account in case.intervals]
    assert told == [[("create", 2, 21)], [("process exit", 1, 13)]]
    assert [account.gpu_id for account in case.intervals] == [GPU, GPU]


def test_unseen_operations_are_marked_as_guessed() -> None:
    case = case_of((machine({1: [7]}, label="a", write_pointer=8), machine({1: [7]}, label="b", write_pointer=8 + 34)))
    (account,) = case.intervals
    assert account.exact and account.guessed
    assert account.runlists_beyond_changes == 2


def test_what_nothing_explains_stays_unexplained() -> None:
    case = case_of((machine({1: [7]}, label="a", write_pointer=8), machine({1: [7]}, label="b", write_pointer=13)))
    (account,) = case.intervals
    assert not account.exact and account.explained == 0


def test_mqd_image_of_the_builder_is_read_back() -> None:
    image = mqd_image(0x17BA000, 0x7F41B5200000, 1 << 20, 0x1008)
    assert image.get("cp_hqd_pq_control", "queue_size") == 0x11
    assert image.word(136) == 0x41B52000
