"""What the research notes say they measured and forecast: input to compare with, never a result.

The documents are those of the public notes ``zhenhantech/amdgpudriver``; no log of these rates was published. They are
requests a second (QPS) of a workload that no document describes, and no document says whether they are of one process
or of all.
"""

from __future__ import annotations

from ringscope.records import dataclass


@dataclass(frozen=True)
class Rate:
    """One figure: so many processes on so many CUs, and where it is said. ``also`` are other figures for the same."""

    processes: int
    cus: int
    qps: float
    at: str
    also: tuple[float, ...] = ()

    @property
    def scenario(self) -> str:
        """What was run."""
        return f"{self.processes} process{'es' if self.processes > 1 else ''}, {self.cus} CU"


ALONE = Rate(1, 80, 118.7, "multiple_doorbellQueue/README.md:244", (119.0, 107.0, 116.0))
RATES = (
    ALONE,
    Rate(1, 70, 85.0, "ANALYSIS_REPORT.md 3.3"),
    Rate(1, 60, 79.0, "ANALYSIS_REPORT.md 3.3"),
    Rate(2, 80, 72.0, "multiple_doorbellQueue/README.md:247", (70.0, 99.75)),
    Rate(2, 70, 72.0 * (1 - 0.133), "ANALYSIS_REPORT.md:597"),
    Rate(2, 60, 72.0 * (1 - 0.215), "ANALYSIS_REPORT.md:597"),
    Rate(4, 80, 58.5, "KERNEL_TRACE_STREAM_MANAGEMENT.md:610", (59.0,)),
    Rate(6, 80, 60.5, "KERNEL_TRACE_STREAM_MANAGEMENT.md:611", (70.0, 72.0)),
)

FORECAST_GAINS = {
    "batching": (20, 30),
    "nocpsch": (30, 50),
    "per-process-runlist": (15, 25),
    "hybrid": (20, 40),
    "async": (25, 35),
    "no-active-runlist-check": (20, 30),
}
"""QPS that each scheme was forecast to gain at two processes (MAP_QUEUES_CPSCH_DEEP_DIVE.md; README.md:258)."""
