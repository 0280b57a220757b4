"""AMD_LOG_LEVEL logs: which stream was given which hardware queue, and how much was sent to each.

HIP's runtime (CLR) writes one stamped line an event to stderr, between whatever the program itself prints::

    :3:rocdevice.cpp :3048: 6306223714 us: [pid:85406 tid: 0x7f36] Created SWq=0x7f36633ca000 to map on HWq=0x7f3660c0…

``HWq`` is the ring's address, the same as ``cp_hqd_pq_base`` in a debugfs dump: the join between a stream and a
hardware slot. Three dialects are read: before 2024 (ROCm 6.1 and older: ``created hardware queue``, which names a
queue by its ``hsa_queue_t`` and never says its ring), ROCm 6.2 to 7.0 (``Created SWq``), and later ROCm
(``Selected queue (mode=…)``, ``Reusing preferred queue``). Level 3 says all of it but the packets, which are written
at level 4 (level 5 in later ROCm) and counted per ring instead of kept; of ROCm 5.4 and older, which calls the
``hsa_queue_t`` ``HWq``, per queue.

Wording and meaning after ROCm/clr ``rocdevice.cpp``, ``rocvirtual.cpp``, ``hip_stream.cpp``, ``utils/debug.cpp`` at
tags rocm-5.6.0 to 6.2.2 and ROCm/rocm-systems ``projects/clr`` at 01280b9d.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ringscope.errors import InputError
from ringscope.evidence.drift import Drift, Held
from ringscope.evidence.lines import BLOCK_BYTES, Blocks, PathOrStream, lines_with, opened
from ringscope.recording import Clock, Event, Kind, Recording, Source, Value
from ringscope.records import dataclass, field

HELD = Held(
    "CLR of ROCm 5.6 to 6.2.2, and rocm-systems projects/clr at 01280b9d (after ROCm 7.0)",
    "a log of ROCm 7.0.2; the source's format strings for the others",
)

# Queue events of a kind are kept up to this many and counted beyond: later ROCm can acquire a queue at every launch.
KEPT_PER_KIND = 1 << 16
# Threads, rings and different call durations remembered at once; a log of a real program stays far below.
REMEMBERED = 1 << 16

# What begins a message; CLR pads its fields. The process and thread are named always before ROCm 6.2, later from
# level 4 on. Every repetition is bounded, so that no text makes a search slow or a number huge.
_TIME = rb":\d:[\w.+-]{1,64} {0,32}:\d{1,6} {0,8}: {0,8}(?P<us>\d{1,18})d? us: "
_STAMP = re.compile(_TIME)
# CLR cuts a message at 4096 bytes; its stamp stands before it.
_MESSAGE_BYTES = 4096 + 256
_TAIL_BYTES = 1 << 16  # in which the last stamp of a log is looked for
_PREFIX = re.compile(
    _TIME + rb"(?:(?P<old_pid>\d{1,9}) {0,8}: \[tid: ?(?:0x)?(?P<old_tid>\w{1,16})\]"
    rb"|\[pid: {0,8}(?P<pid>\d{1,9}) {1,8}tid: {0,8}(?:0x)? {0,8}(?P<tid>\w{1,16})\])?"
)
_LAUNCH = re.compile(rb"Kernel: Returned (\w{1,64}) :(?: : duration: (\d{1,18}) us)?")
_PACKET = re.compile(rb"HWq=(0x[0-9a-f]{1,16}),[^\n(]{0,80}?(Dispatch|Barrier)")

# hsa_amd_queue_priority_t, as the queue lines print it. HIP counts the other way round: -1 high, 0 normal, 1 low, and
# what lies beyond is clamped (hip_stream.cpp hipStreamCreateWithPriority).
_LOW, _NORMAL, _HIGH = 0, 1, 2


@dataclass
class _Call:
    """A stream creation that has begun and not yet returned."""

    begin_ns: int
    priority: int
    queue: dict[str, Value] = field(default_factory=dict)
    # Without thread ids, creations that are open at once cannot be told apart: then none is given a queue.
    open: int = 1
    mixed: bool = False


@dataclass
class _Thread:
    """What must be remembered of a thread between its lines."""

    call: _Call | None = None
    pool_ns: int | None = None
    # The queue given last, for a creation whose call the log does not show: it begins later, or ROCm 5 is being
    # initialised by that call and writes it not.
    queue: dict[str, Value] = field(default_factory=dict)


class _Line(NamedTuple):
    """The stamp of a message."""

    time_ns: int
    pid: int | None
    thread: tuple[int | None, bytes | None]
    number: int


class Durations:
    """First, smallest, median and largest of many durations, in bounded memory.

    The median is exact while no more than :data:`REMEMBERED` different values occur, and is left out beyond.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self._seen: Counter[int] = Counter()
        self._low: int | None = None
        self._high: int | None = None

    def add(self, values: list[int]) -> None:
        """Adds durations in their order."""
        if not values:
            return
        if self.first is None:
            self.first = values[0]
        low, high = min(values), max(values)
        self._low = low if self._low is None else min(low, self._low)
        self._high = high if self._high is None else max(high, self._high)
        if len(self._seen) <= REMEMBERED:
            self._seen.update(values)

    def facts(self, name: str, unit_ns: int) -> Iterator[tuple[str, int]]:
        """``<name>_first_ns``, ``_min_ns``, ``_median_ns``, ``_max_ns``; nothing when there was no duration."""
        if self.first is None or self._low is None or self._high is None:
            return
        yield f"{name}_first_ns", self.first * unit_ns
        yield f"{name}_min_ns", self._low * unit_ns
        if len(self._seen) <= REMEMBERED:
            yield f"{name}_median_ns", self._median() * unit_ns
        yield f"{name}_max_ns", self._high * unit_ns

    def _median(self) -> int:
        """The lower median: a value that occurred."""
        before = 0
        half = (self._seen.total() + 1) // 2
        for value in sorted(self._seen):
            before += self._seen[value]
            if before >= half:
                return value
        raise AssertionError("a median of nothing")


class _Log:
    """The state of one reading."""

    def __init__(self, name: str, drift: Drift) -> None:
        self.name = name
        self.drift = drift
        self.events: list[Event] = []
        self.facts: dict[str, Value] = {}
        self.kinds: Counter[Kind] = Counter()
        self.threads: dict[tuple[int | None, bytes | None], _Thread] = {}
        self.pids: set[int] = set()
        # Whether queues are named by ring address (since 2024-01) or by hsa_queue_t; the case of a word tells.
        self.by_ring = True
        self.old_dialect = False
        self.deleted_last: tuple[int | None, bytes] | None = None
        self.mixed = 0
        self.stamped = 0
        self.tail = b""
        self.launches = 0
        self.launch_errors = 0
        self.launch_us = Durations()
        self.create_us = Durations()
        self.packets: dict[bytes, Counter[bytes]] = {}
        self.first_packet: dict[bytes, int | None] = {}
        self.last_packet: dict[bytes, int | None] = {}
        self.rings_left_out = False

    # --- what a block holds -------------------------------------------------------------------------------------

    def block(self, first_line: int, data: bytes) -> None:
        """Reads whole lines."""
        self.stamped += data.count(b" us: ")
        if "first_time_ns" not in self.facts and (first := _STAMP.search(data)):
            self.facts["first_time_ns"] = int(first["us"]) * 1000
        self.tail = (self.tail + data)[-_TAIL_BYTES:] if len(data) < _TAIL_BYTES else data[-_TAIL_BYTES:]
        self._launches(data)
        self._packets(data)
        anchors = [*_ANCHORS, *(anchor for fact, anchor in _ONCE.items() if fact not in self.facts)]
        for number, line in lines_with(data, anchors, first_line):
            self._line(line, number)

    def _launches(self, data: bytes) -> None:
        launches = _LAUNCH.findall(data)
        self.launches += len(launches)
        self.launch_errors += sum(error != b"hipSuccess" for error, _ in launches)
        self.launch_us.add([int(duration) for _, duration in launches if duration])

    def _packets(self, data: bytes) -> None:
        last: dict[bytes, int] = {}
        for found in _PACKET.finditer(data):
            ring, what = found.groups()
            counts = self.packets.get(ring)
            if counts is None:
                if len(self.packets) >= REMEMBERED:
                    self.rings_left_out = True
                    continue
                counts = self.packets[ring] = Counter()
                self.first_packet[ring] = self._time_of(data, found.start())
            counts[what] += 1
            last[ring] = found.start()
        for ring, position in last.items():
            self.last_packet[ring] = self._time_of(data, position)

    @staticmethod
    def _time_of(data: bytes, position: int) -> int | None:
        """The time of the message that holds ``position``."""
        start = max(0, position - _MESSAGE_BYTES)
        stamps = list(_STAMP.finditer(data, data.rfind(b"\n", start, position) + 1 or start, position))
        return int(stamps[-1]["us"]) * 1000 if stamps else None

    # --- what a line says ---------------------------------------------------------------------------------------

    def _line(self, line: bytes, number: int) -> None:
        # Two threads may tear each other's newline, and a program may print without one: a line can hold several
        # messages, and a message begins anywhere.
        stamps = list(_PREFIX.finditer(line))
        ends = [stamp.start() for stamp in stamps[1:]] + [len(line)]
        for stamp, end in zip(stamps, ends, strict=False):  # no stamp: no message
            text = line[stamp.end() : end]
            for word, pattern, rule in _RULES:
                if word in text and (found := pattern.search(text)):
                    pid = stamp["pid"] or stamp["old_pid"]
                    # Lines of a fact are looked for only until it is known, which is told a block at a time.
                    if pid is not None and word not in _ONCE_WORDS and len(self.pids) < REMEMBERED:
                        self.pids.add(int(pid))
                    thread = (None if pid is None else int(pid), stamp["tid"] or stamp["old_tid"])
                    rule(self, found, _Line(int(stamp["us"]) * 1000, thread[0], thread, number))
                    break
            else:
                if _ABOUT_QUEUES.search(text):
                    self.drift.add("line", text[:_TEXT_BYTES].decode("utf-8", "replace"), Source(self.name, number))

    def _emit(self, kind: Kind, line: _Line, attrs: dict[str, Value]) -> None:
        self.kinds[kind] += 1
        if self.kinds[kind] <= KEPT_PER_KIND:
            source = Source(self.name, line.number)
            self.events.append(Event(line.time_ns, kind, attrs, source, Clock.MONOTONIC, line.pid))

    def _thread(self, line: _Line) -> _Thread:
        thread = self.threads.get(line.thread)
        if thread is None:
            if len(self.threads) >= REMEMBERED:
                del self.threads[next(iter(self.threads))]
            thread = self.threads[line.thread] = _Thread()
        return thread

    def _queue(self, pointer: bytes) -> dict[str, Value]:
        return {"ring_base" if self.by_ring else "hsa_queue": int(pointer, 16)}

    def _given(self, line: _Line, queue: dict[str, Value]) -> None:
        """The queue is what an open stream creation of this thread was given."""
        thread = self._thread(line)
        thread.queue = queue
        call = thread.call
        if call is None:
            return
        if line.thread[1] is None and any(call.queue.get(name, value) != value for name, value in queue.items()):
            call.mixed = True  # one creation is given one queue, so this line is another thread's
        call.queue = queue

    def _dialect(self, letter: bytes) -> None:
        # "Number", "Created", "Selected" are written with a capital since the commit that also prints ring
        # addresses (ROCm/clr 0567c3b72, 2024-01-31; first release ROCm 6.2).
        self.by_ring = letter.isupper()
        self.old_dialect |= not self.by_ring

    # --- one rule a message -------------------------------------------------------------------------------------

    def pool_counts(self, found: re.Match[bytes], line: _Line) -> None:
        self._dialect(found[1])
        attrs: dict[str, Value] = {"low": int(found[2]), "normal": int(found[3]), "high": int(found[4])}
        if found[5]:
            attrs["maximum"] = self.facts["gpu_max_hw_queues"] = int(found[5])
        self._thread(line).pool_ns = line.time_ns
        self._emit(Kind.POOL_COUNTS, line, attrs)

    def created(self, found: re.Match[bytes], line: _Line) -> None:
        queue, ring, *rest = found.groups()
        self._create(line, {"ring_base": int(ring, 16), "hsa_queue": int(queue, 16)}, rest)

    def created_old(self, found: re.Match[bytes], line: _Line) -> None:
        letter, queue, *rest = found.groups()
        self._dialect(letter)
        self._create(line, self._queue(queue), rest)

    def _create(self, line: _Line, queue: dict[str, Value], rest: list[bytes]) -> None:
        names = ("packets", "priority", "cooperative")
        attrs = queue | {name: int(value) for name, value in zip(names, rest, strict=True) if value}
        thread = self._thread(line)
        if thread.pool_ns is not None and thread.pool_ns <= line.time_ns:
            attrs["duration_ns"] = line.time_ns - thread.pool_ns
        thread.pool_ns = None
        self.deleted_last = None
        # A queue with a CU mask is not announced by a later "acquireQueue" in every version.
        self._given(line, queue)
        self._emit(Kind.QUEUE_CREATE, line, attrs)

    def acquired(self, found: re.Match[bytes], line: _Line) -> None:
        self._acquire(line, found[1], int(found[2]), reused=0)

    def selected(self, found: re.Match[bytes], line: _Line) -> None:
        self._dialect(found[1])
        # "with least refCount" (until 2022-11) was printed before the count was raised.
        self._acquire(line, found[3], int(found[4]) + bool(found[2]), reused=1)

    def selected_by_load(self, found: re.Match[bytes], line: _Line) -> None:
        self.by_ring = True
        self._acquire(line, found[1], int(found[2]), reused=1)

    def _acquire(self, line: _Line, pointer: bytes, refs: int, reused: int) -> None:
        queue = self._queue(pointer)
        self._given(line, queue)
        self._emit(Kind.QUEUE_ACQUIRE, line, {**queue, "refs": refs, "reused": reused})

    def released(self, found: re.Match[bytes], line: _Line) -> None:
        self._emit(Kind.QUEUE_RELEASE, line, {**self._queue(found[1]), "refs": int(found[2])})

    def cu_mask(self, found: re.Match[bytes], line: _Line) -> None:
        self._emit(Kind.CU_MASK, line, {**self._queue(found[2]), "mask": "0x" + found[1].decode()})

    def deleted(self, found: re.Match[bytes], line: _Line) -> None:
        if (line.pid, found[0]) == self.deleted_last:
            return  # ROCm 5.2 says it twice
        self.deleted_last = (line.pid, found[0])
        self._emit(Kind.QUEUE_DESTROY, line, self._queue(found[1]))

    def stream_create_called(self, found: re.Match[bytes], line: _Line) -> None:
        thread = self._thread(line)
        if thread.call is not None and line.thread[1] is None:
            thread.call.open += 1
            thread.call.mixed = True
        else:  # with thread ids, a creation that is still open is one that never returned
            thread.queue = {}
            thread.call = _Call(line.time_ns, _priority(found[1], found[2]))

    def stream_create_returned(self, found: re.Match[bytes], line: _Line) -> None:
        thread = self._thread(line)
        call, queue, thread.queue = thread.call, thread.queue, {}
        if call is not None:
            call.open -= 1
            thread.call = call if call.open else None
        if found[1] != b"hipSuccess" or not found[2]:
            return
        attrs: dict[str, Value] = {"stream": _handle(found[2])}
        if call is None:
            attrs |= queue
        elif call.mixed:
            self.mixed += 1
        else:
            attrs |= {"priority": call.priority, **call.queue}
            if line.time_ns >= call.begin_ns:
                attrs["duration_ns"] = line.time_ns - call.begin_ns
                self.create_us.add([(line.time_ns - call.begin_ns) // 1000])
        self._emit(Kind.STREAM_CREATE, line, attrs)

    def stream_destroyed(self, found: re.Match[bytes], line: _Line) -> None:
        self._emit(Kind.STREAM_DESTROY, line, {"stream": _handle(found[1])})

    def started(self, found: re.Match[bytes], line: _Line) -> None:
        # The first line of a process: what an earlier one in the same file left open is over.
        self.threads = {key: thread for key, thread in self.threads.items() if key[0] != line.pid}
        if found[1]:
            self.facts.setdefault("hip", found[1].decode())

    def hip_library(self, found: re.Match[bytes], line: _Line) -> None:
        self.facts.setdefault("rocm", found[1].decode().rstrip("."))

    def gfx(self, found: re.Match[bytes], line: _Line) -> None:
        # Written in hexadecimal by convention: 9/0/10 is gfx90a.
        self.facts.setdefault("gfx", f"gfx{int(found[1])}{int(found[2]):x}{int(found[3]):x}")

    # --- the end ------------------------------------------------------------------------------------------------

    def recording(self, blocks: Blocks) -> Recording:
        """Everything read so far."""
        counters = {"lines": blocks.lines, "stamped_lines": self.stamped}
        if self.launches:
            counters |= {"launches": self.launches, "launch_errors": self.launch_errors}
        for what, name in ((b"Dispatch", "dispatches"), (b"Barrier", "barriers")):
            per_ring = {
                f"{name}:{ring.decode()}": counts[what] for ring, counts in self.packets.items() if counts[what]
            }
            if per_ring:
                counters |= {name: sum(per_ring.values()), **per_ring}
        facts = dict(self.facts)
        for stamp in _STAMP.finditer(self.tail):
            facts["last_time_ns"] = int(stamp["us"]) * 1000
        for times, name in ((self.first_packet, "first_packet_ns"), (self.last_packet, "last_packet_ns")):
            facts |= {f"{name}:{ring.decode()}": time for ring, time in times.items() if time is not None}
        facts.update(self.launch_us.facts("launch", 1000))
        facts.update(self.create_us.facts("stream_create", 1000))
        if len(self.pids) == 1:
            facts["pid"] = min(self.pids)
        return Recording(self.name, tuple(self.events), counters, facts, tuple(self._notes(blocks)))

    def _notes(self, blocks: Blocks) -> Iterator[str]:
        if blocks.note:
            yield blocks.note
        if len(self.pids) > 1:
            yield f"lines of {len(self.pids)} processes are mixed in this log"
        if self.old_dialect:
            yield (
                "this log is of ROCm 6.1 or older, which names a queue by its hsa_queue_t and not by its ring: "
                "its streams cannot be joined to hardware slots"
            )
        if self.mixed:
            yield (
                f"{self.mixed} streams were created by several threads at once and the log names no threads: "
                "their queues are not known; AMD_LOG_LEVEL=4 names the threads"
            )
        for kind, count in self.kinds.items():
            if count > KEPT_PER_KIND:
                yield f"{count} {kind.value} events: the first {KEPT_PER_KIND} are kept"
        if self.rings_left_out:
            yield f"packets of more than {REMEMBERED} rings: those of further rings are not counted"


def _handle(text: bytes) -> int:
    # A program with a locale has its thousands grouped, in hexadecimal too: 0x7fb,bb5,821,380.
    return int(text.replace(b",", b""), 16)


def _priority(name: bytes, arguments: bytes) -> int:
    """The HSA priority (0 low, 1 normal, 2 high) of the pool that a stream creation draws from."""
    last = arguments.rpartition(b",")[2].strip()
    if not name.endswith(b"WithPriority") or not re.fullmatch(rb"-?\d{1,9}", last):
        return _NORMAL
    return min(_HIGH, max(_LOW, _NORMAL - int(last)))


_Rule = Callable[[_Log, re.Match[bytes], _Line], None]


def _pattern(text: bytes) -> re.Pattern[bytes]:
    """A message as its format string has it: %d a number, %p a pointer, %w a word."""
    for sign, what in ((b"%d", rb"(\d{1,18})"), (b"%p", rb"(0x[0-9a-f]{1,16})"), (b"%w", rb"\w{0,64}")):
        text = text.replace(sign, what)
    return re.compile(text)


# A word that only such messages hold, what the message says, and what it means.
_RULES: tuple[tuple[bytes, re.Pattern[bytes], _Rule], ...] = tuple(
    (word, _pattern(text), rule)
    for word, text, rule in (
        (
            b"hardware queue",
            rb"([Nn])umber of allocated hardware queues with low priority: %d, with normal priority: %d, "
            rb"with high priority: %d(?:, maximum per priority is: %d)?",
            _Log.pool_counts,
        ),
        (
            b"Created SWq",
            rb"Created SWq=%p to map on HWq=%p with size %d(?: with priority %d, cooperative: %d)?",
            _Log.created,
        ),
        (
            b"hardware queue",
            rb"([Cc])reated hardware queue %p with size %d(?: with priority %d, cooperative: %d)?",
            _Log.created_old,
        ),
        (b"refCount", rb"acquireQueue refCount: ?%p \(%d\)", _Log.acquired),
        (b"refCount", rb"([Ss])elected queue (with least )?refCount: ?%p \(%d\)", _Log.selected),
        (
            b"refCount",
            rb"(?:Selected queue \(mode=\d{1,9}\)|Reusing preferred queue): %p refCount: %d",
            _Log.selected_by_load,
        ),
        (b"refCount", rb"releaseQueue refCount: ?%p \(%d\)", _Log.released),
        (b"hardware queue", rb"[Ss]etting CU mask 0x([0-9a-f]{1,512}) for hardware queue %p", _Log.cu_mask),
        (b"hardware queue", rb"[Dd]eleting (?:CG enabled )?hardware queue %p", _Log.deleted),
        (
            b"StreamCreate",
            rb"hip%wStreamCreate%w: Returned (\w{1,64}) : *(?:[\w ]{1,32}:)?(0x[0-9a-f,]{1,24})?",
            _Log.stream_create_returned,
        ),
        (b"StreamCreate", rb"(hip%wStreamCreate%w) \( ([^()]{0,256}) \)", _Log.stream_create_called),
        (b"StreamDestroy", rb"hipStreamDestroy \( (?:[\w ]{1,32}:)?(0x[0-9a-f,]{1,24}) \)", _Log.stream_destroyed),
        (
            b"Direct Dispatch",
            rb"(?:HIP Version: (\d{1,9}\.\d{1,9}\.\d{1,9})[^ ]{0,64} )?Direct Dispatch: ",
            _Log.started,
        ),
        (b"HIP Library", rb"HIP Library Path: [^ \n]{0,4096}/rocm-(\d[\d.]{0,16})", _Log.hip_library),
        (b"Gfx Major", rb"Gfx Major/Minor/Stepping: (\d{1,3})/(\d{1,3})/(\d{1,3})", _Log.gfx),
    )
)
# A message with one of these is about streams and their queues; one that no rule reads is of a release to come.
_ABOUT_QUEUES = re.compile(rb"ardware queue|\bSWq=|ueue refCount|ipStreamCreate\w{0,32}[ :(]|ipStreamDestroy \(")
_TEXT_BYTES = 240

# What every word above contains, by a first letter that is rare in a log: the search skips to it at memory speed.
_ANCHORS = tuple(map(re.compile, (rb"C(?:ount|reate)", rb"ware queue", rb"D(?:estroy|irect Disp)")))
# Facts that a log says at its beginning, looked for until they are known.
_ONCE_WORDS = frozenset({b"HIP Library", b"Gfx Major"})
_ONCE = {"rocm": re.compile(rb"HIP Lib"), "gfx": re.compile(rb"Gfx Maj")}


def read(source: PathOrStream, name: str, block_bytes: int = BLOCK_BYTES, drift: Drift | None = None) -> Recording:
    """Reads an AMD_LOG_LEVEL log of any size in bounded memory.

    Events: pool counts, queue create, acquire, release, CU mask and destroy, stream create and destroy; times are
    CLOCK_MONOTONIC. Counters: ``lines``, ``stamped_lines``, ``launches``, ``launch_errors``, and from level 4 on
    ``dispatches`` and ``barriers``, each also per ring (``dispatches:0x…``). Facts, as far as the log says them:
    ``hip``, ``rocm``, ``gfx``, ``gpu_max_hw_queues`` (per device and priority), ``pid`` (when every queue line is
    of one process), ``first_time_ns``, ``last_time_ns``, ``first_packet_ns:0x…``, ``last_packet_ns:0x…``, and
    ``launch_{first,min,median,max}_ns`` and ``stream_create_{first,min,median,max}_ns``.

    Args:
        source: a path, or a binary stream read to its end.
        name: what the file is called in events and errors.
        block_bytes: bytes searched at once; changes speed only.
        drift: told of messages about queues that no rule reads.

    Raises:
        InputError: no stamped line, or the file cannot be read.
    """
    with opened(source, name) as stream:
        blocks = Blocks(stream, block_bytes)
        log = _Log(name, drift or Drift())
        for first_line, data in blocks:
            log.block(first_line, data)
    if "first_time_ns" not in log.facts:
        raise InputError(
            "no AMD_LOG_LEVEL line in it",
            name,
            "run the program with AMD_LOG_LEVEL=3 and keep what it writes to stderr",
        )
    return log.recording(blocks)
