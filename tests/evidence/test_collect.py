"""The collector on the real capture: every value that was computed independently comes out."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ringscope.errors import InputError
from ringscope.evidence.collect import Capture, collect
from ringscope.parts.layout import Generation, Image
from ringscope.snapshot import Hqd, Snapshot


def ring(image: Image) -> tuple[str, int]:
    base = image.get64("cp_hqd_pq_base_lo", "cp_hqd_pq_base_hi") << 8
    return hex(base), 8 << image.get("cp_hqd_pq_control", "queue_size")


def address(image: Image) -> str:
    return hex(image.get64("cp_mqd_base_addr_lo", "cp_mqd_base_addr_hi"))


def shown(slot: Hqd) -> dict[str, Any]:
    image = slot.image
    base, size = ring(image)
    return {
        "xcc": slot.xcc,
        "pipe": slot.pipe,
        "queue": slot.queue,
        "mqd_addr": address(image),
        "ring_base": base,
        "ring_size": size,
        "doorbell_index": hex(image.get("cp_hqd_pq_doorbell_control", "doorbell_offset")),
        "vmid": image.get("cp_hqd_vmid") & 0xF,
        "ib_vmid": image.get("cp_hqd_vmid") >> 8 & 0xF,
        "pipe_priority": image.get("cp_hqd_pipe_priority"),
        "queue_priority": image.get("cp_hqd_queue_priority"),
        "quantum": hex(image.get("cp_hqd_quantum")),
        "rptr_dw": image.get("cp_hqd_pq_rptr"),
        "wptr_dw": image.get64("cp_hqd_pq_wptr_lo", "cp_hqd_pq_wptr_hi"),
    }


@pytest.fixture(scope="module", params=[16, 32], ids=lambda n: f"{n}-streams")
def streams(request: pytest.FixtureRequest) -> int:
    number = request.param
    assert isinstance(number, int)
    return number


@pytest.fixture(scope="module")
def capture(shared: Path, streams: int) -> Capture:
    return collect([shared / "mi308x" / f"streams-{streams}"])


@pytest.fixture(scope="module")
def expected(shared: Path) -> dict[str, Any]:
    loaded = json.loads((shared / "mi308x" / "expected.json").read_text())
    assert isinstance(loaded, dict)
    return loaded


def active(snapshot: Snapshot) -> list[tuple[int, int, Hqd]]:
    found = [(device.node, device.gpu_id, slot) for device in snapshot.devices for slot in device.hqds if slot.active]
    return [(node, gpu_id, slot) for node, gpu_id, slot in found if node is not None]


def test_slots_are_those_of_the_independent_decode(capture: Capture, expected: dict[str, Any], streams: int) -> None:
    want = expected[f"hqds_{streams}"]
    snapshot = capture.snapshots[1]
    assert snapshot.label == "active"
    assert len(snapshot.devices) == want["nodes"]
    assert sum(len(device.hqds) for device in snapshot.devices) == want["cp_slots"]
    assert sum(len(device.hiqs) for device in snapshot.devices) == want["hiq"]
    assert sum(len(device.sdma) for device in snapshot.devices) == want["sdma"]
    got = [{"node": node, "gpu_id": f"{gpu_id:x}", **shown(slot)} for node, gpu_id, slot in active(snapshot)]
    key = ("node", "xcc", "pipe", "queue")
    assert sorted(got, key=lambda row: [row[k] for k in key]) == sorted(
        want["list"], key=lambda row: [row[k] for k in key]
    )
    assert len(got) == want["active_cp"] == 20


def test_queues_are_those_of_the_independent_decode(capture: Capture, expected: dict[str, Any], streams: int) -> None:
    want = expected[f"mqds_{streams}"]
    (process,) = capture.snapshots[1].processes
    assert process.pasid is None
    assert len(process.queues) == want["queues"]
    assert sum(len(queue.mqds) for queue in process.queues) == want["mqd_copies"]
    for queue, row in zip(process.queues, want["list"], strict=True):
        first = queue.mqds[0].image
        assert (process.pid, f"{queue.gpu_id:x}", queue.type.value) == (row["pid"], row["gpu_id"], "compute")
        assert [mqd.xcc for mqd in queue.mqds] == [0, 1, 2, 3]
        assert [address(mqd.image) for mqd in queue.mqds] == row["mqd_addr"]
        assert ring(first) == (row["ring_base"], row["ring_size"])
        assert hex(first.get("cp_hqd_pq_doorbell_control", "doorbell_offset")) == row["doorbell_index"]
        assert first.get("cp_hqd_pipe_priority") == row["pipe_priority"]
        assert first.get("cp_hqd_queue_priority") == row["queue_priority"]
        assert hex(first.get("cp_hqd_quantum")) == row["quantum"]
        assert hex(first.get("cp_hqd_vmid")) == row["mqd_vmid_reg"]
        assert first.get("cp_hqd_pq_rptr") == row["mqd_rptr_dw"]
        assert first.get("cp_hqd_pq_wptr_lo") == row["mqd_wptr"]
        assert [mqd.image.get("compute_current_logic_xcc_id") for mqd in queue.mqds] == row["logic_xcc_id"]
        bases = ("cp_hqd_ctx_save_base_addr_lo", "cp_hqd_ctx_save_base_addr_hi")
        assert [hex(mqd.image.get64(*bases)) for mqd in queue.mqds] == row["cwsr_base"]
        assert hex(first.get("cp_hqd_ctx_save_size")) == row["cwsr_size"]
        assert hex(first.get("cp_hqd_cntl_stack_size")) == row["ctl_stack"]


def test_every_device_is_known_without_being_told(capture: Capture) -> None:
    for snapshot in capture.snapshots:
        gpus = [f"{device.gpu_id:x}" for device in snapshot.devices]
        assert gpus == ["f7bc", "f05b", "eb40", "c66d", "f220", "f5c7", "eedc", "c3f1"]
        assert [device.node for device in snapshot.devices] == list(range(2, 10))
        assert {device.generation for device in snapshot.devices} == {Generation.V9_4_3}
        assert {device.xccs for device in snapshot.devices} == {4}
        assert {device.slots_per_xcc for device in snapshot.devices} == {24}
        assert snapshot.sources == {"mqds", "hqds"}


def test_idle_captures_have_stale_slots_and_none_active(capture: Capture) -> None:
    for snapshot in (capture.snapshots[0], capture.snapshots[2]):
        assert not active(snapshot)
        assert not snapshot.processes
        stale = [slot for device in snapshot.devices for slot in device.hqds if slot.image.words[0]]
        assert len(stale) == 20


def hiq_pointers(snapshot: Snapshot) -> list[int]:
    pair = ("cp_hqd_pq_wptr_lo", "cp_hqd_pq_wptr_hi")
    return sorted({hiq.image.get64(*pair) for device in snapshot.devices for hiq in device.hiqs}, reverse=True)


def test_snapshots_are_in_the_order_of_the_hiq(shared: Path) -> None:
    both = collect([shared / "mi308x" / "streams-16", shared / "mi308x" / "streams-32"])
    assert [snapshot.label for snapshot in both.snapshots] == [
        f"streams-{n}/{moment}" for n in (32, 16) for moment in ("baseline", "active", "after")
    ]
    assert [hiq_pointers(snapshot)[0] for snapshot in both.snapshots] == [0x8FB, 0x943, 0x994, 0xA2F, 0xA77, 0xAC8]
    assert {hiq_pointers(snapshot)[1] for snapshot in both.snapshots} == {8}
    assert "write pointer" in both.notes[0]


def test_flat_files_named_by_moment_are_the_same_capture(shared: Path, tmp_path: Path, streams: int) -> None:
    folder = shared / "mi308x" / f"streams-{streams}"
    for moment in ("baseline", "active", "after"):
        for dump in ("mqds", "hqds"):
            shutil.copy(folder / moment / dump, tmp_path / f"{moment}_{dump}_{streams}_20260130_113207.txt")
    flat = collect([tmp_path])
    nested = collect([folder])
    assert [snapshot.label for snapshot in flat.snapshots] == [
        f"{moment}_{streams}_20260130_113207" for moment in ("baseline", "active", "after")
    ]
    for a, b in zip(flat.snapshots, nested.snapshots, strict=True):
        assert [q.mqds[0].image.words for _, q in a.queues] == [q.mqds[0].image.words for _, q in b.queues]


def test_lines_are_where_the_blocks_stand(shared: Path, streams: int) -> None:
    folder = shared / "mi308x" / f"streams-{streams}" / "active"
    (snapshot,) = collect([folder]).snapshots
    mqds, hqds = (folder / "mqds").read_text().splitlines(), (folder / "hqds").read_text().splitlines()
    for process, queue in snapshot.queues:
        assert mqds[process.source.line - 1].startswith(f"Process {process.pid} ")
        assert mqds[queue.source.line - 1] == f"  Compute queue on device {queue.gpu_id:x}"
        for mqd in queue.mqds:
            assert mqds[mqd.source.line - 1].startswith("    00000000: c0310800")
    for device in snapshot.devices:
        assert hqds[device.source.line - 1] == f"Node {device.node}, gpu_id {device.gpu_id:x}:"
        for slot in device.hqds:
            assert hqds[slot.source.line - 1] == f" Inst {slot.xcc},  CP Pipe {slot.pipe}, Queue {slot.queue}"
        for hiq in device.hiqs:
            assert hqds[hiq.source.line - 1] == f"   Inst {hiq.xcc}, HIQ on MEC 2 Pipe 0 Queue 0"
        for rlc in device.sdma:
            assert hqds[rlc.source.line - 1] == f"  SDMA Engine {rlc.engine}, RLC {rlc.rlc}"
            assert len(rlc.registers) == 44


def test_a_file_given_by_mistake_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "hqds").write_text("Node 2, gpu_id f7bc:\n", "utf-16")
    with pytest.raises(InputError, match=r"^hqds: UTF-16 text, as some Windows programs save it: save it as UTF-8$"):
        collect([tmp_path])
    (tmp_path / "hqds").write_text("of another program")
    with pytest.raises(InputError, match=r"^hqds: does not begin like hqds; capture the file again$"):
        collect([tmp_path])
    (tmp_path / "cap.zip").write_bytes(b"PK\x03\x04rest")
    with pytest.raises(InputError, match=r"cap.zip: a ZIP archive: unpack it, and give the folder"):
        collect([tmp_path / "cap.zip"])
