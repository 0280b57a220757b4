"""Does the target lie beyond the physical bound?

A device does no more than it can when full. n processes that each run as fast as alone need n times what one needs;
whether that fits depends on how much of the device one process fills. :func:`judge` decides for figures,
:func:`answer` for traces of one and of several processes.
"""

from __future__ import annotations

from ringscope.errors import InputError
from ringscope.join import Case
from ringscope.join.dispatches import occupation
from ringscope.records import dataclass
from ringscope.verdicts.answer import Answer, Because, Missing, Question, certain, count, likely
from ringscope.verdicts.conservation import SHARING_GAIN, together_and_alone
from ringscope.verdicts.saturated import FULL, device_cus

ASKS = Question(
    "beyond-bound",
    "Is the target beyond the bound?",
    "conservation: total rate <= rate alone / share of the device that one process fills",
    "a run of several processes whose total exceeds that bound",
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is hoped for: ``rate`` of each of ``processes``, when one ``alone`` does so much and fills ``share``."""

    processes: int
    rate: float
    alone: float
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.processes < 1 or self.rate < 0 or self.alone <= 0 or not 0 < self.share <= 1:
            raise InputError(
                f"a target of {self.rate} for {self.processes} processes, {self.alone} alone filling {self.share}",
                todo="give at least one process, a positive rate alone, and a share between 0 and 1",
            )

    @property
    def bound(self) -> float:
        """The most that all processes together can do, gaps filled."""
        return self.alone / self.share


def judge(target: Target) -> Answer:
    """Whether all processes can reach the target at once."""
    need = target.processes * target.rate
    words = f"{target.processes} x {target.rate:g} = {need:g} against {target.bound:g}"
    reason = Because(f"{target.alone:g} alone fills {target.share:.0%} of the device; {words}")
    if need > target.bound * (1 + SHARING_GAIN):
        return ASKS.yes(f"needs {need / target.bound:.0%} of the device", (reason,), likely("as sure as the share is"))
    if need > target.bound:
        return ASKS.undecided(
            f"needs {need / target.bound:.0%}: only if processes fill each other's gaps",
            (
                Missing(
                    "how much of the device one process leaves", "trace one process alone: rocprofv3 --kernel-trace"
                ),
            ),
            (reason,),
        )
    return ASKS.no(f"needs {need / target.bound:.0%} of the device", (reason,), likely("as sure as the share is"))


def answer(case: Case) -> Answer:
    """Whether several processes could each run as fast as one alone, from traces of both."""
    together, alone = together_and_alone(case)
    if together is None or alone is None:
        need = Missing("a trace of one process alone and one of several", "rocprofv3 --kernel-trace, once each")
        return ASKS.undecided("no pair of traces was given", (need,), quiet=True)
    kernels = alone[1]
    full = occupation(kernels, device_cus(case, kernels[0].device))
    processes = len({kernel.pid for kernel in together[1]})
    at = (kernels[0].event.source, together[1][0].event.source)
    reason = Because(
        f"{alone[0].origin}: one process keeps the device busy {full.busy:.0%}, filled {full.filled:.0%}", at
    )
    share = processes * full.busy
    text = f"{count(processes, 'process')}, each as fast as alone: {share:.0%} of the time"
    if share <= 1:
        return ASKS.no(text, (reason,), certain("even one after the other they fit"))
    if full.filled >= FULL * full.busy:
        return ASKS.yes(text, (reason,), likely("kernels that fill every CU do not gain by running side by side"))
    missing = Missing("whether one kernel fills the CUs", "give sizes (rocprofv3 --kernel-trace) and the topology")
    return ASKS.undecided(f"{text}, if kernels cannot run side by side", (missing,), (reason,))
