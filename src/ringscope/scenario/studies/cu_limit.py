"""Fewer and fewer CUs: is the loss a slope or a staircase, and what does it say of one process filling the GPU?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ringscope.engine.policies import Placement
from ringscope.scenario.studies import notes, workload
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Study, Table, listed

ALL = 80
CUS = tuple(range(ALL, 36, -4))
SHAPES = {
    "4 a CU, 320 workgroups": (320, workload.VGPRS),
    "4 a CU, 3200 workgroups": (3200, workload.VGPRS),
    "1 a CU, 160 workgroups": (160, 512),
}
"""How many workgroups fit a CU, and how many a kernel has: one round, ten rounds, and two of the coarsest kind."""


def _rate(desk: Desk, shape: tuple[int, int], cus: int, placement: Placement, processes: int = 1) -> float:
    workgroups, vgprs = shape
    built = desk.build(
        [workload.kernel(workgroups, vgprs=vgprs)],
        workload.process(processes, streams=1, cus=cus if cus < ALL else 0),
        horizon_ns=150 * MS,
        warmup_ns=30 * MS,
        placement=placement,
    )
    return desk.rates(built, workload.STEPS).total


def run(desk: Desk) -> Findings:
    """Every shape and both readings of workgroup placement, 80 to 40 CUs; and the notes' 70 and 60."""
    placements = tuple(Placement)
    curves = {
        (shape, placement): {cus: _rate(desk, SHAPES[shape], cus, placement) for cus in CUS}
        for shape in SHAPES
        for placement in placements
    }
    rows: list[tuple[Cell, ...]] = [
        (cus, round(cus / ALL, 3), *(round(curve[cus] / curve[ALL], 3) for curve in curves.values())) for cus in CUS
    ]
    heads = [f"{shape}, {placement.name.lower().replace('_', '-')}" for shape, placement in curves]
    said = {rate.cus: rate.qps / notes.ALONE.qps for rate in notes.RATES if rate.processes == 1 and rate.cus < ALL}
    beside: list[tuple[Cell, ...]] = []
    misses: dict[tuple[str, Placement], float] = {}
    for key, curve in curves.items():
        got = {cus: _rate(desk, SHAPES[key[0]], cus, key[1]) / curve[ALL] for cus in said}
        misses[key] = max(abs(got[cus] - share) for cus, share in said.items())
        beside.append((*_named(key), *(round(got[cus], 3) for cus in said), round(misses[key], 3)))
    beside.append(("the notes", "", *(round(share, 3) for share in said.values()), None))
    ours = [curves[shape, desk.policies.placement] for shape in SHAPES]
    return Findings(
        conclusion=tuple(_conclusion(desk, ours, misses)),
        tables=(
            Table("Rate of one process as a share of that on 80 CUs", ("CUs", "CUs / 80", *heads), tuple(rows)),
            Table(
                "Beside the notes",
                ("shape", "placement", *(f"{cus} CU" for cus in said), "largest miss"),
                tuple(beside),
            ),
        ),
        charts=(
            Chart(
                f"{next(iter(SHAPES))}, as chosen", "QPS", tuple((f"{cus} CU", rate) for cus, rate in ours[0].items())
            ),
        ),
    )


def _named(key: tuple[str, Placement]) -> tuple[str, str]:
    return key[0], key[1].name.lower().replace("_", "-")


def _conclusion(
    desk: Desk, curves: list[dict[int, float]], misses: dict[tuple[str, Placement], float]
) -> Iterator[str]:
    for shape, curve in zip(SHAPES, curves, strict=True):
        falls = [less for more, less in pairwise(CUS) if curve[less] < 0.97 * curve[more]]
        flat = len(CUS) - 1 - len(falls)
        yield (
            f"{shape}: "
            + (
                f"a staircase, {len(falls)} falls and {flat} steps without one, from 80 to 40 CUs; it falls at "
                f"{listed([str(cus) for cus in falls])}"
                if flat
                else "every 4 CUs taken away cost something: a slope"
            )
        )
    best = min(misses, key=lambda key: misses[key])
    shape, placement = _named(best)
    fits = misses[best] < 0.05
    verdict = "fits" if fits else "comes nearest to, but misses,"
    yield (
        f"{shape} under {placement} {verdict} the notes' 70 and 60 CUs (largest miss {misses[best]:.2f} of the rate)"
        + (": a drop beyond the CUs' share needs no saturation, rounds of workgroups give it" if fits else "")
    )


STUDY = Study(
    "cu-limit",
    "How does the rate of one process fall with its CUs, 80 to 40 in steps of 4?",
    ("E04", "E17"),
    (
        "the CU limit is a queue's CU mask; the notes' driver switch is inside #if 0 and may have done otherwise",
        "the notes' kernels are unknown: three shapes stand in for all",
    ),
    run,
)
