import errno
import struct
import time

import pytest

from ringscope.virtual.events import (
    COMPLETE,
    FAIL,
    HW_EXCEPTION,
    MEMORY,
    RECORD,
    SIGNAL,
    TIMEOUT,
    Event,
    Events,
    Wait,
    ids_and_ages,
)


class Answers:
    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def __call__(self, _: Wait, result: int, error: int) -> None:
        self.seen.append((result, error))


def wait(answers: Answers, *waited: Event, everything: bool = False, deadline: int | None = None) -> Wait:
    return Wait(1, 2, list(waited), [False] * len(waited), everything, deadline, answers)


@pytest.mark.parametrize(("everything", "enough"), [(False, 1), (True, 2)])
def test_a_wait_ends_when_any_or_all_came(everything: bool, enough: int) -> None:
    events, answers = Events(), Answers()
    both = [events.create(SIGNAL, True) for _ in range(2)]
    assert not events.wait(wait(answers, *both, everything=everything), [0, 0])
    events.signal(both[0].number)
    assert len(answers.seen) == (enough == 1)
    events.signal(both[1].number)
    assert answers.seen == [(COMPLETE, 0)]


def test_an_auto_reset_event_wakes_one_wait_and_a_manual_one_all() -> None:
    events = Events()
    for auto, later in ((True, False), (False, True)):
        event = events.create(SIGNAL, auto)
        events.signal(event.number)
        answers = Answers()
        assert events.wait(wait(answers, event), [0])
        again = Answers()
        assert events.wait(wait(again, event), [0]) is later


def test_a_signal_consumed_by_a_waiter_does_not_stay() -> None:
    events, answers = Events(), Answers()
    event = events.create(SIGNAL, True)
    events.wait(wait(answers, event), [0])
    events.signal(event.number)
    assert answers.seen and not event.signaled


def test_a_wait_for_all_takes_one_signal_of_each_event() -> None:
    events, answers = Events(), Answers()
    first, second = (events.create(SIGNAL, True) for _ in range(2))
    events.signal(first.number)
    assert not events.wait(wait(answers, first, second, everything=True), [0, 0])
    events.signal(first.number)
    assert first.signaled  # for the wait that comes next
    events.signal(second.number)
    assert answers.seen == [(COMPLETE, 0)] and not second.signaled


def test_an_event_missed_since_its_last_seen_age_ends_the_wait_at_once() -> None:
    events, answers = Events(), Answers()
    event = events.create(SIGNAL, True)
    age = event.age
    events.signal(event.number)
    first = Answers()
    events.wait(wait(first, event), [0])  # takes the signal
    later = wait(answers, event)
    later.ages = [True]
    assert events.wait(later, [age])
    assert struct.unpack_from("<Q", later.results(bytes(RECORD)))[0] == event.age == age + 1


def test_a_wait_of_no_time_times_out_at_once() -> None:
    events, answers = Events(), Answers()
    assert events.wait(wait(answers, events.create(SIGNAL, False), deadline=0), [0])
    assert answers.seen == [(TIMEOUT, 0)]


def test_a_destroyed_event_fails_its_waits() -> None:
    events, answers = Events(), Answers()
    event = events.create(SIGNAL, False)
    events.wait(wait(answers, event, deadline=time.monotonic_ns() + 10**12), [0])
    events.destroy(event.number)
    assert answers.seen == [(FAIL, errno.EIO)]
    with pytest.raises(OSError) as unknown:
        events.get(event.number)
    assert unknown.value.errno == errno.EINVAL


def test_exceptions_carry_their_payload_to_events_of_their_type() -> None:
    events, answers = Events(), Answers()
    fault, other = events.create(MEMORY, True), events.create(HW_EXCEPTION, True)
    waiting = wait(answers, fault, other)
    events.wait(waiting, [0, 0])
    events.signal_type(MEMORY, b"payload")
    assert answers.seen == [(COMPLETE, 0)]
    assert waiting.results(bytes(2 * RECORD)) == b"payload".ljust(2 * RECORD, b"\0")
    assert not other.signaled and other.age == 1
    assert fault.number >= 1 << 30


def test_ids_are_slots_given_again_and_run_out() -> None:
    events = Events()
    first = events.create(SIGNAL, True)
    events.destroy(first.number)
    assert events.create(SIGNAL, True).number == first.number
    for _ in range(4094):
        events.create(SIGNAL, True)
    with pytest.raises(OSError) as full:
        events.create(SIGNAL, True)
    assert full.value.errno == errno.ENOSPC
    with pytest.raises(OSError):
        events.create(99, True)


def test_records_are_read_at_the_drivers_offsets() -> None:
    record = struct.pack("<Q32xII", 7, 42, 0)
    assert ids_and_ages(record * 2) == [(42, 7), (42, 7)]
