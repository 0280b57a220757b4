"""What the machinery takes on each family of parts, with the source of every figure.

AMD publishes none of these; measured ones come from published measurements, the others are marked inferred and are
there to be replaced (``[costs]`` in a scenario).
"""

from __future__ import annotations

from ringscope.engine.spec import Costs
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.records import dataclass, replace


@dataclass(frozen=True)
class Cost:
    """One row of the table: a field of :class:`ringscope.engine.spec.Costs`, its default and its grounds.

    ``values`` is by the first letters of the gfx name, the longest match counting; ``""`` holds for all others.
    """

    name: str
    values: dict[str, int]
    source: str
    standing: Standing
    holds_for: str

    def value(self, gfx: str) -> int:
        """The figure for a part such as ``gfx942``."""
        return self.values[max((key for key in self.values if gfx.startswith(key)), key=len)]


COSTS: tuple[Cost, ...] = (
    Cost(
        "packet_ns",
        {"": 340, "gfx103": 2020, "gfx11": 1270, "gfx1151": 790, "gfx12": 1057},
        "gfx12: independent dispatches on a gfx1201, written straight into the ring; others: the same share of "
        "packet_ns + barrier_ns",
        Standing.CALIBRATED,
        "measured on gfx1201; the split is inferred elsewhere",
    ),
    Cost(
        "barrier_ns",
        {"": 410, "gfx103": 2440, "gfx11": 1530, "gfx1151": 957, "gfx12": 1276},
        "with packet_ns: 0.75 us a dependent dispatch on gfx90a (2000 kernels of 5 and 50 us, RCCL timing probe), 4.46 "
        "on gfx1030, 2.8 on gfx1100, 1.747 on gfx1151 (graph replay), 2.33 on gfx1201",
        Standing.CALIBRATED,
        "gfx90a, gfx1030, gfx1100, gfx1151, gfx1201; CDNA3 taken like gfx90a",
    ),
    Cost(
        "queue_switch_ns",
        {"": 0},
        "512 independent graph nodes on gfx1100: 1.03 us each over 4 queues, 6.8 over 8, 6.9 over 16 (hipfire artefact "
        "60771299620): what a pipe pays to turn to another queue, or something else that more queues than pipes bring",
        Standing.UNKNOWN,
        "all; off",
    ),
    Cost(
        "launch_ps",
        {"": 760},
        "rocm-systems#10834: 8192 against 128 workgroups on a W7900 (HIP); taken for one XCC",
        Standing.CALIBRATED,
        "gfx1100; taken for all",
    ),
    Cost(
        "wake_ns",
        {"": 16_000, "gfx1151": 5_000},
        "launch and wait: 16.9 us on an MI325X (FBGEMM#6219), 18.5 on gfx1201 and 7 on gfx1151, less one dispatch",
        Standing.CALIBRATED,
        "gfx942, gfx1201, gfx1151; taken for all",
    ),
    Cost(
        "queue_quantum_ns",
        {"": 1_000_000},
        "cp_hqd_quantum 0x111 in every MQD: 1 ms (cik_regs.h)",
        Standing.SOURCE,
        "all",
    ),
    Cost(
        "process_quantum_ns",
        {"": 10_000_000},
        "MAP_PROCESS.process_quantum 10, a unit that nobody documents; MES names 10 ms for the same",
        Standing.INFERRED,
        "HWS: the figure is the driver's, its unit is inferred",
    ),
    Cost("gang_quantum_ns", {"": 1_000_000}, "MES ADD_QUEUE gang_quantum 10000 x 100 ns", Standing.SOURCE, "MES"),
    Cost("save_ns", {"": 25_000}, "no published measurement of CWSR or of the unmap fence", Standing.UNKNOWN, "all"),
    Cost(
        "save_wave_ps",
        {"": 6_000},
        "a full MI308X (47 MB of wave state, gfx942 save-area formula) written at about 3 TB/s",
        Standing.INFERRED,
        "gfx942; taken for all",
    ),
    Cost("map_ns", {"": 25_000}, "no published measurement", Standing.UNKNOWN, "all"),
    Cost("restore_wave_ps", {"": 6_000}, "as save_wave_ps", Standing.INFERRED, "gfx942; taken for all"),
)

QUEUE_CREATE_NS = 4_600_000
"""Host time of a new HSA queue: 4.5 to 4.6 ms on an MI308X (ROCm 7.0.2 log), 4.9 to 5.8 ms on gfx1151."""


FIDELITY = tuple(
    Behaviour(
        f"cost.{row.name}",
        ", ".join(f"{gfx or 'others'} {value}" for gfx, value in row.values.items()),
        row.standing,
        row.holds_for,
        row.source,
        "tests/engine/test_costs.py::test_every_cost_is_charged",
        str(row.values[""]),
    )
    for row in COSTS
)


def costs_for(gfx: str, **given: int) -> Costs:
    """The costs of a part, with ``given`` ones in place of the table's."""
    return replace(Costs(), **{row.name: row.value(gfx) for row in COSTS} | given)
