from pathlib import Path

import pytest

from ringscope.virtual.smi import ALL_PROCESSES, Event, Watchers


def mask(*events: Event, others: bool = False) -> bytes:
    return (sum(1 << event - 1 for event in events) | (ALL_PROCESSES if others else 0)).to_bytes(8, "little")


def test_a_watcher_hears_what_it_asked_for_in_the_drivers_words() -> None:
    watchers = Watchers(0xC66D, lambda: None)
    theirs = watchers.open(42, root=False)
    watchers.evicted(42)  # nothing was asked for yet
    theirs.send(mask(Event.VM_FAULT, Event.QUEUE_EVICTION, Event.GPU_POST_RESET))
    watchers.fault(42, "app")
    watchers.fault(43, "somebody else")
    watchers.evicted(42)
    watchers.restored(42)
    watchers.reset("hang")
    said = [theirs.recv(100).decode() for _ in range(3)]
    assert said[0] == "1 2a:app\n"
    assert said[1].startswith("9 ") and said[1].endswith(" -42 c66d 2\n")
    assert said[2] == "4 1\n"
    with pytest.raises(BlockingIOError):
        theirs.recv(100)
    theirs.close()
    watchers.close()


@pytest.mark.parametrize(("root", "heard"), [(True, True), (False, False)])
def test_only_root_hears_of_other_processes(root: bool, heard: bool) -> None:
    watchers = Watchers(1, lambda: None)
    with watchers.open(42, root) as theirs:
        theirs.send(mask(Event.VM_FAULT, others=True))
        watchers.fault(43, "other")
        try:
            assert theirs.recv(100) == b"1 2b:other\n" and heard
        except BlockingIOError:
            assert not heard
    watchers.close()


def test_a_watcher_that_closes_is_forgotten_and_nothing_stays_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    changes = []
    watchers = Watchers(1, lambda: changes.append(len(watchers.all)))
    theirs = watchers.open(1, root=False)
    (fd,) = watchers.all
    theirs.send(mask(Event.VM_FAULT))
    watchers.hear(fd)
    assert watchers.all[fd].mask == 1
    theirs.close()
    watchers.fault(1, "nobody listens")
    watchers.hear(fd)
    assert changes == [1, 0] and not watchers.all
    assert len(list(Path("/proc/self/fd").iterdir())) == before
