"""The catalogue's rows agree with themselves, with the driver's tables and with the captured machine."""

import json
from pathlib import Path

import pytest

from ringscope.errors import InputError
from ringscope.parts import catalogue
from ringscope.parts.catalogue import Device, Scheduler
from ringscope.parts.layout import Generation
from ringscope.parts.pm4 import Format
from ringscope.parts.sources import SOURCES, keys

DEVICES = catalogue.devices()


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: d.key)
def test_a_row_is_complete_and_consistent(device: Device) -> None:
    assert device.cus == device.xccs * device.cus_per_xcc > 0
    assert set(keys(device.source)) <= set(SOURCES) and device.source
    assert catalogue.generation_of_gfx(device.gfx) is device.generation
    assert device.gfx_target_version == target_version(device.gfx)
    assert device.kfd_queues_per_xcc <= device.mec_pipes * device.queues_per_pipe
    assert device.vmids == 16 - device.first_vmid
    assert device.doorbell_bytes == (4 if device.generation is Generation.VI else 8)
    assert (device.packet_format is None) == (device.hiq_doorbell is None) == (device.scheduler is Scheduler.MES)
    missing = {n for n, value in catalogue.known_fields(device).items() if value is None or value == ()}
    missing -= {"non_cp_doorbells", "sdma_doorbell_base", "sdma_doorbell_step", "hiq_doorbell", "packet_format"}
    assert missing - {"unknown"} == set(device.unknown)
    if device.array_count is not None and device.shader_engines_per_xcc is not None:
        assert device.array_count % (device.xccs * device.shader_engines_per_xcc) == 0


def target_version(gfx: str) -> int:
    major, minor, step = int(gfx[:-2]), int(gfx[-2], 16), int(gfx[-1], 16)
    return major * 10000 + minor * 100 + step


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: d.key)
def test_partition_modes_divide_the_xccs(device: Device) -> None:
    assert device.partitions[0].name == "SPX"
    for mode in device.partitions:
        assert mode.nodes * mode.xccs_per_node == device.xccs
        assert all(device.first_vmid <= first <= last <= 15 for first, last in mode.vmids)
        assert device.partition(mode.name.lower()) is mode
    with pytest.raises(InputError, match=f"{device.key} has no partition mode 'XPX'.*SPX"):
        device.partition("XPX")


def test_keys_and_device_ids_are_unique() -> None:
    assert len({d.key for d in DEVICES}) == len(DEVICES)
    ids = [i for d in DEVICES for i in d.device_ids]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("key", "cus", "xccs", "slots", "first_vmid", "fmt", "engines", "modes"),
    [
        ("fiji", 64, 1, 24, 8, Format.VI, (2, 0, 2), "SPX"),
        ("vega10", 64, 1, 24, 8, Format.V9, (2, 0, 2), "SPX"),
        ("mi50", 60, 1, 24, 8, Format.V9, (2, 0, 8), "SPX"),
        ("mi100", 120, 1, 24, 3, Format.V9, (2, 6, 8), "SPX"),
        ("mi250x", 110, 1, 24, 3, Format.ALDEBARAN, (2, 3, 8), "SPX"),
        ("mi300a", 228, 6, 24, 3, Format.ALDEBARAN, (None, None, 8), "SPX TPX CPX"),
        ("mi300x", 304, 8, 24, 3, Format.ALDEBARAN, (2, 14, 8), "SPX DPX QPX CPX"),
        ("mi308x", 80, 4, 24, 3, Format.ALDEBARAN, (2, 6, 8), "SPX DPX CPX"),
        ("navi10", 40, 1, 24, 8, Format.V9, (2, 0, 8), "SPX"),
        ("navi21", 80, 1, 8, 8, Format.V9, (4, 0, 8), "SPX"),
        ("vangogh", 8, 1, 8, 8, Format.V9, (1, 0, 2), "SPX"),
        ("navi31", 96, 1, 8, 8, None, (None, 0, 8), "SPX"),
        ("navi48", 64, 1, 4, 8, None, (2, 0, 8), "SPX"),
    ],
)
def test_rows_of_the_driver(
    key: str,
    cus: int,
    xccs: int,
    slots: int,
    first_vmid: int,
    fmt: Format | None,
    engines: tuple[int | None, int | None, int],
    modes: str,
) -> None:
    d = catalogue.find(key)
    assert (d.cus, d.xccs, d.kfd_queues_per_xcc, d.first_vmid, d.packet_format) == (cus, xccs, slots, first_vmid, fmt)
    assert (d.sdma_engines, d.sdma_xgmi_engines, d.sdma_queues_per_engine) == engines
    assert " ".join(p.name for p in d.partitions) == modes


def test_doorbells() -> None:
    rows = {
        d.key: (
            d.non_cp_doorbells,
            d.sdma_doorbell_base,
            d.sdma_doorbell_step,
            d.hiq_doorbell,
            d.first_process_doorbell,
        )
        for d in DEVICES
    }
    assert rows["fiji"] == (None, None, None, 0x800, 0xC00)
    assert rows["vega10"] == ((0xF0, 0xFF), 0xF0, 2, 0xC00, 0x1000)
    assert rows["mi100"] == ((0x100, 0x18F), 0x100, 10, 0xC00, 0x1000)
    assert rows["mi308x"] == ((0x100, 0x1E8), 0x100, 10, 0xC00, 0x1000)
    assert rows["navi10"] == ((0x100, 0x190), 0x100, 10, 0xC00, 0x1000)


def test_cpx_halves_the_vmids_and_nothing_else_does() -> None:
    device = catalogue.find("MI308X")
    assert device.partition("CPX").vmids == ((4, 9), (10, 15))
    assert device.partition("DPX").vmids == ((3, 15),)


def test_mi308x_is_the_captured_machine(shared: Path) -> None:
    device = catalogue.find("mi308x")
    assert (device.array_count, device.cus_per_array, device.gws, device.unknown) == (16, 10, 64, ())
    expected = json.loads((shared / "mi308x" / "expected.json").read_text())
    queue = expected["mqds_16"]["list"][-1]
    assert queue["xcc_copies"] == device.xccs
    assert int(queue["doorbell_index"], 16) == device.first_process_doorbell
    assert int(queue["mqd_vmid_reg"], 16) & 0xF == device.first_vmid


def test_lookups() -> None:
    assert [d.key for d in catalogue.by_gfx_target_version(90010)] == ["mi210", "mi250", "mi250x"]
    assert catalogue.by_gfx_target_version(1) == ()
    assert {d.key for d in catalogue.for_gfx("gfx942")} >= {"mi300a", "mi300x", "mi308x"}
    with pytest.raises(InputError, match=r"no device with target gfx943; near ones: .*942"):
        catalogue.for_gfx("943")
    with pytest.raises(InputError, match=r"no device 'mi308' in the catalogue; near ones: .*mi308x"):
        catalogue.find("mi308")


@pytest.mark.parametrize(
    ("gfx", "generation"),
    [
        ("803", Generation.VI),
        ("gfx90a", Generation.V9),
        ("940", Generation.V9_4_3),
        ("GFX950", Generation.V9_4_3),
        ("1013", Generation.V10),
        ("1036", Generation.V10),
        ("1153", Generation.V11),
        ("1201", Generation.V12),
    ],
)
def test_generation_of_gfx(gfx: str, generation: Generation) -> None:
    assert catalogue.generation_of_gfx(gfx) is generation


@pytest.mark.parametrize("gfx", ["", "gfx", "700", "1234", "94", "9422", "banana"])
def test_a_target_that_kfd_does_not_drive(gfx: str) -> None:
    with pytest.raises(InputError, match="no target gfx"):
        catalogue.generation_of_gfx(gfx)
