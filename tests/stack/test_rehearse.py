from __future__ import annotations

from pathlib import Path

import pytest

from ringscope.errors import InputError
from ringscope.evidence.collect import collect
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import FIRST_PID, ProcessSpec, rehearse
from ringscope.stack.rocm import RocmVersion

MI308X = MachineSpec.of("mi308x", 2)


def test_processes_get_pids_in_order_and_queues_where_they_were_put() -> None:
    run = rehearse(MI308X, [ProcessSpec((0,) * 16), ProcessSpec((-1, 1), gpu=1), ProcessSpec((0,), pid=77)])
    snapshot = run.snapshot("three")
    assert [(process.pid, len(process.queues)) for process in snapshot.processes] == [
        (FIRST_PID, 5),
        (FIRST_PID + 1, 3),
        (77, 2),
    ]
    assert {queue.gpu_id for queue in snapshot.processes[1].queues} == {MI308X.nodes[1].gpu_id}


def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="no GPU 2"):
        rehearse(MI308X, [ProcessSpec((0,), gpu=2)])


def test_files_read_back_as_the_machine_they_came_from(tmp_path: Path) -> None:
    run = rehearse(MI308X, [ProcessSpec((0,) * 8), ProcessSpec((-1,), rocm=RocmVersion((6, 4)))])
    for path, text in run.files().items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    capture = collect([tmp_path])
    assert [len(process.queues) for process in capture.snapshots[0].processes] == [5, 2]
    assert [recording.facts["pid"] for recording in capture.recordings] == [FIRST_PID, FIRST_PID + 1]
    assert not capture.unread
