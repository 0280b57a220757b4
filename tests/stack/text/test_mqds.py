import struct

from ringscope.parts.layout import Generation, Image, Layout
from ringscope.recording import Source
from ringscope.snapshot import Mqd, Process, Queue, QueueType, Snapshot
from ringscope.stack.text import mqds

HERE = Source("test")


def queue(kind: QueueType, *images: int) -> Queue:
    """A queue of ``images`` MQD images, each of one line of which the given word is the first."""
    layout = Layout("compute", Generation.V9_4_3, 8, ())
    copies = tuple(Mqd(xcc, Image(layout, struct.pack("<8I", word, *[0] * 7)), HERE) for xcc, word in enumerate(images))
    return Queue(0xF7BC, kind, HERE, copies)


def test_no_process_is_an_empty_file() -> None:
    assert mqds(Snapshot("none")) == ""


def test_images_follow_each_other_and_each_counts_from_zero() -> None:
    process = Process(94314, (queue(QueueType.COMPUTE, 0xC0310800, 1), queue(QueueType.SDMA, 2)), HERE)
    rest = " ".join(["00000000"] * 7)
    assert mqds(Snapshot("one", processes=(process,))) == (
        "Process 94314 PASID 94314:\n"
        "  Compute queue on device f7bc\n"
        f"    00000000: c0310800 {rest}\n"
        f"    00000000: 00000001 {rest}\n"
        "  SDMA queue on device f7bc\n"
        f"    00000000: 00000002 {rest}\n"
        f"    00000000: 00000000 {rest}\n"  # the driver dumps it twice, as it did the queue before
    )


def test_a_pasid_of_its_own_is_printed_and_a_diq_has_its_own_title() -> None:
    process = Process(7, (queue(QueueType.DIQ), queue(QueueType.SDMA_XGMI)), HERE, pasid=0x8001)
    assert mqds(Snapshot("one", processes=(process,))) == (
        "Process 7 PASID 32769:\n  DIQ on device f7bc\n  SDMA queue on device f7bc\n"
    )


def test_an_sdma_queue_of_another_process_is_dumped_once() -> None:
    processes = tuple(
        Process(pid, (queue(kind, 1),), HERE) for pid, kind in ((1, QueueType.COMPUTE), (2, QueueType.SDMA))
    )
    assert mqds(Snapshot("two", processes=processes)).count("00000000: ") == 2
