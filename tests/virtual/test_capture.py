"""Debugfs on the virtual MI308X beside the real one's: 16 HIP streams, and every word that is no address is equal."""

import re
from pathlib import Path

from exec_runs import Build, Runner

from ringscope.evidence.collect import collect
from ringscope.parts import mqd
from ringscope.parts.layout import Generation
from ringscope.snapshot import Snapshot
from ringscope.virtual.rocm import Root

LAYOUT = mqd.compute(Generation.V9_4_3)
ADDRESSES = {
    "cp_hqd_pq_base",
    "cp_hqd_pq_rptr_report_addr",
    "cp_hqd_pq_wptr_poll_addr",
    "cp_hqd_ctx_save_base_addr",
    "cp_hqd_ib_base_addr",
    "cp_hqd_atomic1_preop",  # the completion signal of the last indirect buffer
}
CLOCKS = {"cp_mqd_connect_start_time", "cp_mqd_connect_end_time"}
FREE = {row.dword for row in LAYOUT.registers if re.sub("_(lo|hi)$", "", row.name) in ADDRESSES | CLOCKS}
"""Dwords that hold an address of the process or the GPU's clock. MQD addresses are not among them: they are equal."""
HEX = re.compile(r"^    ([0-9a-f]{8}): ([0-9a-f ]+)$")


def masked(text: str) -> list[str]:
    """The lines of ``mqds`` with addresses, pids and the gpu_id crossed out."""
    lines = []
    for line in text.splitlines():
        found = HEX.match(line)
        if found:
            first = int(found[1], 16) // 4
            words = [word if first + i not in FREE else "x" * 8 for i, word in enumerate(found[2].split())]
            lines.append(f"{found[1]}: {' '.join(words)}")
        else:
            lines.append(
                re.sub(r"device [0-9a-f]+", "device x", re.sub(r"\d+", "N", line) if "Process" in line else line)
            )
    return lines


def slots(snapshot: Snapshot) -> dict[tuple[int, str], list[int]]:
    """Registers of the occupied slots, addresses left out."""
    (device,) = (device for device in snapshot.devices if any(slot.active for slot in device.hqds))
    return {
        (slot.xcc, slot.name): [word for i, word in enumerate(slot.image.words) if i + mqd.HQD_FIRST_DWORD not in FREE]
        for slot in device.hqds
        if slot.active
    }


def test_sixteen_streams_look_like_the_real_capture(
    newest: Root, virtual: Runner, built: Build, tmp_path: Path, shared: Path
) -> None:
    mine = tmp_path / "seen-by-the-program"
    mine.mkdir()
    ran = virtual(newest, built(newest, "hold"), "16", str(mine), gpu="mi308x")
    assert ran.code == 0, ran.err
    real = shared / "mi308x" / "streams-16" / "active"
    assert len(FREE) == 2 * len(ADDRESSES | CLOCKS)
    assert masked((mine / "mqds").read_text()) == masked((real / "mqds").read_text())
    here, there = (slots(collect([folder]).snapshots[0]) for folder in (mine, real))
    assert here == there
    assert len(here) == 20
    # The driver's own addresses (MQDs) are among what was compared.
    assert LAYOUT["cp_mqd_base_addr_lo"].dword not in FREE
    assert sorted(path.name for path in ran.folder.iterdir()) == ["after", "before", "peak", "recording.jsonl"]
    for moment in ("before", "after"):
        (quiet,) = collect([ran.folder / moment]).snapshots
        assert not quiet.queues and not any(slot.active for device in quiet.devices for slot in device.hqds)
        assert (ran.folder / moment / "mqds").read_text() == ""
    # What the recording keeps is what the program saw.
    assert masked((ran.folder / "peak" / "mqds").read_text()) == masked((mine / "mqds").read_text())
