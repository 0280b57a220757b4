"""A live machine read at once: like a capture of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from live_machine import put

from ringscope.capture.live import look
from ringscope.capture.paths import Paths
from ringscope.errors import InputError
from ringscope.evidence.collect import collect

Tree = Callable[..., Path]


def test_it_shows_what_a_capture_of_it_shows(tree: Tree) -> None:
    root = tree(2, 3)
    put(root / "proc/4242/comm", "app\n")
    found = look(Paths(root)).snapshot
    assert [(process.pid, process.name, len(process.queues)) for process in found.processes] == [
        (4242, "app", 3),
        (4243, "", 4),
    ]
    (captured,) = collect([root / "sys/kernel/debug/kfd"]).snapshots
    assert [hqd.image for hqd in found.devices[0].hqds] == [hqd.image for hqd in captured.devices[0].hqds]
    assert found.sources == {"mqds", "hqds", "rls", "proc", "topology"}


def test_an_empty_list_of_processes_is_known_to_be_empty(tree: Tree) -> None:
    found = look(Paths(tree())).snapshot
    assert "proc" in found.sources
    assert found.processes == ()


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ringscope doctor"):
        look(Paths(tmp_path))
