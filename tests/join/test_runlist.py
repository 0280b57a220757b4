from ringscope.join.queues import join_queues, mqd_address_of
from ringscope.join.runlist import read_runlist
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse


def test_processes_and_queues_newest_first_as_the_driver_wrote_them() -> None:
    run = rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0, 0)), ProcessSpec((-1,))])
    for program in run.programs:
        program.rocr.copy_queues(run.kfd.machine.nodes[0])
    snapshot = run.snapshot()
    (device,) = snapshot.devices
    assert device.runlist is not None
    found = read_runlist(device.runlist)
    assert not found.chained
    compute = {mqd_address_of(q.queue.mqds[0].image): q for q in join_queues(snapshot) if q.is_compute}
    listed = [(p.pasid, [q for q in p.queues if not q.sdma]) for p in found.processes]
    assert [pasid for pasid, _ in listed] == [process.pasid for process in reversed(snapshot.processes)]
    assert [[compute[q.mqd_address].doorbell_index for q in queues] for _, queues in listed] == [
        [q.doorbell for q in queues] for _, queues in listed
    ]
    assert sum(len(queues) for _, queues in listed) == len(compute) == 5
    assert any(q.sdma for p in found.processes for q in p.queues)


def test_the_chain_of_an_over_subscribed_device() -> None:
    run = rehearse(MachineSpec.of("mi210"), [ProcessSpec((0,) * 4)] * 5)
    (device,) = run.snapshot().devices
    assert device.runlist is not None
    found = read_runlist(device.runlist)
    assert found.chained and len(found.processes) == 5


def test_packets_of_before_soc15_have_no_cooperative_queues() -> None:
    run = rehearse(MachineSpec.of("fiji"), [ProcessSpec((0, 0))])
    (device,) = run.snapshot().devices
    assert device.runlist is not None
    (process,) = read_runlist(device.runlist).processes
    assert [(queue.gws, queue.sdma) for queue in process.queues] == 3 * [(False, False)]
    assert read_runlist(device.runlist).gws_queues == 0
