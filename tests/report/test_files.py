"""Files are whole or not there, and what is no file stays what it is."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from ringscope.cli import main
from ringscope.errors import InputError
from ringscope.report.files import write_aside


def test_a_file_is_written_over_and_is_its_owners(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old and longer")
    write_aside(target, b"new")
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    assert main(["parts", "--json", "--output", str(pipe)]) == 0
    reader.join(10)
    assert pipe.is_fifo()
    assert json.loads(got[0])


def test_a_device_is_written_to_and_stays_a_device() -> None:
    ours, theirs = os.openpty()  # the one device that anybody may make
    terminal = Path(os.ttyname(theirs))
    write_aside(terminal, b"to a terminal")
    assert os.read(ours, 100) == b"to a terminal"
    assert stat.S_ISCHR(terminal.lstat().st_mode)
    os.close(ours)
    os.close(theirs)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_aside(tmp_path, b"x")
