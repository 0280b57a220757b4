"""The verdicts on machines that the stack makes: no false alarm on healthy ones, and the faults found."""

import random

import pytest
from asking import NO, YES, ask

from ringscope.join import case_of
from ringscope.parts import catalogue
from ringscope.parts.layout import Generation
from ringscope.stack.hip import HipSettings
from ringscope.stack.machine import MachineSpec, QueueIds
from ringscope.stack.program import Program
from ringscope.stack.rehearse import ProcessSpec, Rehearsal, rehearse
from ringscope.verdicts import answers

MACHINES = 200


def healthy(seed: int) -> Rehearsal:
    """Processes with random streams on a random part, as many as its slots and VMIDs hold."""
    dice = random.Random(seed)
    part = dice.choice(catalogue.devices())
    machine = MachineSpec.of(part.key, partition=dice.choice(part.partitions).name)
    node = dice.randrange(len(machine.nodes))
    spec = machine.nodes[node]
    room = rehearse(machine, ()).snapshot().devices[node].slots_per_xcc
    processes = []
    for number in range(dice.randint(0, spec.processes_at_once)):
        cap = dice.randint(1, 4)
        streams = tuple(dice.choice((-1, 0, 0, 0, 1)) for _ in range(dice.randint(1, 6)))
        queues = 1 + sum(min(cap, streams.count(priority)) for priority in (-1, 0, 1))
        if queues > room:
            break
        room -= queues
        pid = 1000 + 7 * number + dice.randrange(7)
        processes.append(ProcessSpec(streams, node, HipSettings(gpu_max_hw_queues=cap), pid=pid))
    return rehearse(machine, processes)


def at_work(run: Rehearsal, dice: random.Random, packets: dict[tuple[int, int], int]) -> None:
    """Every queue goes on by some packets; some still have a few waiting."""
    for process in run.kfd.processes:
        for queue in process.queues.values():
            if queue.compute is not None:
                key = process.pid, queue.qid
                packets[key] = packets.get(key, 0) + dice.randint(1, 500)
                read = 16 * packets[key]
                ring_dwords = queue.request.ring_bytes // 4
                run.kfd.progress(*key, read % ring_dwords, read + 16 * dice.choice((0, 0, 3)))


@pytest.mark.parametrize("seed", range(MACHINES))
def test_no_false_alarm(seed: int) -> None:
    dice = random.Random(seed)
    run = healthy(seed)
    packets: dict[tuple[int, int], int] = {}
    snapshots = [run.snapshot("idle")]
    for label in ("busy", "busier")[: dice.randint(0, 2)]:
        at_work(run, dice, packets)
        snapshots.append(run.snapshot(label))
    if dice.random() < 0.3:
        for program in run.programs:
            program.exit()
        snapshots.append(run.snapshot("after"))
    logs = [program.journal.recording("hip") for program in run.programs] if dice.random() < 0.7 else []
    recordings = (*logs, *((run.kfd.recording(),) if dice.random() < 0.5 else ()))
    found = answers(case_of(tuple(snapshots), recordings))
    assert [(answer.id, answer.summary) for answer in found if answer.finding] == []


@pytest.mark.parametrize("gpu", ["mi308x", "mi210"])
def test_over_subscription_in_the_runlist_itself(gpu: str) -> None:
    fits = rehearse(MachineSpec.of(gpu), [ProcessSpec((0,) * 4)] * 4)
    found = ask("over-subscribed", fits.snapshot())
    assert (found.verdict, found.confidence and found.confidence.word) == (NO, "certain")
    over = rehearse(MachineSpec.of(gpu), [ProcessSpec((0,) * 4)] * 5)
    found = ask("over-subscribed", over.snapshot())
    assert "25 of 24 queues, since process 4246" in found.summary
    assert any("chained RUN_LIST" in reason.text for reason in found.because)


def test_over_subscription_by_cooperative_queues() -> None:
    run = rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0,))] * 2)
    assert ask("over-subscribed", run.snapshot()).verdict is NO
    for program in run.programs:
        program.devices[0].cooperative_queue()
    assert "2 of 1 cooperative queue" in ask("over-subscribed", run.snapshot()).summary


def test_over_subscription_by_mixed_xnack() -> None:
    run = rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0,))])
    run.kfd.open(9)
    run.kfd.set_xnack(9, True)
    other = rehearse_on(run, 9)
    assert "the runlist is chained" in ask("over-subscribed", other.snapshot()).summary


def rehearse_on(run: Rehearsal, pid: int) -> Rehearsal:
    """One more process on the machine of ``run``."""
    program = Program(run.kfd, run.kfd.machine.nodes[:1], pid, run.programs[0].rocm)
    program.devices[0].stream_create()
    return Rehearsal(run.kfd, (*run.programs, program))


def test_priority_arrives_unless_rocr_drops_it() -> None:
    for dropped, verdict in ((False, YES), (True, NO)):
        run = rehearse(MachineSpec.of("mi308x"), [])
        rocm = ProcessSpec(()).rocm
        program = Program(run.kfd, run.kfd.machine.nodes, 500, rocm, hard_coded_normal=dropped)
        program.devices[0].stream_create(-1)
        found = ask("priority-arrived", run.snapshot(), recordings=[program.journal.recording("hip")])
        assert (found.verdict, found.finding) == (verdict, dropped)


@pytest.mark.parametrize("part", [d for d in catalogue.devices() if d.shader_engines_per_xcc and d.array_count])
def test_cu_masks_as_the_driver_deals_them(part: catalogue.Device) -> None:
    run = rehearse(MachineSpec.of(part.key), [ProcessSpec(())])
    (program,) = run.programs
    mask = 0xFF00FF if part.generation in (Generation.V10, Generation.V11, Generation.V12) else 0x5A5A5A5A5A
    program.devices[0].stream_create_with_cu_mask(mask)
    snapshot = run.snapshot()
    recordings = [program.journal.recording("thunk")]
    assert ask("cu-mask", snapshot, recordings=recordings).verdict is YES
    run.kfd.set_cu_mask(program.pid, 1, (0x3,))
    found = ask("cu-mask", run.snapshot(), recordings=recordings)
    assert (found.verdict, found.finding) == (NO, True)


def test_an_eviction_and_its_restoration() -> None:
    run = rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0,) * 4)])
    assert ask("evicted", run.snapshot(), recordings=[run.kfd.recording()]).verdict is NO
    run.kfd.evict(run.programs[0].pid)
    away = run.snapshot()
    assert ask("evicted", away).finding
    run.kfd.restore(run.programs[0].pid)
    found = ask("evicted", run.snapshot(), recordings=[run.kfd.recording()])
    assert (found.verdict, found.summary) == (YES, "1 eviction")


def test_mes_parts_have_no_runlist_and_old_parts_know_queues_by_their_id() -> None:
    keys = {part.generation: part.key for part in catalogue.devices()}
    mes = rehearse(MachineSpec.of(keys[Generation.V12]), [ProcessSpec((0,))]).snapshot()
    assert ask("runlists-while-running", mes).summary == "MES schedules this part: it has no runlist"
    assert ask("active-runlist", mes).verdict is NO
    assert ask("runlist-rate", mes).quiet
    old = rehearse(MachineSpec.of(keys[Generation.VI]), [ProcessSpec((0,))]).snapshot()
    assert ask("queue-id", old).verdict is YES


def test_queue_id_policies_change_ids_and_nothing_else() -> None:
    for policy in ("first-free", "pid-hash"):
        run = rehearse(MachineSpec.of("mi308x", queue_ids=QueueIds(policy)), [ProcessSpec((0,) * 4, pid=54)])
        found = ask("queue-id", run.snapshot())
        assert found.verdict is NO
        assert (found.confidence and found.confidence.word) == ("likely" if policy == "first-free" else "certain")


def test_a_hang_is_certain() -> None:
    run = rehearse(MachineSpec.of("mi308x"), [ProcessSpec((0,))])
    assert ask("queue-stuck", run.snapshot(), recordings=[run.kfd.recording()]).verdict is NO
    run.kfd.hang(run.kfd.machine.nodes[0].gpu_id)
    found = ask("queue-stuck", run.snapshot(), recordings=[run.kfd.recording()])
    assert (found.verdict, found.finding) == (YES, True)
