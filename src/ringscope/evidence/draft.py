"""One snapshot in the making: the records of its files, put together as a Snapshot once every file was read.

It takes all files of a capture to tell a device's MQD generation, and a register dump cannot be read by name before
that is told. So files are first read as they stand (:class:`Draft`) and joined to their tables here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from ringscope.errors import InputError
from ringscope.evidence import generation as gen
from ringscope.evidence import hqds, kfd_proc, mqds, rls, topology
from ringscope.evidence.drift import Drift
from ringscope.evidence.sniff import FileKind
from ringscope.parts import mqd
from ringscope.parts.layout import Generation, Image, Layout
from ringscope.records import dataclass, field, replace
from ringscope.snapshot import Device, Hqd, Mqd, Process, Queue, QueueType, Snapshot


@dataclass
class Draft:
    """The files of one snapshot, read and not yet put together. ``place`` is its folder, and its stem if it has one."""

    place: PurePosixPath
    given: int
    mqds: mqds.MqdsFile | None = None
    hqds: tuple[hqds.DeviceDump, ...] | None = None
    rls: tuple[rls.RunlistDump, ...] | None = None
    nodes: tuple[topology.Node, ...] | None = None
    processes: tuple[kfd_proc.SysfsProcess, ...] | None = None
    files: dict[FileKind, str] = field(default_factory=dict)

    @property
    def sources(self) -> frozenset[str]:
        """Kinds of file it is made of."""
        kinds = {kind.value for kind in self.files}
        kinds |= {"topology"} if self.nodes is not None else set()
        return frozenset(kinds | ({"proc"} if self.processes is not None else set()))


def generations_of(drafts: Sequence[Draft], asked: Generation | None) -> dict[int, Generation]:
    """The MQD generation of each device that has anything to be read by it; one device is one in every snapshot."""
    clues: dict[int, list[gen.Clue]] = {}
    for draft in drafts:
        for node in draft.nodes or ():
            if version := node.properties.get("gfx_target_version"):
                clues.setdefault(node.gpu_id, []).append(gen.clue_of_target(version, node.source, asked))
        for device in draft.hqds or ():
            if not device.stopped:
                clues.setdefault(device.gpu_id, []).extend(gen.clues_of_device(device))
        for dump in draft.rls or ():
            if dump.runlist.words:
                clues.setdefault(dump.gpu_id, []).extend(gen.clues_of_runlist(dump))
        for process in draft.mqds.processes if draft.mqds else ():
            for queue in process.queues:
                clues.setdefault(queue.gpu_id, []).extend(gen.clues_of_queue(queue))
    decided = {gpu_id: gen.decide(clues[gpu_id], asked) for gpu_id in clues}
    if asked and decided and asked not in decided.values():
        raise gen.contradiction(next(iter(clues.values())), asked)
    return decided


def snapshot_of(draft: Draft, label: str, generations: dict[int, Generation], drift: Drift | None = None) -> Snapshot:
    """The snapshot that its files show; InputError when they contradict each other."""
    notes = list(draft.mqds.notes) if draft.mqds else []
    if draft.mqds and not draft.mqds.processes and draft.hqds is None:
        notes.append(
            f"{draft.files[FileKind.MQDS]}: no process has the driver open, unless tar or rsync made this copy: they "
            "see no size in debugfs files"
        )
    devices = {dump.gpu_id: _device(dump, generations) for dump in draft.hqds or ()}
    for dump in draft.rls or ():
        device = devices.get(dump.gpu_id) or Device(dump.node, dump.gpu_id, dump.source)
        packets = rls.decode(dump.runlist, generations[dump.gpu_id], drift) if dump.runlist.words else ()
        devices[dump.gpu_id] = replace(device, runlist=replace(dump.runlist, packets=packets))
    for node in draft.nodes or ():
        device = devices.get(node.gpu_id) or Device(node.node, node.gpu_id, node.source)
        if device.node != node.node:
            notes.append(
                f"{node.source}: device {node.gpu_id:x} is node {node.node} here and {device.node} in the dumps"
            )
        devices[node.gpu_id] = replace(device, properties=node.properties)
    processes = _processes(draft, devices, generations)
    used = {queue.gpu_id: queue for process in processes for queue in process.queues}
    if draft.hqds and used and not used.keys() & {dump.gpu_id for dump in draft.hqds}:
        raise InputError(
            f"no device of these queues is in {draft.files[FileKind.HQDS]}: the files are of two machines",
            str(next(iter(used.values())).source),
            "put each machine's files in a folder of their own",
        )
    for process in processes:
        for queue in process.queues:
            if queue.gpu_id not in devices:
                if draft.hqds:
                    notes.append(f"{queue.source}: a queue on device {queue.gpu_id:x}, which hqds does not list")
                devices[queue.gpu_id] = Device(None, queue.gpu_id, queue.source)
    ordered = sorted(devices.values(), key=lambda device: (device.node is None, device.node or 0))
    return Snapshot(
        label,
        tuple(replace(device, generation=generations.get(device.gpu_id)) for device in ordered),
        processes,
        draft.sources,
        tuple(notes),
    )


def _device(dump: hqds.DeviceDump, generations: dict[int, Generation]) -> Device:
    if dump.stopped:
        return Device(dump.node, dump.gpu_id, dump.source, stopped=True)
    compute, hiq = mqd.compute(generations[dump.gpu_id]), mqd.hiq(generations[dump.gpu_id])
    return Device(
        dump.node,
        dump.gpu_id,
        dump.source,
        hqds=tuple(_hqd(slot, compute) for slot in dump.slots),
        hiqs=tuple(_hqd(slot, hiq) for slot in dump.hiqs),
        sdma=dump.sdma,
    )


def _hqd(slot: hqds.SlotDump, layout: Layout) -> Hqd:
    image = Image(layout, slot.registers.data, mqd.HQD_FIRST_DWORD)
    return Hqd(slot.xcc, slot.mec, slot.pipe, slot.queue, image, slot.source)


def _processes(draft: Draft, devices: dict[int, Device], generations: dict[int, Generation]) -> tuple[Process, ...]:
    """The processes of ``mqds`` in its order, then those that only sysfs knows."""
    sysfs = {process.pid: process for process in draft.processes or ()}
    processes = []
    for dump in draft.mqds.processes if draft.mqds else ():
        queues = tuple(_queue(queue, devices.get(queue.gpu_id), generations) for queue in dump.queues)
        about = sysfs.pop(dump.pid, None)
        if about:
            queues = _with_ids(queues, about.queues)
        pasid = dump.pasid or (about.pasid if about else None)
        process = Process(dump.pid, queues, dump.source, pasid)
        processes.append(replace(process, listed=about.queues, usage=about.usage) if about else process)
    for about in sysfs.values():
        queues = about.queues if draft.mqds is None else ()
        processes.append(Process(about.pid, queues, about.source, about.pasid, listed=about.queues, usage=about.usage))
    return tuple(processes)


def _queue(dump: mqds.QueueDump, device: Device | None, generations: dict[int, Generation]) -> Queue:
    generation = generations[dump.gpu_id]
    layout = mqd.sdma(generation) if dump.type is QueueType.SDMA else mqd.compute(generation)
    one_image = dump.type is not QueueType.COMPUTE
    xccs = [0] if one_image else sorted({slot.xcc for slot in device.hqds}) if device else []
    if xccs and len(dump.images) != len(xccs):
        raise InputError(
            f"a queue with {len(dump.images)} images, but its device has {len(xccs)} XCCs",
            str(dump.source),
            "capture the files again, whole",
        )
    copies = zip(xccs or range(len(dump.images)), dump.images, strict=True)
    images = tuple(Mqd(xcc, Image(layout, data), source) for xcc, (data, source) in copies)
    return Queue(dump.gpu_id, dump.type, dump.source, images)


def _with_ids(queues: tuple[Queue, ...], listed: tuple[Queue, ...]) -> tuple[Queue, ...]:
    """Queues with the ids that sysfs gives them, where device, type and ring size leave one choice."""
    return tuple(
        replace(queue, qid=same[0].qid)
        if len(same := [other for other in listed if _like(other) == _like(queue)]) == 1
        and sum(_like(other) == _like(queue) for other in queues) == 1
        else queue
        for queue in queues
    )


def _like(queue: Queue) -> tuple[object, ...]:
    """What sysfs and an MQD both say of a queue; for SDMA queues only the device and that they are SDMA."""
    if queue.type is not QueueType.COMPUTE:
        return queue.gpu_id, queue.type in {QueueType.SDMA, QueueType.SDMA_XGMI}
    if queue.mqds:
        return queue.gpu_id, 8 << queue.mqds[0].image.get("cp_hqd_pq_control", "queue_size")
    return queue.gpu_id, queue.ring_bytes
