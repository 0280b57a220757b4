"""Files without a size are read whole, and errors are said in the kernel's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringscope.capture.paths import Paths, line, read, why


def test_a_file_without_a_size_is_read_whole() -> None:
    # procfs says 0 bytes in stat, as debugfs does
    path = Path("/proc/self/status")
    assert path.stat().st_size == 0
    assert read(path).startswith(b"Name:")


def test_a_file_longer_than_the_limit_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * 100)
    assert len(read(tmp_path / "long", 100)) == 100
    with pytest.raises(OSError, match="longer than 99 bytes"):
        read(tmp_path / "long", 99)


def test_an_endless_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    assert read(tmp_path / "pipe") == b""


def test_a_missing_file_has_no_line_and_says_why(tmp_path: Path) -> None:
    assert line(tmp_path / "none") == ""
    with pytest.raises(OSError) as caught:
        read(tmp_path / "none")
    assert why(caught.value) == "no such file or directory"


def test_places_lie_below_the_root(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert paths.debugfs == tmp_path / "sys/kernel/debug/kfd"
    assert paths.in_container is None
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/pid").symlink_to("pid:[4026532000]")
    assert paths.in_container is True
