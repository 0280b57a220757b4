"""``rls``: the runlist's words, and the PM4 packets they are."""

from pathlib import Path

import pytest
from dumps import rows

from ringscope.errors import InputError
from ringscope.evidence import rls
from ringscope.evidence.files import walk
from ringscope.evidence.rls import RunlistDump, decode
from ringscope.parts.layout import Generation
from ringscope.recording import Source
from ringscope.snapshot import Runlist

# Headers and bodies after the driver's own constants (kfd_pm4_headers), not after ringscope's tables.
MAP_PROCESS_ALDEBARAN = [0xC013A100, 0x8001 | 10 << 25, 0x1234, 0x5] + [0] * 9 + [2 << 22 | 1 << 7] + [0] * 7
MAP_PROCESS_V9 = [0xC00EA100, 0x8002] + [0] * 14
MAP_QUEUES = [0xC005A200, 0x20000010, 0x1008 << 2, 0x17BA000, 0, 0x86DB8038, 0x7FC7]
CHAINED_RUN_LIST = [0xC002A500, 0x1000, 0x7F, 30 | 1 << 20 | 1 << 23 | 2 << 24]
WORDS = (*MAP_PROCESS_ALDEBARAN, *MAP_QUEUES, *MAP_QUEUES, *CHAINED_RUN_LIST)


def read(folder: Path, text: str) -> tuple[RunlistDump, ...]:
    (folder / "rls").write_text(text)
    return next(rls.read(file) for file in walk([folder / "rls"], print))


def refused(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, text)
    return str(caught.value)


def test_a_file_by_hand(tmp_path: Path) -> None:
    text = "Node 2, gpu_id f7bc:\n" + rows(WORDS, indent="  ") + "Node 3, gpu_id f05b:\n  No active runlist\n"
    busy, idle = read(tmp_path, text)
    assert (busy.node, busy.gpu_id, busy.runlist) == (2, 0xF7BC, Runlist(WORDS, Source("rls", 2)))
    assert (idle.node, idle.gpu_id, idle.runlist) == (3, 0xF05B, Runlist((), Source("rls", 8)))


def test_packets_of_an_over_subscribed_device() -> None:
    packets = decode(Runlist((*WORDS, 0, 0), Source("rls", 2)), Generation.V9_4_3)
    assert [packet.name for packet in packets] == ["MAP_PROCESS", "MAP_QUEUES", "MAP_QUEUES", "RUN_LIST"]
    assert [packet.source.line for packet in packets] == [2, 4, 5, 6]
    process, queue, _, last = (packet.image for packet in packets)
    assert process.get("control", "pasid") == 0x8001
    assert process.get("control", "process_quantum") == 10
    assert process.get64("vm_context_page_table_base_addr_lo", "vm_context_page_table_base_addr_hi") == 0x5_0000_1234
    assert queue.get64("mqd_addr_lo", "mqd_addr_hi") == 0x17BA000
    assert last.layout.dwords == 4
    assert last.get("control", "chain") == 1


def test_map_process_says_its_format_by_its_length() -> None:
    runlist = Runlist((*MAP_PROCESS_V9, *MAP_QUEUES), Source("rls", 2))
    assert [p.image.layout.dwords for p in decode(runlist, Generation.V9)] == [16, 7]


def test_words_that_are_no_packets() -> None:
    with pytest.raises(InputError, match=r"^rls:4: not a runlist: 0x0000dead is no type-3 PM4 header"):
        decode(Runlist((*MAP_PROCESS_ALDEBARAN, 0xDEAD), Source("rls", 2)), Generation.V9_4_3)
    with pytest.raises(InputError, match="a MAP_QUEUES of 3 dwords"):
        decode(Runlist(tuple(MAP_QUEUES[:3]), Source("rls", 2)), Generation.V9_4_3)
    with pytest.raises(InputError, match="a MAP_QUEUES of 9 dwords"):
        decode(Runlist((0xC007A200, *range(8)), Source("rls", 2)), Generation.V9_4_3)


def test_an_unknown_packet_keeps_its_words() -> None:
    (packet,) = decode(Runlist((0xC000EE00, 7), Source("rls", 2)), Generation.V9_4_3)
    assert (packet.name, packet.image.words) == ("PM4 0xee", (0xC000EE00, 7))


def test_cut_files(tmp_path: Path) -> None:
    assert "an empty rls file" in refused(tmp_path, "")
    assert refused(tmp_path, "Node 2, gpu_id f7bc:\n").startswith("rls:2: no runlist of node 2; capture")
    whole = "Node 2, gpu_id f7bc:\n" + rows(WORDS, indent="  ")
    assert refused(tmp_path, whole[:-4]).startswith("rls:6: not a runlist dump before '  00000080: ")
    damaged = whole.replace("  00000040:", "  00000044:")
    assert "a runlist whose dump is not whole" in refused(tmp_path, damaged)
