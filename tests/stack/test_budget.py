"""Budgets against the driver's own verdict: what it refuses, and when it chains the runlist."""

import random

import pytest

from ringscope.errors import InputError
from ringscope.join.runlist import read_runlist
from ringscope.parts import catalogue
from ringscope.stack.budget import Budget, Job, Mpi, binding, budgets, fits, fixes, most_ranks, stages
from ringscope.stack.hip import HipSettings
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.machine import MachineSpec, Scheduling
from ringscope.stack.program import Program

MI300A = MachineSpec.of("mi300a")


def job(ranks: int, cap: int, mpi: Mpi = Mpi.OPENMPI, **more: object) -> Job:
    return Job(ranks, mpi=mpi, settings=HipSettings(gpu_max_hw_queues=cap), **more)  # type: ignore[arg-type]


def row(name: str, machine: MachineSpec, wanted: Job) -> Budget:
    return next(row for row in budgets(machine, wanted) if row.name.startswith(name))


@pytest.mark.parametrize(("cap", "ladder"), [(1, (2, 2, 2)), (2, (2, 3, 3)), (4, (2, 5, 5)), (8, (2, 6, 9))])
def test_the_published_ladder_of_a_rank_under_open_mpi(cap: int, ladder: tuple[int, int, int]) -> None:
    found = {stage.name: stage.compute for stage in stages(MI300A, job(1, cap))}
    assert found["before any HIP call"] == 0
    names = ("first kernel, on the null stream", "MPI_Init", "first collective on device buffers")
    assert tuple(found[name] for name in names) == ladder


@pytest.mark.parametrize(("ranks", "cap", "queues"), [(8, 2, 24), (12, 1, 24), (4, 4, 20), (8, 4, 40), (12, 4, 60)])
def test_the_published_totals_of_ranks(ranks: int, cap: int, queues: int) -> None:
    slots = row("hardware", MI300A, job(ranks, cap))
    assert (slots.need, slots.limit) == (queues, 24)
    assert fits(MI300A, job(ranks, cap)) == (queues <= 24)


def test_24_fit_and_25_do_not() -> None:
    assert row("hardware", MI300A, job(8, 2)).over == 0
    assert row("hardware", MI300A, job(5, 4)).over == 1


@pytest.mark.parametrize(("mode", "processes"), [("spx", 13), ("tpx", 13), ("cpx", 6)])
def test_processes_by_partition_mode(mode: str, processes: int) -> None:
    machine = MachineSpec.of("mi300a", partition=mode)
    few = Job(processes, settings=HipSettings(gpu_max_hw_queues=1))
    assert row("processes at", machine, few).over == 0
    assert row("processes at", machine, Job(processes + 1)).over == 1


@pytest.mark.parametrize(("rings", "slots"), [(8, 24), (4, 28), (2, 30), (1, 31), (0, 32)])
def test_kernel_rings_take_slots(rings: int, slots: int) -> None:
    assert row("hardware", MachineSpec.of("mi300a", num_kcq=rings), Job(1)).limit == slots


def test_priorities_have_pools_of_their_own() -> None:
    three = Job(1, streams=12, priorities=True)
    assert stages(MI300A, three)[-1].compute == 3 * 4 + 1
    assert stages(MI300A, Job(1, streams=12))[-1].compute == 4 + 1


def test_only_one_cooperative_queue_is_mapped_all_the_time() -> None:
    assert fits(MI300A, Job(1, cooperative=True))
    assert row("cooperative", MI300A, Job(2, cooperative=True)).over == 1


def test_one_process_can_be_refused_by_itself() -> None:
    greedy = Job(1, streams=200, settings=HipSettings(gpu_max_hw_queues=200))
    mi210 = MachineSpec.of("mi210")
    assert "its limit" in stages(mi210, greedy)[-1].refused
    assert not fits(mi210, greedy) and most_ranks(mi210, greedy) == 0
    assert stages(MI300A, greedy)[-1].compute == 201


def started(machine: MachineSpec, wanted: Job) -> tuple[bool, bool]:
    """The launch played in full: (whether the driver refused anything, whether it chained the runlist)."""
    kfd = Kfd(machine, keep_events=False)
    refused = False
    for pid in range(wanted.ranks):
        program = Program(kfd, machine.nodes[:1], pid, wanted.rocm, wanted.settings)
        hip = program.devices[0]
        hip.null_stream()
        for number in range(wanted.streams):
            hip.stream_create((-1, 0, 1)[number % 3] if wanted.priorities else 0)
        try:
            program.rocr.copy_queues(hip.node)
        except KfdError:
            refused = True
        if wanted.cooperative:
            hip.cooperative_queue()
    runlist = kfd.snapshot().devices[0].runlist
    assert runlist is not None
    read = read_runlist(runlist)
    assert read is not None
    return refused, read.chained


CHAINS = ("hardware queue slots", "processes at once (VMIDs)", "cooperative queues")


@pytest.mark.parametrize("seed", range(60))
def test_the_driver_refuses_and_chains_exactly_what_is_over(seed: int) -> None:
    dice = random.Random(seed)
    hws = [part for part in catalogue.devices() if part.packet_format]
    part = dice.choice([part for part in hws if part.packet_format and part.packet_format.value != "vi"])
    machine = MachineSpec.of(part.key, partition=dice.choice(part.partitions).name, num_kcq=dice.choice((8, 8, 4, 2)))
    wanted = Job(
        dice.randint(1, 16),
        streams=dice.randint(0, 5),
        priorities=dice.random() < 0.3,
        cooperative=machine.nodes[0].gws > 0 and dice.random() < 0.2,
        settings=HipSettings(gpu_max_hw_queues=dice.randint(1, 4)),
    )
    assert machine.nodes[0].scheduling is Scheduling.CPSCH
    over = {row.name for row in budgets(machine, wanted) if row.over}
    assert started(machine, wanted) == ("SDMA queues" in over, bool(over & set(CHAINS)))


@pytest.mark.parametrize("part", [part.key for part in catalogue.devices()])
def test_every_fix_fits_on_every_part_and_mode(part: str) -> None:
    for mode in catalogue.find(part).partitions:
        machine = MachineSpec.of(part, partition=mode.name)
        wanted = job(7, 4)
        for fix in fixes(machine, wanted):
            used, _, have = fix.gives.split()[:3]
            assert int(used) <= int(have), fix
        most = most_ranks(machine, wanted)
        assert most == binding(budgets(machine, wanted)).most_ranks
        assert not most or fits(machine, job(most, 4))
        assert not fits(machine, job(most + 1, 4))


def test_fixes_are_the_largest_that_fit() -> None:
    assert [fix.knob for fix in fixes(MI300A, job(8, 4))] == [
        "GPU_MAX_HW_QUEUES=2",
        "4 ranks on this GPU",
        "TPX mode, 3 ranks on each of 3",
        "CPX mode, 2 ranks on each of 6",
    ]
    assert fixes(MI300A, job(8, 2)) == ()
    assert [fix.knob for fix in fixes(MI300A, job(5, 4))][-1] == "amdgpu.num_kcq=7 at boot"


@pytest.mark.parametrize(("ranks", "streams"), [(0, 0), (1, -1), (10**9, 0)])
def test_impossible_jobs_are_refused(ranks: int, streams: int) -> None:
    with pytest.raises(InputError):
        Job(ranks, streams)
