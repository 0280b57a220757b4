"""Recordings as a Perfetto trace: a track for every process, stream, queue and hardware slot, for ui.perfetto.dev.

The file is a sequence of TracePackets (protobuf), written here by hand: field numbers are those of Perfetto's
``protos/perfetto/trace`` (trace_packet.proto, track_event.proto, track_descriptor.proto, as of v59), which keeps them
for ever. Slices of one track never overlap, since a reader drops or nests them wrongly if they do: what ran at the same
time in one queue gets further tracks of that queue.

A dispatch is tied together by a flow: the packet written, the kernel, the completion seen. Times are those of the
recordings' clock; recordings of different clocks do not go into one trace.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

from ringscope.errors import InputError
from ringscope.recording import Event, Kind, Recording, Value
from ringscope.records import dataclass, field
from ringscope.report.timeline import lane_of

_BEGIN, _END, _INSTANT, _COUNTER = 1, 2, 3, 4  # TrackEvent.Type
_SEQUENCE = 1
_STATE_CLEARED = 1  # TracePacket.SequenceFlags
_EXPLICIT = 3  # TrackDescriptor.ChildTracksOrdering
_UNIT_COUNT = 2  # CounterDescriptor.Unit
_HIGHEST_NS = (1 << 63) - 1

_HIQ = "HIQ"
_MOMENTS = {Kind.IOCTL: "ioctls", Kind.PACKET: "packets", Kind.INTERRUPT: "interrupts"}
_TROUBLE = {
    *(Kind.QUEUE_REFUSED, Kind.QUEUE_EVICT, Kind.QUEUE_RESTORE, Kind.OVERSUBSCRIBED),
    *(Kind.HANG, Kind.RESET, Kind.FAULT),
}


def _varint(number: int) -> bytes:
    """A protobuf varint; negative numbers as 64-bit two's complement."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _int(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _fixed64(number: int, value: int) -> bytes:
    return _varint(number << 3 | 1) + value.to_bytes(8, "little")


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode("utf-8", "replace"))


def _annotation(name: str, value: Value) -> bytes:
    """A DebugAnnotation: what the reader sees under "arguments"."""
    if isinstance(value, str):
        said = _text(6, value)
    elif 0 <= value < 1 << 64:
        said = _int(7 if value >= 1 << 32 else 3, value)  # addresses as pointers: the viewer shows those in hex
    else:
        said = _int(4, value) if -(1 << 63) <= value < 0 else _text(6, str(value))
    return _text(10, name) + said


@dataclass(frozen=True)
class _Slice:
    """Something that lasted, or an instant where ``end`` is None."""

    begin: int
    end: int | None
    name: str
    event: Event
    flow: int = 0
    last: bool = False


@dataclass
class _Track:
    """One lane-to-be: its slices may overlap and are spread over as many tracks as that takes."""

    name: str
    parent: int
    slices: list[_Slice] = field(default_factory=list)


class _Trace:
    """Tracks and packets, in the order in which they were first named."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self._tracks: dict[tuple[int, str], _Track] = {}
        self._counters: dict[tuple[int, str], dict[int, int]] = {}
        self._parents: dict[str, int] = {}
        self._uuid = 0
        self._flow = 0

    def _packet(self, content: bytes, first: bool = False) -> None:
        flags = _int(13, _STATE_CLEARED) if first else b""
        self.packets.append(_bytes(1, content + _int(10, _SEQUENCE) + flags))

    def _describe(self, name: str, parent: int = 0, more: bytes = b"") -> int:
        self._uuid += 1
        above = _int(5, parent) if parent else b""
        order = _int(12, self._uuid) + _int(11, _EXPLICIT)
        self._packet(_bytes(60, _int(1, self._uuid) + _text(2, name) + above + order + more), self._uuid == 1)
        return self._uuid

    def parent(self, pid: int | None, otherwise: str) -> int:
        """The group of a process, or of a source that names none."""
        key = otherwise if pid is None else f"process {pid}"
        if key not in self._parents:
            process = pid is not None and 0 <= pid < 1 << 31
            described = _bytes(3, _int(1, pid or 0) + _text(6, key)) if process else b""
            self._parents[key] = self._describe(key, more=described)
        return self._parents[key]

    def add(self, parent: int, track: str, piece: _Slice) -> None:
        """Put a slice or an instant on a track."""
        self._tracks.setdefault((parent, track), _Track(track, parent)).slices.append(piece)

    def step(self, parent: int, counter: str, time_ns: int, by: int) -> None:
        """Change a counter."""
        steps = self._counters.setdefault((parent, counter), {})
        steps[time_ns] = steps.get(time_ns, 0) + by

    def flow(self) -> int:
        """A new flow's id."""
        self._flow += 1
        return self._flow

    def encoded(self) -> bytes:
        """The file."""
        for track in self._tracks.values():
            for number, lane in enumerate(_lanes(track.slices)):
                uuid = self._describe(track.name if number == 0 else f"{track.name} · {number + 1}", track.parent)
                for piece in lane:
                    self._slice(uuid, piece)
        for (parent, name), steps in self._counters.items():
            uuid = self._describe(name, parent, _bytes(8, _int(3, _UNIT_COUNT)))
            value = 0
            for time_ns, by in sorted(steps.items()):
                value += by
                self._event(time_ns, _int(9, _COUNTER) + _int(11, uuid) + _int(30, value))
        return b"".join(self.packets)

    def _event(self, time_ns: int, content: bytes) -> None:
        self._packet(_int(8, time_ns) + _bytes(11, content))

    def _slice(self, uuid: int, piece: _Slice) -> None:
        notes = b"".join(_bytes(4, _annotation(name, value)) for name, value in piece.event.attrs.items())
        notes += _bytes(4, _annotation("read at", str(piece.event.source)))
        flow = _fixed64(48 if piece.last else 47, piece.flow) if piece.flow else b""
        kind = _INSTANT if piece.end is None else _BEGIN
        self._event(piece.begin, _int(9, kind) + _int(11, uuid) + _text(23, piece.name) + flow + notes)
        if piece.end is not None:
            self._event(piece.end, _int(9, _END) + _int(11, uuid))


def _lanes(slices: Iterable[_Slice]) -> list[list[_Slice]]:
    """Slices spread over as few lanes as keep them from overlapping, each in order of time; instants on the first."""
    lanes: list[list[_Slice]] = [[]]
    free: list[tuple[int, int]] = [(-1, 0)]  # when a lane is free again, and which
    for piece in sorted(slices, key=lambda piece: (piece.begin, piece.end or piece.begin)):
        if piece.end is None:
            lanes[0].append(piece)
            continue
        if free[0][0] <= piece.begin:
            _, lane = heapq.heappop(free)
        else:
            lane = len(lanes)
            lanes.append([])
        lanes[lane].append(piece)
        heapq.heappush(free, (piece.end, lane))
    return lanes


def _times(event: Event) -> tuple[int, int] | None:
    """When an event began and ended, if it lasted."""
    begin, end = event.attrs.get("begin"), event.attrs.get("end")
    if not (isinstance(begin, int) and isinstance(end, int)):
        lasted = event.attrs.get("duration_ns")
        begin, end = event.time_ns, event.time_ns + lasted if isinstance(lasted, int) else -1
    return (begin, end) if 0 <= begin <= end <= _HIGHEST_NS else None


def _label(value: Value | None) -> str:
    return f"{value:#x}" if isinstance(value, int) and value >= 1 << 16 else str(value)


def _lives(recording: Recording, made: Kind, gone: Kind, keys: Sequence[str]) -> Iterator[tuple[Event, str, int]]:
    """What was made, its name, and the time at which it went: that of the last event, if it never did.

    A thing is named by the first of ``keys`` that its source gives.
    """
    final = max((event.time_ns for event in recording.events), default=0)
    alive: dict[tuple[int | None, str], Event] = {}
    for event in recording.of(made, gone):
        key = next((key for key in keys if key in event.attrs), None)
        if key is None:
            continue
        value = event.attrs[key]
        known = event.pid, _label(value) if key != "qid" else f"qid {value}"
        if known in alive:  # the same name again: the earlier one's end was not recorded
            yield alive.pop(known), known[1], event.time_ns
        if event.kind is made:
            alive[known] = event
    for (_, name), event in alive.items():
        yield event, name, final


def _owners(trace: _Trace, recording: Recording, suffix: str) -> None:
    """Streams and queues, from their making to their end, and how many there are."""
    for word, made, gone, keys in (
        ("stream", Kind.STREAM_CREATE, Kind.STREAM_DESTROY, ("stream",)),
        ("queue", Kind.QUEUE_CREATE, Kind.QUEUE_DESTROY, ("ring_base", "hsa_queue", "qid")),
    ):
        for event, known, end in _lives(recording, made, gone, keys):
            # A call is stamped where it ends or where it begins, as its source has it: the track starts at the stamp.
            if not 0 <= event.time_ns <= end <= _HIGHEST_NS:
                continue
            parent = trace.parent(event.pid, recording.origin)
            name = f"{word} {known}"
            trace.add(parent, name + suffix, _Slice(event.time_ns, end, name, event))
            trace.step(parent, f"{word}s alive{suffix}", event.time_ns, 1)
            trace.step(parent, f"{word}s alive{suffix}", end, -1)


def _gpu(trace: _Trace, gpu_id: Value | None, otherwise: str) -> int:
    """The group of a device, where the source says which."""
    return trace.parent(None, f"gpu {gpu_id:x}" if isinstance(gpu_id, int) and gpu_id else otherwise)


def _slots(trace: _Trace, recording: Recording, suffix: str) -> None:
    """Hardware slots: whose queue is mapped, may run, is saved, one after the other; and how many slots are held."""
    for stay in recording.residencies():
        if not 0 <= stay.begin_ns <= stay.end_ns <= _HIGHEST_NS:
            continue
        home = _gpu(trace, stay.gpu_id, "hardware slots")
        slot = f"pipe {stay.pipe} queue {stay.queue}{suffix}"
        for what, begin, end in (
            (f"map {stay.name}", stay.begin_ns, stay.running_ns),
            (stay.name, stay.running_ns, stay.leaving_ns),
            (f"save {stay.name}", stay.leaving_ns, stay.end_ns),
        ):
            if begin < end or what == stay.name:
                trace.add(home, slot, _Slice(begin, end, what, stay.event))
        trace.step(home, f"slots held{suffix}", stay.begin_ns, 1)
        trace.step(home, f"slots held{suffix}", stay.end_ns, -1)


def _occupancy(trace: _Trace, recording: Recording, suffix: str) -> None:
    """CUs and waves of each XCC, as they were at the moments that the recording looked."""
    last: dict[tuple[int, str], int] = {}
    for event in recording.of(Kind.OCCUPANCY):
        if not 0 <= event.time_ns <= _HIGHEST_NS:
            continue
        home = _gpu(trace, event.attrs.get("gpu_id"), recording.origin)
        for key, what in (("cus", "CUs busy"), ("waves", "waves")):
            value = event.attrs.get(key)
            if isinstance(value, int) and abs(value) <= _HIGHEST_NS:
                counter = f"XCC {event.attrs.get('xcc', '?')} {what}{suffix}"
                trace.step(home, counter, event.time_ns, value - last.get((home, counter), 0))
                last[home, counter] = value


def _lane(event: Event) -> str:
    return lane_of(event).removeprefix(f"process {event.pid}, ")


def _work(trace: _Trace, recording: Recording, suffix: str) -> None:
    """Kernels, copies and calls; a kernel with its packet's writing and its completion."""
    for event in recording.of(Kind.DISPATCH, Kind.COPY, Kind.API):
        times = _times(event)
        parent = trace.parent(event.pid, recording.origin)
        if times is None:
            if event.kind is Kind.DISPATCH and "begin" not in event.attrs and 0 <= event.time_ns <= _HIGHEST_NS:
                name = str(event.attrs.get("kernel", event.kind.value))
                trace.add(parent, _lane(event) + suffix, _Slice(event.time_ns, None, name, event))
            continue
        begin, end = times
        if event.kind is Kind.API:
            where = f"{event.attrs.get('domain', 'API')} calls of thread {event.attrs.get('tid', '?')}"
            trace.add(parent, where + suffix, _Slice(begin, end, str(event.attrs.get("name", "call")), event))
            continue
        what = str(event.attrs.get("kernel" if event.kind is Kind.DISPATCH else "direction", event.kind.value))
        lane = _lane(event) + suffix
        if event.kind is Kind.COPY and "engine" in event.attrs:
            home = _gpu(trace, event.attrs.get("gpu_id"), recording.origin)
            trace.add(home, f"SDMA engine {event.attrs['engine']}{suffix}", _Slice(begin, end, what, event))
        written, seen = event.attrs.get("dispatch"), event.attrs.get("complete")
        submitted = isinstance(written, int) and 0 <= written <= begin
        completed = isinstance(seen, int) and end <= seen <= _HIGHEST_NS
        flow = trace.flow() if submitted or completed else 0
        trace.add(parent, lane, _Slice(begin, end, what, event, flow, last=not completed))
        if submitted:
            trace.add(parent, f"submitted to {lane}", _Slice(int(written or 0), None, what, event, flow))
        if completed:
            trace.add(parent, f"completed on {lane}", _Slice(int(seen or 0), None, what, event, flow, last=True))
        running = f"{'kernels' if event.kind is Kind.DISPATCH else 'copies'} running{suffix}"
        trace.step(parent, running, begin, 1)
        trace.step(parent, running, end, -1)


def _rest(trace: _Trace, recording: Recording, suffix: str) -> None:
    """Runlists on the HIQ, with their number; calls of the driver, packets and interrupts; and what went wrong."""
    for event in recording.events:
        if not 0 <= event.time_ns <= _HIGHEST_NS:
            continue
        if event.kind is Kind.RUNLIST:
            home = _gpu(trace, event.attrs.get("gpu_id"), recording.origin)
            trace.add(home, _HIQ + suffix, _Slice(event.time_ns, None, "runlist", event))
            trace.step(home, f"runlists sent{suffix}", event.time_ns, 1)
        elif event.kind in _MOMENTS or event.kind in _TROUBLE:
            home = trace.parent(event.pid, recording.origin)
            name = str(event.attrs.get("name", event.attrs.get("type", event.kind.value)))
            trace.add(home, _MOMENTS.get(event.kind, "trouble") + suffix, _Slice(event.time_ns, None, name, event))


def trace(recordings: Sequence[Recording]) -> bytes:
    """The recordings as the bytes of a ``.pftrace`` file; the same recordings give the same bytes.

    Raises:
        InputError: nothing in them has a place on a track, or their clocks differ.
    """
    clocks: dict[str, list[str]] = {}
    found = _Trace()
    told = [recording for recording in recordings if recording.events]
    for recording in told:
        for clock in dict.fromkeys(event.clock.value for event in recording.events):
            clocks.setdefault(clock, []).append(recording.origin)
    if len(clocks) > 1:
        which = "; ".join(f"{clock}: {', '.join(origins)}" for clock, origins in clocks.items())
        raise InputError(
            "times of different clocks cannot stand in one trace", which, "give the files of one clock at a time"
        )
    for recording in told:
        suffix = f" ({recording.origin})" if len(told) > 1 else ""
        for part in (_slots, _rest, _occupancy, _owners, _work):
            part(found, recording, suffix)
    encoded = found.encoded()
    if not encoded:
        raise InputError(
            "nothing here has a time", todo="a trace needs a log (AMD_LOG_LEVEL=3) or a profile (rocprofv3)"
        )
    return encoded
