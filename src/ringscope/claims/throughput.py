"""Claims about rates: what was measured, whether the figures fit each other, and what a bottleneck could cost."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ringscope.claims import figures as fig
from ringscope.claims.claim import claim
from ringscope.claims.figures import AR, NOTE_1, SM, WORKLOAD, Figure
from ringscope.claims.lab import Lab
from ringscope.claims.queue_ids import V4, V5, below_the_ioctl, two
from ringscope.claims.reason import Method, Reason
from ringscope.claims.timed import Load
from ringscope.recording import Source
from ringscope.verdicts import bound, conservation
from ringscope.verdicts.answer import Verdict as Answered

STACK, SIMULATION, ARITHMETIC = Method.STACK, Method.SIMULATION, Method.ARITHMETIC
ONE = fig.ONE_V5.low
ROUNDING = 0.05
"""How far a stated percentage may lie from its own figures: one decimal, rounded."""


def percent(rate: Figure) -> float:
    """A rate as a percentage of one process alone."""
    return rate.low / ONE * 100


def differ(*figures: Figure) -> bool:
    """Whether figures of one thing contradict each other by more than they were rounded to."""
    return max(figure.low for figure in figures) - min(figure.most for figure in figures) > 0.05 * ONE


@claim(
    "A07",
    NOTE_1,
    244,
    "One process alone makes 118.7 QPS.",
    overturned_by="a log of that run with another rate",
    decided_by=f"{WORKLOAD}\nfor i in 1 2 3 4 5; do $QPS; done",
)
def one_process(lab: Lab) -> Iterator[Reason]:
    """No log exists; other documents give other figures."""
    others = fig.ONE_SM, fig.ONE_EARLIER
    yield ARITHMETIC.note(f"other documents say {others[0]} and {others[1]}", *(figure.at for figure in others))


@claim(
    "A08",
    NOTE_1,
    246,
    "One process makes the same 118.7 QPS under v5 as under v4.",
    overturned_by="logs of both runs",
    decided_by=f"""{WORKLOAD}
for driver in v4 v5; do sudo modprobe -r amdgpu && sudo insmod $driver/amdgpu.ko && $QPS; done""",
)
def both_versions(lab: Lab) -> Iterator[Reason]:
    """What the policy changes below the ioctl, and what that says of the rate."""
    same = below_the_ioctl(two(lab, V4)) == below_the_ioctl(two(lab, V5))
    yield STACK.note(
        f"the hardware is given {'the same' if same else 'other things'} under both: no difference is expected"
    )
    yield ARITHMETIC.note("equal to four digits: one figure may have been written twice", fig.ONE_V4.at, fig.ONE_V5.at)


@claim(
    "A09",
    NOTE_1,
    245,
    "Six processes make about 70 QPS under v4, 59 % of one.",
    ARITHMETIC,
    overturned_by="a log of that run",
)
def six_processes(lab: Lab) -> Iterator[Reason]:
    """The share, and what other documents say of the same run."""
    share = percent(fig.SIX_V4)
    yield ARITHMETIC.agree(abs(share - fig.SIX_V4_PERCENT.low) < 1, f"70 of {ONE} is {share:.0f} %", fig.SIX_V4.at)
    yield ARITHMETIC.agree(
        not differ(fig.SIX_V4, fig.SIX_SM),
        f"six processes make {fig.SIX_V4} QPS here and {fig.SIX_SM} there, where {fig.TWO_V4_ES} is two processes'",
        fig.SIX_V4.at,
        fig.SIX_SM.at,
        fig.TWO_V4_ES.at,
    )


@claim(
    "A10",
    NOTE_1,
    247,
    "Two processes make 72.0 QPS under v5, 60.7 % of one.",
    ARITHMETIC,
    overturned_by="a log of that run",
)
def two_processes(lab: Lab) -> Iterator[Reason]:
    """The share, and what other documents say of the same run."""
    yield ARITHMETIC.agree(
        not differ(fig.TWO_V5, fig.TWO_V5_SM),
        f"two processes under v5 make {fig.TWO_V5} QPS here and {fig.TWO_V5_SM} there, where 72.0 is v4's: "
        f"v5 would have gained {(fig.TWO_V5_SM.low / fig.TWO_V4_SM.low - 1) * 100:.1f} %",
        fig.TWO_V5.at,
        fig.TWO_V5_SM.at,
    )
    share = percent(fig.TWO_V5)
    yield ARITHMETIC.agree(
        abs(share - fig.TWO_V5_PERCENT.low) < ROUNDING, f"72.0 of {ONE} is {share:.1f} %", fig.TWO_V5.at
    )


@claim(
    "A11",
    NOTE_1,
    252,
    "v5 comes close to v4, so shared queue ids are not the main bottleneck.",
    STACK,
    SIMULATION,
    ARITHMETIC,
    overturned_by="paired runs of two processes under both policies that differ",
)
def not_the_bottleneck(lab: Lab) -> Iterator[Reason]:
    """The conclusion by the stack, the argument by its figures."""
    v4, v5 = two(lab, V4), two(lab, V5)
    yield STACK.judge(
        below_the_ioctl(v4) == below_the_ioctl(v5),
        f"the conclusion: {len(v4.queues)} queues of two processes are the same below the ioctl under both policies",
    )
    if lab.has_time:
        done = [lab.played(Load(2, queue_ids=ids)).streams for ids in (V4, V5)]
        yield SIMULATION.judge(
            done[0] == done[1],
            f"two processes do {sum(map(sum, done[0]))} requests with v4, {sum(map(sum, done[1]))} with v5",
        )
    close = not differ(fig.TWO_V5, fig.TWO_V5_SM) and not differ(fig.SIX_V4, fig.SIX_SM)
    yield ARITHMETIC.judge(
        close,
        f"the argument compares two processes with six, and its figures are disputed: {fig.TWO_V5} or {fig.TWO_V5_SM}, "
        f"{fig.SIX_V4} or {fig.SIX_SM}",
        fig.TWO_V5.at,
        fig.TWO_V5_SM.at,
    )


@claim(
    "A31",
    NOTE_1,
    229,
    "Saturated CUs cost 10 to 20 QPS.",
    SIMULATION,
    ARITHMETIC,
    overturned_by="a sweep of CU masks that shows where two processes lose 10 to 20 QPS",
)
def saturation(lab: Lab) -> Iterator[Reason]:
    """The direction by the CU table; the size by what saturation alone can take from a total, or from each."""
    falls = ONE > fig.CUS_70.low > fig.CUS_60.low
    yield ARITHMETIC.judge(
        falls, f"fewer CUs, fewer requests: {ONE}, {fig.CUS_70}, {fig.CUS_60} QPS with 80, 70, 60 CUs", fig.CUS_70.at
    )
    cost = fig.COST_CU
    losses = {"in total": 0.0, "for each of two": ONE / 2}
    fits = [name for name, loss in losses.items() if cost.low <= loss <= cost.most]
    yield ARITHMETIC.judge(
        bool(fits),
        "a full GPU shared without loss takes "
        + " and ".join(f"{loss:.1f} QPS {name}" for name, loss in losses.items())
        + f"; stated: {cost}",
        cost.at,
    )
    if lab.has_time:
        share = share_of_one(lab, Load(processes=2))
        loss = ONE * (1 - share)
        yield SIMULATION.judge(
            cost.low <= loss <= cost.most,
            f"two processes that each fill the CUs do {share * 100:.0f} % of one: {loss:.1f} QPS lost",
        )


def share_of_one(lab: Lab, load: Load) -> float:
    """Requests that processes finish together under a load, as a share of what one does that may use all CUs."""
    return lab.played(load).total / lab.played(Load()).total


@claim(
    "A32",
    NOTE_1,
    196,
    "The four bottlenecks cost 30-40, 15-20, 10-15 and 10-20 QPS.",
    ARITHMETIC,
    overturned_by="measured costs that add up to the loss",
)
def attributions(lab: Lab) -> Iterator[Reason]:
    """Their sum beside the whole loss."""
    parts = (fig.COST_ACTIVE_RUNLIST, fig.COST_HIQ, fig.COST_RING, fig.COST_CU)
    low, high = sum(part.low for part in parts), sum(part.most for part in parts)
    loss = ONE - fig.TWO_V5.low
    yield ARITHMETIC.agree(
        low <= loss <= high,
        f"together {low:g} to {high:g} QPS; the whole loss is {ONE} - {fig.TWO_V5.low:.1f} = {loss:.1f}",
        *(part.at for part in parts),
    )


def rounds(workgroups: int, cus: int) -> int:
    """Rounds in which so many workgroups, one a CU, run on so many CUs."""
    return math.ceil(workgroups / cus)


@claim(
    "A33",
    AR,
    0,
    "70 CUs make 85.0 QPS and 60 make 79.0: falls larger than the cut, so one process fills the CUs.",
    overturned_by="a sweep that falls in proportion to the CUs",
    decided_by=f"""{WORKLOAD}
for n in 80 76 72 68 64 60 56 52 48 44 40; do HSA_CU_MASK=0:0-$((n - 1)) $QPS; done  # steps of one CU an XCC""",
)
def cu_table(lab: Lab) -> Iterator[Reason]:
    """What several explanations predict for 70 and 60 CUs."""
    step = [fig.CUS_70.low / ONE - 1, fig.CUS_60.low / fig.CUS_70.low - 1]
    yield ARITHMETIC.note(
        f"80 to 70 CUs (-12.5 %): {step[0] * 100:.1f} %; 70 to 60 (-14.3 %): {step[1] * 100:.1f} %",
        fig.CUS_70.at,
    )
    linear = [ONE * cus / 80 for cus in (70, 60)]
    fitting = [w for w in range(81, 401) if rounds(w, 70) == rounds(w, 60) == 3 and rounds(w, 80) == 2]
    stepped = ONE * rounds(fitting[0], 80) / rounds(fitting[0], 60)
    yield ARITHMETIC.note(
        f"in proportion: {linear[0]:.1f} and {linear[1]:.1f}; in rounds ({fitting[0]} to {fitting[-1]} workgroups, "
        f"2 rounds become 3): {stepped:.1f} for both"
    )
    if lab.has_time:
        rates = [ONE * share_of_one(lab, Load(cus=cus)) for cus in (70, 60)]
        yield SIMULATION.note(
            f"a load that fills every CU: {rates[0]:.1f} and {rates[1]:.1f}; what counts is the shader engine with "
            "the fewest CUs"
        )
    yield ARITHMETIC.note(
        "from one table AR concludes that CUs are not the bottleneck, SM that they are", Source(AR), Source(SM, 641)
    )


@claim(
    "A34",
    AR,
    597,
    "Two processes fall by 13.3 and 21.5 % with 70 and 60 CUs, so they hardly contend for CUs.",
    overturned_by="a log of those runs",
    decided_by=f"""{WORKLOAD}
for n in 80 70 60; do export HSA_CU_MASK=0:0-$((n - 1)); $QPS & $QPS & wait; done""",
)
def mild_contention(lab: Lab) -> Iterator[Reason]:
    """Only percentages are given; what they make of 72.0."""
    rates = [fig.TWO_V5.low * (1 - drop.low / 100) for drop in (fig.TWO_70_DROP, fig.TWO_60_DROP)]
    yield ARITHMETIC.note(
        f"they make {rates[0]:.1f} and {rates[1]:.1f} QPS; two processes that fill each other's gaps would fall so too",
        fig.TWO_70_DROP.at,
    )
    if lab.has_time:
        alone, both = (
            [(share_of_one(lab, Load(count, cus=cus)) / share_of_one(lab, Load(count)) - 1) * 100 for cus in (70, 60)]
            for count in (1, 2)
        )
        yield SIMULATION.note(
            f"a load that fills every CU falls by {-alone[0]:.0f} and {-alone[1]:.0f} % in one process, by "
            f"{-both[0]:.0f} and {-both[1]:.0f} % in two"
        )


@claim(
    "A35",
    NOTE_1,
    145,
    "The target is at least 95 % of one process.",
    SIMULATION,
    ARITHMETIC,
    overturned_by="a document that says whether QPS are counted per process or together",
)
def target(lab: Lab) -> Iterator[Reason]:
    """The target under both readings; and which reading the figures allow."""
    share = fig.TARGET_PERCENT.low / 100
    each = bound.judge(bound.Target(2, share * ONE, ONE))
    total = bound.judge(bound.Target(1, share * ONE, ONE))
    yield ARITHMETIC.agree(
        each.verdict == total.verdict,
        f"per process it {each.summary}, together it {total.summary}, and the notes count both ways",
        fig.TARGET_PERCENT.at,
    )
    measured = tuple(
        conservation.Throughput(count, figure.low)
        for count, figure in ((2, fig.TWO_V5), (4, fig.FOUR), (6, fig.SIX_SM))
    )
    read = conservation.judge(ONE, measured)
    if read.verdict is Answered.NO:
        yield ARITHMETIC.note(
            f"the measured figures are totals: {read.summary}", *(f.at for f in (fig.TWO_V5, fig.FOUR))
        )
    if lab.has_time:
        alone = lab.played(Load()).total
        shares = [requests / alone * 100 for requests in lab.played(Load(processes=2)).requests]
        yield SIMULATION.note(
            f"two processes that each fill the GPU do {' and '.join(f'{part:.0f} %' for part in shares)} of one"
        )


@claim(
    "A43",
    NOTE_1,
    288,
    "All three changes together make 112 to 127 QPS, 94 to 107 % of one process.",
    ARITHMETIC,
    overturned_by="a run with all three",
)
def together(lab: Lab) -> Iterator[Reason]:
    """The sum of the gains, and the ceiling."""
    gains = (fig.GAIN_ACTIVE_RUNLIST, fig.GAIN_DOORBELL, fig.GAIN_RING)
    low = fig.TWO_V5.low + sum(gain.low for gain in gains)
    high = fig.TWO_V5.low + sum(gain.most for gain in gains)
    yield ARITHMETIC.agree(
        (low, high) == (fig.TOGETHER.low, fig.TOGETHER.most),
        f"72 + 20 to 30 + 10 to 15 + 10 to 15 = {low:g} to {high:g}; stated: {fig.TOGETHER}",
        fig.TOGETHER.at,
    )
    most = fig.TOGETHER.most / ONE * 100
    yield ARITHMETIC.agree(
        most <= 100, f"{most:.0f} % of what a GPU does that one process is said to fill", fig.TOGETHER.at
    )
