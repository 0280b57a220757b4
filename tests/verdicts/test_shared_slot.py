from dataclasses import replace

from asking import NO, UNDECIDED, YES, ask
from machines import machine

from ringscope.parts.queue_types import IoctlQueueType
from ringscope.stack.kfd.records import CreateQueue
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse


def test_each_queue_in_a_slot_of_its_own() -> None:
    assert ask("shared-slot", machine({500: [7] * 5})).summary == "5 queues, 5 slots per XCC, 19 free"
    assert ask("shared-slot", machine({})).verdict is NO


def test_more_queues_than_slots() -> None:
    crowded = ask("shared-slot", machine({pid: [7] * 5 for pid in range(500, 505)}))
    assert (crowded.verdict, crowded.finding) == (YES, True)
    assert "1 active queue without a slot" in crowded.summary


def test_a_queue_without_a_slot_beside_free_ones_is_open() -> None:
    assert ask("shared-slot", machine({500: [7]}, mapped=False)).verdict is UNDECIDED
    assert ask("shared-slot", machine({500: [7]}, sources=("mqds",))).verdict is UNDECIDED


def test_queues_without_a_vmid_share_slots_too() -> None:
    found = ask("shared-slot", rehearse(MachineSpec.of("mi300a", partition="cpx"), [ProcessSpec((0,))] * 7).snapshot())
    assert (found.verdict, found.summary) == (YES, "2 active queues without a slot, for want of VMIDs")


def test_only_those_in_a_slot_are_counted_as_placed() -> None:
    crowded = ask("shared-slot", machine({pid: [7] * 5 for pid in range(500, 505)}))
    assert "24 of 25 active queues hold a slot on every XCC" in crowded.because[0].text


def test_copy_queues_need_no_slot() -> None:
    run = rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0,))])
    node = run.kfd.machine.nodes[0]
    run.kfd.create_queue(4242, CreateQueue(node.gpu_id, IoctlQueueType.SDMA, 0x10000, 4096, 0x20000, 0x20008))
    assert ask("shared-slot", run.snapshot()).summary == "2 queues, 2 slots per XCC, 22 free"


def test_every_device_is_looked_at() -> None:
    crowded = machine({pid: [7] * 5 for pid in range(500, 505)})
    idle = replace(machine({}).devices[0], gpu_id=1)
    assert ask("shared-slot", replace(crowded, devices=(idle, *crowded.devices))).verdict is YES


def test_slots_of_another_device_tell_nothing() -> None:
    snapshot = machine({500: [7]})
    blind = replace(snapshot.devices[0], hqds=())
    other = replace(snapshot.devices[0], gpu_id=1)
    found = ask("shared-slot", replace(snapshot, devices=(blind, other)))
    assert (found.verdict, found.summary) == (UNDECIDED, "no slot was captured")
