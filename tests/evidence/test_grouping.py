"""The collector on made-up captures: what belongs to which moment, in what order, and what is passed over."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from dumps import device, mqd, process, queue, rows

from ringscope.errors import InputError
from ringscope.evidence.collect import collect
from ringscope.snapshot import Snapshot

GPU = 0xF7BC
EMPTY = "Node 2, gpu_id f7bc:\n  No active runlist\n"
PAIR = process(94314, queue(GPU, mqd(), mqd()))


def fill(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def labels(*paths: Path) -> list[str]:
    return [snapshot.label for snapshot in collect(paths).snapshots]


def one(*paths: Path) -> Snapshot:
    (snapshot,) = collect(paths).snapshots
    return snapshot


def test_single_files_are_one_snapshot_whatever_they_are_called(tmp_path: Path) -> None:
    fill(tmp_path, {"a/this": PAIR, "b/that.txt": device(), "c/rls": EMPTY})
    snapshot = one(tmp_path / "a" / "this", tmp_path / "b" / "that.txt", tmp_path / "c" / "rls")
    assert snapshot.sources == {"mqds", "hqds", "rls"}
    assert len(snapshot.queues) == 1
    assert snapshot.devices[0].runlist is not None


def test_content_wins_over_names(tmp_path: Path) -> None:
    assert one(fill(tmp_path, {"mqds": device(), "hqds": PAIR})).sources == {"mqds", "hqds"}


def test_each_folder_is_a_moment(tmp_path: Path) -> None:
    fill(
        tmp_path, {f"run/t{n}/{name}": text for n in (1, 2, 10) for name, text in (("hqds", device()), ("mqds", PAIR))}
    )
    assert labels(tmp_path) == ["t1", "t2", "t10"]


def test_flat_files_are_told_apart_by_the_rest_of_their_names(tmp_path: Path) -> None:
    fill(tmp_path, {f"{m}_{d}_7.txt": t for m in ("after", "baseline") for d, t in (("hqds", device()), ("mqds", ""))})
    assert labels(tmp_path) == ["baseline_7", "after_7"]


def test_two_dumps_of_a_kind_in_one_moment_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, {"hqds": device(), "hqds.txt": device()})
    with pytest.raises(InputError, match=r"^hqds\.txt: two hqds files in one snapshot: the other is hqds; put each"):
        collect([tmp_path])


def test_labels_are_as_long_as_they_must_be(tmp_path: Path) -> None:
    fill(tmp_path, {f"{run}/{moment}/hqds": device() for run in ("a", "b") for moment in ("x", "y")})
    assert labels(tmp_path) == ["a/x", "a/y", "b/x", "b/y"]
    assert labels(tmp_path / "a") == ["x", "y"]


def test_the_write_pointer_orders_not_the_name(tmp_path: Path) -> None:
    low = 1 << 32
    fill(tmp_path, {"1-after/hqds": device(write_pointer=low + 2), "2-before/hqds": device(write_pointer=low - 1)})
    capture = collect([tmp_path])
    assert [s.label for s in capture.snapshots] == ["2-before", "1-after"]
    assert capture.notes == ("snapshots are in the order of the HIQ's write pointer",)


def test_pointers_against_names_are_said(tmp_path: Path) -> None:
    fill(tmp_path, {"after/hqds": device(write_pointer=5), "before/hqds": device(write_pointer=500)})
    capture = collect([tmp_path])
    assert [s.label for s in capture.snapshots] == ["after", "before"]
    assert "against their names" in capture.notes[0]


def test_a_snapshot_that_lacks_a_device_is_noted(tmp_path: Path) -> None:
    fill(tmp_path, {"t1/hqds": device(gpu_id=1) + device(gpu_id=2, node=3), "t2/hqds": device(gpu_id=1)})
    assert collect([tmp_path]).notes[1:] == ("t2: hqds lists 1 of the 2 devices seen; it may have been cut",)


def test_equal_pointers_leave_the_order_given_then_the_moment_then_the_name(tmp_path: Path) -> None:
    fill(tmp_path, {f"{name}/hqds": device() for name in ("active", "after", "baseline")})
    assert labels(tmp_path) == ["baseline", "active", "after"]
    assert labels(tmp_path / "after", tmp_path / "active") == ["after", "active"]


def test_pointers_that_contradict_each_other_order_nothing(tmp_path: Path) -> None:
    def two(a: int, b: int) -> str:
        return device(gpu_id=1, node=1, write_pointer=a) + device(gpu_id=2, node=2, write_pointer=b)

    fill(tmp_path, {"x/hqds": two(10, 20), "y/hqds": two(11, 9)})
    capture = collect([tmp_path])
    assert [s.label for s in capture.snapshots] == ["x", "y"]
    assert "rise on one device and fall on another" in capture.notes[0]


def test_without_a_pointer_in_common_names_order(tmp_path: Path) -> None:
    fill(tmp_path, {"after/hqds": device(), "before/mqds": PAIR, "before/rls": EMPTY, "after/rls": EMPTY})
    capture = collect([tmp_path])
    assert [s.label for s in capture.snapshots] == ["before", "after"]
    assert "no HIQ write pointer in common" in capture.notes[0]


QUEUES = {
    f"queues/{qid}/{name}": value
    for qid, size in ((0, 4096), (1, 1 << 20), (2, 1 << 20))
    for name, value in (("gpuid", str(GPU)), ("size", str(size)), ("type", "0"))
}
RINGS = process(
    7,
    *(queue(GPU, *(mqd(dw136=ring, dw145=size) for _ in range(2))) for ring, size in ((3, 0x11), (2, 0x11), (1, 0x9))),
)


def test_sysfs_gives_a_queue_its_id_where_there_is_one_choice(tmp_path: Path) -> None:
    fill(tmp_path, {"mqds": RINGS, "hqds": device(), "proc/7/pasid": "5\n", "proc/7/vram_63420": "4096\n"})
    fill(tmp_path / "proc" / "7", QUEUES)
    (found,) = one(tmp_path).processes
    assert [queue.qid for queue in found.queues] == [None, None, 0]
    assert [queue.qid for queue in found.listed] == [0, 1, 2]
    assert found.pasid == 0x8001
    assert found.usage == {"vram_63420": 4096}


def test_sysfs_alone_lists_the_queues(tmp_path: Path) -> None:
    fill(tmp_path / "proc" / "7", QUEUES)
    snapshot = one(tmp_path)
    assert [(queue.qid, queue.ring_bytes, queue.mqds) for _, queue in snapshot.queues] == [
        (0, 4096, ()),
        (1, 1 << 20, ()),
        (2, 1 << 20, ()),
    ]
    assert [(d.gpu_id, d.node, d.generation) for d in snapshot.devices] == [(GPU, None, None)]
    assert snapshot.sources == {"proc"}


def test_sysfs_trees_go_to_the_nearest_moment(tmp_path: Path) -> None:
    node = {"topology/nodes/2/gpu_id": f"{GPU}\n", "topology/nodes/2/properties": "simd_count 320\n"}
    for moment, pid in (("t1", 1), ("t2", 2)):
        fill(tmp_path / moment, {"debug/kfd/hqds": device(), f"class/kfd/proc/{pid}/pasid": "1\n"})
    fill(tmp_path, node)
    first, second = collect([tmp_path]).snapshots
    assert ([p.pid for p in first.processes], [p.pid for p in second.processes]) == ([1], [2])
    for snapshot in (first, second):
        assert snapshot.devices[0].properties == {"simd_count": 320}
        assert snapshot.sources == {"hqds", "proc", "topology"}


def test_a_node_that_is_numbered_otherwise_is_noted(tmp_path: Path) -> None:
    fill(tmp_path, {"hqds": device(node=2), "topology/nodes/3/gpu_id": f"{GPU}\n"})
    assert any("is node 3 here and 2 in the dumps" in note for note in one(tmp_path).notes)


def test_two_topologies_as_near_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, {"hqds": device(), "a/nodes/2/gpu_id": "1\n", "b/nodes/2/gpu_id": "2\n"})
    with pytest.raises(InputError, match="two topology folders are as near"):
        collect([tmp_path])


def test_images_and_xccs_must_agree(tmp_path: Path) -> None:
    fill(tmp_path, {"hqds": device(xccs=2), "mqds": process(1, queue(GPU, mqd()))})
    with pytest.raises(InputError, match=r"^mqds:2: a queue with 1 images, but its device has 2 XCCs; capture"):
        collect([tmp_path])


def test_a_partition_of_later_xccs_keeps_their_numbers(tmp_path: Path) -> None:
    text = device(xccs=2).replace("Inst 1", "Inst 5").replace("Inst 0", "Inst 4")
    fill(tmp_path, {"hqds": text, "mqds": PAIR})
    assert [copy.xcc for _, queue in one(tmp_path).queues for copy in queue.mqds] == [4, 5]


def test_queues_of_another_machine_than_the_slots_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, {"hqds": device(gpu_id=1), "mqds": PAIR})
    with pytest.raises(InputError, match=r"^mqds:2: no device of these queues is in hqds: the files are of two machin"):
        collect([tmp_path])


def test_a_queue_on_a_device_that_hqds_does_not_list_is_noted(tmp_path: Path) -> None:
    here = queue(1, mqd(dw128=0x100000), mqd(dw128=0x200000))
    fill(tmp_path, {"hqds": device(gpu_id=1), "mqds": PAIR + process(8, here)})
    snapshot = one(tmp_path)
    assert any("a queue on device f7bc, which hqds does not list" in note for note in snapshot.notes)
    assert [d.gpu_id for d in snapshot.devices] == [1, GPU]


def test_an_empty_mqds_alone_is_taken_with_a_warning(tmp_path: Path) -> None:
    assert "unless tar or rsync" in one(fill(tmp_path, {"mqds": ""})).notes[0]
    assert not one(fill(tmp_path, {"hqds": device()})).notes


def test_a_runlist_becomes_packets(tmp_path: Path) -> None:
    words = [0xC00EA100, *[0] * 15, 0xC005A200, *[0] * 6, 0xC002A500, 0, 0, 1 << 20]
    fill(tmp_path, {"hqds": device(), "rls": "Node 2, gpu_id f7bc:\n" + rows(words, indent="  ")})
    runlist = one(tmp_path).devices[0].runlist
    assert runlist is not None
    assert [packet.name for packet in runlist.packets] == ["MAP_PROCESS", "MAP_QUEUES", "RUN_LIST"]


def test_a_tarball_is_read_like_its_folder(tmp_path: Path) -> None:
    files = {"t1/hqds": device(write_pointer=9), "t1/mqds": PAIR, "t2/hqds": device(), "t2/mqds": ""}
    with tarfile.open(tmp_path / "cap.tgz", "w:gz") as tar:
        for name, text in reversed(files.items()):
            info = tarfile.TarInfo(f"cap/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    fill(tmp_path / "cap", files)
    packed, plain = collect([tmp_path / "cap.tgz"]), collect([tmp_path / "cap"])
    assert [s.label for s in packed.snapshots] == [s.label for s in plain.snapshots] == ["t2", "t1"]
    assert [len(s.queues) for s in packed.snapshots] == [0, 1]
    assert packed.snapshots[1].devices[0].hiqs[0].source.file == "cap/t1/hqds"


def test_what_is_unknown_is_listed_with_the_reason(tmp_path: Path) -> None:
    fill(
        tmp_path,
        {
            "hqds": device(),
            "notes.md": "hello\n",
            "nothing.txt": "",
            "rocminfo.txt": "=====\nHSA System Attributes\n=====\n",
            "topology/nodes/2/gpu_id": f"{GPU}\n",
            "topology/nodes/2/caches/0/properties": "level 1\n",
        },
    )
    assert collect([tmp_path]).unread == (
        ("notes.md", "not a kind of file that ringscope knows"),
        ("nothing.txt", "empty"),
        ("rocminfo.txt", "rocminfo output, which answers nothing about queues"),
    )


def test_nothing_known_is_an_error_that_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing that ringscope knows; give a folder with mqds and hqds"):
        collect([tmp_path])
    fill(tmp_path, {"notes.md": "hello\n"})
    with pytest.raises(InputError, match=r"knows \(notes\.md: not a kind of file"):
        collect([tmp_path])


def test_a_dump_that_does_not_begin_like_one_is_an_error(tmp_path: Path) -> None:
    fill(tmp_path, {"hqds": b"\x7fELF\0\0\0", "mqds": PAIR})
    with pytest.raises(InputError, match=r"^hqds: does not begin like hqds; capture the file again$"):
        collect([tmp_path])


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    fill(tmp_path, {"a/hqds": device(), "a/mqds": PAIR, "b/hqds": device(write_pointer=99), "b/mqds": RINGS})
    assert collect([tmp_path]) == collect([tmp_path])
