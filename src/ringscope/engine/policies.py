"""Rules that only firmware and hardware know, as named policies: the choice, its grounds, and what else may hold.

AMD publishes neither the firmware's scheduler nor the workgroup dispatcher. Each such rule is an enumeration here; its
default, the grounds for it and the other readings stand in :data:`POLICIES`, from which the fidelity table is printed.
"""

from __future__ import annotations

from enum import IntEnum

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.records import dataclass


class Scheduler(IntEnum):
    """Who maps queues to hardware slots."""

    CPSCH = 0  # the driver sends a runlist, the firmware (HWS) walks it; every change unmaps and maps the whole device
    NOCPSCH = 1  # the driver gives each queue a slot for life
    MES = 2  # the firmware maps and swaps single queues (gangs)


class Dispatch(IntEnum):
    """Which pipe may place a workgroup when several have one waiting on the same XCC."""

    FREE_SLOT = 0  # pipes take turns; one whose workgroup fits nowhere is passed over, so small ones cut ahead
    IN_ORDER = 1  # pipes take turns; one whose workgroup fits nowhere makes the others wait
    KERNEL = 2  # a kernel places all its workgroups before the next pipe has its turn
    EQUAL_SHARE = 3  # the pipe whose queue holds the fewest waves goes first, and is waited for


class Placement(IntEnum):
    """Which shader engine gets the next workgroup of a queue; within it, CUs take turns."""

    SE_STRICT = 0  # shader engines in strict turn: a full one is waited for
    SE_SKIP = 1  # shader engines in turn, a full one is skipped


class Priority(IntEnum):
    """What the priorities written into the MQD do."""

    NONE = 0  # stored, without effect
    PIPE = 1  # cp_hqd_pipe_priority decides who gets free CU room
    FULL = 2  # and cp_hqd_queue_priority decides which queue a pipe connects to


class Rotation(IntEnum):
    """Which queues the firmware maps next when the runlist holds more than fit."""

    WRAP = 0  # as many as fit from where the last quantum stopped, going round the end of the runlist
    LIST_END = 1  # the end of the runlist ends the quantum's share: what is left of it runs alone


class Idle(IntEnum):
    """What an idle queue does to rotation."""

    HOLD = 0  # it is mapped like any other and holds its slot for the whole quantum
    BUSY_FIRST = 1  # queues with packets are mapped first, idle ones fill what is left


class Sdma(IntEnum):
    """What replacing the runlist does to SDMA queues."""

    UNTOUCHED = 0  # their engines go on
    REMAPPED = 1  # no copy starts until the new runlist is in; one under way ends


class Gangs(IntEnum):
    """Which queue MES may take a slot from when a gang quantum ends."""

    GANG_QUANTUM = 0  # any that has had its gang quantum
    PROCESS_QUANTUM = 1  # only one whose process has had its process quantum, or has a waiting queue of its own


@dataclass(frozen=True)
class Policy:
    """One rule of the fidelity table."""

    name: str
    default: IntEnum
    source: str
    standing: Standing
    holds_for: str
    effect: str
    test: str

    @property
    def alternatives(self) -> tuple[IntEnum, ...]:
        """The other readings."""
        return tuple(value for value in type(self.default) if value is not self.default)


POLICIES: tuple[Policy, ...] = (
    Policy(
        "dispatch",
        Dispatch.FREE_SLOT,
        "two processes on an MI50, xsched-artifacts fig. 11: 4.67x and 1.27x; hip_plugin_framework cutting_ahead_*",
        Standing.CALIBRATED,
        "gfx906; taken for other parts: the only rule of the four that gives both figures",
        "which of two processes is slowed when both have workgroups waiting",
        "tests/engine/test_measured.py::test_neither_processor_sharing_nor_whole_kernels_in_turn_give_it",
    ),
    Policy(
        "placement",
        Placement.SE_STRICT,
        "rocm-systems#9738 and kfdtest.exclude: a masked queue speeds up only when every shader engine gains a CU",
        Standing.INFERRED,
        "gfx9 with CU masks: the step is documented, that a full engine is waited for is not",
        "how a CU mask scales, and how well an uneven part fills",
        "tests/engine/test_analytic.py::test_a_masked_queue_speeds_up_by_steps_of_one_cu_in_every_shader_engine",
    ),
    Policy(
        "priority",
        Priority.NONE,
        "rocm-systems#8485 (AMD: no effect) against hsa_ext_amd.h and the priorities that do reach the MQD",
        Standing.UNKNOWN,
        "all: sources contradict each other and nobody has published a measurement",
        "whether a high-priority stream is served first",
        "tests/engine/test_core.py::test_pipe_priority_forbids_inversion",
    ),
    Policy(
        "rotation",
        Rotation.WRAP,
        "the chained RUN_LIST packet of kfd_packet_manager.c; how the firmware walks it is private",
        Standing.INFERRED,
        "HWS",
        "how long a queue waits to be mapped again when the device is over-subscribed",
        "tests/engine/test_core.py::test_same_completions_as_the_simpy_model",
    ),
    Policy(
        "idle",
        Idle.HOLD,
        "rocm.docs conceptual/oversubscription; kernel commit 819ec5acf759 (HWS takes busy and idle queues alike)",
        Standing.SOURCE,
        "HWS",
        "what over-subscription costs when most queues are idle",
        "tests/engine/test_core.py::test_same_completions_as_the_simpy_model",
    ),
    Policy(
        "sdma",
        Sdma.UNTOUCHED,
        "the runlist maps SDMA queues too (MAP_QUEUES engine_sel), but UNMAP_QUEUES is sent with engine_sel compute "
        "(kfd_packet_manager_v9.c); what the firmware does with the others is private",
        Standing.UNKNOWN,
        "HWS",
        "whether creating a queue holds up copies",
        "tests/engine/test_core.py::test_same_completions_as_the_simpy_model",
    ),
    Policy(
        "gangs",
        Gangs.GANG_QUANTUM,
        "MES ADD_QUEUE carries a process quantum (10 ms) beside the gang quantum (1 ms); how MES uses it is private",
        Standing.UNKNOWN,
        "MES",
        "how often queues of different processes swap when MES is over-subscribed",
        "tests/engine/test_core.py::test_same_completions_as_the_simpy_model",
    ),
)


FIDELITY = tuple(
    Behaviour(
        f"policy.{row.name}",
        row.effect,
        row.standing,
        row.holds_for,
        row.source,
        row.test,
        row.default.name.lower().replace("_", "-"),
    )
    for row in POLICIES
)


@dataclass(frozen=True)
class Policies:
    """One reading of every rule; the defaults are those of :data:`POLICIES`."""

    dispatch: Dispatch = Dispatch.FREE_SLOT
    placement: Placement = Placement.SE_STRICT
    priority: Priority = Priority.NONE
    rotation: Rotation = Rotation.WRAP
    idle: Idle = Idle.HOLD
    sdma: Sdma = Sdma.UNTOUCHED
    gangs: Gangs = Gangs.GANG_QUANTUM
