import struct
from dataclasses import replace
from typing import Any

import pytest

from ringscope.claims.lab import Lab
from ringscope.claims.ledger import CLAIMS
from ringscope.claims.reason import Verdict
from ringscope.stack.kfd import mqd
from ringscope.stack.machine import MachineSpec

template = mqd._template


def test_a_driver_that_writes_the_note_s_quantum(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_quantum(shape: mqd.Shape, master: bool) -> bytes:
        data = bytearray(template(shape, master))
        struct.pack_into("<I", data, 135 * 4, 0x10101)
        return bytes(data)

    monkeypatch.setattr(mqd, "_template", with_quantum)
    assert CLAIMS["B10"].examine(Lab()).verdict is Verdict.CONFIRMED


def test_a_driver_that_initialises_as_v11_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_preload(shape: mqd.Shape, master: bool) -> bytes:
        data = bytearray(template(shape, master))
        struct.pack_into("<I", data, 132 * 4, 0x40005501)
        return bytes(data)

    monkeypatch.setattr(mqd, "_template", with_preload)
    assert CLAIMS["B27"].examine(Lab()).verdict is Verdict.CONFIRMED


class FromVmidOne(Lab):
    """A part whose VMIDs all belong to KFD, but for VMID 0."""

    def machine(self, part: str = "mi308x", **driver: Any) -> MachineSpec:
        made = super().machine(part, **driver)
        (device,) = made.devices
        modes = tuple(replace(mode, vmids=((1, 15),)) for mode in device.part.partitions)
        return replace(made, devices=(replace(device, part=replace(device.part, partitions=modes)),))


def test_a_part_whose_first_vmid_is_1() -> None:
    assert CLAIMS["B11"].examine(FromVmidOne()).verdict is Verdict.CONFIRMED
