"""The MEC by itself: what it maps where, what it leaves behind, and that each rule is a switch."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import pytest

from ringscope.errors import InputError
from ringscope.parts.fidelity import Standing
from ringscope.parts.layout import Generation
from ringscope.stack.firmware import (
    FirmwareSpec,
    Hiq,
    Indirect,
    LogicXcc,
    Mec,
    Mqd,
    Residency,
    SdmaImage,
    SdmaRlcs,
    SlotOrder,
)
from ringscope.stack.kfd.mqd import ComputeMqd, SdmaMqd, Shape

SLOTS = tuple((pipe, queue) for pipe in range(4) for queue in range(2, 8))
SPEC = FirmwareSpec()


def mqd(number: int, *, gws: bool = False, xccs: int = 4, generation: Generation = Generation.V9_4_3) -> Mqd:
    shape = Shape(generation, xccs, aql=True)
    driver = ComputeMqd(shape, 0x10000 * number, 0x3000, 1 << 40, 4096, 0x80, 0x38, 0x1000 + 2 * number, 7, gws=gws)
    return Mqd(driver)


@dataclass(frozen=True)
class Mapped:
    mqds: tuple[Mqd, ...]

    def compute_mqds(self) -> Iterator[Mqd]:
        return iter(self.mqds)

    def sdma_mqds(self) -> Iterator[SdmaImage]:
        return iter(())


def mec(spec: FirmwareSpec = SPEC, slots: tuple[tuple[int, int], ...] = SLOTS, vmids: int = 13) -> Mec:
    return Mec(Generation.V9_4_3, slots, 4, tuple(range(3, 3 + vmids)), spec)


def places(device: Mec) -> list[tuple[int, int]]:
    return [(slot.pipe, slot.queue) for slot in device.occupied]


def processes(*counts: int) -> tuple[Mapped, ...]:
    numbers = iter(range(100))
    return tuple(Mapped(tuple(mqd(next(numbers)) for _ in range(count))) for count in counts)


def test_queues_fill_the_pipes_across_and_then_down() -> None:
    device = mec()
    device.run_list(processes(24), 13)
    assert places(device) == [(k % 4, 2 + k // 4) for k in range(24)]


def test_pipes_of_unequal_length() -> None:
    slots = tuple((p, q) for p in range(4) for q in range(1 if p < 2 else 0, 8))  # num_kcq=2
    device = mec(slots=slots)
    device.run_list(processes(30), 13)
    assert places(device)[:6] == [(0, 1), (1, 1), (2, 0), (3, 0), (0, 2), (1, 2)]
    assert places(device)[-2:] == [(2, 7), (3, 7)]
    assert len(set(places(device))) == 30


def test_slot_order_is_a_switch() -> None:
    device = mec(FirmwareSpec(slot_order=SlotOrder.DOWN_A_PIPE))
    device.run_list(processes(7), 13)
    assert places(device) == [(0, 2), (0, 3), (0, 4), (0, 5), (0, 6), (0, 7), (1, 2)]


def test_residency_is_a_switch() -> None:
    device = mec()
    device.run_list(processes(20, 10, 3), 13)
    assert [slot.vmid for slot in device.occupied] == [3] * 20 + [4] * 4
    device = mec(FirmwareSpec(residency=Residency.WHOLE_PROCESSES))
    device.run_list(processes(20, 10, 3), 13)
    assert [slot.vmid for slot in device.occupied] == [3] * 20 + [5] * 3


def test_processes_at_once() -> None:
    device = mec()
    device.run_list(processes(1, 1, 1), 2)
    assert [slot.vmid for slot in device.occupied] == [3, 4]


def test_two_gws_queues_are_never_mapped_at_once() -> None:
    device = mec()
    cells = (mqd(0, gws=True), mqd(1), mqd(2, gws=True))
    device.run_list((Mapped(cells),), 13)
    assert [slot.mqd for slot in device.occupied] == [cells[0], cells[1]]


def test_logic_xcc_is_a_switch() -> None:
    cell = mqd(0)
    cell.driver = replace(cell.driver, logic_xcc=2)  # type: ignore[type-var]
    for rule, expected in ((LogicXcc.PIPE, [1, 2, 3, 0]), (LogicXcc.DRIVER, [2, 3, 0, 1])):
        device = mec(FirmwareSpec(logic_xcc=rule))
        device.run_list((Mapped((mqd(9), cell)),), 13)
        assert [device.mqd_image(cell, xcc).get("compute_current_logic_xcc_id") for xcc in range(4)] == expected


def test_a_map_writes_active_and_a_save_the_rest() -> None:
    device, cell = mec(), mqd(4)
    cell.rptr_dwords = cell.wptr_dwords = 0x10
    assert device.mqd_image(cell, 0).get("cp_hqd_active") == 0
    device.run_list((Mapped((cell,)),), 13)
    mapped = device.mqd_image(cell, 0)
    assert (mapped.get("cp_hqd_active"), mapped.get("cp_hqd_vmid"), mapped.get("cp_hqd_pq_rptr")) == (1, 0, 0)
    assert device.unmap() == 1
    saved = device.mqd_image(cell, 0)
    assert (saved.get("cp_hqd_vmid"), saved.get("cp_hqd_pq_rptr"), saved.get("cp_hqd_pq_wptr_lo")) == (0x303, 16, 16)
    assert saved.get("cp_hqd_pq_doorbell_control") == 0x60000002 | 0x1008 << 2
    assert saved.get("cp_hqd_hq_status0") == 0x40004000
    cell.update(cell.driver)
    updated = device.mqd_image(cell, 0)
    assert (updated.get("cp_hqd_vmid"), updated.get("cp_hqd_pq_rptr")) == (0, 16)
    assert updated.get("cp_hqd_pq_doorbell_control") == 0x2 | 0x1008 << 2


def test_a_queue_with_work_is_not_idle() -> None:
    device, cell = mec(), mqd(0)
    cell.wptr_dwords = 64
    device.run_list((Mapped((cell,)),), 13)
    slot = next(slot.image for slot in device.hqds() if slot.active)
    assert (slot.get("cp_hqd_pq_control", "pq_empty"), slot.get("cp_hqd_hq_status0", "queue_idle")) == (0, 0)
    assert (slot.get("cp_hqd_pq_rptr"), slot.get("cp_hqd_pq_wptr_lo")) == (0, 64)


def test_stale_registers_are_those_of_the_queue_as_it_was_mapped() -> None:
    device, cell = mec(), mqd(1)
    device.run_list((Mapped((cell,)),), 13)
    device.unmap()
    cell.update(mqd(7).driver)
    stale = device.hqds()[0].image
    assert stale.get("cp_mqd_base_addr_lo") == 0x10000
    assert (stale.get("cp_hqd_active"), stale.get("cp_hqd_pq_doorbell_control")) == (0, 2)
    kept = mec(FirmwareSpec(unmap_clears=False))
    kept.run_list((Mapped((cell,)),), 13)
    kept.unmap()
    assert kept.hqds()[0].image.get("cp_hqd_pq_doorbell_control", "doorbell_offset") == 0x100E


def test_schd_hit_is_a_switch() -> None:
    device = mec(FirmwareSpec(schd_hit_at_map=False))
    device.run_list(processes(1), 13)
    assert device.hqds()[0].image.get("cp_hqd_pq_doorbell_control") == 0x40004002


def test_mes_seats_queues_as_they_come_and_as_slots_are_freed() -> None:
    device = mec(slots=((0, 2), (0, 3)), vmids=2)
    cells = [mqd(i) for i in range(4)]
    for i, cell in enumerate(cells):
        device.add(cell, f"process {i // 2}")
    assert [slot.mqd for slot in device.occupied] == cells[:2]
    assert device.waiting == tuple(cells[2:])
    device.remove(cells[2])
    device.remove(cells[0])
    assert device.waiting == ()
    assert {slot.mqd: slot.vmid for slot in device.occupied} == {cells[1]: 3, cells[3]: 4}
    device.remove(cells[1])
    device.remove(cells[3])
    device.add(cells[0], "process 9")
    assert [slot.vmid for slot in device.occupied] == [3]


def test_mes_processes_wait_for_a_vmid() -> None:
    device = mec(vmids=1)
    first, second = mqd(0), mqd(1)
    device.add(first, "one")
    device.add(second, "two")
    assert device.waiting == (second,)
    device.remove(first)
    assert [slot.mqd for slot in device.occupied] == [second]


def test_an_indirect_buffer_leaves_its_trace_when_the_queue_is_saved() -> None:
    device, (process,) = mec(), processes(1)
    (cell,) = process.mqds
    device.run_list((process,), 13)
    before = device.mqd_image(cell, 0).words
    cell.rptr_dwords = cell.wptr_dwords = 16
    cell.indirect = Indirect(0x7F61C159E000, 7, 0x7F61C0FFF480, 0xACE1F9B516, 0xACE1F9F7D2)
    assert device.mqd_image(cell, 0).words == before
    slot = next(slot.image for slot in device.hqds() if slot.active)
    assert (slot.get64("cp_hqd_ib_base_addr_lo", "cp_hqd_ib_base_addr_hi"), slot.get("cp_hqd_ib_rptr")) == (
        0x7F61C159E000,
        7,
    )
    device.unmap()
    words = device.mqd_image(cell, 0).words  # dwords of the oldest queue of a real capture (facts §14)
    expected = {1: 0x4000, 42: 1, 88: 0xE1F9B516, 89: 0x800000AC, 90: 0xE1F9F7D2, 91: 0xAC, 96: 1, 114: 3, 148: 7}
    expected |= {157: 2, 158: 0xC0FFF480, 159: 0x7F61, 160: 0x40104000, 185: 1, 227: 1, 320: 16, 323: 16}
    assert {dword: words[dword] for dword in expected} == expected
    assert device.mqd_image(cell, 1).words[320] == 0


def test_the_driver_loads_slots_itself() -> None:
    device, cell = mec(), mqd(0)
    device.load(cell, 2, 5, 9)
    slot = device.slot_of(cell)
    assert slot is not None
    assert (slot.pipe, slot.queue) == (2, 5)
    shown = next(slot.image for slot in device.hqds() if slot.active)
    assert shown.get("cp_hqd_vmid") == 9  # the driver sets no VMID of IBs
    with pytest.raises(ValueError, match="occupied"):
        device.load(mqd(1), 2, 5, 9)
    device.unload(cell, save=False)
    assert cell.saved_rptr_dwords is None
    assert device.slot_of(cell) is None


def test_hiq_remembers_four_opcodes() -> None:
    hiq = Hiq(mqd(0).driver, 512)
    for opcode in (0xA0, 0xA5, 0xA1, 0xA2, 0xA3, 0xA4):
        hiq.saw(opcode)
    assert hiq.opcodes == 0xA1A2A3A4


def test_hiq_rules_are_switches() -> None:
    plain = FirmwareSpec(hiq_opcode_history=False, hiq_marks=False)
    for spec, history, status in ((SPEC, 0xA0, 0x4000C440), (plain, 0, 0x40004000)):
        device = mec(spec)
        device.hiq = Hiq(mqd(0).driver, 512, 8)
        device.hiq.saw(0xA0)
        (image, *_) = [slot.image for slot in device.hiqs(2, 0, 0)]
        assert (image.word(156), image.word(160)) == (history, status)


def test_sdma_rlcs_show_the_last_queue() -> None:
    rlcs = SdmaRlcs(8, 8)
    queue = SdmaMqd(Generation.V9_4_3, 0, 0x7F55_8C20_0000, 1 << 20, 0x80, 0x88, 0x1200, 1, 3)
    rlcs.connect(queue, 3)
    assert rlcs.running == {(1, 3)}
    block = rlcs.blocks(0)[1 * 8 + 3]
    registers = dict(block.registers)
    assert block.runs[0].address == 0x6640 + 3 * 0x160
    assert registers[0x6640 + 3 * 0x160] & 0xF000001 == 0x3000001
    rlcs.disconnect(queue)
    assert dict(rlcs.blocks(0)[11].registers)[0x6640 + 3 * 0x160] & 1 == 0
    rlcs.reset()
    assert dict(rlcs.blocks(0)[11].registers)[0x6640 + 3 * 0x160] == 0x40000


def test_every_rule_says_what_it_rests_on() -> None:
    rules = SPEC.rules()
    assert [rule.name for rule in rules] == [f"firmware.{f.name}" for f in fields(FirmwareSpec)]
    assert all(rule.source for rule in rules)
    assert {rule.standing for rule in rules} == {Standing.CAPTURED, Standing.INFERRED}
    assert {rule.setting for rule in rules} >= {"across-pipes", "runlist-order", "pipe", "true"}


def test_a_mec_without_slots_is_refused() -> None:
    with pytest.raises(InputError, match="no hardware queue slot"):
        mec(slots=())


def test_reset_forgets_everything() -> None:
    device = mec()
    device.run_list(processes(3), 13)
    device.reset()
    assert not device.occupied
    assert {slot.image.get("cp_mqd_base_addr_lo") for slot in device.hqds()} == {0}


def test_rotation_gives_every_queue_its_turn() -> None:
    for spec in (SPEC, FirmwareSpec(residency=Residency.WHOLE_PROCESSES)):
        device = mec(spec)
        loop = processes(10, 9, 8, 7)
        device.run_list(loop, 13)
        seen: set[Mqd] = set()
        for _ in range(3):
            mapped = {slot.mqd for slot in device.occupied if slot.mqd}
            assert len(mapped) == len({(slot.pipe, slot.queue) for slot in device.occupied}) <= 24
            seen |= mapped
            assert device.rotate() == len(device.occupied)
        assert seen == {cell for process in loop for cell in process.mqds}
        assert device.unmap() > 0
        assert device.rotate() == 0


def test_rotation_over_processes_that_have_no_vmid() -> None:
    device = mec(vmids=2)
    loop = processes(1, 1, 1)
    device.run_list(loop, 2)
    turns = []
    for _ in range(3):
        turns.append([next(i for i, p in enumerate(loop) if slot.mqd in p.mqds) for slot in device.occupied])
        device.rotate()
    assert turns == [[0, 1], [2, 0], [1, 2]]
    alone = mec(vmids=1)
    loop = processes(1, 1, 1)
    for _ in range(2):  # a new runlist is read from its start
        alone.run_list(loop, 1)
        turns = []
        for _ in range(4):
            turns.append([next(i for i, p in enumerate(loop) if slot.mqd in p.mqds) for slot in alone.occupied])
            alone.rotate()
        assert turns == [[0], [1], [2], [0]]
        alone.unmap()


def test_rotation_does_nothing_when_all_are_mapped() -> None:
    device = mec()
    device.run_list(processes(24), 13)
    before = places(device)
    assert device.rotate() == 24
    assert places(device) == before


def test_mes_rotation() -> None:
    device = mec(slots=((0, 2), (0, 3)))
    cells = [mqd(i) for i in range(3)]
    for cell in cells:
        device.add(cell, "one")
    assert device.rotate() == 2
    assert {slot.mqd for slot in device.occupied} == {cells[1], cells[2]}
    assert device.waiting == (cells[0],)
