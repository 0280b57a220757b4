"""What changed between ROCm releases above the kernel: each behaviour a table of eras with its source.

A :class:`RocmVersion` looks a behaviour up by its release. Where no source and no measurement covers the release, the
era before it is assumed to go on and the answer says that it is inferred.
"""

from __future__ import annotations

import re
from enum import Enum, IntEnum
from typing import Generic, TypeVar

from ringscope.errors import InputError
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.records import dataclass

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Release = tuple[int, int]
OLDEST: Release = (4, 5)
DEVELOP: Release = (99, 0)
"""The main branch of rocm-systems in August 2026: newer than any release, by definition."""


@dataclass(frozen=True, slots=True)
class Era(Generic[T_co]):
    """One value of a behaviour: it holds from release ``since``; ``until`` is the last one for which that is known."""

    since: Release
    until: Release
    value: T_co
    source: str


class ThunkPriority(IntEnum):
    """``HSA_QUEUE_PRIORITY`` (hsakmttypes.h): what ROCr asks of the thunk."""

    MINIMUM = -3
    LOW = -2
    BELOW_NORMAL = -1
    NORMAL = 0
    ABOVE_NORMAL = 1
    HIGH = 2
    MAXIMUM = 3


class Unused(Enum):
    """What becomes of an HSA queue that no stream uses any more."""

    DESTROY = "destroyed at once"
    CACHE = "cached until teardown"


class Teardown(Enum):
    """What a HIP program does with its queues when it ends."""

    NOTHING = "left to the driver, which cleans up when the process dies"
    DESTROY = "destroyed pool by pool, LOW first, ROCr's own queue last"


class Dynamic(Enum):
    """What DEBUG_HIP_DYNAMIC_QUEUES means to a release."""

    ABSENT = "not there"
    ORDER = "0 or 1: pools ordered by queue id instead of by address"
    METRIC = "0 off, 1 by depth, 2 by depth and pipe, with a queue for the null stream"


HIGH = (
    Era(OLDEST, (6, 1), ThunkPriority.MAXIMUM, "ROCR hsa_ext_amd.cpp, tags 4.5 to 6.1; measured on 5.2.3 and 6.1.2"),
    Era((6, 2), DEVELOP, ThunkPriority.HIGH, "ROCR hsa_ext_amd.cpp (a83f872a), 6.2 on; measured on 6.4.3"),
)
"""The thunk's level for HSA HIGH; MAXIMUM is kept for PC sampling from 6.2 on."""

RING_PACKETS = (
    Era(OLDEST, (5, 2), 4096, "measured on 5.2.3: 256 KiB rings"),
    Era((5, 6), (7, 0), 16384, "CLR flags.hpp ROC_AQL_QUEUE_SIZE, tags 5.6 on; measured on 5.7.1, 6.4.3, 7.0.2"),
)
"""AQL packets of a HIP queue's ring."""

AT_ZERO_REFERENCES = (
    Era(OLDEST, (5, 4), Unused.DESTROY, "CLR before 446a3fc68 (2022-11); measured on 5.2.3"),
    Era((5, 5), (7, 0), Unused.CACHE, "CLR 446a3fc68 on; measured on 5.7.1 and 6.4.3; log of 7.0.2"),
)
"""What becomes of a queue at reference count 0."""

TEARDOWN = (
    Era(OLDEST, (5, 7), Teardown.NOTHING, "measured on 5.2.3 and 5.7.1: no DESTROY_QUEUE at exit"),
    Era((6, 4), (7, 0), Teardown.DESTROY, "measured on 6.4.3; log and HIQ of the 7.0.2 captures"),
)
"""What becomes of live queues when the program ends."""

DYNAMIC = (
    Era(OLDEST, (6, 3), (Dynamic.ABSENT, 0), "CLR tags to 6.2.2, staging of October 2024; no such string in 5.7.1"),
    Era((6, 4), (7, 0), (Dynamic.ORDER, 0), "measured on 6.4.3 with 0, 1 and 2"),
    Era(DEVELOP, DEVELOP, (Dynamic.METRIC, 1), "rocm-systems#5244, #6653: mode 1 by default since April 2026"),
)
"""How DEBUG_HIP_DYNAMIC_QUEUES is read, and its default."""

IGNORE_PRIORITY = (
    Era(OLDEST, (7, 0), False, "measured on 5.2.3, 5.7.1, 6.4.3; log of 7.0.2"),
    Era(DEVELOP, DEVELOP, True, "rocm-systems#8485, merged 2026-07-13"),
)
"""Default of DEBUG_HIP_IGNORE_STREAM_PRIORITY: every stream counts as NORMAL."""

SDMA_QUEUES = (
    Era(OLDEST, (5, 7), 2, "measured on 5.2.3 and 5.7.1: copies in both directions made two"),
    Era((6, 4), (6, 4), 1, "measured on 6.4.3: one, cause unknown"),
)
"""KFD SDMA queues after copies in both directions."""

RULES: dict[str, tuple[Era[object], ...]] = {
    "the thunk priority of HIGH": HIGH,
    "the size of rings": RING_PACKETS,
    "the fate of queues without streams": AT_ZERO_REFERENCES,
    "the clean-up at exit": TEARDOWN,
    "the meaning of DEBUG_HIP_DYNAMIC_QUEUES": DYNAMIC,
    "whether stream priority counts": IGNORE_PRIORITY,
    "the number of SDMA queues": SDMA_QUEUES,
}
"""Every table of this module, under a name for people."""


@dataclass(frozen=True, slots=True)
class RocmVersion:
    """One ROCm release, by its first two numbers; :data:`DEVELOP` stands for the development branch."""

    release: Release

    def __post_init__(self) -> None:
        if self.release < OLDEST:
            raise InputError(f"ROCm {self} is older than any rule known here", todo="give 4.5 or newer, or develop")

    @classmethod
    def parse(cls, text: str) -> RocmVersion:
        """``7.0``, ``6.4.3`` or ``develop``; InputError for anything else."""
        if text == "develop":
            return cls(DEVELOP)
        match = re.fullmatch(r"(\d{1,3})\.(\d{1,3})(?:\.\d{1,5})?", text)
        if match is None:
            raise InputError(f"{text!r} is no ROCm version", todo="write it as 7.0, 6.4.3 or develop")
        return cls((int(match[1]), int(match[2])))

    def __str__(self) -> str:
        return "develop" if self.release == DEVELOP else f"{self.release[0]}.{self.release[1]}"

    def era(self, table: tuple[Era[T], ...]) -> Era[T]:
        """The era of ``table`` that this release falls into."""
        return [era for era in table if era.since <= self.release][-1]

    def value(self, table: tuple[Era[T], ...]) -> T:
        """What ``table`` says for this release."""
        return self.era(table).value

    def inferred(self, table: tuple[Era[T], ...]) -> bool:
        """Whether this release lies where neither a source nor a measurement reaches."""
        return self.release > self.era(table).until


FIDELITY = tuple(
    Behaviour(
        f"rocm.{name.removeprefix('the ').replace(' ', '-')}.{RocmVersion(era.since)}",
        f"{name}: {era.value}",
        Standing.CAPTURED if "measured" in era.source or "log" in era.source else Standing.SOURCE,
        f"ROCm {RocmVersion(era.since)} to {RocmVersion(era.until)}; inferred for later ones until the next row",
        era.source,
        "tests/stack/test_rocm.py::test_eras_are_in_order_and_reach_back_to_the_oldest_release",
    )
    for name, table in RULES.items()
    for era in table
)
