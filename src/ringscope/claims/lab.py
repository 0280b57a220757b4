"""Where claims are checked: runs of the stack under stated rules, and real captures; each made once and kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from ringscope.claims.reason import Method, Reason
from ringscope.claims.runs import NORMAL, PART, PID, Life, Rules, Run, life
from ringscope.claims.timed import Load, Played, available, play
from ringscope.errors import InputError
from ringscope.evidence.collect import collect
from ringscope.join import Case, State, case_of
from ringscope.join.queues import JoinedQueue
from ringscope.recording import Recording, Source
from ringscope.records import dataclass, replace
from ringscope.snapshot import Device
from ringscope.stack.firmware import FirmwareSpec
from ringscope.stack.hip import HipSettings
from ringscope.stack.machine import MachineSpec

T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """One process with the test program's streams, as a run of the stack or a capture shows it."""

    method: Method
    name: str
    state: State

    @property
    def queues(self) -> tuple[JoinedQueue, ...]:
        """Its compute queues, newest first."""
        return tuple(queue for queue in self.state.queues if queue.is_compute)

    @property
    def device(self) -> Device:
        """The device that its queues are on."""
        return next(device for device in self.state.snapshot.devices if device.gpu_id == self.queues[0].gpu_id)

    def registers(self, name: str, bits: str | None = None) -> list[int]:
        """A register of every MQD copy and of every slot that holds one of the queues."""
        images = [mqd.image for queue in self.queues for mqd in queue.queue.mqds]
        images += [slot.hqd.image for queue in self.queues for slot in queue.slots]
        return [image.get(name, bits) for image in images]

    def judge(self, holds: bool, text: str, *at: Source) -> Reason:
        """A reason of what this view shows, read at the queues' MQDs if not said otherwise."""
        if self.method is Method.STACK:
            return self.method.judge(holds, text)
        return self.method.judge(holds, f"{self.name}: {text}", *(at or (queue.queue.source for queue in self.queues)))


@dataclass(frozen=True)
class Captured:
    """One captured run, before, while and after the program held queues; ``state`` is while."""

    name: str
    case: Case
    state: State


@dataclass(frozen=True)
class Captures:
    """Real captures: runs of one program, and the runtime's logs of the same program."""

    runs: tuple[Captured, ...] = ()
    logs: tuple[Recording, ...] = ()


class Lab:
    """Runs and captures for the checks, each made once.

    Args:
        captures: a folder with a subfolder a run and logs beside them; None does without.
        rules: what the stack plays by.
        time: whether checks may play processes in time, where the engine's packages are there.
        ready: called once before that, so that the caller may say that the engine compiles.
    """

    def __init__(
        self,
        captures: Path | None = None,
        rules: Rules | None = None,
        *,
        time: bool = False,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.rules = rules or Rules()
        self.has_time = time and available()
        self._ready = ready
        self._captures = captures
        self._kept: dict[Hashable, Any] = {}
        self._played: dict[Load, Played] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives, made when first asked for; ``key`` is one thing in every call."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: T = self._kept[key]
        return kept

    # The stack

    def machine(self, part: str = PART, **driver: Any) -> MachineSpec:
        """A machine of one device under the lab's rules, some switches of the driver changed."""
        return replace(MachineSpec.of(part), driver=replace(self.rules.driver, **driver))

    def fresh(
        self,
        *streams: tuple[int, ...],
        pids: tuple[int, ...] = (),
        part: str = PART,
        firmware: FirmwareSpec | None = None,
        hip: HipSettings | None = None,
        **driver: Any,
    ) -> Run:
        """A run of its own, for checks that go on with it."""
        rules = replace(self.rules, firmware=firmware or self.rules.firmware, hip=hip or self.rules.hip)
        pids = pids or tuple(range(PID, PID + len(streams)))
        return Run(self.machine(part, **driver), rules, streams, pids)

    def run(self, *streams: tuple[int, ...], **kept: Any) -> Run:
        """The run of these processes, made when first asked for; arguments as :meth:`fresh`. Only to be looked at."""
        return self.once((streams, *sorted(kept.items())), lambda: self.fresh(*streams, **kept))

    def processes(self, count: int, **kept: Any) -> Run:
        """``count`` processes of 16 streams each."""
        return self.run(*(NORMAL,) * count, **kept)

    @cached_property
    def life(self) -> Life:
        """The test program from start to end."""
        return life(self.fresh(()))

    # Time

    def played(self, load: Load) -> Played:
        """A load, played when first asked for."""
        if not self._played:
            self._ready()
        if load not in self._played:
            self._played[load] = play(self.rules, load)
        return self._played[load]

    # Captures

    @cached_property
    def captures(self) -> Captures:
        """The real captures, read once; InputError when the folder holds none of an MI308X with queues."""
        if self._captures is None:
            return Captures()
        if not self._captures.is_dir():
            raise InputError("no such folder of captures", str(self._captures))
        entries = sorted(self._captures.iterdir())
        runs = []
        for folder in (path for path in entries if any(path.glob("**/hqds"))):
            capture = collect([folder])
            case = case_of(capture.snapshots, capture.recordings)
            if case.main is not None and _of_part(case.main):
                runs.append(Captured(folder.name, case, case.main))
        if not runs:
            raise InputError(
                "no capture of an MI308X with queues", str(self._captures), "give a folder with a subfolder a capture"
            )
        logs = [log for path in entries if path.suffix == ".log" for log in collect([path]).recordings]
        return Captures(tuple(runs), tuple(logs))

    def views(self) -> Iterator[View]:
        """One process with 16 streams: as the stack makes it, then as each capture shows it."""
        yield View(Method.STACK, "stack", self.processes(1).state())
        for captured in self.captures.runs:
            yield View(Method.CAPTURE, captured.name, captured.state)


def _of_part(state: State) -> bool:
    devices = [device for device in state.snapshot.devices if state.on(device)]
    return any(part.key == PART for device in devices for part, _ in state.parts(device))
