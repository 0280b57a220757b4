"""Figures of the research notes: input data for arithmetic, each with where it stands. Nothing here is a finding.

The documents are those of the public notes ``zhenhantech/amdgpudriver``. Rates are requests a second (QPS) of a
workload that no document describes.
"""

from __future__ import annotations

from ringscope.recording import Source
from ringscope.records import dataclass

NOTE_1 = "multiple_doorbellQueue/README.md"
COMPANION = "companions of multiple_doorbellQueue/README.md"
NOTE_2 = "PRIORITY_HARDWARE_SUMMARY.md"
AR = "ANALYSIS_REPORT.md"
D1 = "DIRECTION1_ANALYSIS.md"
ES = "EXECUTIVE_SUMMARY.md"
SM = "KERNEL_TRACE_STREAM_MANAGEMENT.md"
MQ = "MAP_QUEUES_CPSCH_DEEP_DIVE.md"
FR = "FUTURE_RESEARCH_DIRECTIONS.md"
CODE_LOCATIONS = "CODE_LOCATIONS.md"


WORKLOAD = "QPS='...'  # the notes' workload (seq=500), which no document names; the GPU otherwise idle"
"""First line of every command that repeats one of the notes' measurements."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a document states, or a range of two."""

    low: float
    at: Source
    high: float | None = None

    @property
    def most(self) -> float:
        """The upper end of the range, or the number."""
        return self.low if self.high is None else self.high

    def __str__(self) -> str:
        return f"{self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


def _figure(low: float, file: str, line: int = 0, high: float | None = None) -> Figure:
    return Figure(low, Source(file, line), high)


ONE_V4 = _figure(118.7, NOTE_1, 244)
ONE_V5 = _figure(118.7, NOTE_1, 246)
ONE_SM = _figure(119.0, SM, 640)
ONE_EARLIER = _figure(107, SM, 441, 116)
TWO_V5 = _figure(72.0, NOTE_1, 247)
TWO_V5_SM = _figure(99.75, SM, 609)
TWO_V4_SM = _figure(72.0, SM, 609)
TWO_V4_ES = _figure(70, ES)
FOUR = _figure(58.5, SM, 610)
SIX_V4 = _figure(70, NOTE_1, 245)
SIX_SM = _figure(60.5, SM, 611)
SIX_V5_AR = _figure(72, AR)
TWO_V5_PERCENT = _figure(60.7, NOTE_1, 247)
SIX_V4_PERCENT = _figure(59, NOTE_1, 245)
TARGET_PERCENT = _figure(95, NOTE_1, 145)

CUS_70 = _figure(85.0, AR)
CUS_60 = _figure(79.0, AR)
TWO_70_DROP = _figure(13.3, AR, 597)
TWO_60_DROP = _figure(21.5, AR, 597)

COST_ACTIVE_RUNLIST = _figure(30, NOTE_1, 196, 40)
COST_ACTIVE_RUNLIST_AR = _figure(20, AR, high=30)
COST_HIQ = _figure(15, NOTE_1, 214, 20)
COST_RING = _figure(10, NOTE_1, 222, 15)
COST_CU = _figure(10, NOTE_1, 229, 20)

GAIN_ACTIVE_RUNLIST = _figure(20, NOTE_1, 258, 30)
GAIN_DOORBELL = _figure(10, NOTE_1, 267, 15)
GAIN_RING = _figure(10, NOTE_1, 275, 15)
TOGETHER = _figure(112, NOTE_1, 288, 127)

MAP_LINES = _figure(1356, NOTE_1, 105)
MAP_CALL_US = _figure(200, MQ, high=600)
MAP_SHARE_PERCENT = _figure(2.7, MQ, high=8.1)

PID_AND_FIRST_QID: tuple[tuple[int, int], ...] = (
    (3935030, 216),
    (3935031, 220),
    (3933841, 580),
    (4140772, 912),
    (4140773, 916),
    (4140774, 920),
    (4140775, 924),
)
"""Trace lines quoted in AR 1.1, AR 1.3 and D1: a process and the id of its first queue under the patch."""
V5_PIDS = (3935030, 3935031)
