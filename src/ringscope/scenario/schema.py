"""What a scenario is, and reading one from TOML.

A scenario has a device, kernels (and copies), processes that send them, and how long to run. Every dataclass here is
frozen and checked when built; whatever is wrong in a file is said with its key and line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ringscope.engine.policies import POLICIES, Policies
from ringscope.engine.spec import exponential
from ringscope.errors import InputError
from ringscope.records import dataclass, field, replace
from ringscope.scenario.fit import Calibration, Fit, Row
from ringscope.scenario.fit import load as load_fit
from ringscope.scenario.toml import Lines, Table, a_share, a_text, a_truth, a_whole, one_of, read, values_of
from ringscope.scenario.units import nanoseconds, picoseconds, size
from ringscope.stack.hip import StreamPriority
from ringscope.stack.machine import PROPOSALS, QueueIds

MAX_THREADS = 20_000
MAX_HORIZON_NS = 36 * 60 * 10**9
COSTS = {
    "packet": "packet_ns",
    "barrier": "barrier_ns",
    "launch": "launch_ps",
    "queue_quantum": "queue_quantum_ns",
    "process_quantum": "process_quantum_ns",
    "gang_quantum": "gang_quantum_ns",
    "save": "save_ns",
    "save_wave": "save_wave_ps",
    "map": "map_ns",
    "restore_wave": "restore_wave_ps",
    "wake": "wake_ns",
}
"""Keys of ``[costs]`` and the engine's names for them."""
SCHEDULERS = ("cpsch", "nocpsch", "mes", *(f"cpsch:{name}" for name in PROPOSALS))
"""The drivers' own, and the changes to CPSCH that the research notes propose."""


@dataclass(frozen=True)
class DeviceChoice:
    """The device and its driver: ``[device]``. ``scheduler`` is one of :data:`SCHEDULERS`, None the part's own."""

    gpu: str = "mi308x"
    partition: str = "spx"
    rocm: str = "7.0"
    scheduler: str | None = None
    num_kcq: int = 8
    hws_max_conc_proc: int = -1
    queue_ids: QueueIds = QueueIds.FIRST_FREE


@dataclass(frozen=True)
class KernelTime:
    """How long something takes: equally likely nanoseconds, of the whole kernel or of one workgroup."""

    quantiles: tuple[int, ...]
    per_workgroup: bool = False


@dataclass(frozen=True)
class Kernel:
    """One kernel: ``[[kernel]]``.

    Attributes:
        time: of the kernel alone on the idle device, from first to last workgroup, or of a single workgroup.
        waves, vgprs, lds: what one workgroup needs; ``vgprs`` a wave, ``lds`` in bytes.
        jitter: a single workgroup takes up to this share longer.
        bandwidth: share of the device's memory bandwidth that the kernel takes when it runs alone; 0 keeps the
            interference term off.
    """

    name: str
    workgroups: int
    time: KernelTime
    waves: int = 4
    vgprs: int = 0
    lds: int = 0
    jitter: float = 0.0
    bandwidth: float = 0.0


@dataclass(frozen=True)
class Copy:
    """One SDMA copy: ``[[copy]]``. ``engine`` counts the process's SDMA queues: 0 to the device, 1 from it."""

    name: str
    time: KernelTime
    engine: int = 0


class Does(IntEnum):
    """What one step of a request is."""

    KERNEL = 0
    COPY = 1
    SYNC = 2
    HOST = 3


@dataclass(frozen=True)
class Step:
    """One step, as often as ``times``: a kernel or copy by name, a wait, or host time."""

    does: Does
    name: str = ""
    times: int = 1
    host_ns: int = 0


Request = tuple["Step | tuple[tuple[Step, ...], ...]", ...]
"""Steps one after another; a tuple of branches runs them side by side on the process's streams."""


@dataclass(frozen=True)
class ProcessKind:
    """Processes that are alike: ``[[process]]``. Each stream has a host thread of its own that makes requests.

    Attributes:
        streams: HIP priority of every stream.
        cu_mask: CUs of every stream (hipExtStreamCreateWithCUMask), 0 for all.
        arrival: ``closed``, ``poisson`` or ``trace``.
        interval_ns: think time (closed) or mean time between requests of the whole process (poisson).
        trace_ns: arrival times (trace).
        submit_ns: host time of every packet sent.
        barrier: whether dispatches carry the barrier bit, as HIP's do.
        start_ns, stop_ns: when the process creates and destroys its queues, which takes the host its time and remaps
            the device; None: before and after the run.
        churn_ns: so often the process creates one queue more, and destroys it half of that time later; 0: never.
        limit: requests of each stream, None for no end.
    """

    name: str
    request: Request
    count: int = 1
    streams: tuple[int, ...] = (0,)
    hw_queues: int = 4
    cu_mask: int = 0
    arrival: str = "closed"
    interval_ns: int = 0
    trace_ns: tuple[int, ...] = ()
    submit_ns: int = 0
    barrier: bool = True
    start_ns: int | None = None
    stop_ns: int | None = None
    limit: int | None = None
    churn_ns: int = 0


@dataclass(frozen=True)
class Scenario:
    """One experiment, whole.

    ``costs`` replaces single costs of the part's table (engine names); ``calibration`` says which numbers a fit gave.
    """

    name: str
    device: DeviceChoice
    kernels: Mapping[str, Kernel]
    copies: Mapping[str, Copy]
    processes: tuple[ProcessKind, ...]
    horizon_ns: int
    warmup_ns: int = 0
    seed: int = 0
    replications: int = 1
    policies: Policies = field(default_factory=Policies)
    costs: Mapping[str, int] = field(default_factory=dict)
    calibration: Calibration | None = None


Part = TypeVar("Part")


class Read(Protocol):
    """Makes what ``convert`` makes of a table."""

    def __call__(self, table: Table, convert: Callable[[Table], Part]) -> Part:
        """Made of ``table``."""
        ...


def read_table(table: Table, convert: Callable[[Table], Part]) -> Part:
    """Read each table as it comes."""
    return convert(table)


KernelTimes = Callable[[Path, str], "list[int]"]
"""Gives the durations of a kernel in a trace: the file, the kernel's name; nanoseconds."""


def no_traces(path: Path, kernel: str) -> list[int]:
    """For scenarios whose kernels bring their times along."""
    raise InputError(f"the times of {kernel!r} lie in a trace that nobody reads here", str(path))


def _times_list(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of times")
    return tuple(sorted(nanoseconds(item) for item in value))


def _positive(value: Any) -> int:
    time = nanoseconds(value)
    if time < 1:
        raise ValueError("must be above zero")
    return time


def _time(folder: Path, times: KernelTimes) -> Callable[[Any], tuple[int, ...]]:
    """A constant, an exponential distribution, or the durations found in a trace."""

    def convert(value: Any) -> tuple[int, ...]:
        if not isinstance(value, dict):
            return (_positive(value),)
        if set(value) == {"mean"}:
            return exponential(_positive(value["mean"])).quantiles
        if set(value) == {"trace", "kernel"}:
            found = sorted(time for time in times(folder / a_text(value["trace"]), a_text(value["kernel"])) if time > 0)
            if not found:
                raise InputError(f"no dispatch of {value['kernel']!r} in {value['trace']}")
            return tuple(found)
        if set(value) == {"times"}:
            return _times_list(value["times"])
        raise InputError(
            "is no time",
            todo='write "85 us", { mean = "85 us" }, { times = ["80 us", "90 us"] } or '
            '{ trace = "run.csv", kernel = "name" }',
        )

    return convert


def _kernel(table: Table, folder: Path, times: KernelTimes) -> Kernel:
    nothing: tuple[int, ...] = ()
    whole = table.take("duration", nothing, _time(folder, times))
    single = table.take("workgroup_duration", nothing, _time(folder, times))
    if bool(whole) == bool(single):
        raise table.wrong("needs either duration or workgroup_duration")
    kernel = Kernel(
        name=table.need("name", a_text),
        workgroups=table.need("workgroups", a_whole(1, 1 << 30)),
        time=KernelTime(whole or single, per_workgroup=bool(single)),
        waves=table.take("waves", 4, a_whole(1, 32)),
        vgprs=table.take("vgprs", 0, a_whole(0, 512)),
        lds=table.take("lds", 0, size),
        jitter=table.take("jitter", 0.0, a_share),
        bandwidth=table.take("bandwidth", 0.0, a_share),
    )
    table.done("name, workgroups, duration, workgroup_duration, waves, vgprs, lds, jitter, bandwidth")
    return kernel


def _copy(table: Table, folder: Path, times: KernelTimes) -> Copy:
    copy = Copy(
        table.need("name", a_text),
        KernelTime(table.need("duration", _time(folder, times))),
        {"to-device": 0, "from-device": 1}[table.take("direction", "to-device", one_of("to-device", "from-device"))],
    )
    table.done("name, duration, direction")
    return copy


def _steps(names: frozenset[str], copies: frozenset[str]) -> Callable[[Any], Request]:
    def step(value: Any) -> Step:
        text = a_text(value).strip()
        if text == "sync":
            return Step(Does.SYNC)
        if text.startswith("host "):
            return Step(Does.HOST, host_ns=nanoseconds(text.removeprefix("host ")))
        name, star, times = text.partition("*")
        name = name.strip()
        if name not in names | copies:
            raise InputError(f"{name!r} is no kernel or copy", todo=f"known: {', '.join(sorted(names | copies))}")
        if star and not (times.strip().isdecimal() and int(times) > 0):
            raise ValueError(f"{text!r}: write a number above zero after the star")
        return Step(Does.COPY if name in copies else Does.KERNEL, name, int(times) if times else 1)

    def convert(value: Any) -> Request:
        if not isinstance(value, list) or not value:
            raise ValueError('must be a list of steps such as ["attention*40", "sync"]')
        steps: list[Step | tuple[tuple[Step, ...], ...]] = []
        for item in value:
            if isinstance(item, list):
                if not item or not all(isinstance(branch, list) and branch for branch in item):
                    raise ValueError('branches are lists of steps: [["a", "b"], ["c"]]')
                steps.append(tuple(tuple(step(one) for one in branch) for branch in item))
            else:
                steps.append(step(item))
        return tuple(steps)

    return convert


def _streams(value: Any) -> tuple[int, ...]:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1024:
        return (int(StreamPriority.NORMAL),) * value
    names = {priority.name.lower(): int(priority) for priority in StreamPriority}
    if isinstance(value, list) and value and all(word in names for word in value):
        return tuple(names[word] for word in value)
    raise ValueError('must be a number or a list such as ["high", "normal"]')


def _process(table: Table, names: frozenset[str], copies: frozenset[str]) -> ProcessKind:
    arrival = table.take("arrival", "closed", one_of("closed", "poisson", "trace"))
    wanted = {"closed": "think", "poisson": "interval", "trace": "times"}
    for other, key in wanted.items():
        if key in table.values and other != arrival:
            raise table.wrong(f"belongs to arrival {other!r}", key)
    kind = ProcessKind(
        name=table.take("name", f"process {int(table.path[-1]) + 1}", a_text),
        request=table.need("request", _steps(names, copies)),
        count=table.take("count", 1, a_whole(1, 512)),
        streams=table.take("streams", (0,), _streams),
        hw_queues=table.take("hw_queues", 4, a_whole(1, 64)),
        cu_mask=table.take("cu_mask", 0, a_whole(1, (1 << 1024) - 1)),
        arrival=arrival,
        interval_ns=table.need("interval", _positive) if arrival == "poisson" else table.take("think", 0, nanoseconds),
        trace_ns=table.need("times", _times_list) if arrival == "trace" else (),
        submit_ns=table.take("submit", 0, nanoseconds),
        barrier=table.take("barrier", True, a_truth),
        start_ns=table.take("start", None, nanoseconds),
        stop_ns=table.take("stop", None, _positive),
        limit=table.take("requests", None, a_whole(1, 1 << 40)),
        churn_ns=table.take("churn", 0, _positive),
    )
    table.done(
        "name, request, count, streams, hw_queues, cu_mask, arrival, think, interval, times, submit, barrier, start, "
        "stop, requests, churn"
    )
    if kind.stop_ns is not None and kind.stop_ns <= (kind.start_ns or 0):
        raise table.wrong("stops before it starts", "stop")
    return kind


def _policies(table: Table) -> Policies:
    chosen: dict[str, IntEnum] = {}
    for policy in POLICIES:
        names = {value.name.lower().replace("_", "-"): value for value in type(policy.default)}
        name = table.take(policy.name, "", one_of(*names))
        if name:
            chosen[policy.name] = names[name]
    table.done(", ".join(policy.name for policy in POLICIES))
    return Policies(**chosen)  # type: ignore[arg-type]


def _costs(table: Table) -> dict[str, int]:
    costs = {}
    for key, name in COSTS.items():
        if key in table.values:
            costs[name] = table.take(key, 0, picoseconds if name.endswith("_ps") else nanoseconds)
    table.done(", ".join(COSTS))
    return costs


def _device(table: Table) -> DeviceChoice:
    device = DeviceChoice(
        gpu=table.take("gpu", "mi308x", a_text),
        partition=table.take("partition", "spx", a_text),
        rocm=table.take("rocm", "7.0", a_text),
        scheduler=table.take("scheduler", None, one_of(*SCHEDULERS)),
        num_kcq=table.take("num_kcq", 8, a_whole(0, 8)),
        hws_max_conc_proc=table.take("hws_max_conc_proc", -1, a_whole(-1, 15)),
        queue_ids=QueueIds(table.take("queue_ids", "first-free", one_of(*(ids.value for ids in QueueIds)))),
    )
    table.done("gpu, partition, rocm, scheduler, num_kcq, hws_max_conc_proc, queue_ids")
    return device


def load(path: Path, times: KernelTimes = no_traces, fit: Fit | None = None) -> Scenario:
    """The scenario in a file; ``times`` reads the traces that it names, relative to the file.

    ``fit`` puts its numbers in place of the file's; without one, the fit that the file names does.

    Raises:
        InputError: with key, file and line, whatever is wrong.
    """
    return Draft.of(read(path), str(path)).scenario(path.parent, times, fit)


def parse(text: str, file: str, folder: Path, times: KernelTimes = no_traces) -> Scenario:
    """The scenario in ``text``, which came from ``file``."""
    return Draft.of(text, file).scenario(folder, times)


@dataclass(frozen=True)
class Draft:
    """A scenario file as TOML gives it, keys not looked at yet; ``lines`` says where each stands."""

    values: dict[str, Any]
    lines: Lines
    file: str

    @classmethod
    def of(cls, text: str, file: str) -> Draft:
        """What ``text``, which came from ``file``, says; InputError when it is no TOML."""
        return cls(values_of(text, file), Lines(text), file)

    def scenario(
        self, folder: Path, times: KernelTimes = no_traces, fit: Fit | None = None, read: Read = read_table
    ) -> Scenario:
        """The scenario, every key checked; traces and the fit it names lie relative to ``folder``.

        ``read`` may remember tables whose values are the same as in another draft of this file.
        """
        root = Table(self.file, self.lines, (), self.values)
        named = root.take("calibration", None, lambda name: load_fit(folder / a_text(name)))
        fit = fit or named
        if fit is None:
            return _scenario(root, folder, times, read)
        values, placed = fit.apply(root.values)
        scenario = _scenario(Table(self.file, self.lines, (), values), folder, times)
        rows = [(row, of_row(fit, row)) for row in fit.rows]
        parts = {other.device.gpu for _, other in rows}
        same = tuple(row for row, other in rows if _alike(scenario, other))
        strange = () if scenario.device.gpu in parts else tuple(sorted(parts))
        return replace(scenario, calibration=Calibration(fit, placed, same, strange))


def of_row(fit: Fit, row: Row) -> Scenario:
    """The scenario of one of a fit's rows, with the fit's numbers in place."""
    where = f"{fit.name}: row {row.id!r}"
    return _scenario(Table(where, Lines(""), (), fit.apply(row.values)[0]), Path(), no_traces)


def _alike(scenario: Scenario, other: Scenario) -> bool:
    """Whether two scenarios ask the same of the model; how long and how often they run does not count."""
    plain: dict[str, Any] = {"name": "", "horizon_ns": 1, "warmup_ns": 0, "seed": 0, "replications": 1}
    return replace(scenario, **plain) == replace(other, **plain)


def _scenario(root: Table, folder: Path, times: KernelTimes, read: Read = read_table) -> Scenario:
    device = read(root.table("device"), _device)
    work = [read(table, lambda table: _kernel(table, folder, times)) for table in root.tables("kernel")]
    kernels = {kernel.name: kernel for kernel in work}
    moves = [read(table, lambda table: _copy(table, folder, times)) for table in root.tables("copy")]
    copies = {copy.name: copy for copy in moves}
    names = frozenset(kernels), frozenset(copies)
    processes = tuple(read(table, lambda table: _process(table, *names)) for table in root.tables("process"))
    if not processes:
        raise root.wrong("a scenario needs at least one [[process]]")
    run = root.table("run")
    scenario = Scenario(
        name=root.take("name", Path(root.file).stem, a_text),
        device=device,
        kernels=kernels,
        copies=copies,
        processes=processes,
        horizon_ns=run.need("horizon", _positive),
        warmup_ns=run.take("warmup", 0, nanoseconds),
        seed=run.take("seed", 0, a_whole(0, (1 << 32) - 1)),
        replications=run.take("replications", 1, a_whole(1, 1000)),
        policies=read(root.table("policies"), _policies),
        costs=read(root.table("costs"), _costs),
    )
    run.done("horizon, warmup, seed, replications")
    root.done("name, calibration, device, kernel, copy, process, run, policies, costs")
    if scenario.horizon_ns > MAX_HORIZON_NS:
        raise run.wrong("a run is at most 36 minutes long", "horizon")
    if scenario.warmup_ns >= scenario.horizon_ns:
        raise run.wrong("the warm-up is as long as the run", "warmup")
    if sum(kind.count * len(kind.streams) for kind in processes) > MAX_THREADS:
        raise root.wrong(f"more than {MAX_THREADS} streams")
    return scenario
