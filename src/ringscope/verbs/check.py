"""Says before a launch whether its queues fit the GPU; no GPU is needed.

Counts the queues of one process over its life on the modelled stack and holds those of all ranks against every limit
of one logical GPU (a device in SPX mode, or one partition of it). Settings come from the options, from the launch
command behind ``--``, and from the environment, in that order:

  ringscope check --gpu mi300a --partition cpx --ranks 12 --hw-queues 4 --mpi openmpi
  GPU_MAX_HW_QUEUES=2 ringscope check --gpu mi300a -- mpirun -n 12 ./app

Exit code 1: the launch does not fit.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ringscope.engine.policies import Policies
from ringscope.errors import EXIT_CLEAN, EXIT_FINDINGS, InputError
from ringscope.evidence import launcher
from ringscope.records import dataclass
from ringscope.report.terminal import Terminal, columns, wrapped
from ringscope.scenario import rules
from ringscope.stack import budget
from ringscope.stack.budget import Budget, Fix, Job, Mpi, Stage
from ringscope.stack.hip import HipSettings
from ringscope.stack.machine import MachineSpec, Scheduling
from ringscope.stack.rocm import RULES, RocmVersion
from ringscope.verbs import Result, picture_options

if TYPE_CHECKING:
    from ringscope.recording import Recording
    from ringscope.scenario.launch import StepCost

SCHEMA = "ringscope.check/1"
MOST_STEP_MS = 2000
TIME_SLICED = 2
"""The first of the budgets are those whose excess makes the firmware rotate queues."""
ALWAYS_SHOWN = 3
"""Limits that people ask about; the others are shown once half of them is needed."""
PUBLISHED_SPREAD = "AMD's 15 over-subscribed runs on an MI300A lost 0.41 to 1.9 times what is simulated"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--gpu", required=True, metavar="PART", help="part of the catalogue, such as mi300a")
    parser.add_argument("--partition", default="spx", metavar="MODE", help="spx, dpx, tpx, qpx or cpx (default: spx)")
    parser.add_argument("--ranks", type=int, metavar="N", help="processes on one logical GPU")
    parser.add_argument(
        "--gpus", type=int, default=1, metavar="N", help="logical GPUs that launched processes are spread over evenly"
    )
    parser.add_argument("--hw-queues", type=int, metavar="N", help="GPU_MAX_HW_QUEUES (default: the environment's, 4)")
    parser.add_argument("--streams", type=int, default=0, metavar="N", help="streams each process creates itself")
    parser.add_argument("--priorities", action="store_true", help="those streams have three priorities")
    parser.add_argument("--mpi", choices=[mpi.value for mpi in Mpi], default="none", help="MPI library (default: none)")
    parser.add_argument("--cooperative", action="store_true", help="the processes launch cooperatively")
    parser.add_argument("--num-kcq", type=int, default=8, metavar="N", help="amdgpu.num_kcq (default: 8)")
    parser.add_argument(
        "--step",
        type=float,
        default=1.0,
        metavar="MS",
        help="kernel time between two exchanges, for the cost (default: 1)",
    )
    parser.add_argument("--rocm", default="7.0", metavar="VERSION", help="ROCm release (default: 7.0)")
    picture_options(parser, "html", "perfetto")
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="launch by mpirun, mpiexec, srun or torchrun"
    )


@dataclass(frozen=True)
class Checked:
    """Everything found out about one launch."""

    machine: MachineSpec
    job: Job
    cap_from: str
    step_ns: int
    notes: tuple[str, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Queues of one process over its life."""
        return budget.stages(self.machine, self.job)

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """Every limit and the need."""
        return budget.budgets(self.machine, self.job)

    @property
    def fixes(self) -> tuple[Fix, ...]:
        """What would make it fit."""
        return budget.fixes(self.machine, self.job)

    @cached_property
    def cost(self) -> StepCost | str | None:
        """What time-slicing costs a step, or why that is not known; None where nothing is time-sliced."""
        sliced = any(row.over for row in self.budgets[:TIME_SLICED])
        if not sliced or self.refused or self.machine.nodes[0].scheduling is Scheduling.NOCPSCH:
            return None
        try:
            # The base package lacks the engine, which says so when imported.
            from ringscope.scenario.launch import MOST_QUEUES, step_cost  # noqa: PLC0415
            from ringscope.verbs.simulate import warm_up  # noqa: PLC0415

            warm_up()
            found = step_cost(self.machine, self.job, self.step_ns)
        except InputError as error:
            return str(error)
        return found or f"more than {MOST_QUEUES} queues are not simulated"

    @property
    def refused(self) -> str:
        """Why the driver gives one process no more queues; empty when it gives all."""
        return self.stages[-1].refused

    @property
    def fits(self) -> bool:
        """Whether the launch fits."""
        return not self.refused and not any(row.over for row in self.budgets)


def run(args: argparse.Namespace) -> Result:
    """Read what is launched, count, compare."""
    checked = _checked(args, os.environ)
    result = data(checked)
    played = _played(checked) if args.html or args.perfetto else ()
    if played:
        from ringscope.report.timeline import timeline  # noqa: PLC0415

        result["time"] = [found for recording in played if (found := timeline(recording))]
    return Result(
        result,
        lambda terminal: "\n".join(text(checked, terminal)),
        EXIT_CLEAN if checked.fits else EXIT_FINDINGS,
        {"html": lambda: _page(result), "perfetto": lambda: _trace(played)},
    )


def _played(checked: Checked) -> tuple[Recording, ...]:
    """The simulated steps as a recording, where time-slicing was simulated."""
    if checked.cost is None or isinstance(checked.cost, str):
        return ()
    from ringscope.scenario.launch import recorded  # noqa: PLC0415 - the engine, which is there when a cost is

    return (recorded(checked.machine, checked.job, checked.step_ns),)


def _trace(played: tuple[Recording, ...]) -> bytes:
    if not played:
        raise InputError("nothing here takes turns, so there is nothing to trace", todo="leave --perfetto out")
    from ringscope.report.perfetto import trace  # noqa: PLC0415

    return trace(played)


def _page(result: dict[str, Any]) -> bytes:
    from ringscope.report.page import page  # noqa: PLC0415 - a quarter of the verb's start

    return page(result)


def _checked(args: argparse.Namespace, environment: Mapping[str, str]) -> Checked:
    notes: list[str] = []
    ranks = args.ranks
    given: Mapping[str, str] = {}
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if command:
        launch = launcher.read(command)
        given = launch.environment
        notes += launch.notes
        ranks = _spread(launch, args.gpus, notes) if ranks is None else ranks
    if not 0 < args.step <= MOST_STEP_MS:
        raise InputError(f"--step {args.step:g}", todo=f"give milliseconds above 0, up to {MOST_STEP_MS}")
    if ranks is None:
        raise InputError("how many processes?", todo="give --ranks N, or the launch command: -- mpirun -n 12 ./app")
    values = {**environment, **given}
    cap, cap_from = args.hw_queues, "given"
    if cap is None and "GPU_MAX_HW_QUEUES" in values:
        cap = _number(values, "GPU_MAX_HW_QUEUES")
        cap_from = "of the command" if "GPU_MAX_HW_QUEUES" in given else "of the environment"
    elif cap is None:
        cap, cap_from = HipSettings().gpu_max_hw_queues, "the default"
    ignore = _number(values, "DEBUG_HIP_IGNORE_STREAM_PRIORITY")
    settings = HipSettings(
        gpu_max_hw_queues=cap,
        dynamic_queues=_number(values, "DEBUG_HIP_DYNAMIC_QUEUES"),
        ignore_stream_priority=None if ignore is None else ignore > 0,
    )
    machine = MachineSpec.of(args.gpu, partition=args.partition, num_kcq=args.num_kcq)
    job = Job(
        ranks, args.streams, args.priorities, Mpi(args.mpi), args.cooperative, settings, RocmVersion.parse(args.rocm)
    )
    notes += _published(machine, job)
    return Checked(machine, job, cap_from, round(args.step * 1e6), tuple(notes))


def _spread(launch: launcher.Launch, gpus: int, notes: list[str]) -> int:
    if gpus < 1:
        raise InputError(f"--gpus {gpus}", todo="give at least 1")
    each = -(-launch.processes // gpus)
    if gpus > 1:
        notes.append(f"{launch.processes} processes over {gpus} GPUs: up to {each} on each, if each selects its own")
    elif launch.processes > 1:
        notes.append(f"all {launch.processes} processes of {launch.launcher} counted on one GPU; --gpus N spreads them")
    return each


def _number(values: Mapping[str, str], name: str) -> int | None:
    word = values.get(name)
    if word is None:
        return None
    if not word.isascii() or not word.isdigit() or len(word) > 6:
        raise InputError(f"{name}={word!r} is no number", todo=f"unset {name} or make it a number")
    return int(word)


def _published(machine: MachineSpec, job: Job) -> list[str]:
    """Where published figures and the driver's own rule differ for this launch."""
    spec = machine.nodes[0]
    notes = []
    if spec.scheduling is Scheduling.CPSCH and spec.processes_at_once != _DOCUMENTED_PROCESSES:
        notes.append(
            f"AMD's page on over-subscription (2024-10) says {_DOCUMENTED_PROCESSES} processes; the driver's rule "
            f"gives {spec.processes_at_once} here"
        )
    if job.mpi is not Mpi.NONE:
        mpi = budget.MPI_STREAMS[job.mpi]
        notes.append(f"{job.mpi.value}, {mpi.init} streams in MPI_Init and {mpi.collective} more later: {mpi.source}")
    if job.mpi is Mpi.OPENMPI:
        notes.append(
            "AMD's runs with Open MPI list up to 6.0 queues a rank at GPU_MAX_HW_QUEUES=4, where the rule gives 5 and "
            "an SDMA queue; their rows of 2.25 to 2.75 queues lie below the rule, which does not explain them"
        )
    guesses = [name for name, table in RULES.items() if job.rocm.inferred(table)]
    if guesses:
        notes.append(f"ROCm {job.rocm}: inferred from older releases: {', '.join(guesses)}")
    return notes


_DOCUMENTED_PROCESSES = 11
"""rocm.docs.amd.com conceptual/oversubscription of 2024-10-11: VM contexts that user processes may have."""


def data(checked: Checked) -> dict[str, Any]:
    """The result in JSON types."""
    machine, job = checked.machine, checked.job
    return {
        "schema": SCHEMA,
        "gpu": machine.devices[0].part.key,
        "name": machine.devices[0].part.name,
        "logical_gpus": len(machine.nodes),
        "partition": machine.devices[0].partition.upper(),
        "num_kcq": machine.driver.kernel_compute_rings,
        "rocm": str(job.rocm),
        "ranks": job.ranks,
        "gpu_max_hw_queues": job.settings.gpu_max_hw_queues,
        "cap_from": checked.cap_from,
        "streams": job.streams,
        "mpi": job.mpi.value,
        "stages": [{"name": s.name, "compute": s.compute, "sdma": s.sdma} for s in checked.stages],
        "refused": checked.refused or None,
        "budgets": [
            {
                "name": row.name,
                "limit": row.limit,
                "need": row.need,
                "over": row.over,
                "most_ranks": row.most_ranks,
                "inferred": row.inferred,
                "beyond": row.beyond,
                "source": row.source,
            }
            for row in checked.budgets
        ],
        "binds": budget.binding(checked.budgets).name,
        "fits": checked.fits,
        "cost": _cost_data(checked),
        "fixes": [{"knob": fix.knob, "gives": fix.gives} for fix in checked.fixes],
        "fidelity": _fidelity(checked),
        "notes": list(checked.notes),
    }


def _cost_data(checked: Checked) -> dict[str, Any] | None:
    cost = checked.cost
    if cost is None:
        return None
    if isinstance(cost, str):
        return {"unknown": cost}
    return {
        "step_ns": cost.alone_ns,
        "time_sliced_step_ns": cost.ns,
        "slower": cost.slower,
        "published": PUBLISHED_SPREAD,
    }


def _fidelity(checked: Checked) -> list[dict[str, str]]:
    """What is inferred of the release, and the rules of whoever takes turns, where that was simulated."""
    inferred = rules.of_release(checked.job.rocm)
    if checked.cost is None or isinstance(checked.cost, str):
        return inferred
    from ringscope.scenario import launch  # noqa: PLC0415 - the engine, which is there when a cost is

    return [*inferred, *map(rules.row, launch.FIDELITY), *rules.of_engine(Policies())]


def _cost_text(checked: Checked) -> str:
    cost = checked.cost
    if cost is None:
        return "none simulated: nothing is time-sliced"
    if isinstance(cost, str):
        return f"not simulated: {cost}"
    return (
        f"a step of {cost.alone_ns / 1e6:.3g} ms takes {cost.ns / 1e6:.3g} ms, {cost.slower:.2g} times as long, where "
        f"processes exchange halos with their neighbours (simulated; {PUBLISHED_SPREAD})"
    )


def text(checked: Checked, terminal: Terminal) -> list[str]:
    """The same for people."""
    machine, job = checked.machine, checked.job
    part = machine.devices[0].part
    mode = machine.devices[0].partition.upper()
    place = f"{part.name} {mode}" + (f", one of {len(machine.nodes)} logical GPUs" if len(machine.nodes) > 1 else "")
    cap = f"GPU_MAX_HW_QUEUES={job.settings.gpu_max_hw_queues} ({checked.cap_from})"
    lines = [terminal.bold(f"{_ranks(job.ranks)} on {place} · ROCm {job.rocm} · {cap}"), ""]
    rows = [(stage.name, str(stage.compute), str(stage.sdma)) for stage in checked.stages]
    lines += _table(rows, ("queues of one process after", "compute", "SDMA"), terminal)
    if checked.refused:
        lines += ["", f"  {terminal.bad('refused')}: {checked.refused}"]
    lines += ["", *_limits(checked, terminal), ""]
    if checked.fits:
        lines.append(f"  {terminal.good('fits')}: every queue is mapped all the time")
    else:
        happens: dict[str, list[str]] = {}
        for row in checked.budgets:
            if row.over:
                happens.setdefault(row.beyond, []).append(row.name)
        said = "; ".join(f"{', '.join(names)}: {what}" for what, names in happens.items()) or "queue creation fails"
        lines += wrapped(f"  {terminal.bad('does not fit')}: ", said, terminal.width, 16)
        lines += wrapped("  cost: ", _cost_text(checked), terminal.width)
        lines += ["", *_fixes(checked, terminal)]
    for note in checked.notes:
        lines += [terminal.dim(line) for line in wrapped("  Note: ", note, terminal.width)]
    return lines


def _ranks(ranks: int) -> str:
    return "1 process" if ranks == 1 else f"{ranks} processes"


def _table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...], terminal: Terminal) -> list[str]:
    table = columns(rows, head=head)
    return [terminal.dim(table[0]), *table[1:]]


def _limits(checked: Checked, terminal: Terminal) -> list[str]:
    first = budget.binding(checked.budgets)
    rows = []
    for place, row in enumerate(checked.budgets):
        if place >= ALWAYS_SHOWN and 2 * row.need < row.limit:
            continue
        over = f"over by {row.over}" if row.over else ""
        if row == first:
            over += f"{'  ' if over else ''}<- runs out first, beyond {_ranks(row.most_ranks)}"
        rows.append((row.name + (" ~" if row.inferred else ""), str(row.limit), str(row.need), over))
    lines = _table(rows, ("limits", "have", "need", ""), terminal)
    if any(row.inferred for row in checked.budgets):
        lines.append(terminal.dim("  ~ the number of SDMA engines is assumed: only the device itself tells it"))
    return lines


def _fixes(checked: Checked, terminal: Terminal) -> list[str]:
    fixes = checked.fixes
    if not fixes:
        return ["  fix: none of the knobs makes this fit; use more GPUs"]
    table = columns([(fix.knob, fix.gives) for fix in fixes], indent=4)
    return [terminal.dim("  any one of these makes it fit"), *table]
