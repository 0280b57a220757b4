from dataclasses import replace

from asking import NO, UNDECIDED, YES, ask, recorded, told
from machines import machine, slot

from ringscope.recording import Clock, Event, Kind
from ringscope.snapshot import Snapshot


def test_who_was_evicted_why_and_for_how_long() -> None:
    run = recorded(
        told(Kind.QUEUE_EVICT, at=1, pid=500, gpu_id=1, reason="userptr"),
        told(Kind.QUEUE_RESTORE, at=13.5, pid=500, gpu_id=1),
        told(Kind.QUEUE_EVICT, at=20, pid=501, gpu_id=1),
    )
    found = ask("evicted", machine({500: [7]}), recordings=[run])
    assert (found.verdict, found.finding) == (YES, True)
    assert found.summary == "2 evictions, 12.5 ms in all, the longest 12.5 ms, 1 not restored"
    assert found.because[0].text == "all queues of process 500: 12.5 ms; userptr"
    twice = [told(Kind.QUEUE_EVICT, at=at, pid=500) for at in (0, 10)]
    back = [told(Kind.QUEUE_RESTORE, at=at, pid=500) for at in (1, 12)]
    each = ask("evicted", machine({500: [7]}), recordings=[recorded(*twice, *back)]).because
    assert [reason.text.partition(": ")[2].partition(";")[0] for reason in each[:2]] == ["1.0 ms", "2.0 ms"]


def test_a_kernel_log_without_one() -> None:
    run = recorded(told(Kind.KERNEL_MESSAGE, text="something else"))
    assert ask("evicted", machine({500: [7]}), recordings=[run]).verdict is NO


def test_a_queue_without_a_slot_beside_free_ones() -> None:
    found = ask("evicted", machine({500: [7]}, mapped=False))
    assert (found.verdict, found.confidence and found.confidence.word) == (YES, "weak")
    snapshot = machine({500: [7] * 24}, xccs=1)
    (device,) = snapshot.devices
    last = replace(device, hqds=(*device.hqds[:-1], slot(0, 3, 7, None, 1)))  # one queue away, one slot free
    assert ask("evicted", replace(snapshot, devices=(last,))).summary == "1 queue without a slot while slots are free"
    quiet = ask("evicted", machine({500: [7]}))
    assert (quiet.verdict, quiet.quiet) == (UNDECIDED, True)


def test_the_drivers_own_count_in_sysfs() -> None:
    snapshot = machine({500: [7], 501: [7]})

    def with_ms(*times: int) -> Snapshot:
        pairs = zip(snapshot.processes, times, strict=True)
        return replace(snapshot, processes=tuple(replace(p, usage={"stats_63420/evicted_ms": ms}) for p, ms in pairs))

    found = ask("evicted", with_ms(0, 40))
    assert (found.verdict, found.finding, found.summary) == (YES, True, "40 ms in 1 process")
    none = ask("evicted", with_ms(0, 0))
    assert (none.verdict, none.confidence and none.confidence.word) == (NO, "certain")


def test_a_restore_belongs_to_the_eviction_before_it_on_the_same_clock() -> None:
    def summary(*restores: Event) -> str:
        run = recorded(told(Kind.QUEUE_EVICT, at=10, pid=500, gpu_id=1), *restores)
        return ask("evicted", machine({500: [7]}), recordings=[run]).summary

    earlier = told(Kind.QUEUE_RESTORE, at=4, pid=500, gpu_id=1)
    foreign = told(Kind.QUEUE_RESTORE, at=12, pid=500, gpu_id=1, clock=Clock.REALTIME)
    other = told(Kind.QUEUE_RESTORE, at=12, pid=501, gpu_id=1)
    assert summary(earlier, foreign, other) == summary()
    assert "1 not restored" in summary()
    assert "6.0 ms in all" in summary(earlier, foreign, other, told(Kind.QUEUE_RESTORE, at=16, pid=500, gpu_id=1))
