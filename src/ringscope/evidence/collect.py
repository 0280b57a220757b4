"""Collects what a user gave into Snapshots in time order and Recordings.

A snapshot is what one moment's ``mqds``, ``hqds`` and ``rls`` show: the files of one folder, or flat files whose names
differ only in that word (``active_mqds_16.txt`` and ``active_hqds_16.txt``). The sysfs trees ``proc`` and ``topology``
belong to the snapshot that lies nearest; a topology holds for every snapshot that has none nearer.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from ringscope import log
from ringscope.errors import InputError
from ringscope.evidence import hqds, kfd_proc, mqds, rls, topology
from ringscope.evidence.bundle import Bundles, recording_of
from ringscope.evidence.draft import Draft, generations_of, snapshot_of
from ringscope.evidence.drift import Drift, Unknown
from ringscope.evidence.files import InputFile, walk
from ringscope.evidence.order import in_order, labels_of
from ringscope.evidence.sniff import FileKind, dump_token, foreign, is_detail, root_of_value, sniff
from ringscope.parts.layout import Generation
from ringscope.recording import Recording, Source
from ringscope.records import dataclass, field, replace
from ringscope.snapshot import Snapshot

# What reads each kind of log or trace: ``read(path or stream, name) -> Recording``. Imported when a file asks for it.
RECORDING_READERS = {
    FileKind.AMD_LOG: "ringscope.evidence.amd_log",
    FileKind.KERNEL_LOG: "ringscope.evidence.kernel_text",
    FileKind.KFD_TRACE: "ringscope.evidence.kernel_text",
    FileKind.FTRACE: "ringscope.evidence.kernel_text",
    FileKind.ROCPROFV3_CSV: "ringscope.evidence.rocprofv3",
    FileKind.ROCPROFV3_JSON: "ringscope.evidence.rocprofv3",
    FileKind.ROCPD: "ringscope.evidence.rocpd",
    FileKind.ROCPROF_V1_CSV: "ringscope.evidence.rocprof_v1",
    FileKind.ROCPROF_V1_JSON: "ringscope.evidence.rocprof_v1",
    FileKind.ROCPROF_V1_DB: "ringscope.evidence.rocprof_v1",
    FileKind.RECORDING: "ringscope.evidence.recorded",
}


_NO_KIND = "not a kind of file that ringscope knows"

VALUE_BYTES = 4096
"""Most bytes of a sysfs attribute: a page."""

UNKNOWN_LIMIT = 2000
"""Most files that are no evidence: a folder with more is not a capture, and an archive with more is not meant well."""


@dataclass(frozen=True)
class Capture:
    """Everything that was read.

    ``snapshots`` are in time order, as far as the evidence orders them; ``unread`` lists each file that was passed
    over with the reason; ``notes`` say what ordered the snapshots and what they lack beside each other; ``unknown``
    tells of fields and lines that no reader of this version knows.
    """

    snapshots: tuple[Snapshot, ...] = ()
    recordings: tuple[Recording, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    unknown: tuple[Unknown, ...] = ()


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
    drift = Drift()
    bundles = Bundles(drift)
    found = _Found(bundles, drift)

    def passed_over(path: str, why: str) -> None:
        bundles.refuse(path, why)
        unread.append((path, why))

    for file in walk(paths, passed_over):
        if bundles.take(file):
            continue
        with bundles.checked(file) as checked:
            why = found.read(checked)
        log.debug(partial(_told, file, why))
        if (
            why and not found.strange(file) and not bundles.hold(file)
        ):  # a bundle holds what its manifest says, also for other readers than us
            unread.append((file.name, why))
        if len(unread) > UNKNOWN_LIMIT:
            raise InputError(
                f"{UNKNOWN_LIMIT} files that are no evidence", unread[0][0], "name the capture's own files"
            )
    bundles.complete()
    for manifest in bundles.manifests:
        found.recordings.append(recording_of(manifest))
        unread += manifest.unread
    unread += found.stray()
    drafts = found.drafts()
    if not drafts and not found.recordings:
        passed = f" ({unread[0][0]}: {unread[0][1]})" if unread else ""
        raise InputError(
            f"nothing that ringscope knows{passed}",
            ", ".join(str(path) for path in paths),
            "give a folder with mqds and hqds, a log or a trace",
        )
    generations = generations_of(drafts, generation)
    order, notes = in_order(drafts, generations)
    labels = labels_of([draft.place for draft in order])
    return Capture(
        tuple(
            replace(
                snapshot,
                processes=bundles.named(draft.place, snapshot.processes),
                notes=(*snapshot.notes, *bundles.changed(draft.place)),
            )
            for draft, label in zip(order, labels, strict=True)
            for snapshot in (snapshot_of(draft, label, generations, drift),)
        ),
        tuple(found.recordings),
        tuple(unread),
        (*notes, *_incomplete(order, labels)),
        drift.found(),
    )


def _told(file: InputFile, why: str | None) -> str:
    kind = sniff(file.head, file.location)
    return f"{file.name}: {f'passed over, {why}' if why else kind.value if kind else 'a detail'}"


def _incomplete(drafts: Sequence[Draft], labels: Sequence[str]) -> list[str]:
    """Snapshots whose ``hqds`` lists fewer devices than others': cut between two devices, a file looks whole."""
    listed = [{device.gpu_id for device in draft.hqds or ()} for draft in drafts]
    every = set().union(*listed)
    return [
        f"{label}: hqds lists {len(devices)} of the {len(every)} devices seen; it may have been cut"
        for draft, label, devices in zip(drafts, labels, listed, strict=True)
        if draft.hqds is not None and devices < every
    ]


@dataclass
class _Found:
    """What the walk has met so far."""

    bundles: Bundles
    drift: Drift
    dumps: list[tuple[InputFile, FileKind, object]] = field(default_factory=list)
    values: dict[PurePosixPath, list[kfd_proc.Value]] = field(default_factory=dict)
    nodes: dict[PurePosixPath, list[topology.NodeFile]] = field(default_factory=dict)
    recordings: list[Recording] = field(default_factory=list)
    strangers: list[tuple[PurePosixPath, str, str]] = field(default_factory=list)

    def strange(self, file: InputFile) -> bool:
        """Remember a small file that nothing knows and that lies as a value of sysfs does."""
        root = root_of_value(file.location)
        if self.bundles.hold(file) and root not in (self.values.keys() | self.nodes.keys()):
            return False
        if root is None or len(file.head) > VALUE_BYTES or len(self.strangers) >= UNKNOWN_LIMIT:
            return False
        self.strangers.append((root, file.name, file.head.decode("ascii", "replace").strip("\0\n")))
        return True

    def stray(self) -> list[tuple[str, str]]:
        """Once every file was met: those that lie among known values are values of a newer driver, others are not."""
        roots = self.values.keys() | self.nodes.keys()
        for root, name, text in self.strangers:
            if root in roots:
                self.drift.add("file", f"{PurePosixPath(name).name}: {text}", Source(name, 1))
        return [(name, _NO_KIND) for root, name, _ in self.strangers if root not in roots]

    def read(self, file: InputFile) -> str | None:
        """Read one file; why not, when it is passed over."""
        kind = sniff(file.head, file.location)
        if kind and kind in _DUMP_READERS:
            self.dumps.append((file, kind, _DUMP_READERS[kind](file, self.drift)))
        elif kind is FileKind.PROC:
            value = kfd_proc.read(file)
            self.values.setdefault(kfd_proc.root_of(file.location), []).append(value)
        elif kind is FileKind.TOPOLOGY:
            self.nodes.setdefault(file.location.parents[2], []).append(topology.read(file, self.drift))
        elif kind and kind in RECORDING_READERS:
            reader = importlib.import_module(RECORDING_READERS[kind])
            recording = reader.read(file.path or file.stream(), file.name, drift=self.drift)
            self.recordings.append(self.bundles.hosted(file, recording))
        elif kind is FileKind.ROCMINFO:
            return "rocminfo output, which answers nothing about queues"
        elif kind:
            return f"{kind.value}: known, and not read by this version"
        elif not is_detail(file.location):
            known = foreign(file.head)
            if file.location.name in {"mqds", "hqds", "rls"}:
                why = known or f"does not begin like {file.location.name}"
                raise InputError(why, file.name, "" if known else "capture the file again")
            return known or (_NO_KIND if file.head else "empty")
        return None

    def drafts(self) -> list[Draft]:
        """The files, put together by moment."""
        drafts: dict[PurePosixPath, Draft] = {}
        for place, (file, kind, content) in zip(_places(self.dumps), self.dumps, strict=True):
            draft = drafts.setdefault(place, Draft(place, file.given))
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
            drafts.setdefault(place, Draft(place, 0)).processes = kfd_proc.processes_of(values, self.drift)
        if self.nodes and not drafts:
            place = next(iter(self.nodes)).parent
            drafts[place] = Draft(place, 0)
        for draft in drafts.values() if self.nodes else ():
            roots = _nearest(self.nodes, draft.place)
            if len(roots) > 1:
                raise InputError(f"two topology folders are as near: {roots[0]} and {roots[1]}", str(draft.place))
            draft.nodes = topology.nodes_of(self.nodes[roots[0]])
        return list(drafts.values())


_DUMP_READERS: dict[FileKind, Callable[[InputFile, Drift], object]] = {
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
