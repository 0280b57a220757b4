"""``ringscope explain``, as a user types it, on real captures and on broken ones."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ringscope.cli import main

SLOTS_NEWEST_FIRST = [(0, 2), (1, 2), (2, 2), (3, 2), (0, 3)]


def explain(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, Any]:
    code = main(["explain", "--json", *map(str, words)])
    out = capsys.readouterr()
    assert not out.err, out.err
    return code, json.loads(out.out)


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    assert main(["explain", *map(str, words)]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    (line,) = out.err.splitlines()
    return line


@pytest.mark.parametrize("streams", [16, 32])
def test_every_expected_value_of_the_real_capture_comes_out(
    capsys: pytest.CaptureFixture[str], shared: Path, streams: int
) -> None:
    expected = json.loads((shared / "mi308x" / "expected.json").read_text())
    mqds, hqds = expected[f"mqds_{streams}"], expected[f"hqds_{streams}"]
    code, found = explain(capsys, shared / "mi308x" / f"streams-{streams}" / "active")
    assert code == 0
    (process,) = found["processes"]
    assert len(process["queues"]) == mqds["queues"]
    assert sum(queue["mqd_copies"] for queue in process["queues"]) == mqds["mqd_copies"]
    for queue, want in zip(process["queues"], mqds["list"], strict=True):
        assert process["pid"] == want["pid"]
        assert queue["gpu_id"] == int(want["gpu_id"], 16)
        assert queue["type"] == want["type"].lower()
        assert queue["mqd_copies"] == want["xcc_copies"]
        assert queue["ring_base"] == want["ring_base"]
        assert queue["ring_bytes"] == want["ring_size"]
        assert queue["doorbell_index"] == int(want["doorbell_index"], 16)
        assert queue["doorbell_id"] == want["doorbell_id"]
        assert (queue["pipe_priority"], queue["queue_priority"]) == (want["pipe_priority"], want["queue_priority"])
    by_slot = {
        (slot["xcc"], slot["pipe"], slot["queue"]): queue for queue in process["queues"] for slot in queue["hqds"]
    }
    assert len(by_slot) == len(hqds["list"]) == hqds["active_cp"]
    for want in hqds["list"]:
        queue = by_slot[want["xcc"], want["pipe"], want["queue"]]
        assert queue["ring_base"] == want["ring_base"]
        assert queue["vmid"] == want["vmid"]
        assert queue["read_pointer_dwords"] == want["rptr_dw"]
        assert queue["write_pointer_dwords"] == want["wptr_dw"]


def test_devices_and_slots_of_the_real_capture(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    _, found = explain(capsys, shared / "mi308x" / "streams-16" / "active")
    assert [device["node"] for device in found["devices"]] == list(range(2, 10))
    assert {(device["xccs"], device["hqd_slots_per_xcc"]) for device in found["devices"]} == {(4, 24)}
    for queue, slot in zip(found["processes"][0]["queues"], SLOTS_NEWEST_FIRST, strict=True):
        assert {(hqd["pipe"], hqd["queue"]) for hqd in queue["hqds"]} == {slot}
        assert [hqd["xcc"] for hqd in queue["hqds"]] == [0, 1, 2, 3]
        assert queue["vmid"] == 3


def test_snapshots_are_ordered_and_the_hiq_is_explained_to_the_dword(
    capsys: pytest.CaptureFixture[str], shared: Path
) -> None:
    _, found = explain(capsys, shared / "mi308x" / "streams-16")
    assert [state["label"] for state in found["snapshots"]] == ["baseline", "active", "after"]
    assert [state["hqds_active"] for state in found["snapshots"]] == [0, 20, 0]
    assert [
        (account["from"], account["to"], account["hiq_dwords"], account["explained"], account["steps"])
        for account in found["intervals"]
    ] == [
        ("baseline", "active", 72, 72, [{"what": "create", "count": 5, "dwords": 72, "seen": True}]),
        ("active", "after", 81, 81, [{"what": "destroy", "count": 5, "dwords": 81, "seen": True}]),
    ]
    decided = {answer["id"]: answer["answer"] for answer in found["answers"]}
    assert decided["runlists-while-running"] == "no"
    assert decided["shared-queue"] == "undecided"


def test_two_captures_of_one_machine_are_ordered_by_its_own_counter(
    capsys: pytest.CaptureFixture[str], shared: Path
) -> None:
    _, found = explain(capsys, shared / "mi308x" / "streams-16", shared / "mi308x" / "streams-32")
    labels = [state["label"] for state in found["snapshots"]]
    assert [label.split("/")[0].removeprefix("streams-") for label in labels] == ["32"] * 3 + ["16"] * 3
    # between the two runs lies one with 64 streams that was not captured: 5 creates, 5 destroys and 2 NOPs
    gap = found["intervals"][2]
    assert (gap["hiq_dwords"], gap["explained"]) == (155, 155)
    assert {(step["what"], step["count"]) for step in gap["steps"]} == {("create", 5), ("destroy", 5), ("nop", 2)}


def test_a_log_names_sixteen_streams_on_four_queues(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    code, found = explain(capsys, shared / "mi308x" / "amd-log-level-3.log")
    assert code == 0
    rings = ["0x7f3660c00000", "0x7f1654e00000", "0x7f1654200000", "0x7f1649800000"]
    which = [rings.index(stream["ring_base"]) for stream in found["streams"]]
    assert which == [0, 1, 2, 3, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0]
    assert {stream["priority"] for stream in found["streams"]} == {1}


def test_text_says_five_queues_and_not_twenty(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    assert main(["explain", str(shared / "mi308x" / "streams-16")]) == 0
    text = capsys.readouterr().out
    assert "holds 5 queues (shown 20 times in mqds: one MQD copy per XCC)" in text
    assert "MI308X" in text
    assert "\x1b" not in text


def test_slots_without_mqds_are_not_taken_for_idle(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    assert main(["explain", str(shared / "mi308x" / "streams-16" / "active" / "hqds")]) == 3
    text = capsys.readouterr().out
    assert "5 queues hold a slot" in text
    assert "7f41b5200000" in text


def test_a_tarball_explains_like_the_folder(capsys: pytest.CaptureFixture[str], shared: Path, tmp_path: Path) -> None:
    tarball = tmp_path / "capture.tar.gz"
    with tarfile.open(tarball, "w:gz", compresslevel=1) as tar:
        tar.add(shared / "mi308x" / "streams-16" / "active", "active")
    _, from_tar = explain(capsys, tarball)
    _, from_folder = explain(capsys, shared / "mi308x" / "streams-16" / "active")

    def without_places(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {key: without_places(item) for key, item in value.items() if key not in {"at", "because"}}
            return {key: item for key, item in kept.items() if key not in {"snapshot", "snapshots", "notes"}}
        return [without_places(item) for item in value] if isinstance(value, list) else value

    assert without_places(from_tar) == without_places(from_folder)


def test_a_torn_file_is_refused_in_one_line(capsys: pytest.CaptureFixture[str], shared: Path, tmp_path: Path) -> None:
    whole = (shared / "mi308x" / "streams-16" / "active" / "mqds").read_bytes()
    torn = tmp_path / "mqds"
    torn.write_bytes(whole[: len(whole) // 2])
    assert "mqds:" in refused(capsys, torn)


@pytest.mark.parametrize("content", [b"", b"\0\1\2\3" * 100, b"hello\n", b"\xff\xfe" * 50], ids=repr)
def test_files_that_are_nothing_known_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "something"
    path.write_bytes(content)
    assert "something" in refused(capsys, path)


def test_a_missing_path_is_refused_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "nowhere" in refused(capsys, tmp_path / "nowhere")


def test_an_empty_mqds_says_that_no_process_has_a_queue(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mqds").write_bytes(b"")
    code, found = explain(capsys, tmp_path)
    assert code == 0
    assert found["processes"] == []
    assert {a["id"]: a["answer"] for a in found["answers"]}["shared-doorbell"] == "no"


def test_a_generation_that_the_dump_does_not_give_away_must_be_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = "\n".join(f"    {32 * row:08x}: " + " ".join(["00000000"] * 8) for row in range(64))
    rows = rows.replace("00000000: 00000000", "00000000: c0310800")
    (tmp_path / "mqds").write_text(f"Process 12 PASID 32770:\n  Compute queue on device 1234\n{rows}\n")
    assert "--gfx" in refused(capsys, tmp_path)
    code, found = explain(capsys, tmp_path, "--gfx", "1030")
    assert code in (0, 3)
    assert found["processes"][0]["pid"] == 12
