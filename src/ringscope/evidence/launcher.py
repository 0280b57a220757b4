"""What a launch command says: how many processes on this host, and the environment it gives them.

Reads ``mpirun``, ``mpiexec``, ``srun`` and ``torchrun`` lines as a shell would hand them over, word by word. The
program behind the launcher and its own options are left alone: where they begin is told by each launcher's options,
of which those that take a value must be known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from ringscope.errors import InputError
from ringscope.records import dataclass, field

MOST_PROCESSES = 1 << 20


@dataclass(frozen=True)
class Launch:
    """One launch.

    ``processes`` are those on one host; ``environment`` holds variables that the command itself sets, for all of them;
    ``notes`` say what was assumed.
    """

    launcher: str
    processes: int
    environment: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Launcher:
    """A launcher's options: those that count, and those that take values (with how many)."""

    processes: frozenset[str]
    nodes: frozenset[str] = frozenset()
    per_node: frozenset[str] = frozenset()
    pairs: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    two_values: frozenset[str] = frozenset()


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Open MPI mpirun(1), MPICH Hydra mpiexec(1), Slurm srun(1), torchrun of PyTorch.
_MPI = _Launcher(
    processes=_set("-n -np --np --n -c"),
    per_node=_set("-npernode --npernode -N -ppn -perhost"),
    pairs=_set("-x"),
    values=_set(
        "-H -host --host -hosts -hostfile --hostfile -machinefile --machinefile -f -map-by --map-by -bind-to --bind-to "
        "-rank-by --rank-by -wdir --wdir -wd --prefix -prefix --timeout -iface -launcher -bootstrap -path --path "
        "-output-filename --output-filename -envlist -genvlist -rankfile --rankfile -rf --tune -am --am --personality "
        "--display --output --runtime-options"
    ),
    two_values=_set("-mca --mca -gmca --gmca --omca --prtemca --pmixmca -env -genv"),
)
_SRUN = _Launcher(
    processes=_set("-n --ntasks"),
    nodes=_set("-N --nodes"),
    per_node=_set("--ntasks-per-node"),
    values=_set(
        "-A --account -b --begin -c --cpus-per-task -C --constraint -d --dependency -D --chdir -e --error -G --gpus "
        "-i --input -J --job-name -L --licenses -m --distribution -M --clusters -o --output -p --partition -q --qos "
        "-r --relative -S --core-spec -t --time -T --threads -w --nodelist -W --wait -x --exclude --export "
        "--cpu-bind --mem-bind --gpu-bind --gres --mem --mem-per-cpu --mem-per-gpu --gpus-per-node --gpus-per-task "
        "--gpus-per-socket --ntasks-per-gpu --ntasks-per-socket --ntasks-per-core --tasks-per-node --mpi --network "
        "--reservation --signal --jobid --multi-prog --threads-per-core --cores-per-socket --hint --accel-bind"
    ),
)
_TORCHRUN = _Launcher(
    processes=frozenset(),
    nodes=_set("--nnodes"),
    per_node=_set("--nproc-per-node --nproc_per_node"),
    values=_set(
        "--node-rank --node_rank --master-addr --master_addr --master-port --master_port --rdzv-backend --rdzv_backend "
        "--rdzv-endpoint --rdzv_endpoint --rdzv-id --rdzv_id --rdzv-conf --rdzv_conf --max-restarts --max_restarts "
        "--monitor-interval --monitor_interval --start-method --start_method --role --log-dir --log_dir -r --redirects "
        "-t --tee --local-addr --local_addr --local-ranks-filter --local_ranks_filter -m --module"
    ),
)
LAUNCHERS: dict[str, _Launcher] = {
    "mpirun": _MPI,
    "mpiexec": _MPI,
    "mpiexec.hydra": _MPI,
    "orterun": _MPI,
    "prterun": _MPI,
    "srun": _SRUN,
    "torchrun": _TORCHRUN,
}
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_PER_NODE_MAP = re.compile(r"ppr:(\d{1,7}):node")


def read(words: Sequence[str]) -> Launch:
    """A launch command, word by word; a program without a launcher is one process.

    Raises:
        InputError: no program, a count that is no number, or a launcher that was not told how many to start.
    """
    rest = list(words)
    environment: dict[str, str] = {}
    while rest and (rest[0] == "env" or _ASSIGNMENT.fullmatch(rest[0])):
        if found := _ASSIGNMENT.fullmatch(rest.pop(0)):
            environment[found[1]] = found[2]
    if not rest:
        raise InputError("no command to look at", " ".join(words), "give one, as in: -- mpirun -n 12 ./app")
    name = PurePosixPath(rest[0]).name
    if name.startswith("python") and rest[1:2] == ["-m"] and rest[2:3] == ["torch.distributed.run"]:
        name, rest = "torchrun", rest[2:]
    launcher = LAUNCHERS.get(name)
    if launcher is None:
        return Launch(name, 1, environment)
    seen = _Seen(name, environment)
    for option, values in _options(rest[1:], launcher):
        seen.take(launcher, option, values)
    return seen.launch()


def _options(words: list[str], launcher: _Launcher) -> Iterator[tuple[str, list[str]]]:
    """The launcher's own options with their values, each program of an MPMD line in turn."""
    ones = launcher.processes | launcher.nodes | launcher.per_node | launcher.pairs | launcher.values
    at = 0
    while at < len(words):
        word = words[at]
        if not word.startswith("-") or word == "--":
            # The program: its own words end at a colon, behind which mpirun takes another set of options.
            while at < len(words) and words[at] != ":":
                at += 1
            at += 1
            continue
        option, equals, value = word.partition("=")
        if equals:
            yield option, [value]
            at += 1
        elif word in launcher.two_values:
            yield word, words[at + 1 : at + 3]
            at += 3
        elif word in ones:
            yield word, words[at + 1 : at + 2]
            at += 2
        elif (glued := re.fullmatch(r"(-[nN])(\d+)", word)) is not None:
            yield glued[1], [glued[2]]
            at += 1
        else:
            at += 1


class _Seen:
    """What the options of one command add up to."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name = name
        self.environment = environment
        self.total: int | None = None
        self.nodes = 1
        self.per_node: int | None = None

    def take(self, launcher: _Launcher, option: str, values: list[str]) -> None:
        """One option."""
        if option in launcher.processes:
            # Programs of an MPMD line add up.
            self.total = (self.total or 0) + self._number(option, values)
        elif option in launcher.nodes:
            self.nodes = self._number(option, [value.partition("-")[0].partition(":")[0] for value in values])
        elif option in launcher.per_node:
            self.per_node = self._number(option, values)
        elif option in ("-map-by", "--map-by") and values and (found := _PER_NODE_MAP.search(values[0])):
            self.per_node = int(found[1])
        elif option in launcher.pairs or option == "--export":
            for value in values[0].split(",") if values else ():
                if found := _ASSIGNMENT.fullmatch(value):
                    self.environment[found[1]] = found[2]
        elif option in ("-env", "-genv") and len(values) == 2:
            self.environment[values[0]] = values[1]

    def _number(self, option: str, values: list[str]) -> int:
        text = values[0] if values else ""
        if not re.fullmatch(r"\d{1,7}", text) or not 1 <= int(text) <= MOST_PROCESSES:
            raise InputError(f"{option} {text!r} is no count of processes", self.name, f"give 1 to {MOST_PROCESSES}")
        return int(text)

    def launch(self) -> Launch:
        """The sum."""
        if self.per_node is not None:
            return Launch(self.name, self.per_node, self.environment)
        if self.total is None:
            todo = "--nproc-per-node N" if self.name == "torchrun" else "-n N"
            raise InputError(f"{self.name} is not told how many processes to start", "", f"say {todo}, or give --ranks")
        if self.nodes == 1:
            return Launch(self.name, self.total, self.environment)
        each = -(-self.total // self.nodes)
        note = f"{self.total} processes on {self.nodes} nodes: up to {each} on each"
        return Launch(self.name, each, self.environment, (note,))
