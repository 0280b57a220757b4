"""Text that a kernel wrote: the kernel log, KFD trace lines and ftrace, alone or mixed in one file.

One reader for all three, because they mix: a patched driver's ``[KFD-TRACE]`` lines come through ftrace or dmesg, and
a journal may hold both. :mod:`~ringscope.evidence.stamps` tells when a line was written; three tables tell what it
says: :mod:`~ringscope.evidence.kernel_log`, :mod:`~ringscope.evidence.kfd_trace`, :mod:`~ringscope.evidence.ftrace`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ringscope.errors import InputError
from ringscope.evidence import ftrace
from ringscope.evidence.drift import Drift
from ringscope.evidence.kernel_log import FACTS, LIMITS, MESSAGES, Message, number
from ringscope.evidence.kfd_trace import WORDS, KfdTrace
from ringscope.evidence.lines import BLOCK_BYTES, Blocks, PathOrStream, lines_with, opened
from ringscope.evidence.profile import text as printable
from ringscope.evidence.stamps import STAMP, Stamped, stamped
from ringscope.recording import Clock, Event, Kind, Recording, Source, Value
from ringscope.records import dataclass, field, replace

# Events of a kind are kept up to this many and counted beyond; of lines that no table knows, the first are shown.
KEPT_PER_KIND = 1 << 16
KEPT_UNKNOWN = 20
_TOLD_UNKNOWN = 10_000  # lines of the driver that are told by their shape; further ones are counted
_NAMES = 4096  # different functions, tracepoints and trace lines counted
_TEXT_CHARS = 240

# A line without any of these says nothing that a table knows.
_ANCHORS = tuple(
    re.compile(word)
    for word in (
        *(rb"amdgpu", rb"kfd", rb"KFD", rb"ueue", rb"GPU", rb"MES ", rb"fault", rb"FAULT", rb"rror", rb"ERROR"),
        *(rb"ASID", rb"asid", rb"process", rb"reset", rb"fence", rb"unlist", rb"vmid", rb"version", rb"scheduler"),
        *(
            rb"ubscri",
            rb"HQD",
            rb"ring ",
            rb"cookie",
            rb"suppressed",
            rb"rejects",
            rb"lient ID",
            rb"page ",
            rb"evicting p",
            rb"restoring p",
        ),
    )
)

_DEVICE = re.compile(rb"\b([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\b")
_OURS = re.compile(rb"amdgpu|kfd|KFD")
_SUPPRESSED = re.compile(rb"(\d{1,18}) callbacks suppressed")
# What follows a page fault on lines of its own.
_FAULT_PROCESS = re.compile(rb"[Pp]rocess (.{0,32}?) pid (\d{1,9}) thread")
_FAULT_ADDRESS = re.compile(rb"in page starting at address (0x[0-9a-fA-F]{1,16})")

# The debug lines of one creation, from kfd_chardev.c and kfd_queue.c; the first says it begins, the last that it is
# done. Each pair of numbers is what was asked and what the queue's properties then hold.
_CREATION_BEGINS = b"Creating queue ioctl"
_CREATION_DONE = re.compile(rb"Queue id (\d{1,9}) was created successfully")
_CREATION: tuple[tuple[str, bytes, re.Pattern[bytes]], ...] = (
    ("priority", b"Queue Priority: ", re.compile(rb"Queue Priority: (\d{1,9}), \d")),
    ("ring_base", b"Queue Address: ", re.compile(rb"Queue Address: (0x[0-9a-fA-F]{1,16}), 0x")),
    ("ring_bytes", b"Queue Size: ", re.compile(rb"Queue Size: (0x[0-9a-fA-F]{1,16}), \d")),
    ("gpu_id", b"Looking for gpu", re.compile(rb"Looking for gpu id (0x[0-9a-fA-F]{1,8})")),
    ("pid", b"Creating queue for", re.compile(rb"Creating queue for process pid (0x[0-9a-fA-F]{1,8}|\d{1,9}) on gpu")),
    ("pasid", b"Creating queue for", re.compile(rb"Creating queue for PASID (0x[0-9a-fA-F]{1,8}|\d{1,9}) on gpu")),
    ("doorbell", b"Doorbell Offset", re.compile(rb"Queue Doorbell Offset: (\d{1,9})")),
    ("pipe", b"hqd slot", re.compile(rb"hqd slot - pipe (\d{1,3}), queue \d")),
    ("queue", b"hqd slot", re.compile(rb"hqd slot - pipe \d{1,3}, queue (\d{1,3})")),
    ("vmid", b"vmid allocated", re.compile(rb"vmid allocated: (\d{1,3})")),
    ("sdma_engine", b"SDMA engine id", re.compile(rb"SDMA engine id: (\d{1,3})")),
    ("sdma_queue", b"SDMA queue id", re.compile(rb"SDMA queue id: (\d{1,3})")),
)
_RUNLIST_SIZE = re.compile(rb"Building runlist ib process count: (\d{1,9}) queues count (\d{1,9})")


# Lines that differ in their numbers alone have one shape, and a word that a line holds, its shape holds as well.
_DIGITS = bytes.maketrans(b"123456789abcdefABCDEF", b"0" * 21)
_SHAPES = 4096  # remembered; the driver's debug lines have some hundred, by the lengths of their numbers
_SHAPE_BYTES = 1024  # the kernel cuts a line there


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a line of one shape may be: rows of the tables, whose patterns decide."""

    facts: tuple[tuple[str, bytes, re.Pattern[bytes]], ...]
    creation: tuple[tuple[str, bytes, re.Pattern[bytes]], ...]
    messages: tuple[Message, ...]

    @classmethod
    def of(cls, shape: bytes) -> _Shape:
        return cls(
            tuple(row for row in FACTS if row[1].translate(_DIGITS) in shape),
            tuple(row for row in _CREATION if row[1].translate(_DIGITS) in shape),
            tuple(message for message in MESSAGES if message.word.translate(_DIGITS) in shape),
        )


@dataclass
class _Creation:
    """The creation whose debug lines are being read."""

    attrs: dict[str, Value] = field(default_factory=dict)
    # Two processes create at once and their lines are not told apart: only the queue id is sure.
    mixed: bool = False


class _Text:
    """The state of one reading."""

    def __init__(self, name: str, drift: Drift) -> None:
        self.name = name
        self.drift = drift
        self.events: list[Event] = []
        self.kinds: Counter[Kind] = Counter()
        self.counters: Counter[str] = Counter()
        self.facts: dict[str, Value] = {}
        self.functions: Counter[bytes] = Counter()
        self.names: Counter[str] = Counter()
        self.unknown = 0
        self.recognised = 0
        self.stamps = 0
        self.creation: _Creation | None = None
        self.runlist: dict[str, Value] = {}
        self.faults: dict[bytes, int] = {}
        self.untimed_functions = 0
        self.trace = KfdTrace()
        self.shapes: dict[bytes, _Shape] = {}

    @property
    def silent(self) -> bool:
        """Whether nothing of the driver was met."""
        return not (self.unknown or self.functions or self.recognised)

    # --- what a block holds -------------------------------------------------------------------------------------

    def block(self, first_line: int, data: bytes) -> None:
        """Reads whole lines."""
        if self.silent:
            self.stamps += len(STAMP.findall(data))
        called = ftrace.FUNCTION.findall(data) if b" <-" in data else []
        for counts in (called, graph := ftrace.GRAPH_FUNCTION.findall(data)):
            for function, count in Counter(counts).items():
                if function in self.functions or len(self.functions) < _NAMES:
                    self.functions[function] += count
        self.untimed_functions += len(graph)
        self.counters["lost_events"] += sum(map(int, ftrace.LOST.findall(data)))
        for kept, written in ftrace.ENTRIES.findall(data):
            self.counters["overwritten_events"] += max(0, int(written) - int(kept))
        for line_number, line in lines_with(data, _ANCHORS, first_line):
            self._line(line, line_number)

    def _line(self, line: bytes, line_number: int) -> None:
        if b" <-" in line and (called := ftrace.FUNCTION.search(line)) and called[1] not in ftrace.FUNCTION_KINDS:
            return  # counted already
        said = stamped(line)
        if self._traced(said, line_number) or self._function(said, line_number):
            self.recognised += 1
            return
        shape = self._shape(said.text)
        for key, _, pattern in shape.facts:
            if found := pattern.search(said.text):
                self.facts.setdefault(key, found[1].decode("utf-8", "replace").replace(" ", ""))
                self.recognised += 1
                return
        if self._created(said, line_number, shape) or self._said(said, line_number, shape):
            self.recognised += 1
        elif b"suppressed" in said.text and (suppressed := _SUPPRESSED.search(said.text)):
            self.counters["suppressed_messages"] += int(suppressed[1])
        elif _OURS.search(line) and not line.startswith(b"#"):
            self.unknown += 1
            if self.unknown <= _TOLD_UNKNOWN:
                self.drift.add("line", _readable(said.text), Source(self.name, line_number))
            if self.unknown <= KEPT_UNKNOWN:
                self._emit(Kind.KERNEL_MESSAGE, said, line_number, {"text": _readable(said.text)})

    def _shape(self, text: bytes) -> _Shape:
        digits = text.translate(_DIGITS)
        if shape := self.shapes.get(digits):
            return shape
        shape = _Shape.of(digits)
        if len(digits) <= _SHAPE_BYTES:
            if len(self.shapes) >= _SHAPES:
                self.shapes.clear()
            self.shapes[digits] = shape
        return shape

    def _emit(self, kind: Kind, said: Stamped, line_number: int, attrs: dict[str, Value]) -> None:
        self.kinds[kind] += 1
        if self.kinds[kind] > KEPT_PER_KIND:
            return
        pid = attrs.pop("pid", said.pid)
        if device := _DEVICE.search(said.text):
            attrs["device"] = device[1].decode()
        process = pid if isinstance(pid, int) else None
        self.events.append(Event(said.time_ns, kind, attrs, Source(self.name, line_number), said.clock, process))

    # --- one kind of line each; true when the line is such a one --------------------------------------------------

    def _traced(self, said: Stamped, line_number: int) -> bool:
        traced = self.trace.read(said.text)
        if traced is None or not traced.known:
            return False
        self._count(f"kfd-trace:{traced.name}")
        self.drift.names("field", traced.attrs, WORDS, Source(self.name, line_number))
        if traced.kind is not None:
            attrs = dict(traced.attrs)
            if traced.pid is not None:
                attrs["pid"] = traced.pid
            self._emit(traced.kind, said, line_number, attrs)
        return True

    def _function(self, said: Stamped, line_number: int) -> bool:
        if said.tid is None:
            return ftrace.GRAPH_FUNCTION.search(said.text) is not None
        text = b": " + said.text
        if found := ftrace.FUNCTION.match(text):
            kind = ftrace.FUNCTION_KINDS.get(found[1])
            if kind is not None:
                self._emit(kind, said, line_number, {"function": found[1].decode(), "tid": said.tid})
            return True
        if found := ftrace.TRACEPOINT.match(text):
            self._count(f"tracepoint:{found[1].decode()}")
            kind = ftrace.TRACEPOINT_KINDS.get(found[1])
            if kind is not None:
                process = ftrace.PROCESS.search(text)
                self._emit(kind, said, line_number, {"pid": int(process[1])} if process else {})
            return True
        return False

    def _created(self, said: Stamped, line_number: int, shape: _Shape) -> bool:
        text = said.text
        if _CREATION_BEGINS in text:
            self.creation = _Creation(mixed=self.creation is not None)
            return True
        if b"created successfully" in text and (found := _CREATION_DONE.search(text)):
            creation, self.creation = self.creation, None
            attrs: dict[str, Value] = {"qid": int(found[1])}
            if creation is not None and not creation.mixed:
                attrs |= creation.attrs
            self._emit(Kind.QUEUE_CREATE, said, line_number, attrs)
            return True
        if self.creation is None:
            return False
        known = False
        for name, _, pattern in shape.creation:
            if found := pattern.search(text):
                self.creation.attrs[name] = number(found[1])
                known = True
        return known

    def _said(self, said: Stamped, line_number: int, shape: _Shape) -> bool:
        text = said.text
        if self._fault_goes_on(text):
            return True
        if b"Building runlist" in text and (size := _RUNLIST_SIZE.search(text)):
            self.runlist = {"processes": int(size[1]), "queues": int(size[2])}
            return True
        for message in shape.messages:
            if (attrs := message.read(text)) is None:
                continue
            self._count(message.name)
            if message.kind is not None:
                self._tell(message, message.kind, attrs, said, line_number)
            return True
        return False

    def _tell(self, message: Message, kind: Kind, attrs: dict[str, Value], said: Stamped, line_number: int) -> None:
        if kind is Kind.RUNLIST:
            attrs |= self.runlist
            self.runlist = {}
        else:
            attrs |= {"message": message.name, "meaning": message.meaning, "text": _readable(said.text)}
        if kind is Kind.OVERSUBSCRIBED:
            limits = [name for name, words in LIMITS if any(word in said.text for word in words)]
            if limits:
                attrs["limit"] = " and ".join(limits)
        if kind is Kind.QUEUE_REFUSED:
            self.creation = None  # the creation whose lines were being read has failed
        before = len(self.events)
        self._emit(kind, said, line_number, attrs)
        if kind is Kind.FAULT:
            device = _DEVICE.search(said.text)
            kept = len(self.events) > before
            self.faults[device[1] if device else b""] = before if kept else -1

    def _fault_goes_on(self, text: bytes) -> bool:
        """Adds what a line says of the fault before it, on the same device."""
        if not self.faults or b"page fault (" in text:
            return False
        process = _FAULT_PROCESS.search(text) if b"thread" in text else None
        address = _FAULT_ADDRESS.search(text) if b"in page starting" in text else None
        if not (process or address):
            return False
        device = _DEVICE.search(text)
        index = self.faults.get(device[1] if device else b"")
        if index is None:
            return False
        if index < 0:
            return True  # of a fault that was counted only
        fault = self.events[index]
        if process:
            attrs = {**fault.attrs, "process": process[1].decode("utf-8", "replace")}
            self.events[index] = replace(fault, attrs=attrs, pid=int(process[2]))
        elif address:
            self.events[index] = replace(fault, attrs={**fault.attrs, "address": int(address[1], 16)})
        return True

    def _count(self, name: str) -> None:
        if name in self.names or len(self.names) < _NAMES:
            self.names[name] += 1

    # --- the end ------------------------------------------------------------------------------------------------

    def recording(self, blocks: Blocks) -> Recording:
        """Everything read so far."""
        if self.unknown > _TOLD_UNKNOWN:
            self.drift.add("line", "further lines of the driver", Source(self.name), self.unknown - _TOLD_UNKNOWN)
        counters = {"lines": blocks.lines, "unknown_lines": self.unknown}
        counters |= {name: count for name, count in self.counters.items() if count}
        counters |= dict(self.names)
        counters |= {f"function:{name.decode()}": count for name, count in self.functions.items()}
        return Recording(self.name, tuple(self.events), counters, dict(self.facts), tuple(self._notes(blocks)))

    def _notes(self, blocks: Blocks) -> Iterator[str]:
        if blocks.note:
            yield blocks.note
        if not blocks.lines:
            yield "the log is empty"
        elif self.silent:
            yield "no line of amdgpu or amdkfd in this log"
        if self.counters["lost_events"]:
            yield f"the trace lost {self.counters['lost_events']} events: what it does not show may have happened"
        if self.counters["overwritten_events"]:
            lost = self.counters["overwritten_events"]
            yield f"the trace's beginning was overwritten ({lost} events): enlarge buffer_size_kb"
        if self.counters["suppressed_messages"]:
            yield f"the kernel left out {self.counters['suppressed_messages']} messages by rate limit"
        if self.untimed_functions:
            yield "function_graph lines without absolute times are counted only: set options/funcgraph-abstime"
        if self.unknown > KEPT_UNKNOWN:
            yield f"{self.unknown} lines of the driver say nothing known here: the first {KEPT_UNKNOWN} are kept"
        for kind, count in self.kinds.items():
            if count > KEPT_PER_KIND:
                yield f"{count} {kind.value} events: the first {KEPT_PER_KIND} are kept"
        if any(event.clock is Clock.REALTIME for event in self.events):
            yield "wall-clock stamps without a zone are taken as UTC"


def _readable(message: bytes) -> str:
    return printable(message[:_TEXT_CHARS].decode("utf-8", "replace"))


def read(source: PathOrStream, name: str, block_bytes: int = BLOCK_BYTES, drift: Drift | None = None) -> Recording:
    """Reads dmesg, journal or ftrace text of any size in bounded memory.

    Events are those of the tables; one of the kernel log carries ``message`` (its name in the table), ``meaning`` and
    ``text`` beside what the message says, and ``device`` (the PCI address) where the line names it. A queue's creation
    is put together from its debug lines. Counters: ``lines``, ``unknown_lines`` (of the driver, in no table), each
    message, trace line and tracepoint by name, ``function:…`` for traced functions, ``lost_events``,
    ``overwritten_events``, ``suppressed_messages``. Facts: ``kernel``, ``amdgpu``, ``scheduler``, ``sched_policy``,
    ``vmid_mask``, ``queue_mask``.

    Args:
        source: a path, or a binary stream read to its end.
        name: what the file is called in events and errors.
        block_bytes: bytes searched at once; changes speed only.
        drift: told of the driver's lines that no table knows.

    Raises:
        InputError: nothing in it is a kernel's, or the file cannot be read.
    """
    with opened(source, name) as stream:
        blocks = Blocks(stream, block_bytes)
        text = _Text(name, drift or Drift())
        for first_line, data in blocks:
            text.block(first_line, data)
    if blocks.lines and text.silent and not text.stamps:
        raise InputError("no line of amdgpu or amdkfd in it", name, "give the whole kernel log (sudo dmesg) or trace")
    return text.recording(blocks)
