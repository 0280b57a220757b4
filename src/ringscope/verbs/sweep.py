"""Runs a scenario file at many points, on all cores, and says which of them are worth having.

--over names a key of the file (tables of an array by their name) and the values it takes: key=a..b, key=a..b:step or
key=a,b,c. The points are the grid of all axes; with --samples N they are a Latin hypercube of N points, which also
takes ranges without steps. Rows go to DIR as they come. Killed and started again with the same words, the sweep goes
on where it was; in the end DIR/results.parquet has a row a point, the same bytes whatever the number of workers, on a
Ray cluster (--ray) and on an NVIDIA GPU (--cuda).

  ringscope sweep examples/two-processes.toml --over process.service.count=1..8 device.num_kcq=0,2,8
  ringscope sweep run.toml --over "process.service.think=0..2 ms" kernel.attention.workgroups=80..640 --samples 1000
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringscope import log
from ringscope.errors import InputError
from ringscope.records import dataclass
from ringscope.report.files import write_aside
from ringscope.report.terminal import Terminal, columns, wrapped
from ringscope.scenario.sweep.axes import Axis
from ringscope.scenario.sweep.front import front
from ringscope.scenario.toml import read
from ringscope.scenario.units import spoken
from ringscope.verbs import Result
from ringscope.verbs.simulate import kernel_times, warm_up

# The engine is imported when it runs, so that --help needs no extra.
if TYPE_CHECKING:
    from polars import DataFrame

    from ringscope.scenario.sweep.points import Sweep
    from ringscope.scenario.sweep.shards import Shard

SCHEMA = "ringscope.sweep/1"
GROUPS = 8
"""Values of a key told apart in the summary; more are put together."""
SHOWN = 20
"""Points of the front that the terminal lists."""
PLOT_WIDTH, PLOT_HEIGHT = 64, 16


@dataclass(frozen=True)
class Objective:
    """A result that should be large or small."""

    name: str
    largest: bool

    def cost(self, value: float) -> float:
        """Smaller is better."""
        return -value if self.largest else value


class _Objectives(argparse.Action):
    def __call__(self, parser: object, namespace: argparse.Namespace, value: Any, option: str | None = None) -> None:
        namespace.objectives = [*namespace.objectives, Objective(value, option == "--maximize")]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("scenario", type=Path, metavar="FILE", help="scenario in TOML")
    parser.add_argument("--over", nargs="+", action="extend", required=True, metavar="AXIS", help="key=a..b and so on")
    parser.add_argument("--samples", type=int, default=0, metavar="N", help="a Latin hypercube in place of the grid")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the hypercube; default: %(default)s")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="folder for the results; default: FILE's name + .sweep")
    parser.add_argument("--workers", type=int, metavar="N", help="default: one a core")
    parser.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS", help="run on a Ray cluster; default: that of RAY_ADDRESS"
    )
    parser.add_argument(
        "--cuda", action="store_true", help="run on an NVIDIA GPU; a sample of every launch is held against the CPU"
    )
    parser.set_defaults(objectives=[])
    for option in ("--maximize", "--minimize"):
        parser.add_argument(
            option, action=_Objectives, metavar="RESULT", help="two of them; default: requests_per_s against p99_ns"
        )


def run(args: argparse.Namespace) -> Result:
    """Lay out the points, run those that are missing, report all."""
    from ringscope.scenario.sweep import gpu  # noqa: PLC0415
    from ringscope.scenario.sweep.cluster import connected  # noqa: PLC0415
    from ringscope.scenario.sweep.points import Sweep  # noqa: PLC0415
    from ringscope.scenario.sweep.shards import run_shards  # noqa: PLC0415
    from ringscope.scenario.sweep.store import opened  # noqa: PLC0415

    cores = len(os.sched_getaffinity(0))
    workers = cores if args.workers is None else args.workers
    if not 1 <= workers <= 1024:
        raise InputError(f"--workers is {workers}", todo="give 1 to 1024")
    if args.cuda and args.ray is not None:
        raise InputError("--cuda and --ray exclude each other", todo="give one of them")
    if args.samples < 0:
        raise InputError(f"--samples is {args.samples}", todo="give 1 or more")
    file: Path = args.scenario
    axes = tuple(Axis.parse(text) for text in args.over)
    sweep = Sweep(read(file), str(file), file.parent, axes, args.samples, args.seed, traces)
    scenario = sweep.check()
    objectives = _objectives(args.objectives, sweep)
    if args.cuda:
        from ringscope.engine.batch import found_cuda  # noqa: PLC0415

        found_cuda()
    folder = args.dir or Path(f"{file.stem}.sweep")
    with opened(folder, sweep, write_aside) as store:
        missing = store.missing()
        # In random order: what is done is then a fair sample of what is left, and the time left can be told from it.
        random.Random(0).shuffle(missing)  # noqa: S311
        with ExitStack() as stack:
            if args.ray is not None and missing:
                cluster = stack.enter_context(connected(args.ray))
                workers, shards = cluster.workers, cluster.run_shards(sweep, missing)
            else:
                if missing:
                    warm_up()
                workers = min(workers, len(missing) or 1)
                shards = gpu.run_shards(sweep, missing, workers) if args.cuda else run_shards(sweep, missing, workers)
            tell = stack.enter_context(_progress(sweep, missing, gpu.LAUNCHES if args.cuda else workers))
            for shard in shards:
                store.keep(shard.number, shard.rows)
                tell(shard)
        frame = store.merged()
    findings = summary(scenario.name, sweep, frame, objectives)
    findings["results"] = str(store.results)
    return Result(findings, lambda terminal: text(findings, sweep, frame, objectives, terminal))


@lru_cache(maxsize=64)
def traces(path: Path, kernel: str) -> list[int]:
    """The durations of a kernel in a trace, read once and not once a point."""
    return kernel_times(path, kernel)


def _objectives(given: Sequence[Objective], sweep: Sweep) -> tuple[Objective, Objective]:
    for objective in given:
        if objective.name not in sweep.metrics:
            raise InputError(f"no result {objective.name!r}", todo=f"one of {', '.join(sweep.metrics)}")
    if not given:
        return Objective("requests_per_s", largest=True), Objective("p99_ns", largest=False)
    if len(given) != 2 or given[0].name == given[1].name:
        raise InputError("the front needs two objectives", todo="such as --maximize requests_per_s --minimize p99_ns")
    return given[0], given[1]


class Left:
    """How long the shards that are left will take, from those that are done.

    Shards run in random order, so the mean of the done ones is the mean of the others, but for chance: the interval is
    95 % of that chance, no promise about a machine that gets busier.
    """

    def __init__(self, shards: int, workers: int) -> None:
        self.left, self.workers = shards, workers
        self.seconds: list[float] = []

    def done(self, seconds: float | None) -> None:
        """A shard took ``seconds``, or it is not known how long it took."""
        if seconds is not None:
            self.seconds.append(seconds)
        self.left -= 1

    def bounds(self) -> tuple[float, float] | None:
        """Least and most seconds left; None while too few shards are done to tell."""
        n = len(self.seconds)
        if n < 3 or self.left == 0:
            return None
        mean = math.fsum(self.seconds) / n
        chance = 1.96 * statistics.stdev(self.seconds) * math.sqrt(1 / n + 1 / self.left)
        turns = max(self.left / self.workers, 1)
        return turns * max(mean - chance, 0.0), turns * (mean + chance)


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def _progress(sweep: Sweep, missing: Sequence[int], workers: int) -> Iterator[Callable[[Shard], None]]:
    """On stderr: a line that counts up on a terminal, a line every half minute elsewhere."""
    done = sweep.points - sum(len(sweep.shard(number)) for number in missing)
    left = Left(len(missing), workers)
    if done and missing:
        log.info(f"{done} of {sweep.points} points were done before; going on")
    told = time.monotonic()
    with log.Progress() as progress:

        def tell(shard: Shard) -> None:
            nonlocal done, told
            done += len(shard.rows["point"])
            left.done(shard.seconds)
            now = time.monotonic()
            if now - told < (0.5 if progress.live else 30) or not left.left:
                return
            told = now
            bounds = left.bounds()
            low, high = map(_clock, bounds) if bounds else ("", "")
            wait = f"{low} to {high} left" if low != high else f"about {high} left" if high else "time left unknown yet"
            (progress.show if progress.live else log.info)(
                f"{done} of {sweep.points} points ({100 * done / sweep.points:.0f} %), {wait}"
            )

        yield tell


def summary(name: str, sweep: Sweep, frame: DataFrame, objectives: tuple[Objective, Objective]) -> dict[str, Any]:
    """What ``--json`` prints: the spread of every result, what each key does to the objectives, and the front.

    Raises:
        InputError: every point was refused.
    """
    refused = frame["refused"].drop_nulls()
    if len(refused) == sweep.points:
        raise InputError(f"every point was refused: {refused[0]}", sweep.file)
    names = [objective.name for objective in objectives]
    counted = frame.drop_nulls(names)
    costs = [(objectives[0].cost(a), objectives[1].cost(b)) for a, b in counted.select(names).iter_rows()]
    best = counted[front(costs)].select("point", *(axis.column for axis in sweep.axes), *names)
    return {
        "schema": SCHEMA,
        "scenario": name,
        "points": sweep.points,
        "samples": sweep.samples,
        "seed": sweep.seed,
        "refused": len(refused),
        "first_refusal": refused[0] if len(refused) else None,
        "unfinished": sweep.points - len(refused) - len(counted),
        "axes": [{"key": axis.key, "over": axis.text, "groups": _groups(axis, counted, names)} for axis in sweep.axes],
        "spread": {
            metric: {"least": values.min(), "median": values.median(), "most": values.max()}
            for metric in sweep.metrics
            for values in [frame[metric]]
        },
        "objectives": [{"name": objective.name, "largest": objective.largest} for objective in objectives],
        "front": best.to_dicts(),
    }


def _groups(axis: Axis, frame: DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """Medians of the objectives by value of one key, neighbours put together where there are many."""
    column = frame[axis.column]
    if column.n_unique() <= GROUPS:
        # In the order in which the values were given.
        known = (
            dict.fromkeys(axis.cell(value) for value in axis.values) if axis.values else dict.fromkeys(sorted(column))
        )
        parts = [(value, value, frame.filter(column == value)) for value in known]
    else:
        order = frame.sort(axis.column, "point")
        cuts = [len(order) * number // GROUPS for number in range(GROUPS + 1)]
        parts = [
            (part[axis.column][0], part[axis.column][-1], part)
            for part in (order[low:high] for low, high in pairwise(cuts))
            if len(part)
        ]
    return [
        {"from": low, "to": high, "points": len(part)} | {name: part[name].median() for name in names}
        for low, high, part in parts
        if len(part)
    ]


def _spoken(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith(("_ns", "_ps")):
        return spoken(value if name.endswith("_ns") else value / 1000)
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def text(
    findings: dict[str, Any],
    sweep: Sweep,
    frame: DataFrame,
    objectives: tuple[Objective, Objective],
    terminal: Terminal,
) -> str:
    """What the terminal shows: the front first, then the plot it lies in, then what each key does."""
    names = [objective.name for objective in objectives]
    aims = [f"{'largest' if objective.largest else 'smallest'} {objective.name}" for objective in objectives]
    kind = "a Latin hypercube" if sweep.samples else "the grid"
    lines = [
        terminal.bold(findings["scenario"]),
        *wrapped("", f"{sweep.points} points, {kind} of {', '.join(axis.text for axis in sweep.axes)}", terminal.width),
    ]
    if findings["refused"]:
        what = f"refused points: {findings['refused']}, the first: {findings['first_refusal']}"
        lines += wrapped("", terminal.unsure(what), terminal.width)
    if findings["unfinished"]:
        lines.append(
            terminal.unsure(f"{findings['unfinished']} points have no {names[0]} or {names[1]}: no request finished")
        )
    best = findings["front"]
    if best:
        lines += ["", f"  Pareto front: {' against '.join(aims)}, {len(best)} of {sweep.points} points"]
        heads = ["point", *(axis.column for axis in sweep.axes), *names]
        rows = [[_spoken(head, row[head]) for head in heads] for row in best[:SHOWN]]
        lines += columns(rows, head=heads)
        if len(best) > SHOWN:
            lines.append(f"  … {len(best) - SHOWN} more (--json)")
        lines += ["", *_plot(frame.drop_nulls(names), names, {row["point"] for row in best})]
    lines += ["", "  What each key does (medians over the points that share its value)"]
    for axis, found in zip(sweep.axes, findings["axes"], strict=True):
        rows = []
        for group in found["groups"]:
            low, high = (_spoken(axis.column, group[end]) for end in ("from", "to"))
            rows.append([low if low == high else f"{low} .. {high}", *(_spoken(name, group[name]) for name in names)])
        lines += ["", *columns(rows, head=(axis.key, *names))]
    lines += ["", f"  Every point: {findings['results']}"]
    return "\n".join(lines)


def _plot(frame: DataFrame, names: Sequence[str], best: set[int]) -> list[str]:
    """The points in the plane of the objectives, the first to the right and the second upwards; the front as ``o``."""
    xs, ys = (frame[name].to_list() for name in names)

    def place(values: list[float], value: float, cells: int) -> int:
        low, high = min(values), max(values)
        return min(cells - 1, int((value - low) / (high - low) * cells)) if high > low else 0

    count: dict[tuple[int, int], int] = {}
    on_front = set()
    x_ends, y_ends = [min(xs), max(xs)], [min(ys), max(ys)]
    for point, x, y in zip(frame["point"], xs, ys, strict=True):
        cell = place(x_ends, x, PLOT_WIDTH), place(y_ends, y, PLOT_HEIGHT)
        count[cell] = count.get(cell, 0) + 1
        if point in best:
            on_front.add(cell)
    most = max(count.values())

    def mark(cell: tuple[int, int]) -> str:
        if cell in on_front:
            return "o"
        if cell not in count:
            return " "
        return "·" if count[cell] * 9 <= most or count[cell] == 1 else ":" if count[cell] * 3 <= most else "#"

    top, bottom = _spoken(names[1], y_ends[1]), _spoken(names[1], y_ends[0])
    width = max(len(top), len(bottom))
    lines = [f"  {names[1]}  (o: the front; · : # points, the more the denser)"]
    for y in reversed(range(PLOT_HEIGHT)):
        label = top if y == PLOT_HEIGHT - 1 else bottom if y == 0 else ""
        lines.append(f"  {label:>{width}} │{''.join(mark((x, y)) for x in range(PLOT_WIDTH))}".rstrip())
    lines.append(f"  {'':>{width}} └{'─' * PLOT_WIDTH}")
    left, right = _spoken(names[0], x_ends[0]), _spoken(names[0], x_ends[1])
    lines.append(f"  {'':>{width}}  {left}{right:>{PLOT_WIDTH - len(left)}}  {names[0]}")
    return lines
