"""The join of MQD copies, slots and doorbells into queues."""

from dataclasses import replace

import pytest
from machines import GPU, machine, mqd_image, slot

from ringscope.join import case_of
from ringscope.join.queues import join_queues
from ringscope.snapshot import Device, Snapshot
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse


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


def test_the_plainest_account_that_fits_is_taken() -> None:
    """One queue of a process that went: destroyed, or lost with its process, costs the same."""
    case = case_of((machine({1: [7]}, label="a", write_pointer=8), machine({}, label="b", write_pointer=8 + 13)))
    (account,) = case.intervals
    assert [(step.what, step.count, step.seen) for step in account.steps] == [("destroy", 1, True)]
    assert (account.created, account.destroyed, account.guessed) == (0, 1, False)
    assert (account.before, account.after, account.start, account.end) == ("a", "b", 8, 21)


def test_a_priority_accounts_for_one_update_and_normal_for_none() -> None:
    def account(priority: int) -> list[tuple[str, int, bool]]:
        states = machine({}, label="a"), machine({1: [priority]}, label="b", write_pointer=4 + 17)
        (found,) = case_of(states).intervals
        assert found.exact
        return [(step.what, step.count, step.seen) for step in found.steps]

    assert account(7) == [("create", 1, True), ("update", 1, False)]
    (bare,) = case_of((machine({}, label="a"), machine({1: [11]}, label="b", write_pointer=4))).intervals
    assert [(step.what, step.seen) for step in bare.steps] == [("create", True)]  # its update is yet to come
    assert account(11) == account(6) == [("create", 1, True), ("update", 1, True)]


def test_no_account_without_a_write_pointer_on_both_sides_or_of_another_boot() -> None:
    early, late = (machine({1: [7]}, label=str(at), write_pointer=at) for at in (8, 25))
    blind = replace(early, devices=(replace(early.devices[0], hiqs=()),))
    assert case_of((early, late)).intervals
    for pair in ((blind, late), (late, blind), (blind, blind), (late, early)):
        assert case_of(pair).intervals == ()


def test_each_device_that_both_states_have_is_accounted_for() -> None:
    def devices(write_pointer: int, *gpus: int) -> Snapshot:
        snapshot = machine({}, write_pointer=write_pointer)
        return replace(snapshot, devices=tuple(replace(snapshot.devices[0], gpu_id=gpu) for gpu in gpus))

    case = case_of((devices(0, 1, 3), devices(17, 1, 2, 3)))
    assert [account.gpu_id for account in case.intervals] == [1, 3]


def test_a_queue_without_a_slot_is_told_from_one_whose_slots_were_not_captured() -> None:
    for sources, read in ((("mqds",), False), (("mqds", "hqds"), True)):
        (queue,) = join_queues(machine({500: [7]}, mapped=False, sources=sources))
        assert (queue.mapped, queue.slots_read) == ("none", read)


def test_slots_whose_queue_mqds_does_not_list() -> None:
    whole = machine({500: [7], 501: [7]}, xccs=1)
    (gone,) = case_of((replace(whole, processes=whole.processes[:1]),)).states
    assert [hqd.name for hqd in gone.unlisted] == ["1.2"]
    for sources in (("mqds", "hqds"), ("hqds",)):
        (state,) = case_of((replace(whole, sources=frozenset(sources)),)).states
        assert state.unlisted == ()
    (blind,) = case_of((replace(whole, processes=(), sources=frozenset({"hqds"})),)).states
    assert blind.unlisted == ()


def test_the_saved_registers_are_those_of_the_first_xcc() -> None:
    snapshot = machine({500: [7]}, xccs=2, mapped=False)
    queue = snapshot.processes[0].queues[0]
    other = machine({500: [11]}, xccs=2, mapped=False).processes[0].queues[0]
    mixed = replace(queue, mqds=(queue.mqds[0], other.mqds[1]))
    process = replace(snapshot.processes[0], queues=(mixed,))
    (joined,) = join_queues(replace(snapshot, processes=(process,)))
    assert joined.queue_priority == 7


def test_what_waits_is_counted_within_the_ring() -> None:
    """A ring of 4096 bytes has 1024 dwords; the read pointer wraps with it, the write pointer does not."""
    pointers = {"cp_hqd_pq_wptr_lo": 1024 + 48, "cp_hqd_pq_rptr": 16}
    (queue,) = join_queues(machine({500: [7]}, live={0: pointers}))
    assert (queue.written, queue.waiting, queue.fetched, queue.unit) == (67, 2, 65, "packet")
    (queue,) = join_queues(machine({500: [7]}, mapped=False, saved={0: pointers | {"cp_hqd_aql_control": 0}}))
    assert (queue.written, queue.waiting, queue.fetched, queue.unit) == (1072, 32, 1040, "dword")


def test_only_the_first_small_aql_ring_of_a_process_is_the_runtimes_own() -> None:
    def names(snapshot: Snapshot) -> list[str]:
        return [queue.name for queue in reversed(join_queues(snapshot))]

    assert names(machine({500: [7, 7]})) == ["ROCr internal", "HIP #1"]
    assert names(machine({500: [7, 7]}, saved={0: {"cp_hqd_aql_control": 0}})) == ["PM4 #1", "HIP #1"]
    small = {"cp_hqd_pq_control": 8}  # 2 ** (8 + 1) dwords
    large = {"cp_hqd_pq_control": 16}
    assert names(machine({500: [7, 7]}, saved={1: small})) == ["ROCr internal", "HIP #1"]
    assert names(machine({500: [7, 7]}, saved={0: large, 1: small})) == ["HIP #1", "HIP #2"]


@pytest.mark.parametrize("gpu", ["vega10", "mi210", "mi308x"])
def test_copy_queues_have_a_ring_a_size_and_a_doorbell(gpu: str) -> None:
    run = rehearse(MachineSpec.of(gpu), [ProcessSpec((0,))])
    run.programs[0].rocr.copy_queues(run.kfd.machine.nodes[0])
    copies = [queue for queue in join_queues(run.snapshot()) if not queue.is_compute]
    (process,) = run.kfd.processes
    made = [queue for queue in process.queues.values() if queue.sdma is not None]
    assert made
    assert [(q.ring_base, q.ring_bytes, q.doorbell_index) for q in reversed(copies)] == [
        (queue.request.ring_base, queue.request.ring_bytes, queue.doorbell) for queue in made
    ]
    assert {(q.write_pointer, q.waiting, q.written, q.vmid) for q in copies} == {(None, None, None, None)}


def test_mqd_image_of_the_builder_is_read_back() -> None:
    image = mqd_image(0x17BA000, 0x7F41B5200000, 1 << 20, 0x1008)
    assert image.get("cp_hqd_pq_control", "queue_size") == 0x11
    assert image.word(136) == 0x41B52000
