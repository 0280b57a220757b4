"""Is the CU mask as asked?

The driver deals the bits of a mask to the XCCs first (bit i to XCC i mod n), then to shader engines, arrays and CUs.
How many CUs an XCC gets can so be checked without knowing which CUs of the part are fused off. Work is spread over
shader engines evenly, so the poorest one decides: an uneven mask is slower than its CUs.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.join.queues import JoinedQueue
from ringscope.parts.layout import V10_AND_LATER
from ringscope.recording import Event, Kind
from ringscope.records import dataclass
from ringscope.snapshot import Device
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Question, certain, count

ASKS = Question(
    "cu-mask",
    "Is the CU mask as asked?",
    "mqd_symmetrically_map_cu_mask deals bits XCC first, then SE, array, CU row; compute_static_thread_mgmt_se*",
    "a mask in the log whose bits of some XCC count otherwise than that XCC's registers",
)
ALL_ONES = 0xFFFFFFFF


@dataclass(frozen=True)
class Mask:
    """What one queue's MQDs allow: per XCC, the CUs enabled in each shader engine; None where there is no mask."""

    queue: JoinedQueue
    cus: tuple[tuple[int, ...], ...] | None

    @property
    def total(self) -> int:
        """CUs allowed on all XCCs together."""
        return sum(map(sum, self.cus or ()))

    @property
    def even(self) -> bool:
        """Whether every shader engine that has any CU has equally many."""
        return len({n for xcc in self.cus or () for n in xcc if n}) <= 1


def mask_of(queue: JoinedQueue) -> Mask | None:
    """The mask in the queue's MQDs; None when no MQD was captured."""
    rows = []
    for mqd in queue.queue.mqds:
        layout = mqd.image.layout
        names = [n for n in (f"compute_static_thread_mgmt_se{i}" for i in range(8)) if n in layout]
        rows.append(tuple(mqd.image.get(name) for name in names))
    if not rows or not rows[0]:
        return None
    if all(word == ALL_ONES for row in rows for word in row):
        return Mask(queue, None)
    return Mask(queue, tuple(tuple(word.bit_count() for word in row) for row in rows))


def asked_per_xcc(mask: int, xccs: int, cus: int | None, pairs: bool) -> tuple[int, ...]:
    """CUs that each XCC gets of a mask: bit i goes to XCC i mod ``xccs``; ``pairs`` of CUs from gfx10 on."""
    bits = range(min(mask.bit_length(), cus) if cus else mask.bit_length())
    counts = [0] * xccs
    if pairs:
        counts[0] = sum(2 for i in bits if i % 2 == 0 and mask >> i & 3)
    else:
        for i in bits:
            counts[i % xccs] += mask >> i & 1
    return tuple(counts)


def answer(case: Case) -> Answer:
    """Answer from the MQDs of the main state and the masks a runtime log names."""
    state = case.main
    if state is None or "mqds" not in state.snapshot.sources:
        return ASKS.undecided("no MQD was captured", (sources.MQDS,), quiet=True)
    masks = [mask for queue in state.queues if queue.is_compute and (mask := mask_of(queue))]
    asked = {key: event for r in case.recordings for event in r.of(Kind.CU_MASK) for key in _keys(event)}
    wrong: list[Because] = []
    right: list[Because] = []
    unknown: list[Because] = []
    for mask in masks:
        event = asked.get((mask.queue.pid, mask.queue.ring_base)) or asked.get((None, mask.queue.ring_base))
        at = (*((event.source,) if event else ()), mask.queue.queue.source)
        if event is None:
            if mask.cus is not None:
                unknown.append(Because(_words(mask), at))
            continue
        device = state.snapshot.device(mask.queue.gpu_id)
        want = asked_per_xcc(
            int(str(event.attrs["mask"]), 16), len(mask.queue.queue.mqds), cus_of(device), _pairs(device)
        )
        have = tuple(sum(xcc) for xcc in mask.cus) if mask.cus else None
        text = f"{_words(mask)}; asked for {' + '.join(map(str, want))}"
        (right if have == want else wrong).append(Because(text, at))
    sure = certain("the CUs of every XCC were counted")
    if wrong:
        return ASKS.no(
            f"{count(len(wrong), 'queue')} with other CUs than asked for",
            (*wrong, *right),
            sure,
            todo="look for a failed SET_CU_MASK, ROC_GLOBAL_CU_MASK, or bits beyond the device's CUs",
            finding=True,
        )
    if unknown:
        text = f"{count(len(unknown), 'queue')} with a mask; what was asked is not in a log"
        return ASKS.undecided(text, (sources.RUNTIME_LOG,), tuple(unknown))
    if right:
        uneven = [mask for mask in masks if mask.cus and not mask.even]
        text = f"{count(len(right), 'masked queue')}" + (
            "; uneven: the poorest shader engine decides" if uneven else ""
        )
        return ASKS.yes(text, tuple(right), sure)
    reason = Because("no queue has a mask", tuple(mask.queue.queue.source for mask in masks))
    if not masks:
        reason = Because(f"{state.snapshot.label}: mqds lists no queue")
    return ASKS.yes("no queue has a mask", (reason,), sure, quiet=True)


def cus_of(device: Device | None) -> int | None:
    """CUs of the device, from its topology; None when that was not captured."""
    simds = device.properties.get("simd_count") if device else None
    per_cu = device.properties.get("simd_per_cu") if device else None
    return simds // per_cu if simds and per_cu else None


def _pairs(device: Device | None) -> bool:
    return device is not None and device.generation in V10_AND_LATER


def _keys(event: Event) -> list[tuple[int | None, object]]:
    try:
        int(str(event.attrs.get("mask")), 16)
    except ValueError:
        return []
    ring = event.attrs.get("ring_base")
    return [(event.pid, ring)] if ring is not None else []


def _words(mask: Mask) -> str:
    name = f"{mask.queue.name} of {mask.queue.pid}"
    if mask.cus is None:
        return f"{name}: no mask, every CU"
    rows = [f"XCC {xcc}: {'+'.join(map(str, engines))}" for xcc, engines in enumerate(mask.cus)]
    return f"{name}: {count(mask.total, 'CU')} ({', '.join(rows)} by shader engine)"
