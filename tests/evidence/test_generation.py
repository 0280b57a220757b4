"""A device's MQD generation: decided from evidence, asked for when the evidence leaves it open, never guessed."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from dumps import SDMA_SHAPE, device, mqd, process, queue, rows

from ringscope.errors import InputError
from ringscope.evidence.collect import collect
from ringscope.parts.layout import Generation

GFX9, GFX10 = ((0x4E40, 19), (0x4EE0, 6), (0x4EFC, 7), (0x4F40, 10)), 0xC824
GFX11_SDMA = ((0x1000, 7), (0x1020, 11), (0x1070, 1), (0x1080, 12), (0x10C0, 12))
GFX12_SDMA = ((0x1000, 50),)
VI_SDMA = ((0x1000, 19), (0x1060, 4), (0x1080, 2), (0x1090, 3), (0x10A0, 7))


def hqds(
    pipes: int, queues: Sequence[int], base: int, shape: Sequence[tuple[int, int]], vi: bool = False, xcc: int = 0
) -> str:
    registers = rows([1, 2], 0xB858) + rows([3, 4], 0xB864) + rows([0] * 54, base) if vi else rows([0] * 56, base)
    text = "Node 1, gpu_id a:\n"
    for pipe in range(pipes):
        for number in queues:
            text += f" Inst {xcc},  CP Pipe {pipe}, Queue {number}\n{registers}"
    return text + "  SDMA Engine 0, RLC 0\n" + "".join(rows([0] * words, first) for first, words in shape)


IDLE = {
    Generation.VI: hqds(4, range(2, 8), 0xC914, VI_SDMA, vi=True),
    Generation.V9: hqds(4, range(2, 8), 0xC914, GFX9),
    Generation.V9_4_3: hqds(4, range(2, 8), 0xC914, SDMA_SHAPE),
    Generation.V10: hqds(4, range(2, 4), GFX10, GFX9),
    Generation.V11: hqds(4, range(2, 4), GFX10, GFX11_SDMA),
    Generation.V12: hqds(2, range(2, 4), GFX10, GFX12_SDMA),
}


def decided(folder: Path, asked: Generation | None = None, **files: str) -> Generation | None:
    for name, text in files.items():
        (folder / name).write_text(text)
    return collect([folder], asked).snapshots[0].devices[0].generation


@pytest.mark.parametrize("generation", IDLE, ids=lambda g: g.value)
def test_an_idle_register_dump_tells_by_its_shape(tmp_path: Path, generation: Generation) -> None:
    assert decided(tmp_path, hqds=IDLE[generation]) is generation
    assert decided(tmp_path, generation) is generation


@pytest.mark.parametrize(
    ("image", "generation"),
    [
        (mqd(), Generation.V9_4_3),
        (mqd(dw226=0, dw39=0xFFFFFFFF), Generation.V9),
        (mqd(dw226=0, dw149=0x300000), Generation.V10),
    ],
)
def test_an_mqd_tells_by_what_the_driver_wrote(tmp_path: Path, image: list[int], generation: Generation) -> None:
    assert decided(tmp_path, mqds=process(1, queue(0xA, image))) is generation


def test_several_images_are_several_xccs(tmp_path: Path) -> None:
    assert decided(tmp_path, mqds=process(1, queue(0xA, mqd(), mqd()))) is Generation.V9_4_3


V11_OR_V12 = process(1, queue(0xA, mqd(dw132=0x40005501, dw149=0x300000, dw226=0)))


def test_what_stays_open_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        decided(tmp_path, mqds=V11_OR_V12)
    assert str(caught.value) == (
        "mqds:2: the capture does not tell whether this device is v11 or v12; "
        "name it, as in --gfx 90a, or add its topology folder to the capture"
    )
    assert decided(tmp_path, Generation.V12) is Generation.V12


def test_what_contradicts_the_evidence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^mqds:2: not v9: its PRELOAD_SIZE is 0x55; leave --gfx out"):
        decided(tmp_path, Generation.V9, mqds=V11_OR_V12)
    with pytest.raises(InputError, match=r"^hqds:\d+: not v10: .*; leave --gfx out"):
        decided(tmp_path, Generation.V10, mqds="", hqds=IDLE[Generation.V9])


def test_the_topology_decides(tmp_path: Path) -> None:
    node = tmp_path / "topology" / "nodes" / "1"
    node.mkdir(parents=True)
    (node / "gpu_id").write_text("10\n")
    (node / "properties").write_text("gfx_target_version 120001\n")
    assert decided(tmp_path, mqds=V11_OR_V12) is Generation.V12
    (node / "properties").write_text("gfx_target_version 90010\n")
    with pytest.raises(InputError, match="its PRELOAD_SIZE is 0x55, but its target is gfx90a"):
        decided(tmp_path)
    (node / "properties").write_text("gfx_target_version 70000\n")
    with pytest.raises(
        InputError, match="topology/nodes/1/properties:1: gfx700 is no target that ringscope knows; name"
    ):
        decided(tmp_path)
    assert decided(tmp_path, Generation.V11) is Generation.V11


def test_evidence_that_contradicts_itself_names_both_places(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        decided(tmp_path, mqds=V11_OR_V12, hqds=IDLE[Generation.V9])
    assert str(caught.value).startswith(
        "mqds:2: its PRELOAD_SIZE is 0x55, but its queue registers lie at c914 (hqds:2)"
    )


def test_a_device_is_one_device_in_every_snapshot(tmp_path: Path) -> None:
    for moment, text in (("after", "Node 1, gpu_id a:\n Device is stopped\n"), ("before", IDLE[Generation.V9])):
        (tmp_path / moment).mkdir()
        (tmp_path / moment / "hqds").write_text(text)
    assert {s.devices[0].generation for s in collect([tmp_path]).snapshots} == {Generation.V9}


def test_several_devices_may_be_of_several_generations(tmp_path: Path) -> None:
    other = device(gpu_id=0xB, node=2)
    (tmp_path / "hqds").write_text(IDLE[Generation.V10] + other)
    (snapshot,) = collect([tmp_path], Generation.V10).snapshots
    assert [d.generation for d in snapshot.devices] == [Generation.V10, Generation.V9_4_3]
