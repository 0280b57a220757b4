"""``ringscope watch``: two readings of a machine as metrics in the Prometheus text format.

Whatever was not captured gives no sample, rather than a zero: an absent series is told from an idle machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ringscope.join import State
from ringscope.join.intervals import hiq_write_pointer
from ringscope.join.progress import Progress
from ringscope.records import dataclass
from ringscope.snapshot import Device, Process
from ringscope.verdicts.oversubscribed import beyond_limits

Labels = Mapping[str, str]

SOURCES = ("mqds", "hqds", "rls", "proc")


@dataclass(frozen=True)
class Metric:
    """One metric: its name below ``ringscope_``, its type, what it says, and its samples."""

    name: str
    type: str
    help: str
    samples: tuple[tuple[Labels, int], ...]

    def lines(self) -> list[str]:
        """It in the text format; nothing when there is no sample."""
        if not self.samples:
            return []
        name = f"ringscope_{self.name}"
        rows = [f"{name}{{{_labels(labels)}}} {value}" for labels, value in self.samples]
        return [f"# HELP {name} {self.help}", f"# TYPE {name} {self.type}", *rows]


def _labels(labels: Labels) -> str:
    """Labels as the format has them: backslash, quote and line end are escaped, and nothing else is special."""
    escaped = {
        name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in labels.items()
    }
    return ",".join(f'{name}="{value}"' for name, value in escaped.items())


def metrics(progress: Progress) -> tuple[Metric, ...]:
    """What the last state shows; which queues are stuck takes the one before it, too."""
    now = progress.state
    devices = now.snapshot.devices
    seen = [device for device in devices if device.hqds]
    return (
        Metric(
            "source_read", "gauge", "1 where the source could be read, 0 where not.",
            tuple(({"source": source}, int(source in now.snapshot.sources)) for source in SOURCES),
        ),
        Metric("queues", "gauge", "Queues by process, device and type.", tuple(_queues(now.snapshot.processes))),
        Metric(
            "slots", "gauge", "Hardware queue slots of one XCC for user queues.",
            tuple((_gpu(device), device.slots_per_xcc) for device in seen),
        ),
        Metric(
            "slots_used", "gauge", "Slots of one XCC that hold a queue.",
            tuple((_gpu(device), device.slots_used) for device in seen),
        ),
        Metric(
            "oversubscribed", "gauge", "1 while more queues or processes want the device than fit at once.",
            tuple((_gpu(device), int(over)) for device in seen if (over := beyond_limits(now, device)) is not None),
        ),
        Metric(
            "hiq_dwords_total", "counter", "Dwords the driver put on the HIQ: queues made, changed, gone, evicted.",
            tuple((_gpu(d), pointer) for d in devices if (pointer := hiq_write_pointer(d)) is not None),
        ),
        Metric(
            "queues_stuck", "gauge", "Mapped queues with packets waiting that fetched none since the last reading.",
            tuple(_stuck(progress, seen)) if progress.before else (),
        ),
        Metric("evicted_ms_total", "counter", "Milliseconds a process spent evicted.", tuple(_evicted(now))),
    )  # fmt: skip


def text(progress: Progress) -> str:
    """All metrics in the text format."""
    return "\n".join(line for metric in metrics(progress) for line in metric.lines()) + "\n"


def _gpu(device: Device) -> dict[str, str]:
    return {"gpu": f"{device.gpu_id:x}"}


def _process(process: Process) -> dict[str, str]:
    return {"pid": str(process.pid), "process": process.name}


def _queues(processes: Iterable[Process]) -> Iterable[tuple[Labels, int]]:
    for process in processes:
        counts = Counter((queue.gpu_id, queue.type) for queue in process.queues or process.listed)
        for (gpu_id, kind), number in sorted(counts.items(), key=lambda item: (item[0][0], item[0][1].value)):
            yield {**_process(process), "gpu": f"{gpu_id:x}", "type": kind.value}, number


def _stuck(progress: Progress, devices: Iterable[Device]) -> Iterable[tuple[Labels, int]]:
    for device in devices:
        if "mqds" in progress.state.snapshot.sources:
            yield _gpu(device), sum(queue.identity in progress.still_since for queue in progress.state.on(device))


def _evicted(state: State) -> Iterable[tuple[Labels, int]]:
    for process in state.snapshot.processes:
        for name, value in process.usage.items():
            if name.startswith("stats_") and name.endswith("/evicted_ms"):
                gpu_id = name.removeprefix("stats_").split("/")[0]
                yield {**_process(process), "gpu": f"{int(gpu_id):x}"}, value
