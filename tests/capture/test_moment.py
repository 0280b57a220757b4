"""Snapshots of machines that hold still, and of machines that never do."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable
from pathlib import Path

from live_machine import put

from ringscope.capture.bundle import packed
from ringscope.capture.moment import ATTEMPTS, Clocks, queues_of, take
from ringscope.capture.paths import Paths, read
from ringscope.evidence.collect import collect

Tree = Callable[..., Path]


def test_a_still_machine_is_read_once(tree: Tree) -> None:
    paths = Paths(tree(2, 1))
    asked: list[str] = []

    def counted(path: Path) -> bytes:
        asked.append(path.name)
        return read(path)

    taken = take(paths, "now", reader=counted)
    assert (taken.attempts, taken.changed, taken.unread) == (1, (), ())
    assert [name for name in asked if name in ("mqds", "hqds", "rls")] == ["mqds", "hqds", "rls", "mqds"]
    assert len(taken.pids) == 2
    assert taken.files["hqds"] == (paths.debugfs / "hqds").read_bytes()
    pid = taken.pids[0]
    assert taken.files[f"proc/{pid}/queues/0/gpuid"]


def test_queues_are_told_apart_as_the_reader_of_mqds_does(tree: Tree) -> None:
    paths = Paths(tree(4, 2))
    found = collect([paths.debugfs]).snapshots[0].queues
    assert len(queues_of(read(paths.debugfs / "mqds"))) == len(found) == 8


def test_a_process_that_comes_while_being_read_is_seen_at_the_next_attempt(tree: Tree) -> None:
    paths = Paths(tree(2))
    early = read(paths.debugfs / "mqds")
    tree(2, 3)
    late = iter([early])

    def reader(path: Path) -> bytes:
        return next(late, None) or read(path) if path.name == "mqds" else read(path)

    taken = take(paths, "now", reader=reader)
    assert (taken.attempts, taken.changed) == (2, ())
    assert len(taken.pids) == 2


def test_a_machine_that_never_holds_still_is_marked(tree: Tree, tmp_path: Path) -> None:
    """Every reading of mqds finds other processes than the one before, as when they come and go all the time."""
    paths = Paths(tree(2))
    one = read(paths.debugfs / "mqds")
    tree(2, 3)
    two = read(paths.debugfs / "mqds")
    turns = itertools.cycle([one, two])
    taken = take(paths, "now", reader=lambda path: next(turns) if path.name == "mqds" else read(path))
    assert taken.attempts == ATTEMPTS
    assert taken.changed == ("4 queues of process 4243 came",)
    about = {
        "snapshots": [{"folder": "1-now", "changed": list(taken.changed)}],
        "unread": [],
        "processes": [],
        "facts": {},
    }
    bundle = tmp_path / "bundle.tar.gz"
    bundle.write_bytes(packed({f"1-now/{path}": data for path, data in taken.files.items()}, about, "bundle"))
    (snapshot,) = collect([bundle]).snapshots
    assert "1-now: while it was read, 4 queues of process 4243 came" in snapshot.notes


def test_a_queue_made_and_one_destroyed_do_not_cancel(tree: Tree) -> None:
    paths = Paths(tree(2))
    one = read(paths.debugfs / "mqds")
    # the same process with as many queues, one of which has another ring
    rows = one.split(b"\n")
    at = next(number for number, row in enumerate(rows) if row.startswith(b"    00000220: "))
    rows[at] = b"    00000220: " + b"deadbeef" + rows[at][len(b"    00000220: deadbeef") :]
    turns = itertools.cycle([one, b"\n".join(rows)])
    taken = take(paths, "now", reader=lambda path: next(turns) if path.name == "mqds" else read(path))
    assert taken.changed == ("1 queue of process 4242 came", "1 queue of process 4242 went")


def test_a_process_that_came_and_went_between_two_readings_is_given_away_by_its_slots(tree: Tree) -> None:
    paths = Paths(tree(2, 3))
    busy = read(paths.debugfs / "hqds")
    tree(2)
    taken = take(paths, "now", reader=lambda path: busy if path.name == "hqds" else read(path))
    # three streams' queues and ROCr's own, on each of four XCCs
    assert taken.changed == ("16 slots held queues that mqds does not list",)


def test_the_slots_of_a_real_machine_are_those_of_its_queues(shared: Path, tmp_path: Path) -> None:
    for name in ("mqds", "hqds"):
        put(tmp_path / "sys/kernel/debug/kfd" / name, (shared / "mi308x/streams-16/active" / name).read_text())
    taken = take(Paths(tmp_path), "now")
    assert (taken.attempts, taken.changed, taken.pids) == (1, (), (94314,))
    put(tmp_path / "sys/kernel/debug/kfd/mqds", "")
    assert take(Paths(tmp_path), "now").changed == ("20 slots held queues that mqds does not list",)


def test_processes_that_come_and_go_all_the_time_never_go_unnoticed(tree: Tree) -> None:
    """While another thread makes and ends processes, each snapshot is either of one state or marked."""
    states = []
    for streams in ((2,), (2, 3), (2, 3, 1)):
        paths = Paths(tree(*streams))
        states.append({name: read(paths.debugfs / name) for name in ("mqds", "hqds", "rls")})
    stop = threading.Event()

    def churn() -> None:
        for number, state in enumerate(itertools.cycle([*states, *states[1:-1]])):
            for name, data in state.items():
                aside = paths.debugfs / f".{name}.{number}"
                aside.write_bytes(data)
                aside.replace(paths.debugfs / name)
            if stop.wait(0.001):
                return

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        taken = [take(paths, "load") for _ in range(40)]
    finally:
        stop.set()
        thread.join()
    for moment in taken:
        whole = [state for state in states if state["mqds"] == moment.files["mqds"]]
        assert whole, "a file is one state's"
        slots = {fact for queue in queues_of(moment.files["mqds"]) for fact in queue}
        strangers = [
            found for found in re.findall(rb"CP Pipe \d+, Queue \d+\n {4}\S+ (\S+ \S+) 00000001", moment.files["hqds"])
            if found.decode() not in slots
        ]  # fmt: skip
        assert moment.changed or not strangers


def test_pointers_that_move_are_no_change(tree: Tree) -> None:
    paths = Paths(tree(2))
    one = read(paths.debugfs / "mqds")
    assert b"    000002c0: " in one
    turns = itertools.cycle([one, one.replace(b"    000002c0: 0", b"    000002c0: 7")])
    assert take(paths, "now", reader=lambda path: next(turns) if path.name == "mqds" else read(path)).changed == ()


def test_what_may_not_be_read_is_listed_and_the_rest_taken(tree: Tree) -> None:
    paths = Paths(tree(2))

    def ordinary(path: Path) -> bytes:
        if "debug" in path.parts:
            raise PermissionError(13, "Permission denied")
        return read(path)

    taken = take(paths, "now", reader=ordinary)
    assert dict(taken.unread) == dict.fromkeys(
        (f"/sys/kernel/debug/kfd/{name}" for name in ("mqds", "hqds", "rls")), "permission denied"
    )
    assert taken.pids == (4242,)
    assert taken.read_ns == {}


def test_a_process_that_goes_while_sysfs_is_read_is_left_out(tree: Tree) -> None:
    paths = Paths(tree(2, 1))

    def gone(path: Path) -> bytes:
        if "4243" in path.parts and path.name == "size":
            raise FileNotFoundError(2, "No such file or directory")
        return read(path)

    taken = take(paths, "now", reader=gone)
    assert not [path for path in taken.files if path.startswith("proc/4243/")]
    assert [path for path in taken.files if path.startswith("proc/4242/")]
    assert taken.unread == ()


def test_a_queue_that_is_half_there_is_left_out(tree: Tree) -> None:
    paths = Paths(tree(1))
    (paths.kfd / "proc/4242/queues/1/type").unlink()
    taken = take(paths, "now")
    assert {path for path in taken.files if "queues" in path} == {
        f"proc/4242/queues/0/{name}" for name in ("gpuid", "size", "type")
    }
    assert taken.files["proc/4242/pasid"]


def test_the_clocks_are_of_one_instant() -> None:
    one, two = Clocks.now(), Clocks.now()
    assert one.monotonic_ns <= two.monotonic_ns
    assert one.boottime_ns >= one.monotonic_ns  # it counts suspended time too
    assert one.realtime_ns > one.boottime_ns
