"""Rehearsing: processes that create streams on a modelled machine, for whoever needs a state to look at."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from ringscope.errors import InputError
from ringscope.records import dataclass
from ringscope.snapshot import Snapshot
from ringscope.stack.hip import HipSettings
from ringscope.stack.journal import TICK_NS
from ringscope.stack.kfd import Kfd
from ringscope.stack.machine import MachineSpec
from ringscope.stack.program import Program
from ringscope.stack.rocm import RocmVersion
from ringscope.stack.text import amd_log, capture

FIRST_PID = 4242
ROCM = RocmVersion((7, 0))


@dataclass(frozen=True)
class ProcessSpec:
    """One process: the priority of each stream it creates, in order, and its surroundings.

    ``gpu`` counts KFD nodes from 0. A priority is HIP's: -1 high, 0 normal, 1 low.
    """

    streams: tuple[int, ...]
    gpu: int = 0
    settings: HipSettings | None = None
    rocm: RocmVersion = ROCM
    pid: int | None = None


@dataclass(frozen=True)
class Rehearsal:
    """Processes that are still running, and the driver they run on."""

    kfd: Kfd
    programs: tuple[Program, ...]

    def snapshot(self, label: str = "") -> Snapshot:
        """The state now."""
        return self.kfd.snapshot(label)

    def files(self) -> dict[str, str]:
        """What the machine shows now, by path: debugfs, sysfs, and each process's HIP log (``amd-log.<pid>``).

        A kernel log is not among them: nothing here takes time, so its stamps would tell rates that are none.
        """
        logs = {
            f"amd-log.{program.pid}": amd_log(program.journal.layer("hip"), program.rocm) for program in self.programs
        }
        return capture(self.snapshot()) | logs


def rehearse(machine: MachineSpec, processes: Iterable[ProcessSpec]) -> Rehearsal:
    """Start the processes one after another, each creating its streams.

    Pids are counted from :data:`FIRST_PID` where a spec gives none.

    Raises:
        InputError: a spec names a GPU that the machine does not have.
        KfdError: the driver refuses a queue.
    """
    kfd = Kfd(machine, now=count(0, TICK_NS).__next__)
    programs = []
    for number, spec in enumerate(processes):
        if not 0 <= spec.gpu < len(machine.nodes):
            raise InputError(f"no GPU {spec.gpu}", todo=f"the machine has {len(machine.nodes)}, counted from 0")
        pid = FIRST_PID + number if spec.pid is None else spec.pid
        program = Program(kfd, machine.nodes[spec.gpu : spec.gpu + 1], pid, spec.rocm, spec.settings)
        for priority in spec.streams:
            program.devices[0].stream_create(priority)
        programs.append(program)
    return Rehearsal(kfd, tuple(programs))
