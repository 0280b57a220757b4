"""Runs a scenario file in simulated time and says who got what, and where the time went.

A scenario (TOML) names a device, kernels, processes and a horizon; `examples/` has commented ones. The processes are
played on the modelled stack, so queues, slots and the scheduler are the driver's; rules that only the firmware knows
are policies that the scenario may change ([policies], see --policies).

  ringscope simulate examples/two-processes.toml
  ringscope simulate run.toml --snapshot-at "5 ms" --snapshot-dir here/ && ringscope explain here/
"""

from __future__ import annotations

import argparse
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringscope import log
from ringscope.engine.policies import POLICIES
from ringscope.errors import EXIT_CLEAN, EXIT_FINDINGS, InputError
from ringscope.records import replace
from ringscope.report.files import write_aside, write_folder_aside
from ringscope.report.terminal import Terminal, columns, wrapped
from ringscope.scenario import rules
from ringscope.scenario.fit import load as load_fit
from ringscope.scenario.schema import load
from ringscope.scenario.units import nanoseconds, spoken
from ringscope.verbs import Result, picture_options

# The engine is imported when it runs, so that --help and --policies need no extra; what only some runs need, when it
# is needed, so that the others begin sooner.
if TYPE_CHECKING:
    from ringscope.engine.run import Engine
    from ringscope.join import Case
    from ringscope.scenario.build import Built
    from ringscope.scenario.outcome import Estimate, Outcome
    from ringscope.snapshot import Snapshot
    from ringscope.verdicts.answer import Answer

SCHEMA = "ringscope.simulate/1"
MOST_TRACED = 100_000
"""Packets after which the traced run for --answers stops: more would not change an answer."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("scenario", type=Path, nargs="?", metavar="FILE", help="scenario in TOML")
    parser.add_argument(
        "--calibration", type=Path, metavar="FIT", help="put a fit's numbers in place of the scenario's"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="in place of the scenario's")
    parser.add_argument("--replications", type=int, metavar="N", help="in place of the scenario's")
    parser.add_argument("--parquet", type=Path, metavar="OUT", help="write every finished request (needs polars)")
    parser.add_argument("--snapshot-at", metavar="TIME", help='write the queues\' state at that time, such as "5 ms"')
    parser.add_argument("--snapshot-dir", type=Path, metavar="DIR", help="new folder for it, in debugfs form")
    parser.add_argument("--answers", action="store_true", help="answer explain's questions about the run, too")
    parser.add_argument("--verbose", "-v", action="store_true", help="with --answers: all evidence")
    picture_options(parser, "html", "perfetto")
    parser.add_argument("--policies", action="store_true", help="list the firmware-private rules and their choices")


def run(args: argparse.Namespace) -> Result:
    """Load, simulate, report."""
    if args.policies:
        return _policies()
    if args.scenario is None:
        raise InputError("no scenario was given", todo="ringscope simulate FILE; examples/ has some")
    if bool(args.snapshot_at) != bool(args.snapshot_dir):
        raise InputError("--snapshot-at and --snapshot-dir go together")
    from ringscope.scenario.outcome import simulate  # noqa: PLC0415

    simulation = _load(args)
    warm_up()

    look_at = _instant(args, simulation.scenario.horizon_ns)
    look = _looker(simulation, args) if args.snapshot_dir else None
    with _progress() as tell:
        outcome = simulate(simulation, tell, look, look_at)
    if args.parquet:
        _parquet(outcome, args.parquet)
    result = data(outcome)
    if not (args.answers or args.html or args.perfetto):
        return Result(result, lambda terminal: text(outcome, terminal))
    from ringscope.report import explain  # noqa: PLC0415
    from ringscope.report.page import page  # noqa: PLC0415
    from ringscope.report.perfetto import trace  # noqa: PLC0415
    from ringscope.verdicts import answers  # noqa: PLC0415

    case = traced(simulation)
    found = answers(case)
    result |= explained(simulation, case, found)
    pictures = {"html": lambda: page(result), "perfetto": lambda: trace(case.recordings)}
    if not args.answers:
        return Result(result, lambda terminal: text(outcome, terminal), pictures=pictures)
    return Result(
        result,
        lambda terminal: "\n".join([text(outcome, terminal), "", *explain.answer_lines(found, terminal, args.verbose)]),
        EXIT_FINDINGS if any(answer.finding for answer in found) else EXIT_CLEAN,
        pictures,
    )


def explained(simulation: Built, case: Case, found: Sequence[Answer]) -> dict[str, Any]:
    """What ``--json`` prints besides when a page or answers are wanted: the run as a capture, and what it rests on."""
    from ringscope.report import explain  # noqa: PLC0415

    return {
        "explained": explain.data(case, found, []),
        "fidelity": rules.of_engine(simulation.scenario.policies, simulation.spec.costs) + rules.of_firmware(),
    }


def traced(simulation: Built, most: int = MOST_TRACED, tell: Callable[[float], None] = lambda _: None) -> Case:
    """The first replication, traced: to its end, or until ``most`` packets are done; ``tell`` is told of each step."""
    from ringscope.engine.run import Engine  # noqa: PLC0415
    from ringscope.join import case_of  # noqa: PLC0415
    from ringscope.scenario.outcome import STEPS  # noqa: PLC0415
    from ringscope.scenario.record import Fullness, Names, recording  # noqa: PLC0415

    engine = Engine(simulation.spec, trace=True)
    snapshots: list[Snapshot] = []
    fullness: list[Fullness] = []
    for step in range(1, STEPS + 1):
        engine.run(simulation.scenario.horizon_ns * step // STEPS)
        fullness += Fullness.of(engine)
        full = len(engine.trace) > most
        tell(step / STEPS)
        if full or step in (STEPS // 2, STEPS):
            snapshots.append(simulation.snapshot(engine.state, f"at {spoken(engine.now)}"))
        if full:
            break
    return case_of(tuple(snapshots), (recording(Names.of(simulation), engine, fullness),))


def warm_up() -> None:
    """Have the engine compiled, and say so if that was never done before."""
    from ringscope.engine import native  # noqa: PLC0415

    native.engine(lambda: log.info("compiling the engine, once (about half a minute) …"))


def _load(args: argparse.Namespace) -> Built:
    from ringscope.scenario.build import build  # noqa: PLC0415

    scenario = load(args.scenario, kernel_times, load_fit(args.calibration) if args.calibration else None)
    if args.seed is not None:
        if not 0 <= args.seed < 1 << 32:
            raise InputError(f"--seed is {args.seed}", todo="give 0 to 4294967295")
        scenario = replace(scenario, seed=args.seed)
    if args.replications is not None:
        if not 1 <= args.replications <= 1000:
            raise InputError(f"--replications is {args.replications}", todo="give 1 to 1000")
        scenario = replace(scenario, replications=args.replications)
    return build(scenario)


def kernel_times(path: Path, kernel: str) -> list[int]:
    """Durations of every dispatch of ``kernel`` in a rocprofv3 CSV or JSON, or in a rocpd database; nanoseconds."""
    from ringscope.evidence import rocpd, rocprofv3  # noqa: PLC0415
    from ringscope.recording import Kind  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            database = file.read(16) == b"SQLite format 3\0"
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", str(path)) from error
    recording = rocpd.read(path, str(path)) if database else rocprofv3.read(path, str(path))
    return [
        int(event.attrs["end"]) - int(event.attrs["begin"])
        for event in recording.of(Kind.DISPATCH)
        if event.attrs.get("kernel") == kernel and "end" in event.attrs and "begin" in event.attrs
    ]


def _instant(args: argparse.Namespace, horizon_ns: int) -> int:
    if not args.snapshot_at:
        return 0

    at = nanoseconds(args.snapshot_at)
    if at > horizon_ns:
        raise InputError(f"--snapshot-at {args.snapshot_at} lies after the end of the run")
    return at


def _looker(simulation: Built, args: argparse.Namespace) -> Callable[[Engine], None]:
    from ringscope.stack.text import capture  # noqa: PLC0415

    def look(engine: Engine) -> None:
        snapshot = simulation.snapshot(engine.state, f"simulated at {args.snapshot_at}")
        files = {path: content.encode() for path, content in capture(snapshot).items()}
        write_folder_aside(args.snapshot_dir, files)

    return look


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """A line on stderr that counts up, on a terminal and for runs longer than a second."""

    begun = time.monotonic()
    shown = -1
    with log.Progress() as progress:

        def tell(done: float) -> None:
            nonlocal shown
            percent = int(done * 100)
            if percent != shown and time.monotonic() - begun > 1:
                shown = percent
                progress.show(f"simulating … {percent} %")

        yield tell


def _parquet(outcome: Outcome, path: Path) -> None:
    from ringscope.engine.state import PARTS  # noqa: PLC0415

    try:
        import polars  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError("--parquet needs polars", todo="pip install 'ringscope[frames]'") from None
    of = {thread: member for member in outcome.built.members for thread in member.threads}
    frames = []
    for number, requests in enumerate(outcome.logs):
        members = [of[int(thread)] for thread in requests["thread"]]
        table = {
            "replication": polars.Series([number] * len(requests), dtype=polars.Int64),
            "process": polars.Series([member.kind.name for member in members], dtype=polars.String),
            "pid": polars.Series([member.pid for member in members], dtype=polars.Int64),
        }
        times = {f"{name}_ns": requests[name] for name in ("arrival", "start", "done", *PARTS)}
        frames.append(polars.DataFrame(table | {"thread": requests["thread"], "request": requests["request"]} | times))
    buffer = io.BytesIO()
    polars.concat(frames).write_parquet(buffer)
    write_aside(path, buffer.getvalue())


def _estimate(value: Estimate) -> dict[str, float | None]:
    return {"mean": round(value.mean, 6), "ci95": None if value.half_width is None else round(value.half_width, 6)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 1)


def data(outcome: Outcome) -> dict[str, Any]:
    """What ``--json`` prints."""
    built = outcome.built
    scenario, node = built.scenario, built.node
    return {
        "schema": SCHEMA,
        "scenario": scenario.name,
        "device": {
            "gpu": node.part.key,
            "partition": scenario.device.partition,
            "rocm": scenario.device.rocm,
            "scheduler": scenario.device.scheduler or node.scheduling.value,
            "xccs": node.xccs,
            "cus": node.cus,
            "slots": len(built.slots),
            "processes_at_once": node.processes_at_once,
        },
        "calibration": scenario.calibration.data if scenario.calibration else None,
        "horizon_ns": scenario.horizon_ns,
        "warmup_ns": scenario.warmup_ns,
        "seed": scenario.seed,
        "replications": scenario.replications,
        "policies": rules.chosen(scenario.policies),
        "costs": {name: getattr(built.spec.costs, name) for name in built.spec.costs.__dataclass_fields__},
        "compute_queues": sum(queue.is_compute for queue in built.queues),
        "sdma_queues": sum(not queue.is_compute for queue in built.queues),
        "oversubscribed": list(built.limits),
        "broken_in_driver": list(built.broken),
        "requests_per_second": _estimate(outcome.per_second),
        "processes": [
            {
                "name": share.kind.name,
                "count": share.kind.count,
                "streams": len(share.kind.streams),
                "requests": share.requests,
                "requests_per_second": _estimate(share.per_second),
                "requests_per_second_each": [round(value, 6) for value in share.per_second_each],
                "latency_ns": {
                    "mean": _number(share.mean_ns),
                    "mean_ci95": None if share.latency.half_width is None else round(share.latency.half_width, 1),
                    "p50": _number(share.p50_ns),
                    "p90": _number(share.p90_ns),
                    "p99": _number(share.p99_ns),
                    "max": _number(share.max_ns),
                },
                "where_ns": {part: round(value, 1) for part, value in share.parts.items()},
            }
            for share in outcome.shares
        ],
        "cu_busy": _estimate(outcome.cu_busy),
        "slots_used": _estimate(outcome.slots_used),
        "replication": [
            {name: getattr(totals, name) for name in totals.__dataclass_fields__} for totals in outcome.totals
        ],
    }


def _figure(value: float) -> str:
    """Four figures of small numbers, whole thousands written out."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _with_interval(value: Estimate) -> str:
    shown = _figure(value.mean)
    return shown if value.half_width is None else f"{shown} ± {_figure(value.half_width)}"


def text(outcome: Outcome, terminal: Terminal) -> str:
    """What the terminal shows: the answer first, then where the time went, then what the device did."""
    from ringscope.engine.state import PARTS  # noqa: PLC0415

    built = outcome.built
    scenario, node = built.scenario, built.node
    scheduler = (scenario.device.scheduler or node.scheduling.value).upper()
    runs = f" × {scenario.replications} runs" if scenario.replications > 1 else ""
    lines = [
        f"{terminal.bold(scenario.name)}",
        f"{node.part.name} · {scenario.device.partition.upper()} · {node.xccs} XCC · {node.cus} CU · "
        f"{scheduler} · ROCm {scenario.device.rocm} · {spoken(scenario.horizon_ns)}{runs}, "
        f"seed {scenario.seed}",
        "",
    ]
    compute = sum(queue.is_compute for queue in built.queues)
    fits = f"{compute} compute queues on {len(built.slots)} slots, {len(built.members)} processes for "
    fits += f"{node.processes_at_once} places: "
    verdict = (
        terminal.bad("over-subscribed, " + " and ".join(built.limits)) if built.limits else terminal.good("all mapped")
    )
    lines += [f"  {fits}{verdict}", ""]
    if built.broken:
        more = f" (and {len(built.broken) - 1} more)" if len(built.broken) > 1 else ""
        said = f"what this scheduler breaks in the real driver: {built.broken[0]}{more}"
        lines += [*(terminal.bad(line) for line in wrapped("  ", said, terminal.width)), ""]
    if scenario.calibration:
        told = wrapped("  ", scenario.calibration.text, terminal.width)
        lines += [*(terminal.bad(line) if scenario.calibration.fitted else line for line in told), ""]
    rows = []
    for share in outcome.shares:
        who = share.kind.name + (f" × {share.kind.count}" if share.kind.count > 1 else "")
        times = [spoken(value) if share.requests else "-" for value in (share.p50_ns, share.p90_ns, share.p99_ns)]
        each = _figure(share.per_second.mean / share.kind.count)
        rows.append((who, _with_interval(share.per_second), each, *times))
    if len(rows) > 1:
        rows.append(("total", _with_interval(outcome.per_second), "", "", "", ""))
    lines += [*columns(rows, head=("process", "requests/s", "each", "p50", "p90", "p99")), ""]
    lines.append("  Where a request's time went (mean)")
    rows = []
    for share in outcome.shares:
        if share.requests:
            shares = [f"{100 * share.parts[part] / share.mean_ns:.1f} %" if share.mean_ns else "-" for part in PARTS]
            rows.append((share.kind.name, spoken(share.mean_ns), *shares))
    head = ("process", "latency", "host", "slot", "barrier", "pipe", "save", "CU room", "running")
    lines += [*columns(rows, head=head), ""]
    count = {
        name: sum(getattr(totals, name) for totals in outcome.totals) / len(outcome.totals)
        for name in ("runlists", "rotations", "preemptions")
    }
    lines.append(
        f"  CUs busy {100 * outcome.cu_busy.mean:.1f} % · "
        f"slots used {outcome.slots_used.mean:.1f} of {len(built.slots)} · "
        f"runlists sent {_figure(count['runlists'])} · "
        f"rotations {_figure(count['rotations'])} · queues preempted {_figure(count['preemptions'])}"
    )
    readings = ", ".join(f"{name} {setting}" for name, setting in rules.chosen(scenario.policies).items())
    note = f"rules that AMD does not publish were taken as: {readings} (ringscope simulate --policies)"
    lines += ["", *wrapped("  ", note, terminal.width)]
    return "\n".join(lines)


def _policies() -> Result:
    rows = [
        {
            "name": policy.name,
            "default": rules.spelled(policy.default),
            "alternatives": [rules.spelled(value) for value in policy.alternatives],
            "effect": policy.effect,
            "standing": f"{policy.standing.value} ({policy.standing.meaning})",
            "holds for": policy.holds_for,
            "source": policy.source,
        }
        for policy in POLICIES
    ]

    def show(terminal: Terminal) -> str:
        lines = []
        for row in rows:
            lines.append(f"{terminal.bold(str(row['name']))} = {row['default']}  (or {', '.join(row['alternatives'])})")
            for key in ("effect", "standing", "holds for", "source"):
                lines += wrapped(f"  {key}: ", str(row[key]), terminal.width)
        return "\n".join(lines)

    return Result({"schema": "ringscope.policies/1", "policies": rows}, show)
