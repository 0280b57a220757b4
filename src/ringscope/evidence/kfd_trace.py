"""``[KFD-TRACE]`` lines: what a driver patched with trace_printk says of a queue's life, as key=value words.

The patch is not upstream (facts.md, local edits; ``KFD_MAP_QUEUES_CPSCH`` is a later addition to it). ``pipe`` and
``queue`` of a map line are the driver's own fields, which only the software scheduler fills in: under HWS they read 0
and name no hardware slot.
"""

from __future__ import annotations

import re

from ringscope.evidence.drift import Held
from ringscope.recording import Kind, Value
from ringscope.records import dataclass

HELD = Held("a local patch of amdkfd, January 2026; it is not upstream", "the patch's source")

LINE = re.compile(
    rb"(?:\[KFD-TRACE\] *|\b(?=KFD_MAP_QUEUES_CPSCH:))([A-Z][A-Z0-9_]{1,40}):((?: *\w{1,40}=[\w-]{1,40})+)"
)
_WORD = re.compile(rb"(\w{1,40})=(?:(0x[0-9a-fA-F]{1,16}|-?\d{1,18})\b|([\w-]{1,40}))")

# The line that stands for the deed; the others of a creation only add to it.
_KINDS = {
    "CREATE_QUEUE_SUCCESS": Kind.QUEUE_CREATE,
    "ADD_QUEUE_MES": Kind.QUEUE_MAP,
    "KFD_MAP_QUEUES_CPSCH": Kind.QUEUE_MAP,
    "UPDATE_QUEUE": Kind.QUEUE_UPDATE,
    "DESTROY_QUEUE": Kind.QUEUE_DESTROY,
}
_PARTS = {"CREATE_QUEUE_BEFORE_PQM", "CREATE_QUEUE_CPSCH", "ADD_QUEUE_MES_SUCCESS"}
WORDS = frozenset({
    "pid", "gpu_id", "queue_type", "qid", "doorbell", "doorbell_offset_in_process", "mqd_addr", "pasid", "is_active",
    "enable_mes", "doorbell_id", "process_index", "base_queue_id", "pipe", "queue", "priority", "type", "ret",
})  # fmt: skip
"""Words of its lines, by the names that events have for them."""
_KEYS = {"queue_id": "qid", "doorbell_offset": "doorbell"}
# Creations begun and not finished that are remembered; a failed one stays until it is pushed out.
_OPEN = 4096


@dataclass(frozen=True)
class Traced:
    """What one line says; ``kind`` is None when it only adds to a later one, or is not known."""

    name: str
    kind: Kind | None
    attrs: dict[str, Value]
    pid: int | None

    @property
    def known(self) -> bool:
        """Whether the line is one of the patch's."""
        return self.kind is not None or self.name in _PARTS or self.name == "CREATE_QUEUE"


class KfdTrace:
    """Reads the lines of one text in order; a created queue carries what every line of its creation said."""

    def __init__(self) -> None:
        self._open: dict[tuple[int | None, Value | None], dict[str, Value]] = {}

    def read(self, text: bytes) -> Traced | None:
        """What the line says; None when it is no line of the patch."""
        found = LINE.search(text) if b"KFD" in text else None
        if not found:
            return None
        name = found[1].decode()
        attrs: dict[str, Value] = {}
        for key, number, word in _WORD.findall(found[2]):
            value = int(number, 16 if b"x" in number else 10) if number else word.decode()
            attrs[_KEYS.get(key.decode(), key.decode())] = value
        process = attrs.pop("pid", None)
        pid = process if isinstance(process, int) else None
        kind = _KINDS.get(name)
        queue = (pid, attrs.get("qid"))
        if name == "CREATE_QUEUE" and "qid" in attrs:
            kind = Kind.QUEUE_CREATE  # an older form of the patch prints this line alone, after the creation
        elif name in _PARTS and "qid" in attrs:
            if len(self._open) >= _OPEN:
                del self._open[next(iter(self._open))]
            self._open[queue] = self._open.pop(queue, {}) | attrs
        elif name == "CREATE_QUEUE_SUCCESS":
            # Its doorbell_offset is the caller's field before the driver answers, so what the parts said goes first.
            attrs |= self._open.pop(queue, {})
        return Traced(name, kind, attrs, pid)
