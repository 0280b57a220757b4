"""The proc tree: processes, queues with ids and sizes, use of devices."""

from pathlib import Path

import pytest

from ringscope.errors import InputError
from ringscope.evidence import kfd_proc
from ringscope.evidence.files import walk
from ringscope.evidence.kfd_proc import SysfsProcess, processes_of, root_of
from ringscope.snapshot import QueueType


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / "proc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def processes(folder: Path) -> tuple[SysfsProcess, ...]:
    return processes_of([kfd_proc.read(file) for file in walk([folder], print)])


FILES = {
    "94314/pasid": "0\n",
    "94314/vram_63420": "1048576\n",
    "94314/sdma_63420": "12\n",
    "94314/stats_63420/evicted_ms": "3\n",
    "94314/queues/10/gpuid": "63420",
    "94314/queues/10/size": "1048576",
    "94314/queues/10/type": "0",
    "94314/queues/2/gpuid": "63420",
    "94314/queues/2/size": "4096",
    "94314/queues/2/type": "4",
    "100/pasid": "32769\n",
}


def test_processes_and_their_queues(tmp_path: Path) -> None:
    small, large = processes(tree(tmp_path, FILES))
    assert (small.pid, small.pasid, small.queues) == (100, 32769, ())
    assert (large.pid, large.pasid) == (94314, None)
    assert large.usage == {"vram_63420": 1048576, "sdma_63420": 12, "stats_63420/evicted_ms": 3}
    assert [(q.qid, q.gpu_id, q.type, q.ring_bytes) for q in large.queues] == [
        (2, 63420, QueueType.SDMA_XGMI, 4096),
        (10, 63420, QueueType.COMPUTE, 1048576),
    ]
    assert large.queues[1].source.file == "proc/94314/queues/10/gpuid"


def test_the_root_is_the_folder_of_the_processes(tmp_path: Path) -> None:
    roots = {root_of(file.location) for file in walk([tree(tmp_path, FILES)], print)}
    assert [root.name for root in roots] == ["proc"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"94314/queues/10/gpuid": "f7bc"}, "94314/queues/10/gpuid:1: not a decimal number: 'f7bc'"),
        ({"94314/queues/11/size": "4096"}, "94314/queues/11/size: queue 11 has no file 'gpuid'"),
        ({"94314/vram_63420": "\n"}, "94314/vram_63420:1: not a decimal number"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, change: dict[str, str], says: str) -> None:
    with pytest.raises(InputError) as caught:
        processes(tree(tmp_path, {**FILES, **change}))
    assert says in str(caught.value)


def test_a_queue_that_is_called_like_a_process(tmp_path: Path) -> None:
    """Found by fuzzing: a process's file below a folder ``queues`` was taken for a queue's."""
    (process,) = processes(tree(tmp_path, {"odd/queues/242/pasid": "7\n"}))
    assert (process.pid, process.pasid, process.queues) == (242, 7, ())


def test_a_queue_whose_number_has_a_leading_zero(tmp_path: Path) -> None:
    """Found by fuzzing: its files were looked for under another name."""
    files = {"7/queues/05/gpuid": "1", "7/queues/05/size": "4096", "7/queues/05/type": "0"}
    assert [queue.qid for queue in processes(tree(tmp_path, files))[0].queues] == [5]
