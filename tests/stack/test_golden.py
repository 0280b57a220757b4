"""What the stack makes, generation by generation, and by which defaults: a change is seen before it is believed.

The bytes themselves are held against real captures and the driver's rules by the tests beside this one. ``python
tests/stack/test_golden.py`` writes the texts anew.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from ringscope.records import fields
from ringscope.stack import rocm
from ringscope.stack.firmware import FirmwareSpec
from ringscope.stack.hip import HipSettings
from ringscope.stack.kfd.records import CreateQueue, UpdateQueue
from ringscope.stack.machine import DriverSpec, GartPlan, Isolation, MachineSpec, QueueIds, SchedPolicy, Scheduling
from ringscope.stack.rehearse import ProcessSpec, Rehearsal, rehearse

FOLDER = Path(__file__).parent / "golden"
MACHINES = {part: MachineSpec.of(part) for part in ("fiji", "vega10", "mi210", "mi308x", "navi21", "navi31", "navi48")}
# Besides one of each layout that KFD has of an MQD: one without firmware scheduling, and one in partitions.
MACHINES |= {
    "vega10-no-hws": MachineSpec.of("vega10", sched_policy=SchedPolicy.NO_HWS),
    "mi300x-cpx": MachineSpec.of("mi300x", partition="cpx"),
}


def run(machine: MachineSpec) -> Rehearsal:
    """Two processes, streams of every priority, copy queues, one queue destroyed."""
    made = rehearse(machine, [ProcessSpec((-1, 0, 1)), ProcessSpec((0, 0))])
    first, second = made.programs
    first.rocr.copy_queues(made.kfd.machine.nodes[0])
    streams = second.devices[0].stream_create(0)
    second.devices[0].stream_destroy(streams)
    return made


def _words(words: Iterable[int], first: int = 0) -> str:
    return " ".join(f"{at}={word:x}" for at, word in enumerate(words, first) if word)


def machine(name: str) -> str:
    return "\n".join(_machine(run(MACHINES[name]))) + "\n"


def _machine(made: Rehearsal) -> Iterator[str]:
    snapshot = made.snapshot()
    for process in snapshot.processes:
        yield f"process {process.pid}, PASID {process.pasid:#x}"
        for queue in process.queues:
            yield f"  {queue.type.value} queue, {len(queue.mqds)} MQDs"
            yield from (f"    {mqd.xcc}: {_words(mqd.image.words)}" for mqd in queue.mqds[:2])
    for device in snapshot.devices:
        yield f"device {device.gpu_id:x}: {device.xccs} XCCs of {device.slots_per_xcc} slots"
        for hqd in (*device.hiqs[:1], *(hqd for hqd in device.hqds if hqd.active and hqd.xcc < 2)):
            yield f"  {hqd.xcc}:{hqd.name}: {_words(hqd.image.words, hqd.image.first_dword)}"
        for rlc in device.sdma:
            shown = " ".join(f"{address:x}={value:x}" for address, value in rlc.registers if value)
            if shown:
                yield f"  SDMA {rlc.engine}.{rlc.rlc}: {shown}"
        if device.runlist:
            yield f"  runlist: {' '.join(f'{word:x}' for word in device.runlist.words)}"
        yield from (f"  {name} {value}" for name, value in device.properties.items())
    for name, text in made.files().items():
        if name.startswith("amd-log"):
            yield f"{name}:"
            yield text.rstrip("\n")


def defaults() -> str:
    lines = [
        f"{type(record).__name__}.{field.name} = {getattr(record, field.name)!r}"
        for record in (DriverSpec(), FirmwareSpec(), HipSettings(), GartPlan())
        for field in fields(record)
    ]
    for request in (CreateQueue, UpdateQueue):
        optional = [field for field in fields(request) if type(field.default) is not object]
        lines += [f"{request.__name__}.{field.name} = {field.default!r}" for field in optional]
    for words in (SchedPolicy, QueueIds, Isolation, Scheduling):
        lines += [f"{words.__name__}: {', '.join(f'{word.name} {word.value}' for word in words)}"]
    for name, table in rocm.RULES.items():
        lines += [f"{name}: {era.since} to {era.until}: {era.value!r}" for era in table]
    return "\n".join(lines) + "\n"


def test_the_defaults_are_as_they_were_last_looked_at() -> None:
    assert defaults() == (FOLDER / "defaults.txt").read_text(), "check it against its source, then write it anew"


@pytest.mark.parametrize("name", MACHINES)
def test_the_machine_is_as_it_was_last_looked_at(name: str) -> None:
    text = (FOLDER / f"{name}.txt").read_text()
    assert machine(name) == text, "check what changed against its source, then write it anew"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "defaults.txt").write_text(defaults())
    for one in MACHINES:
        (FOLDER / f"{one}.txt").write_text(machine(one))
