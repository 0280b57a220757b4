"""Collects what a user gave into Snapshots in time order and Recordings.

A snapshot is what one moment's ``mqds``, ``hqds`` and ``rls`` show: the files of one folder, or flat files whose names
differ only in that word (``active_mqds_16.txt`` and ``active_hqds_16.txt``). The sysfs trees ``proc`` and ``topology``
belong to the snapshot that lies nearest; a topology that is as near to several belongs to all.

Snapshots are ordered by evidence: the HIQ's write pointer counts dwords since the driver came up and never falls.
Names are asked only where the pointers are equal.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path, PurePosixPath

from ringscope.errors import InputError
from ringscope.evidence import generation as gen
from ringscope.evidence import hqds, kfd_proc, mqds, rls, topology
from ringscope.evidence.files import InputFile, natural, walk
from ringscope.evidence.sniff import FileKind, dump_token, is_detail, sniff
from ringscope.parts import mqd
from ringscope.parts.layout import Generation, Image, Layout
from ringscope.recording import Recording
from ringscope.snapshot import Device, Hqd, Mqd, Process, Queue, QueueType, Snapshot

# What reads each kind of log or trace: ``read(path or stream, name) -> Recording``. Imported when a file asks for it.
RECORDING_READERS = {
    FileKind.AMD_LOG: "ringscope.evidence.amd_log",
    FileKind.KERNEL_LOG: "ringscope.evidence.kernel_text",
    FileKind.KFD_TRACE: "ringscope.evidence.kernel_text",
    FileKind.FTRACE: "ringscope.evidence.kernel_text",
}


@dataclass(frozen=True)
class Capture:
    """Everything that was read.

    ``snapshots`` are in time order, as far as the evidence orders them; ``unread`` lists each file that was passed
    over with the reason; ``notes`` say how snapshots were ordered.
    """

    snapshots: tuple[Snapshot, ...] = ()
    recordings: tuple[Recording, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def collect(paths: Sequence[str | Path], generation: Generation | None = None) -> Capture:
    """Reads files, folders and tarballs.

    Args:
        paths: what the user named.
        generation: MQD generation of the devices whose dumps do not tell it.

    Raises:
        InputError: a path cannot be read, a file is damaged or cut, two files contradict each other, a device's
            generation stays open, or nothing in ``paths`` is known.
    """
    unread: list[tuple[str, str]] = []
    found = _Found()
    for file in walk(paths, lambda path, why: unread.append((path, why))):
        why = found.read(file)
        if why:
            unread.append((file.name, why))
    drafts = found.drafts()
    if not drafts and not found.recordings:
        passed = f" ({unread[0][0]}: {unread[0][1]})" if unread else ""
        raise InputError(
            f"nothing that ringscope knows{passed}",
            ", ".join(str(path) for path in paths),
            "give a folder with mqds and hqds, a log or a trace",
        )
    generations = _generations(drafts, generation)
    order, notes = _ordered(drafts, generations)
    labels = _labels([draft.place for draft in order])
    return Capture(
        tuple(_snapshot(draft, label, generations) for draft, label in zip(order, labels, strict=True)),
        tuple(found.recordings),
        tuple(unread),
        notes,
    )


@dataclass
class _Draft:
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


@dataclass
class _Found:
    """What the walk has met so far."""

    dumps: list[tuple[InputFile, FileKind, object]] = field(default_factory=list)
    values: dict[PurePosixPath, list[kfd_proc.Value]] = field(default_factory=dict)
    nodes: dict[PurePosixPath, list[topology.NodeFile]] = field(default_factory=dict)
    recordings: list[Recording] = field(default_factory=list)

    def read(self, file: InputFile) -> str | None:
        """Read one file; why not, when it is passed over."""
        kind = sniff(file.head, file.location)
        if kind and kind in _DUMP_READERS:
            self.dumps.append((file, kind, _DUMP_READERS[kind](file)))
        elif kind is FileKind.PROC:
            value = kfd_proc.read(file)
            self.values.setdefault(kfd_proc.root_of(file.location), []).append(value)
        elif kind is FileKind.TOPOLOGY:
            self.nodes.setdefault(file.location.parents[2], []).append(topology.read(file))
        elif kind and kind in RECORDING_READERS:
            reader = importlib.import_module(RECORDING_READERS[kind])
            self.recordings.append(reader.read(file.path or file.stream(), file.name))
        elif kind is FileKind.ROCMINFO:
            return "rocminfo output, which answers nothing about queues"
        elif kind:
            return f"{kind.value}: known, and not read by this version"
        elif not is_detail(file.location):
            if file.location.name in {"mqds", "hqds", "rls"}:
                raise InputError(f"does not begin like {file.location.name}", file.name, "capture the file again")
            return "empty" if not file.head else "not a kind of file that ringscope knows"
        return None

    def drafts(self) -> list[_Draft]:
        """The files, put together by moment."""
        drafts: dict[PurePosixPath, _Draft] = {}
        for place, (file, kind, content) in zip(_places(self.dumps), self.dumps, strict=True):
            draft = drafts.setdefault(place, _Draft(place, file.given))
            if kind in draft.files:
                raise InputError(
                    f"two {kind.value} files in one snapshot: the other is {draft.files[kind]}",
                    file.name,
                    "put each moment's files in a folder of their own",
                )
            draft.files[kind] = file.name
            setattr(draft, kind.value, content)
        for root, values in self.values.items():
            near = _nearest(drafts, root)
            if len(near) == 1 and drafts[near[0]].processes is None:
                place = near[0]
            else:
                place = root if root.parent in drafts else root.parent
            drafts.setdefault(place, _Draft(place, 0)).processes = kfd_proc.processes_of(values)
        if self.nodes and not drafts:
            place = next(iter(self.nodes)).parent
            drafts[place] = _Draft(place, 0)
        for draft in drafts.values() if self.nodes else ():
            roots = _nearest(self.nodes, draft.place)
            if len(roots) > 1:
                raise InputError(f"two topology folders are as near: {roots[0]} and {roots[1]}", str(draft.place))
            draft.nodes = topology.nodes_of(self.nodes[roots[0]])
        return list(drafts.values())


_DUMP_READERS: dict[FileKind, Callable[[InputFile], object]] = {
    FileKind.MQDS: mqds.read,
    FileKind.HQDS: hqds.read,
    FileKind.RLS: rls.read,
}


_SUFFIX = re.compile(r"(\.(txt|log|out|dump))?(\.(gz|xz|bz2|zst))?$")


def _places(dumps: Sequence[tuple[InputFile, FileKind, object]]) -> list[PurePosixPath]:
    """For each dump the place of its snapshot: its folder, and what its name says beside the word mqds, hqds or rls.

    When no kind occurs twice there is one moment only, whatever the names.
    """
    folders = [file.location.parent for file, _, _ in dumps]
    if folders and len({kind for _, kind, _ in dumps}) == len(dumps):
        return [PurePosixPath(os.path.commonpath(folders))] * len(dumps)
    places = []
    for (file, _, _), folder in zip(dumps, folders, strict=True):
        name = _SUFFIX.sub("", file.location.name)
        words = [word for word in re.split(r"[-_. ]+", name) if word and word != dump_token(name)]
        places.append(folder / "_".join(words) if words else folder)
    return places


def _nearest(places: Iterable[PurePosixPath], to: PurePosixPath) -> list[PurePosixPath]:
    """Those of some places that share the longest way with another one."""
    ways = {place: len(PurePosixPath(os.path.commonpath([place, to])).parts) for place in places}
    return [place for place, way in ways.items() if way == max(ways.values())]


def _generations(drafts: Sequence[_Draft], asked: Generation | None) -> dict[int, Generation]:
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


# Words that people name moments by, in the order of the moments. Asked last.
_MOMENTS = ({"baseline", "before", "idle", "pre", "start"}, {"after", "post", "end", "exit"})


def _moment(place: PurePosixPath) -> int:
    words = set(re.split(r"[^a-z]+", place.name.lower()))
    return 0 if words & _MOMENTS[0] else 2 if words & _MOMENTS[1] else 1


def _ordered(drafts: Sequence[_Draft], generations: dict[int, Generation]) -> tuple[list[_Draft], tuple[str, ...]]:
    """The snapshots in time order, and what ordered them."""

    def by_name(draft: _Draft) -> tuple[object, ...]:
        return draft.given, _moment(draft.place), natural(str(draft.place))

    named = sorted(drafts, key=by_name)
    if len(named) < 2:
        return named, ()
    pointers = [_hiq_pointers(draft, generations) for draft in named]
    common = set.intersection(*(set(pointer) for pointer in pointers))
    if not common:
        return named, ("snapshots are in the order of their names: they have no HIQ write pointer in common",)
    rows = sorted(zip(pointers, named, strict=True), key=lambda row: sum(row[0][gpu_id] for gpu_id in common))
    for (before, _), (after, draft) in pairwise(rows):
        if any(before[gpu_id] > after[gpu_id] for gpu_id in common):
            return named, (
                f"snapshots are in the order of their names: at {draft.place.name} the HIQ write pointers rise on one "
                "device and fall on another, so they are of several machines or boots",
            )
    return [draft for _, draft in rows], ("snapshots are in the order of the HIQ's write pointer, which never falls",)


def _hiq_pointers(draft: _Draft, generations: dict[int, Generation]) -> dict[int, int]:
    """Write pointer of the HIQ of each device's first XCC, in dwords since the driver came up, by gpu_id."""
    pointers = {}
    for device in draft.hqds or ():
        # VI counts within the ring, so its pointer orders nothing.
        if device.hiqs and generations[device.gpu_id] is not Generation.VI:
            slot = min(device.hiqs, key=lambda slot: slot.xcc)
            image = Image(mqd.hiq(generations[device.gpu_id]), slot.registers.data, mqd.HQD_FIRST_DWORD)
            pointers[device.gpu_id] = image.get64("cp_hqd_pq_wptr_lo", "cp_hqd_pq_wptr_hi")
    return pointers


def _labels(places: Sequence[PurePosixPath]) -> list[str]:
    """The shortest end of each place that no other has."""
    depth = 1
    while len(labels := ["/".join(place.parts[-depth:]) for place in places]) != len(set(labels)):
        depth += 1
    return labels


def _snapshot(draft: _Draft, label: str, generations: dict[int, Generation]) -> Snapshot:
    notes = list(draft.mqds.notes) if draft.mqds else []
    if draft.mqds and not draft.mqds.processes and draft.hqds is None:
        notes.append(
            f"{draft.files[FileKind.MQDS]}: no process has the driver open, unless tar or rsync made this copy: they "
            "see no size in debugfs files"
        )
    devices = {dump.gpu_id: _device(dump, generations) for dump in draft.hqds or ()}
    for dump in draft.rls or ():
        device = devices.get(dump.gpu_id) or Device(dump.node, dump.gpu_id, dump.source)
        packets = rls.decode(dump.runlist, generations[dump.gpu_id]) if dump.runlist.words else ()
        devices[dump.gpu_id] = replace(device, runlist=replace(dump.runlist, packets=packets))
    for node in draft.nodes or ():
        device = devices.get(node.gpu_id) or Device(node.node, node.gpu_id, node.source)
        if device.node != node.node:
            notes.append(
                f"{node.source}: device {node.gpu_id:x} is node {node.node} here and {device.node} in the dumps"
            )
        devices[node.gpu_id] = replace(device, properties=node.properties)
    processes = _processes(draft, devices, generations)
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


def _processes(draft: _Draft, devices: dict[int, Device], generations: dict[int, Generation]) -> tuple[Process, ...]:
    """The processes of ``mqds`` in its order, then those that only sysfs knows."""
    sysfs = {process.pid: process for process in draft.processes or ()}
    processes = []
    for dump in draft.mqds.processes if draft.mqds else ():
        queues = tuple(_queue(queue, devices.get(queue.gpu_id), generations) for queue in dump.queues)
        about = sysfs.pop(dump.pid, None)
        if about:
            queues = _with_ids(queues, about.queues)
        pasid = dump.pasid or (about.pasid if about else None)
        processes.append(Process(dump.pid, queues, dump.source, pasid, listed=about.queues if about else ()))
    for about in sysfs.values():
        queues = about.queues if draft.mqds is None else ()
        processes.append(Process(about.pid, queues, about.source, about.pasid, listed=about.queues))
    return tuple(processes)


def _queue(dump: mqds.QueueDump, device: Device | None, generations: dict[int, Generation]) -> Queue:
    xccs = sorted({slot.xcc for slot in device.hqds}) if device else []
    generation = generations[dump.gpu_id]
    if dump.type is QueueType.SDMA:
        layout = mqd.sdma(generation)
        xccs = [0]
    else:
        layout = mqd.compute(generation)
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
