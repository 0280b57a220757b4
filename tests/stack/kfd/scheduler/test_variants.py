"""The notes' five proposals: what each changes in the HIQ, and what it breaks."""

import errno

import pytest

from ringscope.parts.queue_types import IoctlQueueType
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import Action, CreatedQueue, CreateQueue, KfdError, UpdateQueue, hiq_dwords
from ringscope.stack.kfd.scheduler.cpsch import Cpsch
from ringscope.stack.machine import (
    AsyncSubmission,
    Batching,
    Hybrid,
    MachineSpec,
    NoActiveRunlistCheck,
    PerProcessRunlist,
    Proposal,
)


def kfd_of(proposal: Proposal | None) -> tuple[Kfd, int]:
    machine = MachineSpec.of("mi308x", proposal=proposal)
    return Kfd(machine), machine.nodes[0].gpu_id


def create(kfd: Kfd, gpu: int, pid: int, count: int = 1) -> list[CreatedQueue]:
    request = CreateQueue(gpu, IoctlQueueType.COMPUTE_AQL, 1 << 40, 4096, 0x80, 0x38)
    return [kfd.create_queue(pid, request) for _ in range(count)]


def cost(created: list[CreatedQueue]) -> int:
    return sum(hiq_dwords(queue.steps) for queue in created)


def test_batching_saves_runlists_and_breaks_the_promise_of_create() -> None:
    kfd, gpu = kfd_of(Batching(threshold=5, timeout_ns=1000))
    assert cost(create(kfd, gpu, 1, 5)) == 4  # one runlist for five queues; the driver takes 72 dwords
    assert len(kfd.node(gpu).mec.occupied) == 5
    assert [breakage.proposal for breakage in kfd.breakages] == ["Batching"] * 4
    assert "gave queue 0 of process 1 back before it was mapped" in kfd.breakages[0].what
    create(kfd, gpu, 2)
    assert kfd.slot(2, 0) is None
    assert hiq_dwords(kfd.flush(gpu)) == 17
    assert kfd.slot(2, 0) == (0, 2)
    assert kfd.flush(gpu) == ()


def test_batching_cannot_hold_back_what_unmaps() -> None:
    kfd, gpu = kfd_of(Batching(threshold=9))
    create(kfd, gpu, 1, 2)
    assert hiq_dwords(kfd.update_queue(1, UpdateQueue(0, 1 << 40, 4096, 100, 11))) == 4
    create(kfd, gpu, 1)
    assert hiq_dwords(kfd.destroy_queue(1, 0)) == 17
    assert (kfd.slot(1, 1), kfd.slot(1, 2)) == ((1, 2), (0, 2))


def test_a_queue_that_waits_is_not_in_the_loaded_runlist() -> None:
    kfd, gpu = kfd_of(Batching(threshold=2))
    create(kfd, gpu, 1, 2)
    runlist = kfd.scheduler(gpu).runlist
    assert runlist is not None
    before = runlist.words
    create(kfd, gpu, 1)
    assert runlist.words == before
    assert len(before) == runlist.size.dwords


def test_a_runlist_per_process_serves_the_first_process_alone() -> None:
    kfd, gpu = kfd_of(PerProcessRunlist())
    assert cost(create(kfd, gpu, 1, 5)) == 72
    before = kfd.snapshot()
    with pytest.raises(KfdError) as caught:
        create(kfd, gpu, 2)
    assert caught.value.errno == errno.EINVAL
    assert kfd.snapshot() == before
    (breakage,) = kfd.breakages
    assert "pm_allocate_runlist_ib warns" in breakage.what
    kfd.exit(1)
    create(kfd, gpu, 2)


def test_asynchronous_submission_waits_for_nothing_and_says_what_that_risks() -> None:
    kfd, gpu = kfd_of(AsyncSubmission(hiqs=4))
    plain, other = kfd_of(None)
    created = create(kfd, gpu, 1, 2)
    assert cost(created) == cost(create(plain, other, 1, 2)) == 21
    assert not any(step.waits for queue in created for step in queue.steps)
    first, second = kfd.breakages
    assert "4 HIQs are asked for" in first.what
    assert "nobody waits for the fence" in second.what


def test_hybrid_collides_on_the_first_slot() -> None:
    kfd, gpu = kfd_of(Hybrid(static_pids=frozenset({7})))
    create(kfd, gpu, 1)
    for pid in (7, 7):
        with pytest.raises(KfdError) as caught:
            create(kfd, gpu, pid)
        assert caught.value.errno == errno.EBUSY
    assert "slot 0.2 loaded by the driver" in kfd.breakages[0].what
    assert "the firmware's queue sits there" in kfd.breakages[0].what
    create(kfd, gpu, 2)
    assert len(kfd.node(gpu).mec.occupied) == 2


def test_removing_the_check_changes_nothing_in_normal_use() -> None:
    kfd, gpu = kfd_of(NoActiveRunlistCheck())
    plain, other = kfd_of(None)
    assert cost(create(kfd, gpu, 1, 5)) == cost(create(plain, other, 1, 5)) == 72
    assert kfd.snapshot().processes == plain.snapshot().processes
    assert not kfd.breakages


def test_mapping_twice_returns_early_with_the_check_and_fails_without() -> None:
    plain, gpu = kfd_of(None)
    create(plain, gpu, 1)
    scheduler = plain.scheduler(gpu)
    assert isinstance(scheduler, Cpsch)
    assert scheduler.blocked_maps == 0
    scheduler.map_without_unmap()
    assert scheduler.blocked_maps == 1
    assert not plain.node(gpu).steps
    kfd, gpu = kfd_of(NoActiveRunlistCheck())
    create(kfd, gpu, 1)
    scheduler = kfd.scheduler(gpu)
    assert isinstance(scheduler, Cpsch)
    with pytest.raises(KfdError) as caught:
        scheduler.map_without_unmap()
    assert caught.value.errno == errno.EINVAL
    assert "WARN" in kfd.breakages[0].what.upper()


def test_no_proposal_touches_a_dispatch() -> None:
    for proposal in (None, Batching(1), PerProcessRunlist(), AsyncSubmission(), Hybrid(), NoActiveRunlistCheck()):
        kfd, gpu = kfd_of(proposal)
        create(kfd, gpu, 1)
        hiq = kfd.node(gpu).hiq
        assert hiq is not None
        before = hiq.wptr_dwords
        for packets in range(100):
            kfd.progress(1, 0, 16 * packets, 16 * packets)
        assert hiq.wptr_dwords == before


def test_a_death_under_any_proposal_gives_everything_back() -> None:
    for proposal in (Batching(3), PerProcessRunlist(), AsyncSubmission(), Hybrid(), NoActiveRunlistCheck()):
        kfd, gpu = kfd_of(proposal)
        node = kfd.node(gpu)
        free = node.gart.objects.held_bytes, node.gart.pool.held_bytes, node.bar.held_bytes
        create(kfd, gpu, 1, 4)
        steps = kfd.exit(1)
        assert Action.UNMAP_QUEUES in {step.action for step in steps}
        assert (node.gart.objects.held_bytes, node.gart.pool.held_bytes, node.bar.held_bytes) == free
