"""``hqds``: devices, XCCs, slots and SDMA queues; older dialects; every way of being cut is one line."""

from pathlib import Path

import pytest
from dumps import SDMA_SHAPE, device, hiq, le, rows, sdma, slot

from ringscope.errors import InputError
from ringscope.evidence import hqds
from ringscope.evidence.files import walk
from ringscope.evidence.hqds import DeviceDump


def read(folder: Path, text: str) -> tuple[DeviceDump, ...]:
    (folder / "hqds").write_text(text)
    return next(hqds.read(file) for file in walk([folder / "hqds"], print))


def refused(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_by_hand(tmp_path: Path) -> None:
    words = list(range(1, 57))
    (found,) = read(tmp_path, "Node 3, gpu_id f05b:\n" + hiq(0, 0x943) + slot(0, 1, 2, words) + sdma(0, 4))
    assert (found.node, found.gpu_id, found.source.line, found.stopped) == (3, 0xF05B, 1, False)
    (queue,) = found.hiqs
    assert (queue.xcc, queue.mec, queue.pipe, queue.queue, queue.source.line) == (0, 2, 0, 0, 2)
    assert queue.registers.data[54 * 4 :] == le([0x943, 0])
    (cp,) = found.slots
    assert (cp.xcc, cp.mec, cp.pipe, cp.queue, cp.source.line) == (0, 1, 1, 2, 10)
    assert (cp.registers.address, cp.registers.data) == (0xC914, le(words))
    (rlc,) = found.sdma
    assert (rlc.engine, rlc.rlc, rlc.source.line) == (0, 4, 18)
    assert [(run.address, len(run.data) // 4) for run in rlc.runs] == list(SDMA_SHAPE)
    assert rlc.registers[19] == (0x4EE0, 0)


def test_kernels_before_xccs_print_no_instance(tmp_path: Path) -> None:
    text = device(xccs=1).replace("   Inst 0, HIQ", "  HIQ").replace(" Inst 0,  CP", "  CP")
    assert "Inst" not in text
    (found,) = read(tmp_path, text)
    assert {slot.xcc for slot in (*found.hiqs, *found.slots)} == {0}
    assert len(found.slots) == 8


def test_a_stopped_device_has_no_slots(tmp_path: Path) -> None:
    stopped, running = read(tmp_path, "Node 1, gpu_id a:\n Device is stopped\n" + device(gpu_id=0xB))
    assert (stopped.stopped, stopped.slots) == (True, ())
    assert (running.stopped, running.gpu_id) == (False, 0xB)


def test_vi_prints_cu_masks_and_54_registers(tmp_path: Path) -> None:
    words = list(range(54))
    masks = rows([1, 2], 0xB858) + rows([3, 4], 0xB864)
    text = "Node 1, gpu_id a:\n  CP Pipe 0, Queue 2\n" + masks + rows(words, 0xC914) + "  SDMA Engine 0, RLC 0\n"
    (found,) = read(tmp_path, text + rows([0] * 19, 0xD000))
    assert found.slots[0].registers.data == le(words)
    assert found.slots[0].masks == le([1, 2, 3, 4])


def test_an_empty_file_is_no_evidence(tmp_path: Path) -> None:
    assert refused(tmp_path, "") == (
        "hqds: an empty hqds file, which no driver writes; copy it with cat: tar and rsync see no size in it"
    )


WHOLE = device(gpu_id=0xA, node=2) + device(gpu_id=0xB, node=3)


@pytest.mark.parametrize("keep", range(0, len(WHOLE), 997))
def test_cut_anywhere_it_is_refused_or_whole_devices_remain(tmp_path: Path, keep: int) -> None:
    try:
        found = read(tmp_path, WHOLE[:keep])
    except InputError as error:
        assert str(error).startswith("hqds:" if keep else "hqds: an empty")
    else:
        assert found == read(tmp_path, WHOLE)[: len(found)]


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (" Inst 1,  CP Pipe 3, Queue 7", "XCC 1 of node 3 has other slots"),
        ("   Inst 1, HIQ", "no SDMA queue of node 3"),
        ("  SDMA Engine 0, RLC 0", "no SDMA queue of node 3"),
        ("  SDMA Engine 1, RLC 1", "SDMA engine 1 of node 3 has other slots"),
        ("   Inst 0, HIQ", "no slot of node 3"),
        ("    00004f60: ", "SDMA engine 1 of node 3 has other slots"),
    ],
)
def test_cut_at_the_end_of_a_block_it_is_still_found_out(tmp_path: Path, end: str, says: str) -> None:
    cut = WHOLE[: WHOLE.rindex(end)]
    assert says in refused(tmp_path, cut)


def test_a_slot_of_too_few_registers(tmp_path: Path) -> None:
    text = "Node 1, gpu_id a:\n" + slot(0, 0, 2, [0] * 48) + slot(0, 0, 3)
    assert refused(tmp_path, text) == (
        "hqds:9: a slot with 48 of 56 consecutive registers before ' Inst 0,  CP Pipe 0, Queue 3'; "
        "capture the file again, whole"
    )


def test_a_slot_whose_addresses_jump(tmp_path: Path) -> None:
    text = "Node 1, gpu_id a:\n" + slot(0, 0, 2).replace("0000c954", "0000c958")
    assert "a slot with 56 of 56 consecutive registers" in refused(tmp_path, text)


def test_something_else(tmp_path: Path) -> None:
    assert refused(tmp_path, WHOLE + "hello\n").endswith(
        "not a register dump before 'hello'; capture the file again, whole"
    )
