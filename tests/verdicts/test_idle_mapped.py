from asking import NO, UNDECIDED, YES, ask
from machines import machine


def test_idle_queues_cost_nothing_while_slots_are_free() -> None:
    found = ask("idle-mapped", machine({500: [7] * 5}))
    assert (found.verdict, found.finding, found.summary) == (
        YES,
        False,
        "5 of 5 mapped queues; no queue waits for a slot",
    )


def test_idle_queues_on_a_full_device_are_a_finding() -> None:
    found = ask("idle-mapped", machine({pid: [7] * 5 for pid in range(500, 505)}))
    assert (found.finding, found.summary) == (True, "24 of 24 mapped queues, with 1 active queue out of a slot")


def test_a_busy_queue_is_not_idle() -> None:
    assert ask("idle-mapped", machine({500: [7]}, live={0: {"cp_hqd_pq_wptr_lo": 16}})).verdict is NO
    assert ask("idle-mapped", machine({500: [7]}, sources=("mqds",))).verdict is UNDECIDED
