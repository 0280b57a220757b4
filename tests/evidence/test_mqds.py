"""``mqds``: processes, queues and images; quirks of drivers; every way of being cut is one line."""

from pathlib import Path

import pytest
from dumps import le, mqd, process, queue
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.evidence import mqds
from ringscope.evidence.files import walk
from ringscope.evidence.mqds import MqdsFile
from ringscope.snapshot import QueueType


def read(folder: Path, text: str | bytes) -> MqdsFile:
    (folder / "mqds").write_bytes(text if isinstance(text, bytes) else text.encode())
    return next(mqds.read(file) for file in walk([folder / "mqds"], print))


def refused(folder: Path, text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


FIRST, SECOND = mqd(dw128=0x17BA000), mqd(dw128=0x17BD000)


def test_a_file_by_hand(tmp_path: Path) -> None:
    sdma = [0x55] * 128
    found = read(
        tmp_path,
        process(100, queue(0xF7BC, FIRST, SECOND), queue(0xF05B, sdma, kind="SDMA queue")) + process(200),
    )
    one, two = found.processes
    assert (one.pid, one.pasid, one.source.line) == (100, 0x8001, 1)
    assert (two.pid, two.queues, two.source.line) == (200, (), 1 + 1 + 128 + 1 + 16 + 1)
    compute, copy_engine = one.queues
    assert (compute.gpu_id, compute.type, compute.source.line) == (0xF7BC, QueueType.COMPUTE, 2)
    assert [(data, source.line) for data, source in compute.images] == [(le(FIRST), 3), (le(SECOND), 67)]
    assert (copy_engine.gpu_id, copy_engine.type) == (0xF05B, QueueType.SDMA)
    assert copy_engine.images[0][0] == le(sdma)
    assert not found.notes


def test_an_empty_file_says_that_no_process_has_a_queue(tmp_path: Path) -> None:
    assert read(tmp_path, "") == MqdsFile((), ())


def test_a_pid_in_place_of_the_pasid_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, process(100, pasid=100) + process(101, pasid=101))
    assert [p.pasid for p in found.processes] == [None, None]
    assert found.notes == ("mqds:1: this driver prints the pid in place of the PASID",)


def test_an_sdma_queue_after_a_compute_queue_is_dumped_once_per_xcc(tmp_path: Path) -> None:
    text = process(1, queue(1, FIRST, SECOND), queue(1, [1] * 128, [2] * 128, kind="SDMA queue"))
    found = read(tmp_path, text)
    assert [data for data, _ in found.processes[0].queues[1].images] == [le([1] * 128)]
    assert found.notes == ("mqds:131: this driver dumps the SDMA queue 2 times; only the first dump is its own",)


def test_an_sdma_mqd_of_v10_is_520_bytes(tmp_path: Path) -> None:
    found = read(tmp_path, process(1, queue(1, list(range(130)), kind="SDMA queue")))
    assert found.processes[0].queues[0].images[0][0] == le(list(range(130)))


def test_a_queue_that_the_driver_does_not_know_is_noted(tmp_path: Path) -> None:
    text = "Process 1 PASID 2:\n  Bad user queue type 7 on device f7bc\n" + queue(0xF7BC, FIRST)
    found = read(tmp_path, text)
    assert len(found.processes[0].queues) == 1
    assert "Bad user queue type 7" in found.notes[0]


def test_carriage_returns_and_a_missing_last_newline_are_harmless(tmp_path: Path) -> None:
    text = process(1, queue(1, FIRST))
    want = read(tmp_path, text)
    assert read(tmp_path, text.replace("\n", "\r\n")) == want
    assert read(tmp_path, text.removesuffix("\n")) == want


WHOLE = process(1, queue(1, FIRST, SECOND), queue(1, SECOND, FIRST))
ROW = len("    00000000: ") + 8 * len("00000000 ")


def test_cut_within_a_word(tmp_path: Path) -> None:
    text = refused(tmp_path, WHOLE[:-5])
    assert text.startswith("mqds:259: an MQD whose dump is not whole before '    000007e0: 00000000 ")
    assert text.endswith("; capture the file again, whole")


def test_cut_between_rows(tmp_path: Path) -> None:
    assert refused(tmp_path, WHOLE[: -3 * ROW]).startswith("mqds:257: an MQD whose dump is not whole; capture")


def test_cut_between_two_images_of_a_queue(tmp_path: Path) -> None:
    assert refused(tmp_path, WHOLE[: -64 * ROW]).startswith(
        "mqds:131: a compute queue with 1 images where others have 2"
    )


def test_cut_after_a_heading(tmp_path: Path) -> None:
    assert "an MQD whose dump is not whole" in refused(tmp_path, "Process 1 PASID 2:\n  Compute queue on device f7bc\n")


def test_something_else(tmp_path: Path) -> None:
    assert refused(tmp_path, "hello\n").startswith("mqds:1: not an MQD dump before 'hello'")
    assert refused(tmp_path, WHOLE + "x" * 1_000_000).startswith("mqds:260: not an MQD dump before 'xxx")
    assert refused(tmp_path, b"Process 1 PASID 2:\n\0\0").startswith("mqds:2: binary data in a text file")


def test_a_dump_that_is_no_compute_mqd(tmp_path: Path) -> None:
    assert "no header c0310800" in refused(tmp_path, process(1, queue(1, mqd(dw0=0))))
    assert "no compute MQD: 128 of 512" in refused(tmp_path, process(1, queue(1, [0] * 128)))
    assert "an SDMA MQD of 512 dwords" in refused(tmp_path, process(1, queue(1, FIRST, kind="SDMA queue")))


IMAGE = st.integers(0, 2**32 - 1).map(lambda word: mqd(dw300=word, dw511=word ^ 0xFFFFFFFF))


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 2**31), st.lists(IMAGE, max_size=3), st.integers(1, 0xFFFF)), max_size=3))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[int, list[list[int]], int]]
) -> None:
    text = "".join(process(pid, *(queue(gpu, image) for image in images), pasid=pid + 1) for pid, images, gpu in made)
    found = read(tmp_path_factory.getbasetemp(), text)
    assert [(p.pid, [q.images[0][0] for q in p.queues], [q.gpu_id for q in p.queues]) for p in found.processes] == [
        (pid, [le(image) for image in images], [gpu] * len(images)) for pid, images, gpu in made
    ]
